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
