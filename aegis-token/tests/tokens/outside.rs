use aegis_token::{Algorithm, Claims, KeySet, SigningKey, TokenError, Verifier, jwks};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::support::{NOW, keys, signed};

const COMPANY: &str = "https://login.acme.example/";

fn verifier(agent_claim: &str) -> Verifier {
    let keys = KeySet::foreign(&jwks(keys()).unwrap()).unwrap();
    Verifier::outside(keys, COMPANY, "aegis", 30, agent_claim)
}

/// What a company's issuer says, changed as wanted; null takes a claim away.
fn token(key: &SigningKey, changes: Value) -> String {
    let mut claims =
        json!({"iss": COMPANY, "aud": "aegis", "sub": "finance-agent", "exp": NOW + 300, "iat": NOW, "jti": "1"});
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    signed(key, &claims)
}

fn read(changes: Value) -> Result<Claims, TokenError> {
    verifier("sub").verify(&token(&keys()[2], changes), NOW)
}

#[test]
fn an_outside_issuers_claims_are_read_in_our_words() {
    for key in keys() {
        let claims = verifier("sub").verify(&token(key, json!({})), NOW).unwrap();
        assert_eq!((claims.sub.as_str(), claims.agent_id.as_str()), ("finance-agent", "finance-agent"));
        assert_eq!((claims.iss.as_str(), claims.aud.as_str(), claims.nbf), (COMPANY, "aegis", NOW));
    }
    let list = json!(["a", "b c"]);
    for (changes, scopes) in [
        (json!({}), vec![]),
        (json!({"scope": "a  b"}), vec!["a", "b"]),
        (json!({"scopes": list}), vec!["a", "b c"]),
        (json!({"scp": "a b"}), vec!["a", "b"]),
        (json!({"scp": list}), vec!["a", "b c"]),
    ] {
        assert_eq!(read(changes.clone()).unwrap().scopes, scopes, "{changes}");
    }
    assert_eq!(read(json!({"aud": ["other", "aegis"]})).unwrap().aud, "aegis");
    let claims = read(json!({"exp": NOW as f64 + 1.5, "iat": null, "tenant": "emea", "org": null})).unwrap();
    assert_eq!((claims.exp, claims.nbf, claims.tenant.as_str(), claims.org.as_str()), (NOW + 1, 0, "emea", ""));
    // Without an id a token is known by its digest: never two by one.
    let (one, two) = (read(json!({"jti": null})).unwrap().jti, read(json!({"jti": null, "exp": NOW + 9})).unwrap().jti);
    assert!(one.starts_with("sha256:") && one != two, "{one} {two}");
}

#[test]
fn the_agents_name_stands_where_the_issuer_puts_it() {
    let named = json!({"sub": "7f3c-machine", "azp": "finance-agent"});
    assert_eq!(verifier("azp").verify(&token(&keys()[0], named.clone()), NOW).unwrap().sub, "finance-agent");
    for (claim, changes) in
        [("azp", json!({"azp": null})), ("azp", json!({"azp": ["finance-agent"]})), ("sub", json!({"sub": null}))]
    {
        let refused = verifier(claim).verify(&token(&keys()[0], changes.clone()), NOW);
        assert!(matches!(refused, Err(TokenError::Claims(_))), "{claim} {changes}: {refused:?}");
    }
    // What means something else names nobody.
    for claim in ["iss", "aud", "agent_id", "org", "tenant", "scope"] {
        assert!(aegis_token::is_reserved_claim(claim), "{claim}");
        let named = json!({claim: "finance-agent"});
        assert!(verifier(claim).verify(&token(&keys()[0], named), NOW).is_err(), "{claim}");
    }
    assert!(!aegis_token::is_reserved_claim("sub") && !aegis_token::is_reserved_claim("azp"));
    // A person's or a machine's name is no agent's.
    for sub in ["auth0|123", "Finance-Agent", "", "a/b", "finance-agent "] {
        assert_eq!(read(json!({"sub": sub})), Err(TokenError::Chain("its subject is no agent's name")), "{sub}");
    }
}

