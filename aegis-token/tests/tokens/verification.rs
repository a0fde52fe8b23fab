use aegis_token::{Algorithm, Claims, DEFAULT_LEEWAY, MAX_TOKEN_BYTES, SigningKey, TokenError, inspect, mint};
use data_encoding::BASE64URL_NOPAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{
    NOW, claims, ed25519, encode, hmac_token, keys, public_bytes, signed, signed_with, verifier, with_header,
};

#[test]
fn a_token_says_what_was_minted() {
    for key in keys() {
        let token = mint(key, &claims()).unwrap();
        assert_eq!(verifier(&[key]).verify(&token, NOW).unwrap(), claims());
        let (header, seen) = inspect(&token).unwrap();
        assert_eq!((header.alg.as_str(), header.kid.as_deref()), (key.algorithm().name(), Some(key.kid())));
        assert_eq!(seen, claims());
        assert_eq!(Value::from(aegis_token::peek(&token).unwrap().1), json!(claims()));
        assert_eq!(aegis_token::issuer(&token).unwrap(), claims().iss);
    }
}

type Cases = Vec<(&'static str, String, TokenError)>;

/// What is wrong with the form, the algorithm or the signature.
fn forged(key: &SigningKey, other: &SigningKey) -> Cases {
    let alg = key.algorithm().name();
    let good = mint(key, &claims()).unwrap();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = head.split_once('.').unwrap();
    let unsigned = format!("{}.{}.", encode(&json!({"alg": "none", "kid": key.kid()})), encode(&json!(claims())));
    let resigned = |payload: &Value| format!("{header}.{}.{signature}", encode(payload));
    let mut rich = json!(claims());
    rich["scopes"] = json!(["*"]);
    let foreign = mint(other, &claims()).unwrap();
    let three_parts = TokenError::Malformed("it does not have three parts");
    let mut cases: Cases = vec![
        ("empty", String::new(), three_parts.clone()),
        ("junk", "not a token".into(), three_parts.clone()),
        ("four parts", format!("{good}.x"), three_parts),
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
            "HMAC that calls itself by the key's algorithm",
            hmac_token(&json!({"alg": alg, "kid": key.kid()}), &public_bytes(key)),
            TokenError::Signature,
        ),
        (
            "HMAC over the PEM text",
            hmac_token(&json!({"alg": "HS256", "kid": key.kid()}), key.to_pem().as_bytes()),
            TokenError::Algorithm,
        ),
        (
            "alg in lower case",
            with_header(&good, &json!({"alg": alg.to_lowercase(), "kid": key.kid()})),
            TokenError::Algorithm,
        ),
        ("no kid", with_header(&good, &json!({"alg": alg})), TokenError::NoKid),
        ("unknown kid", foreign.clone(), TokenError::UnknownKid),
        ("kid as a path", with_header(&good, &json!({"alg": alg, "kid": "../../dev/null"})), TokenError::UnknownKid),
        ("kid of another key", with_header(&foreign, &json!({"alg": alg, "kid": key.kid()})), TokenError::Signature),
        (
            "critical header",
            with_header(&good, &json!({"alg": alg, "kid": key.kid(), "crit": ["b64"], "b64": false})),
            TokenError::Critical,
        ),
        (
            "a logout token",
            with_header(&good, &json!({"alg": alg, "kid": key.kid(), "typ": "logout+jwt"})),
            TokenError::Type,
        ),
        ("a proof", with_header(&good, &json!({"alg": alg, "kid": key.kid(), "typ": "dpop+jwt"})), TokenError::Type),
        ("claims changed", resigned(&rich), TokenError::Signature),
        ("signature gone", format!("{head}."), TokenError::Signature),
    ];
    // Keys that the token brings along are not looked at, let alone fetched.
    for (name, field, value) in [
        ("own key in the header", "jwk", json!(other.jwk())),
        ("own key behind a URL", "jku", json!("http://127.0.0.1:9/jwks.json")),
        ("own certificate behind a URL", "x5u", json!("http://127.0.0.1:9/cert.pem")),
    ] {
        let mut header = json!({"alg": alg, "kid": key.kid()});
        header[field] = value;
        cases.push((name, with_header(&foreign, &header), TokenError::Signature));
    }
    for wrong in ["HS256", "HS384", "HS512"] {
        let header = json!({"alg": wrong, "kid": key.kid()});
        cases.push(("HMAC with the public key", hmac_token(&header, &public_bytes(key)), TokenError::Algorithm));
    }
    for wrong in ["ES384", "RS512", "PS256", "ES256K", "", "\u{0}"] {
        let header = json!({"alg": wrong, "kid": key.kid()});
        cases.push(("an algorithm of nobody's", with_header(&good, &header), TokenError::Algorithm));
    }
    for wrong in Algorithm::ALL.into_iter().filter(|algorithm| *algorithm != key.algorithm()) {
        let header = json!({"alg": wrong.name(), "kid": key.kid()});
        cases.push(("another key's algorithm", with_header(&good, &header), TokenError::KeyAlgorithm));
    }
    cases
}

/// What is wrong with the claims, under a true signature.
fn misplaced(key: &SigningKey) -> Cases {
    let with = |change: &dyn Fn(&mut Claims)| {
        let mut changed = claims();
        change(&mut changed);
        mint(key, &changed).unwrap()
    };
    vec![
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
    ]
}

