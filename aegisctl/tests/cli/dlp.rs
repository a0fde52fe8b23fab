//! `aegisctl dlp`: findings without text, redacted bodies, lists of detectors, dictionaries.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::{aegisctl, expect};

const BODY: &str = r#"{"user": {"ssn": "536-22-8741"}, "mail": "jane.doe@corp.example"}"#;
const POLICY: &str = "\
detectors:
  - {name: cli_ledger, dictionary: ledger.dict}
  - {name: cli_ticket, regex: 'TCK-[0-9]{6}', examples: {match: [TCK-123456]}}
policies:
  - name: p
    agents: [a]
    rules:
      - {name: strict, hosts: [a.test], decision: allow, dlp: {deny: [own], redact: [pii]}}
      - {name: quiet, hosts: [b.test], decision: allow}
";

/// A directory with files of these names and texts.
fn files(all: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in all {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn scan(code: i32, directory: &Path, arguments: &[&str]) -> (String, String) {
    expect(code, aegisctl(&["dlp", "scan"]).current_dir(directory).args(arguments))
}

fn json(code: i32, directory: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&scan(code, directory, &[arguments, &["-o", "json"]].concat()).0).unwrap()
}

#[test]
fn findings_are_told_with_their_place_and_without_their_text() {
    let directory = files(&[("body.json", BODY), ("clean.txt", "nothing to see")]);
    let (stdout, _) = scan(1, directory.path(), &["body.json", "clean.txt"]);
    for words in [["ssn", "report", "body:18:/user/ssn"], ["email", "report", "body:42:/mail"]] {
        let line =
            stdout.lines().find(|line| line.trim_start().starts_with(words[0])).unwrap_or_else(|| panic!("{stdout}"));
        assert!(words.iter().all(|word| line.contains(word)) && line.contains("body.json"), "{line}");
    }
    assert!(!stdout.contains("536-22") && !stdout.contains("jane"), "{stdout}");
    let told = json(1, directory.path(), &["body.json"]);
    assert_eq!(told["found"], 2);
    assert_eq!(told["files"][0]["findings"][0]["place"], "body:18:/user/ssn");
    assert_eq!(scan(0, directory.path(), &["clean.txt"]).0, "ok: nothing found\n");
    scan(0, directory.path(), &["--exit-zero", "body.json"]);
    assert_eq!(json(1, directory.path(), &["body.json", "--detectors", "email"])["found"], 1);
    assert!(scan(2, directory.path(), &["body.json", "--detectors", "sssn"]).1.contains("no detector or group `sssn`"));
    assert!(scan(1, directory.path(), &["nowhere.txt"]).1.contains("cannot read nowhere.txt"));
}

#[test]
fn standard_input_and_types_are_read_as_bodies_are() {
    let mut child = aegisctl(&["dlp", "scan", "-", "--type", "application/x-www-form-urlencoded", "-o", "json"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a=1&mail=jane.doe%40corp.example").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["files"][0]["file"], &told["found"]), (&Value::from("-"), &Value::from(1)));
    // A heading is context where the file is a table.
    let directory =
        files(&[("people.csv", "name,dob\nJane,1990-02-03\n"), ("people.txt", "name,dob\nJane,1990-02-03\n")]);
    let told = json(1, directory.path(), &["people.csv"]);
    assert_eq!(told["files"][0]["findings"][0]["place"], "body:14:row:2/col:2");
    // What a rule would refuse to send unread is told as not read.
    fs::write(directory.path().join("paper.pdf"), "%PDF-1.7\nx\n").unwrap();
    let told = json(1, directory.path(), &["paper.pdf"]);
    assert!(told["files"][0]["remarks"][0].as_str().unwrap().contains("passed unread"), "{told}");
    let told = json(1, directory.path(), &["paper.pdf", "--redact", "out.pdf"]);
    assert!(told["files"][0]["stopped"].as_str().unwrap().contains("cannot be looked into"), "{told}");
    assert!(!directory.path().join("out.pdf").exists(), "what would not leave is not written");
}

#[test]
fn what_would_leave_is_written_whole_or_not_at_all() {
    let directory = files(&[("body.json", BODY)]);
    let (stdout, stderr) = scan(1, directory.path(), &["body.json", "--redact", "-"]);
    assert_eq!(stdout, r#"{"user": {"ssn": "[SSN]"}, "mail": "[EMAIL]"}"#);
    assert!(stderr.contains("ssn (medium) at body:18:/user/ssn, 1 time(s): redact"), "{stderr}");
    scan(1, directory.path(), &["body.json", "--redact", "out.json", "--detectors", "ssn"]);
    let out = fs::read_to_string(directory.path().join("out.json")).unwrap();
    assert_eq!(out, r#"{"user": {"ssn": "[SSN]"}, "mail": "jane.doe@corp.example"}"#);
    let denies = "{deny: [email], redact: [ssn]}";
    let told = json(1, directory.path(), &["body.json", "--redact", "denied.json", "--profile", denies]);
    assert!(told["files"][0]["stopped"].as_str().unwrap().contains("email"), "{told}");
    assert!(!directory.path().join("denied.json").exists());
    let (_, stderr) = scan(1, directory.path(), &["body.json", "--profile", "{denny: [email]}"]);
    assert!(stderr.contains("denny"), "{stderr}");
    scan(2, directory.path(), &["body.json", "body.json", "--redact", "-"]);
}

#[test]
fn tokens_are_the_daemons_where_its_key_is_given() {
    let (one, two) = ("ab".repeat(32), "cd".repeat(32));
    let directory = files(&[("body.json", BODY), ("one.key", &one), ("two.key", &two), ("no.key", "abc")]);
    let redacted = |more: &[&str]| {
        let tokens = ["body.json", "--redact", "-", "--profile", "{redact: [ssn], masks: {default: token}}"];
        scan(1, directory.path(), &[&tokens[..], more].concat()).0
    };
    assert!(redacted(&[]).contains("\"[SSN]\""), "without a key a token would tell nothing");
    let with = |key: &str, tenant: &str| redacted(&["--mask-key", key, "--tenant", tenant]);
    let first = with("one.key", "acme");
    assert!(first.contains("[SSN:") && !first.contains("536"), "{first}");
    assert_eq!(with("one.key", "acme"), first);
    assert_ne!(with("one.key", "globex"), first);
    assert_ne!(with("two.key", "acme"), first);
    let (_, stderr) = scan(1, directory.path(), &["body.json", "--mask-key", "no.key"]);
    assert!(stderr.contains("64 hexadecimal digits"), "{stderr}");
}

#[test]
fn a_list_becomes_a_dictionary_that_tells_no_value() {
    let list = "# accounts\nACME-0012 34\n\nacme001234\nJane O'Brien\nabc\n";
    let directory = files(&[("list.txt", list), ("policy.yaml", POLICY), ("note.txt", "from ACME/001234, TCK-000017")]);
    let hash = |code: i32, more: &[&str]| {
        let arguments = [&["dlp", "hash", "list.txt", "--file", "ledger.dict"][..], more].concat();
        expect(code, aegisctl(&arguments).current_dir(directory.path()))
    };
    let (stdout, stderr) = hash(1, &[]);
    assert!(stderr.contains("list.txt: line 6: ") && !format!("{stdout}{stderr}").contains("abc"), "{stderr}");
    assert!(!directory.path().join("ledger.dict").exists());
    let (stdout, _) = hash(0, &["--skip"]);
    assert_eq!(
        stdout,
        "ledger.dict: 2 values; 1 stood there more than once\n1 lines are no values and were left out: 6\n"
    );
    let told: Value = serde_json::from_str(&hash(0, &["--skip", "-o", "json"]).0).unwrap();
    assert_eq!((&told["values"], &told["twice"], &told["skipped"]), (&2.into(), &1.into(), &1.into()));
    let dictionary = directory.path().join("ledger.dict");
    let text = fs::read_to_string(&dictionary).unwrap().to_lowercase();
    assert!(!text.contains("acme") && !text.contains("jane"), "{text}");
    assert_eq!(fs::metadata(&dictionary).unwrap().mode() & 0o777, 0o600);
    // In a policy beside it, it is found however it is written.
    let told = json(1, directory.path(), &["note.txt", "--policy", ".", "--detectors", "own"]);
    let names: Vec<&str> =
        told["files"][0]["findings"].as_array().unwrap().iter().map(|one| one["detector"].as_str().unwrap()).collect();
    assert_eq!(names, ["cli_ledger", "cli_ticket"]);
    let told = json(1, directory.path(), &["note.txt", "--policy", ".", "--rule", "p/strict"]);
    assert!(told["files"][0]["stopped"].as_str().unwrap().contains("cli_ledger"), "{told}");
    scan(0, directory.path(), &["note.txt", "--policy", ".", "--rule", "p/quiet"]);
    let (_, stderr) = scan(2, directory.path(), &["note.txt", "--policy", ".", "--rule", "p/none"]);
    assert!(stderr.contains("no rule `p/none`; they have p/strict, p/quiet"), "{stderr}");
    let (_, stderr) = expect(2, &mut aegisctl(&["dlp", "hash", "x", "--file", "out.txt"]));
    assert!(stderr.contains(".dict"), "{stderr}");
}

#[test]
fn detectors_are_listed_by_group_and_with_the_policys_own() {
    let directory = files(&[("policy.yaml", POLICY), ("ledger.dict", "acme-0012\n")]);
    let list = |more: &[&str]| -> Vec<Value> {
        let arguments = [&["dlp", "detectors", "-o", "json"][..], more].concat();
        let (stdout, _) = expect(0, aegisctl(&arguments).current_dir(directory.path()));
        serde_json::from_str::<Value>(&stdout).unwrap()["detectors"].as_array().unwrap().clone()
    };
    let all = list(&[]);
    assert_eq!(all.len(), aegis_dlp::Detector::ALL.len());
    assert!(all.iter().any(|one| one["name"] == "ip_address" && one["by_name_only"] == true));
    let financial = list(&["--group", "financial"]);
    assert!(!financial.is_empty() && financial.iter().all(|one| one["group"] == "financial"), "{financial:?}");
    let own = list(&["--group", "own", "--policy", "."]);
    assert_eq!((&own[0]["name"], &own[0]["mask"]), (&"cli_ledger".into(), &"[CLI_LEDGER]".into()));
    assert_eq!(own.len(), 2);
    let (stdout, _) = expect(0, &mut aegisctl(&["dlp", "detectors", "--group", "ssn"]));
    assert!(stdout.contains("[SSN]") && stdout.contains("1 detectors"), "{stdout}");
}
