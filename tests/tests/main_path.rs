//! The main job on a real kernel: every kind of answer, judged by what the origin and the capture saw.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::IpAddr;

use aegis_tests::lab::wiring::{HOST_V4, HOST_V6, address};
use aegis_tests::{AGENT, Daemon, Lab, Settings};
use serde_json::{Value, json};

const SSN: &str = "536-22-8741";
const MAIL: &str = "jane.doe@example.com";

fn packets_to(lab: &Lab, host: &str) -> usize {
    lab.settle().unwrap();
    let (v4, v6) = address(host);
    let addresses = [IpAddr::V4(v4), IpAddr::V6(v6)];
    lab.internet.capture.matching(|packet| addresses.contains(&packet.destination)).len()
}

#[test]
fn an_allowed_call_is_answered_by_the_real_origin_over_every_protocol() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    for (arguments, version, alpn) in [
        (&["--http2", "https://api.allowed.test/hello"][..], "2", Some("h2")),
        (&["--http1.1", "https://api.allowed.test/hello"][..], "1.1", Some("http/1.1")),
        (&["-6", "https://api.allowed.test/hello"][..], "2", Some("h2")),
        (&["--tls-max", "1.2", "https://api.allowed.test/hello"][..], "2", Some("h2")),
        (&["http://api.allowed.test/hello"][..], "1.1", None),
    ] {
        lab.internet.requests.clear();
        let answer = lab.agent(AGENT).curl(arguments).unwrap();
        assert_eq!((answer.status, answer.version.as_str()), (200, version), "{arguments:?}: {answer:?}");
        assert_eq!((answer.body.as_str(), answer.header("x-origin")), ("hello from api.allowed.test\n", "laboratory"));
        let seen = lab.internet.requests.all();
        assert_eq!(seen.len(), 1, "{arguments:?}");
        assert_eq!((seen[0].alpn.as_deref(), seen[0].authority.as_str()), (alpn, "api.allowed.test"));
        assert_eq!(seen[0].sni.is_some(), alpn.is_some());
        let peer = seen[0].peer.unwrap().ip();
        assert!(peer == HOST_V4 || peer == HOST_V6, "dialled by {peer}");
    }
    drop(daemon);
}

#[test]
fn a_denied_host_gets_a_problem_document_and_no_packet_leaves() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let (v4, v6) = address("denied.test");
    for (ip, url) in [
        (v4.to_string(), "https://denied.test/up"),
        (format!("[{v6}]"), "https://denied.test/up"),
        (v4.to_string(), "http://denied.test/up"),
    ] {
        let port = if url.starts_with("https") { 443 } else { 80 };
        let answer = lab
            .agent(AGENT)
            .curl(&["--resolve", &format!("denied.test:{port}:{ip}"), "-d", "secret plans", url])
            .unwrap();
        assert!(answer.is_denial(), "{answer:?}");
        assert_eq!((answer.header("aegis-decision"), answer.field("agent_id").as_str()), ("deny", AGENT));
        assert_eq!(answer.field("policy_version"), "lab-1");
        assert!(!answer.field("reason").is_empty() && !answer.field("decision_id").is_empty());
        assert!(answer.json()["next_steps"].as_array().is_some_and(|steps| !steps.is_empty()), "{answer:?}");
        let id = answer.field("decision_id");
        let record = daemon.record(|record| record["decision_id"] == json!(id)).unwrap();
        assert_eq!(
            (&record["decision"], &record["host"], &record["agent_id"]),
            (&json!("deny"), &json!("denied.test"), &json!(AGENT))
        );
    }
    assert_eq!(packets_to(&lab, "denied.test"), 0);
    assert_eq!(lab.internet.queries.count("denied.test"), 0);
}

#[test]
fn a_denied_path_of_an_allowed_host_is_refused_by_its_rule() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    for version in ["--http1.1", "--http2"] {
        let answer = lab.agent(AGENT).curl(&[version, "-d", "x", "https://api.allowed.test/forbidden/thing"]).unwrap();
        assert!(answer.is_denial(), "{answer:?}");
        assert_eq!(answer.field("rule"), "laboratory/forbidden");
        assert_eq!(answer.field("tool"), "forbidden-things");
        assert_eq!(answer.field("reason"), "this path is forbidden in the laboratory");
    }
    assert!(lab.internet.requests.all().is_empty());
    drop(daemon);
}

#[test]
fn personal_data_is_masked_in_flight_and_the_request_stays_well_formed() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let sent = json!({"note": format!("SSN {SSN}, mail {MAIL}"), "amount": 12, "nested": {"list": [SSN]}}).to_string();
    for (version, length) in [("--http1.1", "known"), ("--http2", "known"), ("--http1.1", "chunked")] {
        lab.internet.requests.clear();
        let mut arguments = vec![
            version,
            "-H",
            "content-type: application/json",
            "--data-binary",
            "@-",
            "https://api.allowed.test/echo",
        ];
        if length == "chunked" {
            arguments.extend(["-H", "transfer-encoding: chunked"]);
        }
        let answer = lab.agent(AGENT).input(sent.clone()).curl(&arguments).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = lab.internet.requests.all().pop().unwrap();
        let text = seen.text();
        assert!(seen.complete && !text.contains(SSN) && !text.contains(MAIL), "{text}");
        let received: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(received["note"], "SSN [SSN], mail [EMAIL]");
        assert_eq!((&received["amount"], &received["nested"]["list"][0]), (&json!(12), &json!("[SSN]")));
        if let Some(length) = seen.header("content-length") {
            assert_eq!(length.parse::<u64>().unwrap(), seen.body_len);
        }
        assert_eq!(answer.body, text, "the origin's answer is what it received");
    }
    let record = daemon.record(|record| record["decision"] == "sanitize").unwrap();
    let line = record.to_string();
    assert!(line.contains("ssn") && !line.contains(SSN) && !line.contains(MAIL), "{line}");
}

