#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::config::AgentSpec;
use crate::identity::{Enrolled, Source};
use crate::kernel::AgentIndex;

const TTL: Duration = Duration::from_secs(600);

fn config(dir: &Path) -> Config {
    Config { state_dir: dir.to_owned(), ..Config::default() }
}

fn agent(name: &str) -> Enrolled {
    let spec: AgentSpec = serde_json::from_value(serde_json::json!({ "name": name, "scopes": ["pay"] })).unwrap();
    Enrolled::new(AgentIndex::new(1).unwrap(), spec, Source::Config, Path::new("/cgroup"))
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

#[test]
fn a_token_holds_for_its_agent_until_it_expires() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = Issuer::open(&config(dir.path())).unwrap();
    let minted = issuer.mint(&agent("a"), TTL, now()).unwrap();
    for _ in 0..2 {
        let claims = issuer.check(&minted.token, &agent("a"), now()).unwrap();
        assert_eq!((claims.agent_id.as_str(), claims.scopes.as_slice()), ("a", ["pay".to_owned()].as_slice()));
        assert_eq!((claims.jti, claims.exp), (minted.jti.clone(), minted.exp));
    }
    let late = now() + TTL + Duration::from_secs(3600);
    assert!(
        matches!(issuer.check(&minted.token, &agent("a"), late), Err(TokenRefused::Invalid(_))),
        "cached, but expired"
    );
}

#[test]
fn a_token_of_another_agent_is_a_theft_also_when_cached() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = Issuer::open(&config(dir.path())).unwrap();
    let token = issuer.mint(&agent("a"), TTL, now()).unwrap().token;
    for _ in 0..2 {
        let refused = issuer.check(&token, &agent("b"), now()).unwrap_err();
        assert_eq!(refused.kind(), "token_theft");
        issuer.check(&token, &agent("a"), now()).unwrap();
    }
}

#[test]
fn the_key_survives_a_restart_and_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let first = Issuer::open(&config(dir.path())).unwrap();
    let token = first.mint(&agent("a"), TTL, now()).unwrap().token;
    let second = Issuer::open(&config(dir.path())).unwrap();
    second.check(&token, &agent("a"), now()).unwrap();
    assert_eq!(first.jwks(), second.jwks());
    assert!(!second.jwks().contains("\"d\""), "no private half in the key set");

    let path = dir.path().join("token.key");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = Issuer::open(&config(dir.path())).err().unwrap();
    assert!(error.to_string().contains("chmod 600"), "{error}");
}

#[test]
fn tokens_of_other_hosts_and_instances_do_not_hold() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let foreign = Issuer::open(&config(there.path())).unwrap().mint(&agent("a"), TTL, now()).unwrap().token;
    let issuer = Issuer::open(&config(here.path())).unwrap();
    for token in [foreign.as_str(), "", "a.b.c", &"x".repeat(100_000)] {
        assert!(matches!(issuer.check(token, &agent("a"), now()), Err(TokenRefused::Invalid(_))));
    }
    let twin = Config { instance: "twin".into(), ..config(here.path()) };
    let token = Issuer::open(&twin).unwrap().mint(&agent("a"), TTL, now()).unwrap().token;
    assert!(matches!(issuer.check(&token, &agent("a"), now()), Err(TokenRefused::Invalid(_))));
}

#[test]
fn lifetimes_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = Issuer::open(&config(dir.path())).unwrap();
    for ttl in [Duration::ZERO, MAX_TTL + Duration::from_secs(1)] {
        assert!(matches!(issuer.mint(&agent("a"), ttl, now()), Err(IssuerError::Ttl(_))));
    }
}
