//! Keys, claims, and tokens that no honest issuer makes.

use std::sync::OnceLock;

use aegis_token::{Algorithm, Claims, DEFAULT_LEEWAY, KeySet, SigningKey, Verifier, jwks};
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

pub const NOW: u64 = 1_795_396_927;
pub const ISSUER: &str = "aegis:default";
pub const AUDIENCE: &str = "aegis";

pub fn claims() -> Claims {
    Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        sub: "finance-agent".into(),
        org: "acme".into(),
        tenant: "finance".into(),
        agent_id: "finance-agent".into(),
        parent_agent_id: None,
        act: None,
        scopes: vec!["payments:write".into()],
        iat: NOW,
        nbf: NOW,
        exp: NOW + 300,
        jti: "0193".into(),
    }
}

/// One key of each kind: an RSA key takes a while.
pub fn keys() -> &'static [SigningKey] {
    static KEYS: OnceLock<Vec<SigningKey>> = OnceLock::new();
    KEYS.get_or_init(|| Algorithm::ALL.map(|algorithm| SigningKey::generate(algorithm).unwrap()).into())
}

pub fn ed25519() -> SigningKey {
    SigningKey::generate(Algorithm::EdDSA).unwrap()
}

pub fn verifier(keys: &[&SigningKey]) -> Verifier {
    Verifier::own(KeySet::own(&jwks(keys.iter().copied()).unwrap()).unwrap(), ISSUER, AUDIENCE, DEFAULT_LEEWAY)
}

pub fn encode(part: &Value) -> String {
    BASE64URL_NOPAD.encode(part.to_string().as_bytes())
}

/// The bytes of the public key that attackers know.
pub fn public_bytes(key: &SigningKey) -> Vec<u8> {
    let jwk = serde_json::to_value(key.jwk()).unwrap();
    let field = if jwk.get("n").is_some() { "n" } else { "x" };
    BASE64URL_NOPAD.decode(jwk[field].as_str().unwrap().as_bytes()).unwrap()
}

/// A token with any header, signed with HMAC over `secret`: what alg confusion looks like.
pub fn hmac_token(header: &Value, secret: &[u8]) -> String {
    let head = format!("{}.{}", encode(header), encode(&json!(claims())));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), head.as_bytes());
    format!("{head}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
}

/// Any claims under a true signature of `key`.
pub fn signed(key: &SigningKey, claims: &Value) -> String {
    let mut header = jsonwebtoken::Header::new(key.algorithm().name().parse().unwrap());
    header.kid = Some(key.kid().into());
    signed_with(key, &header, claims)
}

pub fn signed_with(key: &SigningKey, header: &jsonwebtoken::Header, claims: &Value) -> String {
    let pem = key.to_pem();
    let encoding = match key.algorithm() {
        Algorithm::EdDSA => jsonwebtoken::EncodingKey::from_ed_pem(pem.as_bytes()),
        Algorithm::ES256 => jsonwebtoken::EncodingKey::from_ec_pem(pem.as_bytes()),
        Algorithm::RS256 => jsonwebtoken::EncodingKey::from_rsa_pem(pem.as_bytes()),
    };
    jsonwebtoken::encode(header, claims, &encoding.unwrap()).unwrap()
}

/// Replaces the header of a token and keeps its signature.
pub fn with_header(token: &str, header: &Value) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", encode(header))
}