#[test]
fn a_secret_stops_the_request() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    // Assembled, so that no scanner of repositories takes it for a real one.
    let key = format!("AKIA{}", "QWERTYUIOPASDFGH");
    let body = json!({"note": format!("use {key}")}).to_string();
    let answer = lab
        .agent(AGENT)
        .curl(&["-H", "content-type: application/json", "-d", &body, "https://api.allowed.test/echo"])
        .unwrap();
    assert!(answer.is_denial(), "{answer:?}");
    lab.settle().unwrap();
    assert!(lab.internet.requests.all().iter().all(|request| !request.text().contains(&key)));
    assert!(!answer.body.contains(&key));
    drop(daemon);
}

#[test]
fn a_shadow_rule_lets_pass_and_records_what_it_would_have_done() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let answer = lab.agent(AGENT).curl(&["https://shadow.allowed.test/hello"]).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(lab.internet.requests.at("shadow.allowed.test").len(), 1);
    let record = daemon.record(|record| record["host"] == "shadow.allowed.test" && record["path"] == "/hello").unwrap();
    assert_eq!(
        (&record["decision"], &record["mode"], &record["rule"]),
        (&json!("deny"), &json!("shadow"), &json!("laboratory/shadowed"))
    );
}

#[test]
fn a_parameter_of_the_body_decides() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let pay = |amount: Value| {
        let body = json!({"amount": amount}).to_string();
        let arguments =
            ["-H", "content-type: application/json", "-d", &body, "https://payments.allowed.test/v1/charges"];
        lab.agent(AGENT).curl(&arguments).unwrap()
    };
    assert_eq!(pay(json!(5000)).status, 200);
    assert_eq!(lab.internet.requests.at("payments.allowed.test").len(), 1);
    let large = pay(json!(5001));
    assert!(large.is_denial(), "{large:?}");
    assert_eq!(
        (large.header("aegis-decision"), large.field("decision").as_str()),
        ("approval_needed", "approval_needed")
    );
    assert!(!large.field("approval_id").is_empty());
    let record = daemon.record(|record| record["approval_id"] == json!(large.field("approval_id"))).unwrap();
    assert_eq!((&record["decision"], &record["tool"]), (&json!("approval_needed"), &json!("payments")));
    assert!(pay(json!("a lot")).is_denial());
    assert_eq!(lab.internet.requests.at("payments.allowed.test").len(), 1, "only the small payment arrived");
}

#[test]
fn the_token_never_reaches_the_origin() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let script = r#"curl -sS -H "Aegis-Token: $AEGIS_TOKEN" -H "Proxy-Authorization: Bearer $AEGIS_TOKEN" -H "x-kept: yes" https://api.allowed.test/hello; echo "token ${#AEGIS_TOKEN}""#;
    let outcome = lab.agent(AGENT).run_argument("--token").shell(script).unwrap();
    assert!(outcome.stdout.starts_with("hello from") && !outcome.stdout.contains("token 0"), "{outcome:?}");
    let seen = lab.internet.requests.all().pop().unwrap();
    assert_eq!(seen.header("x-kept"), Some("yes"));
    assert_eq!((seen.header("aegis-token"), seen.header("proxy-authorization")), (None, None));
    let broken = lab.agent(AGENT).curl(&["-H", "Aegis-Token: not.a.token", "https://api.allowed.test/hello"]).unwrap();
    assert_eq!(broken.status, 401, "{broken:?}");
    assert_eq!(lab.internet.requests.all().len(), 1);
    drop(daemon);
}

#[test]
fn a_name_that_leads_to_a_private_address_is_not_dialled() {
    let lab = Lab::new().unwrap();
    let policy = "version: p\npolicies:\n  - name: p\n    agents: [\"*\"]\n    rules:\n      - {name: inside, hosts: [private.allowed.test], decision: allow}\n";
    let daemon = Daemon::start(&lab, &Settings::policy(policy)).unwrap();
    let answer = lab.agent(AGENT).curl(&["https://private.allowed.test/hello"]).unwrap();
    assert_ne!(answer.status, 200, "{answer:?}");
    assert_eq!(packets_to(&lab, "private.allowed.test"), 0);
    drop(daemon);
    let open = policy.replace("decision: allow", "private: true, decision: allow");
    let daemon = Daemon::start(&lab, &Settings::policy(&open)).unwrap();
    let answer = lab.agent(AGENT).curl(&["https://private.allowed.test/hello"]).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    drop(daemon);
}
