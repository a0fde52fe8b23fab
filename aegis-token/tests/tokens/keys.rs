use aegis_token::{Algorithm, KeySet, SigningKey, TokenError, jwks, mint};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::support::{NOW, claims, ed25519, keys, verifier};

/// `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024`
const RSA_1024: &str = include_str!("rsa1024.pem");
/// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384`
const P384: &str = include_str!("p384.pem");
/// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`
const P256: &str = include_str!("p256.pem");

#[test]
fn keys_survive_pem_and_rotate() {
    for key in keys() {
        let again = SigningKey::from_pem(&key.to_pem()).unwrap();
        assert_eq!((again.kid(), again.algorithm()), (key.kid(), key.algorithm()));
        let (token, new) = (mint(&again, &claims()).unwrap(), ed25519());
        verifier(&[&new, key]).verify(&token, NOW).expect("the old key's tokens hold as long as it is published");
        assert_eq!(verifier(&[&new]).verify(&token, NOW), Err(TokenError::UnknownKid));
    }
}

#[test]
fn keys_of_openssl_are_read_and_unfit_ones_are_not() {
    let key = SigningKey::from_pem(P256).unwrap();
    assert_eq!(key.algorithm(), Algorithm::ES256);
    verifier(&[&key]).verify(&mint(&key, &claims()).unwrap(), NOW).unwrap();
    let sec1 = P256.replace("PRIVATE KEY", "EC PRIVATE KEY");
    for (text, why) in [("junk", "no PEM"), (RSA_1024, "2048"), (P384, "P-256"), (sec1.as_str(), "openssl pkcs8")] {
        let error = SigningKey::from_pem(text).err().unwrap().to_string();
        assert!(error.contains(why), "{error}");
    }
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
    let published: Value = serde_json::from_str(&jwks([&key]).unwrap()).unwrap();
    assert_eq!(
        published,
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "alg": "EdDSA", "use": "sig", "kid": key.kid()}]})
    );
}

#[test]
fn what_is_published_says_what_it_is_for_and_nothing_private() {
    let published: Value = serde_json::from_str(&jwks(keys()).unwrap()).unwrap();
    for (key, jwk) in keys().iter().zip(published["keys"].as_array().unwrap()) {
        assert_eq!((&jwk["use"], &jwk["alg"]), (&json!("sig"), &json!(key.algorithm().name())));
        for private in ["d", "p", "q", "k"] {
            assert!(jwk.get(private).is_none(), "{private} in {jwk}");
        }
    }
    assert_eq!(KeySet::own(&published.to_string()).unwrap().kids().len(), 3);
}

fn number_of(bytes: &[u8]) -> Value {
    json!(BASE64URL_NOPAD.encode(bytes))
}

/// Sets with one thing wrong in each key.
fn unfit() -> Vec<Value> {
    let [ed, ec, rsa] = [0, 1, 2].map(|n| serde_json::to_value(keys()[n].jwk()).unwrap());
    let with = |jwk: &Value, name: &str, value: Value| {
        let mut changed = jwk.clone();
        changed[name] = value;
        changed
    };
    let number = number_of;
    vec![
        json!({"kty": "oct", "k": "c2VjcmV0", "kid": "x", "alg": "HS256"}),
        json!({"kty": "oct", "k": "c2VjcmV0", "kid": "x"}),
        json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "x"}),
        json!("junk"),
        with(&ed, "kid", json!(null)),
        with(&ed, "kid", json!("")),
        with(&ed, "kid", json!("k".repeat(257))),
        with(&ed, "use", json!("enc")),
        with(&ed, "key_ops", json!(["sign"])),
        with(&ed, "alg", json!("HS256")),
        with(&ed, "alg", json!("ES256")),
        with(&ed, "crv", json!("X25519")),
        with(&ed, "x", json!("!")),
        with(&ed, "x", number(&[7; 31])),
        with(&ed, "d", number(&[7; 32])),
        with(&ec, "crv", json!("P-384")),
        with(&ec, "crv", json!("secp256k1")),
        with(&ec, "y", number(&[7; 32])),
        with(&ec, "x", number(&[7; 31])),
        with(&rsa, "alg", json!("RSA-OAEP")),
        with(&rsa, "alg", json!("PS256")),
        with(&rsa, "n", number(&[0xff; 128])),
        with(&rsa, "n", number(&[0xff; 2048])),
        with(&rsa, "e", number(&[1])),
        with(&rsa, "e", number(&[0, 1])),
        with(&rsa, "e", number(&[4])),
        with(&rsa, "e", number(&[])),
    ]
}

#[test]
fn a_key_set_that_is_not_wholly_understood_is_not_used() {
    let good = json!(keys()[0].jwk());
    for set in [json!("junk"), json!({"keys": []}), json!({"keys": [good, good]}), json!({"keys": vec![&good; 65]})] {
        assert!(matches!(KeySet::own(&set.to_string()), Err(TokenError::Key(_))), "{set}");
    }
    for jwk in unfit() {
        let set = json!({"keys": [good, jwk]}).to_string();
        assert!(matches!(KeySet::own(&set), Err(TokenError::Key(_))), "{set}");
    }
}

#[test]
fn of_anothers_key_set_only_what_is_wholly_understood_is_used() {
    let good = json!(keys()[1].jwk());
    let mut all = unfit();
    let n = all.len();
    all.insert(n / 2, good.clone());
    let set = KeySet::foreign(&json!({"keys": all}).to_string()).unwrap();
    assert_eq!((set.kids(), set.skipped()), (vec![keys()[1].kid()], n));
    // Keys that share an id are all left out: an order would decide which one is meant.
    let mut twin = serde_json::to_value(keys()[0].jwk()).unwrap();
    twin["kid"] = json!(keys()[1].kid());
    for keys in [vec![good, twin], unfit(), Vec::new()] {
        let set = KeySet::foreign(&json!({"keys": keys}).to_string()).unwrap();
        assert_eq!((set.kids().len(), set.skipped()), (0, keys.len()), "all withdrawn, or none of our kind");
    }
    // A key whose private half stands in the same document, in another entry, is everybody's.
    let (bare, mut whole) = (json!(keys()[1].jwk()), json!(keys()[1].jwk()));
    whole["d"] = number_of(&[7; 32]);
    for keys in [vec![bare.clone(), whole.clone()], vec![whole, bare]] {
        let set = KeySet::foreign(&json!({"keys": keys}).to_string()).unwrap();
        assert_eq!((set.kids().len(), set.skipped()), (0, 2));
    }
    for junk in [json!([]), json!({"keys": {}}), json!({"error": "try later"}), json!({"keys": vec![0; 65]})] {
        assert!(matches!(KeySet::foreign(&junk.to_string()), Err(TokenError::Key(_))), "{junk}");
    }
    // Issuers such as Entra ID say neither `alg` nor `use`.
    let mut bare = serde_json::to_value(keys()[2].jwk()).unwrap();
    bare.as_object_mut().unwrap().retain(|name, _| name != "alg" && name != "use");
    assert_eq!(KeySet::foreign(&json!({"keys": [bare]}).to_string()).unwrap().skipped(), 0);
}
