//! Commands that look at past decisions, from files.

use serde_json::{Value, json};

use crate::{aegisctl, expect};

/// An audit record; its path is known unless it has a mask.
fn record(id: &str, path: &str, decision: &str) -> String {
    let record = json!({"ts": "2026-11-22T10:00:00.000000Z", "decision_id": id, "org": "", "tenant": "", "agent_id": "a",
        "parent_agent_id": null, "method": "GET", "scheme": "https", "host": "shop.test", "port": 443, "path": path,
        "decision": decision, "mode": "enforce", "reason": "", "rule": "p/r", "policy_version": "v0", "findings": [],
        "status": null, "prev_hash": ""});
    format!("{record}\n")
}

fn written(name: &str, text: &[u8]) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

#[test]
fn a_suggestion_says_of_how_many_refusals_it_cannot_tell() {
    let known = [record("1", "/u/17", "allow"), record("2", "/admin", "deny")].concat();
    let (_directory, log) = written("audit.jsonl", known.as_bytes());
    let (stdout, stderr) = expect(0, &mut aegisctl(&["policy", "suggest", "--log", &log]));
    assert!(stdout.contains("/u/*") && stderr.contains("; nothing that was refused passes"), "{stdout}{stderr}");

    let masked = format!("{known}{}", record("3", "/u/%5BSSN%5D", "deny"));
    let (_directory, log) = written("audit.jsonl", masked.as_bytes());
    let (stdout, stderr) = expect(0, &mut aegisctl(&["policy", "suggest", "--log", &log]));
    assert!(stdout.contains("\"/u/17\"") && !stdout.contains("/u/*"), "{stdout}");
    assert!(stderr.contains("; of what was refused 1 cannot be told, and nothing else of it passes"), "{stderr}");
    let (stdout, _) = expect(0, &mut aegisctl(&["policy", "suggest", "--log", &log, "-o", "json"]));
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap()["refused_undecidable"], 1);
}

/// An event of the decision log: a refusal of everything.
fn event(id: &str) -> String {
    let event = json!({"decision_id": id, "trace_id": "", "timestamp": "2026-11-22T10:00:00.000000Z", "labels": {},
        "bundles": {"aegis": {"revision": "v0"}}, "path": "aegis/policy/decision",
        "input": {"agent": {"name": "a", "org": "", "tenant": "", "labels": {}, "scopes": [], "mode": "enforce"},
            "scheme": "https", "host": "shop.test", "port": 443, "method": "GET", "path": "/"},
        "result": {"allow": false, "decision": "deny", "mode": "enforce", "rule": null, "tool": null,
            "reason": "no rule permits it", "kind": "policy", "findings": []},
        "metrics": {"timer_server_handler_ns": 1}, "erased": [], "masked": [],
        "custom": {"reads": {"headers": [], "query": [], "body": []}, "header_names": [], "query_names": [],
            "names_cut": false, "body": "none", "usage": null, "looked_for": []}});
    format!("{event}\n")
}

#[test]
fn a_decision_is_found_behind_lines_that_are_none() {
    let long = vec![b'x'; 3 << 20];
    let log = [b"torn \xff\xfe\n".as_slice(), &long, b"\n", event("d-1").as_bytes()].concat();
    let (_directory, log) = written("decisions.jsonl", &log);
    let (stdout, _) = expect(1, &mut aegisctl(&["policy", "explain", "d-1", "--log", &log]));
    assert!(stdout.starts_with("deny: no rule permits it"), "{stdout}");
    let (_, stderr) = expect(1, &mut aegisctl(&["policy", "explain", "d-2", "--log", &log]));
    assert!(stderr.contains("decision d-2 is not in these logs"), "{stderr}");
}

#[test]
fn a_gate_that_compared_nothing_is_not_passed() {
    let policy = |condition: &str| {
        format!(
            "policies: [{{name: p, agents: [a], rules: [{{name: r, hosts: [shop.test], {condition}decision: allow}}]}}]\n"
        )
    };
    let (_directory, plain) = written("plain.yaml", policy("").as_bytes());
    let (_directory2, unread) = written("unread.yaml", policy("headers: {x-a: b}, ").as_bytes());
    let (_directory3, log) = written("audit.jsonl", format!("torn\n{}", record("1", "/", "allow")).as_bytes());
    let (_directory4, empty) = written("audit.jsonl", b"");
    let replay = |policy: &str, log: &str, gate: &[&str]| {
        let mut command = aegisctl(&["policy", "replay", "--policy", policy, "--log", log, "-o", "json"]);
        command.args(gate);
        command
    };
    for (policy, log) in [(&plain, &empty), (&unread, &log)] {
        expect(0, &mut replay(policy, log, &[]));
        for gate in [&["--fail-on-change"][..], &["--max-changes", "5"]] {
            let (_, stderr) = expect(1, &mut replay(policy, log, gate));
            assert!(stderr.contains("nothing could be compared"), "{stderr}");
        }
    }
    let (stdout, _) = expect(0, &mut replay(&plain, &log, &["--fail-on-change"]));
    let answer: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&answer["same"], &answer["unreadable"]), (&json!(1), &json!(1)));
}
