//! What the tests of tokens' use have in common.

use std::time::Duration;

use aegis_tests::lab::redis::PORT;
use aegis_tests::{Answer, Daemon, Lab, Settings};
use serde_json::{Value, json};

pub const HELLO: &str = "https://api.allowed.test/hello";
pub const SINK: &str = "https://api.allowed.test/sink";

/// Everything allowed; reads may pass unchecked. `tokens` is the policy's own line.
fn policy(tokens: &str) -> String {
    format!(
        "version: replay-1\npolicies:\n  - name: all\n    agents: ['*']\n    tokens: {tokens}\n    rules:\n      \
         - {{name: open, hosts: [api.allowed.test], methods: [GET], paths: [/hello], decision: allow, fail_mode: open}}\n      \
         - {{name: closed, hosts: [api.allowed.test], decision: allow}}\n"
    )
}

/// Two agents, and what `state` says of the store.
pub fn settings(tokens: &str, state: Value) -> Settings {
    let agent = |name: &str| json!({"name": name, "org": "laboratory", "tenant": "tests"});
    let config = json!({"agents": [agent("owner"), agent("thief")], "state": state});
    Settings { config, policy: Some(policy(tokens)) }
}

/// The Redis at `host`, with time enough for a busy machine.
pub fn redis_at(host: &str) -> Value {
    json!({"redis": {"url": format!("redis://{host}:{PORT}"), "timeout_ms": 1000}})
}

/// A new token of `agent`.
pub fn token(lab: &Lab, agent: &str) -> String {
    let minted = lab.ctl(&["token", "mint", "--agent", agent]).unwrap();
    assert!(minted.ok(), "{minted:?}");
    minted.stdout.trim().to_owned()
}

/// The token's `jti`.
pub fn jti(lab: &Lab, token: &str) -> String {
    let inspected = lab.ctl(&["--output", "json", "token", "inspect", token]).unwrap();
    let inspected: Value = serde_json::from_str(&inspected.stdout).unwrap();
    inspected["claims"]["jti"].as_str().unwrap().to_owned()
}

/// A request of `agent` that shows `token`.
pub fn show(lab: &Lab, agent: &str, token: &str, arguments: &[&str]) -> Answer {
    let header = format!("Aegis-Token: {token}");
    let mut all = vec!["-H", header.as_str()];
    all.extend(arguments);
    lab.agent(agent).curl(&all).unwrap()
}

/// Refused, 401, with a reason that begins so; recorded with the same.
pub fn refused(daemon: &Daemon<'_>, answer: &Answer, reason: &str) -> Value {
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(answer.field("reason").starts_with(reason), "{answer:?}");
    let id = answer.field("decision_id");
    let record = daemon.record(|record| record["decision_id"] == id.as_str()).unwrap();
    assert!(record["reason"].as_str().unwrap().starts_with(reason) && record["decision"] == "deny", "{record}");
    record
}

/// Waits until `condition` holds; the bound is far above what it takes.
pub fn soon(what: &str, condition: impl FnMut() -> bool) {
    let mut condition = condition;
    let held = aegis_tests::lab::wait_for(Duration::from_secs(20), || condition().then_some(()));
    assert!(held.is_some(), "not within 20 s: {what}");
}

/// Whether the daemon says that its store answers.
pub fn reachable(daemon: &Daemon<'_>) -> bool {
    daemon.metric("aegis_state_reachable").unwrap() == Some(1.0)
}
