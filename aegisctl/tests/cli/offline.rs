//! Commands that need no daemon.

use std::io::Write;
use std::process::Stdio;

use aegis_audit::{Chain, Draft, SigningKey};
use aegis_token::Claims;

use crate::{aegisctl, expect};

const POLICY: &str = "\
version: v1
policies:
  - name: finance
    agents: [finance-agent]
    rules:
      - name: payments-within-limit
        hosts: [api.stripe.com]
        methods: [POST]
        body: [{path: amount, op: \"<=\", value: 5000}]
        decision: allow
";

fn written(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

#[test]
fn a_good_policy_validates_as_file_and_as_directory() {
    let (directory, file) = written("finance.yaml", POLICY);
    let (stdout, _) = expect(0, &mut aegisctl(&["policy", "validate", &file]));
    assert!(stdout.starts_with("ok: 1 rules in 1 file(s), version v1"), "{stdout}");
    let directory = directory.path().to_str().unwrap();
    let (stdout, _) = expect(0, &mut aegisctl(&["policy", "validate", directory, "-o", "json"]));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&stdout).unwrap()["valid"], true);
}

#[test]
fn a_broken_policy_is_1_with_file_line_and_caret() {
    let (_directory, file) = written("finance.yaml", &POLICY.replace("methods", "methodz"));
    let (stdout, _) = expect(1, &mut aegisctl(&["policy", "validate", &file]));
    assert!(stdout.contains("finance.yaml:8:") && stdout.contains("methodz"), "{stdout}");
    let (stdout, _) = expect(1, &mut aegisctl(&["policy", "validate", &file, "-o", "json"]));
    let answer: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(answer["problems"][0]["line"], 8);
    let (_, stderr) = expect(1, &mut aegisctl(&["policy", "validate", "/nonexistent/p.yaml"]));
    assert!(stderr.contains("cannot read /nonexistent/p.yaml"), "{stderr}");
}

#[test]
fn explain_decides_on_the_body() {
    let (_directory, file) = written("finance.yaml", POLICY);
    let explain = |body: &str| {
        let mut command = aegisctl(&["policy", "explain", "--policy", &file, "--agent", "finance-agent"]);
        command.args(["--method", "POST", "--url", "https://api.stripe.com/v1/charges", "--body", body]);
        command
    };
    let (stdout, _) = expect(0, &mut explain(r#"{"amount": 4000}"#));
    assert!(stdout.starts_with("allow (enforce)") && stdout.contains("payments-within-limit"), "{stdout}");
    let (stdout, _) = expect(1, &mut explain(r#"{"amount": 9000}"#));
    assert!(stdout.starts_with("deny (enforce)") && stdout.contains("NO  "), "{stdout}");
}

/// The policy above, another one, and cases.
fn tested(cases: &str) -> (tempfile::TempDir, String) {
    let (directory, _) = written("finance.yaml", POLICY);
    let more =
        "        reason: small ones\n      - {name: read, hosts: [api.stripe.com], methods: [GET], decision: allow}\n";
    std::fs::write(directory.path().join("finance.yaml"), format!("{POLICY}{more}")).unwrap();
    std::fs::write(directory.path().join("finance.test.yaml"), cases).unwrap();
    let path = directory.path().to_str().unwrap().to_owned();
    (directory, path)
}

const PASSES: &str = "- {name: a small payment, agent: finance-agent, ask: POST https://api.stripe.com/v1/charges, \
                      body: {amount: 10}, expect: allow finance/payments-within-limit}\n";

#[test]
fn cases_that_pass_are_0_and_rules_that_none_reaches_are_named() {
    let (_directory, path) = tested(PASSES);
    let (stdout, _) = expect(0, &mut aegisctl(&["policy", "test", &path]));
    assert!(stdout.contains("a small payment") && stdout.contains("1 of 1 cases passed"), "{stdout}");
    assert!(stdout.contains("1 of 2 rules reached (50 %)\n  no case reaches finance/read"), "{stdout}");
    expect(0, &mut aegisctl(&["policy", "test", &path, "--min-coverage", "50"]));
    let (_, stderr) = expect(1, &mut aegisctl(&["policy", "test", &path, "--min-coverage", "51"]));
    assert!(stderr.contains("the cases reach 50 % of the rules; at least 51 % is wanted"), "{stderr}");
    expect(2, &mut aegisctl(&["policy", "test", &path, "--min-coverage", "101"]));
}

#[test]
fn a_case_that_fails_is_1_and_says_what_decided() {
    let fails = "- {agent: finance-agent, ask: POST https://api.stripe.com/v1/charges, body: {amount: 6000}, \
                 expect: allow finance/payments-within-limit}\n";
    let (_directory, path) = tested(&format!("{PASSES}{fails}"));
    let (stdout, _) = expect(1, &mut aegisctl(&["policy", "test", &path, "--quiet"]));
    assert!(stdout.contains("expected allow finance/payments-within-limit, got deny"), "{stdout}");
    assert!(
        stdout.contains("finance/payments-within-limit does not hold: body /amount <= 5000 (saw 6000)"),
        "{stdout}"
    );
    assert!(!stdout.contains("a small payment"), "{stdout}");
    let (stdout, _) = expect(1, &mut aegisctl(&["policy", "test", &path, "-o", "json"]));
    let answer: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&answer["passed"], &answer["failed"]), (&1.into(), &1.into()));
    assert_eq!(answer["cases"][1]["got"], "deny");
    assert_eq!(
        answer["coverage"],
        serde_json::json!({"rules": 2, "reached": 1, "percent": 50, "unreached": ["finance/read"]})
    );
    let (stdout, _) = expect(1, &mut aegisctl(&["policy", "test", &path, "-o", "junit"]));
    assert!(stdout.starts_with("<?xml") && stdout.contains("tests=\"2\" failures=\"1\""), "{stdout}");
    assert!(
        stdout.contains("body /amount &lt;= 5000 (saw 6000)</failure>") && stdout.ends_with("</testsuites>\n"),
        "{stdout}"
    );
    let (_, stderr) = expect(2, &mut aegisctl(&["policy", "validate", &path, "-o", "junit"]));
    assert!(stderr.contains("is for `aegisctl policy test`"), "{stderr}");
}

#[test]
fn cases_that_are_none_are_told() {
    for (cases, why) in [
        ("- {agent: a, ask: GET https://a.test/, expct: deny}", "finance.test.yaml: "),
        ("- {agent: a, ask: GET ftp://a.test/, expect: deny}", "the scheme is ftp"),
    ] {
        let (_directory, path) = tested(cases);
        let (_, stderr) = expect(1, &mut aegisctl(&["policy", "test", &path]));
        assert!(stderr.contains(why), "{stderr}");
    }
    let empty = tempfile::tempdir().unwrap();
    let (_, stderr) = expect(1, &mut aegisctl(&["policy", "test", empty.path().to_str().unwrap()]));
    assert!(stderr.contains("there are no cases there"), "{stderr}");
}

#[test]
fn a_dry_run_shows_what_would_be_sent() {
    let policy = POLICY.replace("decision: allow", "decision: sanitize\n        dlp: {redact: [email]}");
    let (_directory, file) = written("finance.yaml", &policy);
    let dry_run = |rest: &[&str]| {
        let mut command = aegisctl(&["policy", "dry-run", "--policy", &file, "--agent", "finance-agent"]);
        command.args(rest);
        command
    };
    let body = r#"{"amount": 7, "receipt": "jane.doe@corp.example"}"#;
    let curl = ["--", "curl", "https://api.stripe.com/v1/charges", "--json", body];
    let (stdout, _) = expect(0, &mut dry_run(&curl));
    assert!(stdout.starts_with("sanitize (enforce)") && stdout.contains("found email in body"), "{stdout}");
    assert!(stdout.contains("  POST /v1/charges\n") && stdout.contains("  content-type: application/json"), "{stdout}");
    assert!(!stdout.contains("jane.doe") && !stdout.contains("method in"), "{stdout}");
    let (stdout, _) = expect(0, &mut dry_run(&[&["--explain"][..], &curl[..]].concat()));
    assert!(stdout.contains("yes method in POST"), "{stdout}");
    let json = r#"{"method": "POST", "url": "https://api.stripe.com/v1/charges", "body": {"amount": 9000}}"#;
    let (stdout, _) = expect(1, &mut dry_run(&["--json", json]));
    assert!(stdout.starts_with("deny (enforce)") && stdout.contains("nothing would be sent"), "{stdout}");
    let (stdout, _) = expect(1, &mut dry_run(&["--json", json, "-o", "json"]));
    let answer: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&answer["decision"], &answer["sent"]), (&"deny".into(), &serde_json::Value::Null));
}

fn claims() -> Claims {
    let text = |text: &str| text.to_owned();
    Claims {
        iss: text("aegis"),
        aud: text("aegis"),
        sub: text("finance-agent"),
        org: text("acme"),
        tenant: text("emea"),
        agent_id: text("finance-agent"),
        parent_agent_id: None,
        act: None,
        scopes: vec![text("payments:write")],
        iat: 1,
        nbf: 1,
        exp: 2,
        jti: text("j-1"),
    }
}

#[test]
fn a_token_is_inspected_from_the_argument_and_from_a_pipe() {
    let token =
        aegis_token::mint(&aegis_token::SigningKey::generate(aegis_token::Algorithm::ES256).unwrap(), &claims())
            .unwrap();
    let none = ["--socket", "/nonexistent/control.sock"];
    let (stdout, _) = expect(3, aegisctl(&["token", "inspect", &token]).args(none));
    assert!(
        stdout.contains("finance-agent")
            && stdout.contains("EXPIRED")
            && stdout.contains("not checked: no daemon answers"),
        "{stdout}"
    );
    let mut command = aegisctl(&["token", "inspect", "-", "-o", "json"]);
    command.args(none);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{token}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "nothing was checked");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((answer["claims"]["jti"].as_str(), answer["verified"].is_null()), (Some("j-1"), true));
    expect(1, &mut aegisctl(&["token", "inspect", "no-token"]));
}

