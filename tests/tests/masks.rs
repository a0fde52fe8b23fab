//! What stands in the place of values: tokens that stay the same, and nothing of a tenant's own values in anything that is written.

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

const OWN: &str = r#"version: own-1
detectors:
  - {name: masks_ledger, values: [acme-0012-34]}
policies:
  - name: own
    agents: ["*"]
    rules:
      - {name: stop, hosts: [api.allowed.test], paths: ["/stop/**"], headers: {x-note: {matches: "0012"}}, decision: deny}
      - {name: tool, hosts: [api.allowed.test], paths: ["/tool"], tools: ["acme*"], decision: approval_needed}
      - {name: looked, hosts: [api.allowed.test], paths: ["/sink"], decision: allow, dlp: {deny: [ssn], report: [email]}}
      - {name: rest, hosts: [api.allowed.test], decision: allow}
"#;

/// However it is written, a value of a tenant's dictionary is in no record, no event, no log, no answer of Aegis' own.
#[test]
fn a_value_of_a_dictionary_reaches_nothing_that_is_written() {
    let lab = Lab::new().unwrap();
    let config = json!({"decisions": {"enabled": true}});
    let mut daemon = Daemon::start(&lab, &settings(OWN, config)).unwrap();
    let agent = || lab.agent(AGENT);
    let json = "content-type: application/json";
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"acme-0012-34","arguments":{}}}"#;
    let keyed = r#"{"acme-0012-34":{"mail":"jane.doe@corp.example"}}"#;
    let stopped = r#"{"acme-0012-34":{"ssn":"536-22-8741"}}"#;
    let answers = [
        agent().curl(&["https://api.allowed.test/hello/ACME001234?account=acme-0012-34"]),
        agent().curl(&["-H", "x-note: acme 0012-34", "https://api.allowed.test/stop/ACME-0012-34"]),
        agent().curl(&[
            "-H",
            "acme-0012-34: 1",
            "-H",
            "x-acme-0012-34: mail jane.doe@corp.example",
            "-d",
            "x",
            "https://api.allowed.test/sink",
        ]),
        agent().curl(&["-H", json, "-d", call, "https://api.allowed.test/tool"]),
        agent().curl(&["-H", json, "-d", keyed, "https://api.allowed.test/sink"]),
        agent().curl(&["-H", json, "-d", stopped, "https://api.allowed.test/sink"]),
        agent().curl(&["https://acme-0012-34.elsewhere.test/"]),
    ];
    let said: Vec<String> =
        answers.into_iter().map(|answer| answer.unwrap()).map(|it| format!("{} {}", it.status, it.body)).collect();
    assert!(said[1].starts_with("403 ") && said[3].contains("approv") && said[5].starts_with("403 "), "{said:#?}");
    daemon.record(|record| record["rule"] == "own/stop").unwrap();
    daemon.record(|record| record["rule"] == "own/tool").unwrap();
    let found = daemon.record(|record| record["findings"][0]["detector"] == "ssn").unwrap();
    assert!(found["findings"][0]["place"].as_str().unwrap().contains("/[MASKS_LEDGER]/ssn"), "{found}");
    let asked = agent_name_asked(&daemon);
    assert!(asked["host"].as_str().unwrap().starts_with("[MASKS_LEDGER]."), "{asked}");
    let told = lab.ctl(&[
        "policy",
        "explain",
        "--agent",
        AGENT,
        "--url",
        "https://api.allowed.test/stop/ACME001234",
        "--header",
        "x-note: acme-0012-34",
    ]);
    let told = told.unwrap();
    daemon.stop().unwrap();
    let mut written =
        vec![("the log".to_owned(), daemon.log()), ("explain".to_owned(), format!("{}{}", told.stdout, told.stderr))];
    written.extend([1, 3, 5].map(|number: usize| (format!("answer {number}"), said[number].clone())));
    for place in ["audit", "decisions"] {
        let directory = lab.path("state").join(place);
        let files = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        for file in files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            written.push((file.display().to_string(), String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned()));
        }
    }
    assert!(written.iter().filter(|(_, text)| text.contains("[MASKS_LEDGER]")).count() >= 3, "it was seen, and masked");
    for (place, text) in &written {
        let small = text.to_lowercase();
        for value in ["acme-0012", "acme 0012", "acme0012", "acme_0012", "acme%20", "0012-34"] {
            assert!(!small.contains(value), "{value} in {place}: {text}");
        }
    }
}

fn agent_name_asked(daemon: &Daemon<'_>) -> Value {
    daemon
        .record(|record| {
            record["scheme"] == "dns" && record["host"].as_str().is_some_and(|host| host.contains("elsewhere"))
        })
        .unwrap()
}
