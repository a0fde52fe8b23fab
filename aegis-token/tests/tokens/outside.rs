use aegis_token::{Claims, KeySet, SigningKey, TokenError, Verifier, jwks};
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
    let claims = read(json!({"exp": NOW as f64 + 1.5, "iat": null, "tenant": "emea", "org": 7})).unwrap();
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
    ] {
        let refused = read(changes.clone());
        assert!(matches!(refused, Err(TokenError::Claims(_))), "{changes}: {refused:?}");
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
