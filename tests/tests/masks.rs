//! What stands in the place of values: tokens that stay the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use aegis_tests::{AGENT, Daemon, Lab, Settings};
use serde_json::{Value, json};

const OTHER: &str = "other";

/// Agents of two tenants.
fn agents() -> Value {
    let agent = |name: &str, tenant: &str| json!({"name": name, "org": "laboratory", "tenant": tenant});
    json!([agent(AGENT, "acme"), agent("mate", "acme"), agent(OTHER, "globex")])
}

fn settings(policy: &str, more: Value) -> Settings {
    let mut config = json!({ "agents": agents() });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Settings { config, policy: Some(policy.to_owned()) }
}

const TOKENS: &str = r#"version: tokens-1
policies:
  - name: tokens
    agents: ["*"]
    rules:
      - {name: echo, hosts: [api.allowed.test], decision: sanitize, dlp: {redact: [pii], masks: {ssn: token}}}
"#;

/// The token for a value, as the origin gets it.
fn token(lab: &Lab, agent: &str, ssn: &str) -> String {
    let body = format!("my ssn is {ssn} indeed");
    let answer =
        lab.agent(agent).curl(&["-d", &body, "-H", "content-type: text/plain", "https://api.allowed.test/echo"]);
    let answer = answer.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!answer.body.contains(ssn), "{answer:?}");
    let (_, rest) = answer.body.split_once("[SSN:").unwrap_or_else(|| panic!("no token in {answer:?}"));
    rest.split_once(']').unwrap().0.to_owned()
}

#[test]
fn a_token_is_the_same_for_a_tenant_over_restarts_and_hosts_and_another_for_another() {
    let lab = Lab::new().unwrap();
    let mut daemon = Daemon::start(&lab, &settings(TOKENS, json!({}))).unwrap();
    let first = token(&lab, AGENT, "536-22-8741");
    assert_eq!(token(&lab, "mate", "536 22 8741"), first, "the same value of the same tenant");
    assert_ne!(token(&lab, AGENT, "219-09-9998"), first, "another value");
    let others = token(&lab, OTHER, "536-22-8741");
    assert_ne!(others, first, "another tenant");

    let own = lab.path("state").join("mask.key");
    assert_eq!(fs::metadata(&own).unwrap().mode() & 0o777, 0o600);
    let key = fs::read_to_string(&own).unwrap();
    daemon.stop().unwrap();
    let mut daemon = Daemon::resume(&lab).unwrap();
    assert_eq!((token(&lab, AGENT, "536-22-8741"), token(&lab, OTHER, "536-22-8741")), (first.clone(), others));
    assert_eq!(fs::read_to_string(&own).unwrap(), key);

    // A version that is pushed and one that is gone back to have it, too.
    let pushed = lab.path("pushed.yaml");
    fs::write(&pushed, TOKENS.replace("tokens-1", "tokens-2")).unwrap();
    for arguments in [&["policy", "push", pushed.to_str().unwrap()][..], &["policy", "rollback"]] {
        let outcome = lab.ctl(arguments).unwrap();
        assert!(outcome.ok(), "{outcome:?}");
        assert_eq!(token(&lab, AGENT, "536-22-8741"), first, "{arguments:?}");
    }
    daemon.stop().unwrap();

    // Another host with the same key: nothing of its own state is needed for it.
    let shared = lab.path("shared.key");
    fs::rename(&own, &shared).unwrap();
    let elsewhere = json!({"masks": {"key_file": shared}, "state_dir": lab.path("state-of-another-host")});
    let mut daemon = Daemon::start(&lab, &settings(TOKENS, elsewhere.clone())).unwrap();
    assert_eq!(token(&lab, AGENT, "536-22-8741"), first);
    assert!(!lab.path("state-of-another-host").join("mask.key").exists());
    daemon.stop().unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o640)).unwrap();
    let (status, log) = Daemon::refuses(&lab, &settings(TOKENS, elsewhere)).unwrap();
    assert!(!status.success() && log.contains("masks.key_file") && log.contains("chmod 600"), "{log}");
}