#[test]
fn an_outside_token_is_refused_as_ours_are() {
    for (changes, refused) in [
        (json!({"iss": "https://login.acme.example"}), TokenError::Issuer),
        (json!({"aud": "aegis2"}), TokenError::Audience),
        (json!({"aud": ["a", "b"]}), TokenError::Audience),
        (json!({"aud": []}), TokenError::Audience),
        (json!({"exp": NOW - 30}), TokenError::Expired { ago_s: 30 }),
        (json!({"nbf": NOW + 31}), TokenError::NotYetValid { in_s: 31 }),
        (json!({"iat": NOW + 31}), TokenError::NotYetValid { in_s: 31 }),
    ] {
        assert_eq!(read(changes.clone()), Err(refused), "{changes}");
    }
    for changes in [
        json!({"exp": null}),
        json!({"exp": "300"}),
        json!({"exp": -5}),
        json!({"exp": 1e300}),
        json!({"aud": null}),
        json!({"aud": 7}),
        json!({"iss": null}),
        json!({"scope": "a", "scopes": ["a"]}),
        json!({"scope": ["a"]}),
        json!({"jti": ""}),
        json!({"jti": "j".repeat(257)}),
        // Of another type they are not missing: what is missing is not held against the agent.
        json!({"org": 7}),
        json!({"org": ["acme"]}),
        json!({"tenant": {"name": "emea"}}),
        json!({"tenant": true}),
    ] {
        let refused = read(changes.clone());
        assert!(matches!(refused, Err(TokenError::Claims(_))), "{changes}: {refused:?}");
    }
}

/// The order of the group of P-256 (SEC 2, section 2.4.2).
const ORDER: &str = "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551";

/// The same token with the other signature that ECDSA has for it: (r, n - s).
fn other_signature(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let order = data_encoding::HEXUPPER.decode(ORDER.as_bytes()).unwrap();
    let mut borrow = 0;
    for (byte, order) in signature[32..].iter_mut().zip(order).rev() {
        let rest = i16::from(order) - i16::from(*byte) - borrow;
        borrow = i16::from(rest < 0);
        *byte = rest.rem_euclid(256).try_into().unwrap();
    }
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}

#[test]
fn a_token_without_an_id_has_one_however_it_is_signed() {
    let es256 = keys().iter().find(|key| key.algorithm() == Algorithm::ES256).unwrap();
    let one = token(es256, json!({"jti": null}));
    let other = other_signature(&one);
    assert_ne!(one, other);
    let jti = |token: &str| verifier("sub").verify(token, NOW).unwrap().jti;
    assert_eq!(jti(&one), jti(&other), "both verify, and are one token");
}

#[test]
fn what_is_said_of_a_wrong_claim_is_bounded() {
    let long = "x\u{1b}[31m\n".repeat(200);
    for changes in [json!({"exp": long}), json!({"act": long}), json!({"act": {"sub": "a", "act": long}})] {
        let Err(TokenError::Claims(said)) = read(changes) else { panic!("taken") };
        assert!(said.len() < 200 && !said.contains(char::is_control), "{said}");
    }
}

#[test]
fn a_forged_chain_is_refused_from_a_trusted_issuer_too() {
    for changes in [
        json!({"agent_id": "payroll-agent"}),
        json!({"agent_id": "finance-agent/child"}),
        json!({"agent_id": "finance-agent/child", "parent_agent_id": "payroll-agent", "act": {"sub": "finance-agent/child"}}),
        json!({"act": {"sub": "https://app.acme.example"}}),
        json!({"parent_agent_id": "finance-agent"}),
    ] {
        assert!(matches!(read(changes.clone()), Err(TokenError::Chain(_))), "{changes}");
    }
    let whole = json!({"agent_id": "finance-agent/child", "parent_agent_id": "finance-agent", "act": {"sub": "finance-agent/child"}});
    assert_eq!(read(whole).unwrap().agent_id, "finance-agent/child");
}
