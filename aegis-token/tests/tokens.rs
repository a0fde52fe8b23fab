//! Tokens that must hold, and all those that must not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aegis_token::{Claims, DEFAULT_LEEWAY, MAX_TOKEN_BYTES, SigningKey, TokenError, Verifier, inspect, jwks, mint};
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use proptest::prelude::*;
use serde_json::json;

const NOW: u64 = 1_795_396_927;
const ISSUER: &str = "aegis:default";
const AUDIENCE: &str = "aegis";

fn claims() -> Claims {
    Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        sub: "finance-agent".into(),
        org: "acme".into(),
        tenant: "finance".into(),
        agent_id: "finance-agent".into(),
        parent_agent_id: None,
        scopes: vec!["payments:write".into()],
        iat: NOW,
        nbf: NOW,
        exp: NOW + 300,
        jti: "0193".into(),
    }
}

fn verifier(keys: &[&SigningKey]) -> Verifier {
    Verifier::new(&jwks(keys.iter().copied()).unwrap(), ISSUER, AUDIENCE, DEFAULT_LEEWAY).unwrap()
}

fn encode(part: &serde_json::Value) -> String {
    BASE64URL_NOPAD.encode(part.to_string().as_bytes())
}

/// A token with any header, signed with HMAC over `secret`: what alg confusion looks like.
fn hmac_token(header: &serde_json::Value, secret: &[u8]) -> String {
    let head = format!("{}.{}", encode(header), encode(&json!(claims())));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), head.as_bytes());
    format!("{head}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
}

/// Replaces the header of a token and keeps its signature.
fn with_header(token: &str, header: &serde_json::Value) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", encode(header))
}

#[test]
fn a_token_says_what_was_minted() {
    let key = SigningKey::generate().unwrap();
    let token = mint(&key, &claims()).unwrap();
    assert_eq!(verifier(&[&key]).verify(&token, NOW).unwrap(), claims());
    let (header, seen) = inspect(&token).unwrap();
    assert_eq!((header.alg.as_str(), header.kid.as_deref()), ("EdDSA", Some(key.kid())));
    assert_eq!(seen, claims());
}