/// Nobody has checked the token, and who looks at it is root.
#[test]
fn a_claim_and_a_line_of_a_log_do_not_speak_to_the_terminal() {
    let claims = Claims { tenant: "\u{1b}]0;owned\u{7}\nverdict  holds\u{202e}".to_owned(), ..claims() };
    let token =
        aegis_token::mint(&aegis_token::SigningKey::generate(aegis_token::Algorithm::ES256).unwrap(), &claims).unwrap();
    let output = aegisctl(&["token", "inspect", &token, "--socket", "/nonexistent/control.sock"]).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("\u{fffd}]0;owned\u{fffd}\u{fffd}verdict  holds\u{fffd}"), "{stdout:?}");
    let (_directory, log) = written("audit.jsonl", "\u{1b}[2Jno record\u{9b}1m\n");
    let (stdout, _) = expect(0, &mut aegisctl(&["audit", "tail", "--file", &log]));
    assert_eq!(stdout, "not a record: \u{fffd}[2Jno record\u{fffd}1m\n");
}

#[test]
fn audit_verify_names_the_first_broken_line() {
    let mut chain = Chain::genesis("default");
    let lines: Vec<String> = (0..3).map(|_| chain.seal(Draft::default()).unwrap().line).collect();
    let (directory, log) = written("audit.jsonl", &lines.concat());
    let (stdout, _) = expect(0, &mut aegisctl(&["audit", "verify", &log, "--instance", "default"]));
    assert!(stdout.starts_with("whole: 3 records (1 to 3)"), "{stdout}");
    let (stdout, _) = expect(1, &mut aegisctl(&["audit", "verify", &log, "--instance", "other"]));
    assert!(stdout.contains("BROKEN") && stdout.contains("line 1"), "{stdout}");

    let key = SigningKey::generate().unwrap();
    let (public, checkpoints) = (directory.path().join("key.pub"), directory.path().join("checkpoints"));
    std::fs::write(&public, key.public().to_pem()).unwrap();
    std::fs::write(&checkpoints, "").unwrap();
    let signed = ["--public-key", public.to_str().unwrap(), "--checkpoints", checkpoints.to_str().unwrap()];
    let (stdout, _) = expect(0, aegisctl(&["audit", "verify", &log]).args(signed));
    assert!(stdout.contains("signatures checked"), "{stdout}");

    std::fs::write(&log, lines.concat().replacen("\"seq\":2", "\"seq\":7", 1)).unwrap();
    let (stdout, _) = expect(1, &mut aegisctl(&["audit", "verify", &log, "-o", "json"]));
    let answer: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((answer["whole"].as_bool(), answer["line"].as_u64()), (Some(false), Some(2)));
}

#[test]
fn audit_tail_reads_a_file() {
    let mut chain = Chain::genesis("default");
    let lines: Vec<String> = (0..3).map(|_| chain.seal(Draft::default()).unwrap().line).collect();
    let (_directory, log) = written("audit.jsonl", &format!("{}half a li", lines.concat()));
    let (stdout, _) = expect(0, &mut aegisctl(&["audit", "tail", "--file", &log, "-n", "2", "-o", "json"]));
    assert_eq!(stdout, lines[1..].concat());
    let (stdout, _) = expect(0, &mut aegisctl(&["audit", "tail", "--file", &log, "-n", "1"]));
    assert!(stdout.contains("#3 "), "{stdout}");
}