#[test]
fn each_bad_token_is_refused_for_its_own_reason() {
    for key in keys() {
        let verifier = verifier(&[key]);
        // Of the same kind, so that nothing but the key itself is wrong; one RSA key is enough for the test's time.
        let other = SigningKey::generate(key.algorithm()).unwrap();
        for (name, token, refused) in forged(key, &other).into_iter().chain(misplaced(key)) {
            assert_eq!(verifier.verify(&token, NOW), Err(refused), "{}: {name}", key.algorithm());
        }
    }
}

#[test]
fn a_key_is_used_for_its_own_algorithm_though_others_are_in_the_set() {
    let all: Vec<&SigningKey> = keys().iter().collect();
    let verifier = verifier(&all);
    for key in &all {
        let token = mint(key, &claims()).unwrap();
        verifier.verify(&token, NOW).unwrap();
        for other in all.iter().filter(|other| other.kid() != key.kid()) {
            let swapped = with_header(&token, &json!({"alg": key.algorithm().name(), "kid": other.kid()}));
            assert_eq!(verifier.verify(&swapped, NOW), Err(TokenError::KeyAlgorithm));
        }
    }
}

#[test]
fn access_tokens_call_themselves_so() {
    let key = &keys()[0];
    for typ in [None, Some("JWT"), Some("jwt"), Some("at+jwt"), Some("application/at+JWT")] {
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
        (header.kid, header.typ) = (Some(key.kid().into()), typ.map(str::to_owned));
        verifier(&[key]).verify(&signed_with(key, &header, &json!(claims())), NOW).unwrap();
    }
}

#[test]
fn clocks_may_differ_by_the_leeway() {
    let key = &keys()[0];
    let verifier = verifier(&[key]);
    let token = mint(key, &claims()).unwrap();
    assert!(verifier.verify(&token, NOW - DEFAULT_LEEWAY).is_ok());
    assert!(verifier.verify(&token, NOW + 300 + DEFAULT_LEEWAY - 1).is_ok());
    assert_eq!(verifier.verify(&token, u64::MAX), Err(TokenError::Expired { ago_s: u64::MAX - NOW - 300 }));
    assert!(matches!(verifier.verify(&token, 0), Err(TokenError::NotYetValid { .. })));
}

#[test]
fn claims_of_the_wrong_shape_are_refused_though_they_are_signed() {
    let key = &keys()[0];
    for change in [
        json!({"exp": null}),
        json!({"exp": "soon"}),
        json!({"exp": -1}),
        json!({"aud": ["aegis"]}),
        json!({"agent_id": null}),
        json!({"scopes": "payments:write"}),
        json!({"act": "finance-agent/child"}),
        json!({"act": {"act": {"sub": "x"}}}),
    ] {
        let mut claims = json!(claims());
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let refused = verifier(&[key]).verify(&signed(key, &claims), NOW);
        assert!(matches!(refused, Err(TokenError::Claims(_))), "{change}: {refused:?}");
    }
}

#[test]
fn what_is_valid_at_no_time_or_too_large_is_not_minted() {
    let key = &keys()[0];
    assert!(matches!(mint(key, &Claims { exp: NOW, ..claims() }), Err(TokenError::Claims(_))));
    assert!(matches!(
        mint(key, &Claims { org: "x".repeat(MAX_TOKEN_BYTES), ..claims() }),
        Err(TokenError::TooLarge(_))
    ));
}

fn tokens() -> &'static [(aegis_token::Verifier, String)] {
    static TOKENS: std::sync::OnceLock<Vec<(aegis_token::Verifier, String)>> = std::sync::OnceLock::new();
    TOKENS.get_or_init(|| keys().iter().map(|key| (verifier(&[key]), mint(key, &claims()).unwrap())).collect())
}

proptest! {
    #[test]
    fn whatever_is_minted_verifies(org in "\\PC{0,40}", scopes in prop::collection::vec("[a-z:*]{1,20}", 0..8), parent in any::<Option<u16>>(), age in 0u64..300) {
        let key = ed25519();
        let claims = Claims { org, scopes, parent_agent_id: parent.map(|id| format!("agent-{id}")), ..claims() };
        let token = mint(&key, &claims).unwrap();
        prop_assert_eq!(verifier(&[&key]).verify(&token, NOW + age).unwrap(), claims);
    }

    #[test]
    fn no_changed_token_verifies(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in "[ -~]") {
        let (verifier, token) = &tokens()[which.index(tokens().len())];
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &byte);
        prop_assume!(changed != *token);
        prop_assert!(verifier.verify(&changed, NOW).is_err());
    }

    #[test]
    fn junk_is_refused_without_panic(junk in "\\PC{0,200}|[A-Za-z0-9_.-]{0,300}") {
        prop_assert!(tokens()[0].0.verify(&junk, NOW).is_err());
        let _ = (inspect(&junk), aegis_token::issuer(&junk));
    }
}

/// Every place of the token, not a sample of them.
#[test]
fn no_single_changed_letter_verifies() {
    let (verifier, token) = &tokens()[0];
    for at in 0..token.len() {
        for letter in BASE64URL_NOPAD.specification().symbols.chars().step_by(3) {
            let mut changed = token.clone();
            changed.replace_range(at..=at, letter.encode_utf8(&mut [0; 4]));
            assert!(changed == *token || verifier.verify(&changed, NOW).is_err(), "{letter} at {at}");
        }
    }
}