#[test]
fn each_bad_token_is_refused_for_its_own_reason() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let verifier = verifier(&[&key]);
    let good = mint(&key, &claims()).unwrap();
    let with = |change: &dyn Fn(&mut Claims)| {
        let mut changed = claims();
        change(&mut changed);
        mint(&key, &changed).unwrap()
    };
    let public =
        BASE64URL_NOPAD.decode(serde_json::to_value(key.jwk()).unwrap()["x"].as_str().unwrap().as_bytes()).unwrap();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = head.split_once('.').unwrap();
    let unsigned = format!("{}.{}.", encode(&json!({"alg": "none", "kid": key.kid()})), encode(&json!(claims())));
    let resigned = |payload: &serde_json::Value| format!("{header}.{}.{signature}", encode(payload));
    let mut rich = json!(claims());
    rich["scopes"] = json!(["*"]);

    let cases: Vec<(&str, String, TokenError)> = vec![
        ("empty", String::new(), TokenError::Malformed("it does not have three parts")),
        ("junk", "not a token".into(), TokenError::Malformed("it does not have three parts")),
        ("four parts", format!("{good}.x"), TokenError::Malformed("it does not have three parts")),
        ("header no base64", format!("!{good}"), TokenError::Malformed("its header is not base64url")),
        (
            "header no JSON",
            format!("{}.a.b", BASE64URL_NOPAD.encode(b"junk")),
            TokenError::Malformed("its header is not a JOSE header"),
        ),
        (
            "oversize",
            format!("{good}{}", "A".repeat(MAX_TOKEN_BYTES)),
            TokenError::TooLarge(good.len() + MAX_TOKEN_BYTES),
        ),
        ("alg none", unsigned.clone(), TokenError::Unsigned),
        ("alg NoNe", with_header(&unsigned, &json!({"alg": "NoNe", "kid": key.kid()})), TokenError::Unsigned),
        (
            "alg none, signature kept",
            with_header(&good, &json!({"alg": "none", "kid": key.kid()})),
            TokenError::Unsigned,
        ),
        (
            "HS256 with the public key",
            hmac_token(&json!({"alg": "HS256", "kid": key.kid()}), &public),
            TokenError::Algorithm,
        ),
        (
            "HMAC that calls itself EdDSA",
            hmac_token(&json!({"alg": "EdDSA", "kid": key.kid()}), &public),
            TokenError::Signature,
        ),
        ("RS256", with_header(&good, &json!({"alg": "RS256", "kid": key.kid()})), TokenError::Algorithm),
        ("ES256", with_header(&good, &json!({"alg": "ES256", "kid": key.kid()})), TokenError::Algorithm),
        ("alg in lower case", with_header(&good, &json!({"alg": "eddsa", "kid": key.kid()})), TokenError::Algorithm),
        ("no kid", with_header(&good, &json!({"alg": "EdDSA"})), TokenError::NoKid),
        ("unknown kid", mint(&other, &claims()).unwrap(), TokenError::UnknownKid),
        (
            "own key in the header",
            with_header(
                &mint(&other, &claims()).unwrap(),
                &json!({"alg": "EdDSA", "kid": key.kid(), "jwk": other.jwk()}),
            ),
            TokenError::Signature,
        ),
        (
            "kid of another key",
            with_header(&mint(&other, &claims()).unwrap(), &json!({"alg": "EdDSA", "kid": key.kid()})),
            TokenError::Signature,
        ),
        (
            "critical header",
            with_header(&good, &json!({"alg": "EdDSA", "kid": key.kid(), "crit": ["b64"], "b64": false})),
            TokenError::Critical,
        ),
        ("claims changed", resigned(&rich), TokenError::Signature),
        ("signature gone", format!("{head}."), TokenError::Signature),
        ("other issuer", with(&|claims| claims.iss = "aegis:other".into()), TokenError::Issuer),
        ("other audience", with(&|claims| claims.aud = "payroll".into()), TokenError::Audience),
        (
            "expired",
            with(&|claims| (claims.nbf, claims.exp) = (NOW - 100, NOW - DEFAULT_LEEWAY)),
            TokenError::Expired { ago_s: DEFAULT_LEEWAY },
        ),
        (
            "not yet",
            with(&|claims| claims.nbf = NOW + DEFAULT_LEEWAY + 1),
            TokenError::NotYetValid { in_s: DEFAULT_LEEWAY + 1 },
        ),
        ("issued tomorrow", with(&|claims| claims.iat = NOW + 86_400), TokenError::NotYetValid { in_s: 86_400 }),
    ];
    for (name, token, refused) in cases {
        assert_eq!(verifier.verify(&token, NOW), Err(refused), "{name}");
    }
}

#[test]
fn clocks_may_differ_by_the_leeway() {
    let key = SigningKey::generate().unwrap();
    let verifier = verifier(&[&key]);
    let token = mint(&key, &claims()).unwrap();
    assert!(verifier.verify(&token, NOW - DEFAULT_LEEWAY).is_ok());
    assert!(verifier.verify(&token, NOW + 300 + DEFAULT_LEEWAY - 1).is_ok());
    assert_eq!(verifier.verify(&token, u64::MAX), Err(TokenError::Expired { ago_s: u64::MAX - NOW - 300 }));
    assert!(matches!(verifier.verify(&token, 0), Err(TokenError::NotYetValid { .. })));
}

#[test]
fn claims_of_the_wrong_shape_are_refused_though_they_are_signed() {
    let key = SigningKey::generate().unwrap();
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
    header.kid = Some(key.kid().into());
    let der = pem::parse(key.to_pem()).unwrap().into_contents();
    let encoding = jsonwebtoken::EncodingKey::from_ed_der(&der);
    for change in [json!({"exp": null}), json!({"exp": "soon"}), json!({"aud": ["aegis"]}), json!({"agent_id": null})] {
        let mut claims = json!(claims());
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let token = jsonwebtoken::encode(&header, &claims, &encoding).unwrap();
        assert!(matches!(verifier(&[&key]).verify(&token, NOW), Err(TokenError::Claims(_))), "{change}");
    }
}

