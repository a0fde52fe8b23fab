//! A directory of policies as several people own it, served by a daemon: security's file, a team's file within security's bounds,
//! a template's use, and raw Rego. Each decides for a real client.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use aegis_tests::{Daemon, Lab, Settings};
use serde_json::{Value, json};

const SECURITY: &str = r#"
version: owned-1
bounds:
  - name: red-apis
    teams: [red]
    policies: ["red-*"]
    agents: ["red-*"]
    hosts: [git.allowed.test]
    methods: [GET]
templates:
  - name: payments
    teams: [red]
    agents: ["red-*"]
    parameters:
      limit: {type: number, max: 5000}
    rules:
      - name: pay
        hosts: [payments.allowed.test]
        methods: [POST]
        body: [{path: amount, op: "<=", value: "${limit}"}]
        rego: data.acme.payments.adds_up
        decision: allow
policies:
  - name: guard
    agents: ["*"]
    rules:
      - name: large-orders
        hosts: [api.allowed.test]
        methods: [POST]
        rego: count(input.body.items) > 2
        decision: deny
        reason: "orders of more than 2 items are made by people"
      - name: orders
        hosts: [api.allowed.test]
        decision: allow
"#;

const MODULE: &str = r#"package acme.payments

import rego.v1

adds_up if {
	every price in input.body.prices { is_number(price) }
	sum(input.body.prices) == input.body.amount
}
"#;

const TEAM: &str = r#"
policies:
  - name: red-git
    agents: [red-1]
    rules:
      - {name: read, hosts: [git.allowed.test], methods: [GET], decision: allow}
use:
  - {template: payments, name: red-payments, agents: [red-1], with: {limit: 100}}
"#;

/// What a team would write if it could.
const EVERYTHING: &str =
    "policies:\n  - {name: red-all, agents: [\"*\"], rules: [{name: all, hosts: [\"*\"], decision: allow}]}\n";

fn write(lab: &Lab) -> PathBuf {
    let folder = lab.path("policies.d");
    fs::create_dir_all(folder.join("delegated/red")).unwrap();
    for (name, text) in [("security.yaml", SECURITY), ("payments.rego", MODULE), ("delegated/red/own.yaml", TEAM)] {
        fs::write(folder.join(name), text).unwrap();
    }
    folder
}

fn settings(folder: &Path) -> Settings {
    let agent = |name: &str| json!({"name": name, "org": "laboratory", "tenant": "tests"});
    Settings { config: json!({"agents": [agent("red-1"), agent("blue-1")], "policies": folder}), policy: None }
}

fn post(lab: &Lab, agent: &str, url: &str, body: &Value) -> (u16, String) {
    let body = body.to_string();
    let answer = lab.agent(agent).curl(&["-H", "content-type: application/json", "-d", &body, url]).unwrap();
    (answer.status, if answer.is_denial() { answer.field("rule") } else { String::new() })
}

#[test]
fn each_owner_decides_what_is_theirs() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings(&write(&lab))).unwrap();
    let passes = (200, String::new());

    // Security's raw Rego refuses by a value that YAML can't compute, and where it can't be computed at all.
    let orders = "https://api.allowed.test/sink";
    assert_eq!(post(&lab, "blue-1", orders, &json!({"items": [1, 2]})), passes);
    assert_eq!(post(&lab, "blue-1", orders, &json!({"items": [1, 2, 3]})), (403, "guard/large-orders".to_owned()));
    assert_eq!(post(&lab, "blue-1", orders, &json!({"other": 1})), (403, "guard/large-orders".to_owned()));

    // The team's own policy, for its own agent.
    let git = |agent: &str| lab.agent(agent).curl(&["https://git.allowed.test/hello"]).unwrap().status == 200;
    assert_eq!((git("red-1"), git("blue-1")), (true, false));

    // The template, with the team's limit and security's module.
    let pay = |body: Value| post(&lab, "red-1", "https://payments.allowed.test/sink", &body).0;
    assert_eq!(pay(json!({"amount": 100, "prices": [60, 40]})), 200);
    assert_eq!(pay(json!({"amount": 101, "prices": [61, 40]})), 403);
    assert_eq!(pay(json!({"amount": 100, "prices": [60]})), 403);
    assert_eq!(pay(json!({"amount": 100, "prices": ["60", "40"]})), 403);
    let record = daemon.record(|record| record["rule"] == "red-payments/pay").unwrap();
    assert_eq!((&record["agent_id"], &record["policy_version"]), (&json!("red-1"), &json!("owned-1")));
}

#[test]
fn a_team_that_leaves_its_bounds_changes_nothing() {
    let lab = Lab::new().unwrap();
    let folder = write(&lab);
    let daemon = Daemon::start(&lab, &settings(&folder)).unwrap();
    let elsewhere = || lab.agent("blue-1").curl(&["https://index.allowed.test/hello"]).unwrap().status == 200;
    assert!(!elsewhere());

    fs::write(folder.join("delegated/red/own.yaml"), EVERYTHING).unwrap();
    let refused = lab.ctl(&["policy", "reload"]).unwrap();
    assert!(!refused.ok(), "{refused:?}");
    let told = format!("{}{}", refused.stdout, refused.stderr);
    assert!(told.contains("outside of bounds `red-apis`") && told.contains("delegated/red/own.yaml"), "{told}");
    assert!(!elsewhere(), "the last good policy stays");
    assert_eq!(lab.agent("red-1").curl(&["https://git.allowed.test/hello"]).unwrap().status, 200);

    // The same text opens everything where security's own files lie: it is the place that is refused, not the text.
    fs::write(folder.join("delegated/red/own.yaml"), TEAM).unwrap();
    fs::write(folder.join("all.yaml"), EVERYTHING).unwrap();
    let taken = lab.ctl(&["policy", "reload"]).unwrap();
    assert!(taken.ok(), "{taken:?}");
    assert!(elsewhere());
    drop(daemon);
}