#[test]
fn what_is_valid_at_no_time_or_too_large_is_not_minted() {
    let key = SigningKey::generate().unwrap();
    assert!(matches!(mint(&key, &Claims { exp: NOW, ..claims() }), Err(TokenError::Claims(_))));
    assert!(matches!(
        mint(&key, &Claims { org: "x".repeat(MAX_TOKEN_BYTES), ..claims() }),
        Err(TokenError::TooLarge(_))
    ));
}

#[test]
fn keys_survive_pem_and_rotate() {
    let (old, new) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let again = SigningKey::from_pem(&old.to_pem()).unwrap();
    assert_eq!(again.kid(), old.kid());
    let token = mint(&again, &claims()).unwrap();
    assert!(
        verifier(&[&new, &old]).verify(&token, NOW).is_ok(),
        "tokens of the old key hold as long as it is published"
    );
    assert_eq!(verifier(&[&new]).verify(&token, NOW), Err(TokenError::UnknownKid));
    assert!(matches!(SigningKey::from_pem("junk"), Err(TokenError::Key(_))));
}

/// The example of RFC 8037, appendix A.3.
#[test]
fn the_key_id_is_the_rfc_7638_thumbprint() {
    let der = [
        &[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20][..],
        &BASE64URL_NOPAD.decode(b"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap(),
    ]
    .concat();
    let key = SigningKey::from_pem(&pem::encode(&pem::Pem::new("PRIVATE KEY", der))).unwrap();
    assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let published: serde_json::Value = serde_json::from_str(&jwks([&key]).unwrap()).unwrap();
    assert_eq!(
        published,
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "alg": "EdDSA", "use": "sig", "kid": key.kid()}]})
    );
}

#[test]
fn a_key_set_that_is_not_wholly_understood_is_not_used() {
    let key = SigningKey::generate().unwrap();
    let jwk = serde_json::to_value(key.jwk()).unwrap();
    let with = |name: &str, value: serde_json::Value| {
        let mut changed = jwk.clone();
        changed[name] = value;
        json!({"keys": [changed]})
    };
    for set in [
        json!("junk"),
        json!({"keys": []}),
        json!({"keys": [jwk, jwk]}),
        json!({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "x", "alg": "HS256"}]}),
        with("kid", json!(null)),
        with("use", json!("enc")),
        with("alg", json!("HS256")),
        with("x", json!("!")),
    ] {
        assert!(matches!(Verifier::new(&set.to_string(), ISSUER, AUDIENCE, 0), Err(TokenError::Key(_))), "{set}");
    }
}

fn shared() -> &'static (SigningKey, Verifier, String) {
    static SHARED: std::sync::OnceLock<(SigningKey, Verifier, String)> = std::sync::OnceLock::new();
    SHARED.get_or_init(|| {
        let key = SigningKey::generate().unwrap();
        let verifier = verifier(&[&key]);
        let token = mint(&key, &claims()).unwrap();
        (key, verifier, token)
    })
}

proptest! {
    #[test]
    fn whatever_is_minted_verifies(org in "\\PC{0,40}", scopes in prop::collection::vec("[a-z:*]{1,20}", 0..8), parent in any::<Option<u16>>(), age in 0u64..300) {
        let (key, verifier, _) = shared();
        let claims = Claims { org, scopes, parent_agent_id: parent.map(|id| format!("agent-{id}")), ..claims() };
        let token = mint(key, &claims).unwrap();
        prop_assert_eq!(verifier.verify(&token, NOW + age).unwrap(), claims);
    }

    #[test]
    fn no_changed_token_verifies(at in any::<prop::sample::Index>(), byte in "[ -~]") {
        let (_, verifier, token) = shared();
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &byte);
        prop_assume!(changed != *token);
        prop_assert!(verifier.verify(&changed, NOW).is_err());
    }

    #[test]
    fn junk_is_refused_without_panic(junk in "\\PC{0,200}|[A-Za-z0-9_.-]{0,300}") {
        prop_assert!(shared().1.verify(&junk, NOW).is_err());
        let _ = inspect(&junk);
    }
}
