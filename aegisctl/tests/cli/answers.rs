//! Commands that ask the daemon.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::fake::{Fake, agent, status};
use crate::{aegisctl, expect};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn without_a_daemon_the_exit_code_is_3_and_the_next_step_is_named() {
    for arguments in [
        &["status"][..],
        &["agents", "list"],
        &["audit", "tail"],
        &["token", "mint"],
        &["policy", "reload"],
        &["verify"],
        &["run", "--agent", "a", "--", "true"],
    ] {
        let (_, stderr) = expect(3, aegisctl(arguments).env("AEGIS_SOCKET", "/nonexistent/control.sock"));
        assert!(stderr.contains("/nonexistent/control.sock"), "{stderr}");
        assert!(stderr.contains("next: start it"), "{stderr}");
    }
}

#[test]
fn doctor_without_a_daemon_shows_what_it_can_see_and_ends_with_3() {
    let socket = ["--socket", "/nonexistent/control.sock"];
    let (stdout, stderr) = expect(3, aegisctl(&["doctor"]).args(socket));
    for row in ["kernel version", "kernel BTF", "cgroup v2", "bpffs", "lockdown", "BPF LSM", "run: seccomp"] {
        assert!(stdout.contains(row), "{row}: {stdout}");
    }
    assert!(stderr.contains("next: start it"), "{stderr}");
    let (stdout, _) = expect(3, aegisctl(&["doctor", "-o", "json"]).args(socket));
    assert_eq!(parsed(&stdout)["daemon_reachable"], false);
}

#[test]
fn doctor_fails_when_a_finding_does() {
    let finding = |level: &str| json!([{"name": "kernel BTF", "level": level, "detail": "seen", "fix": "do this"}]);
    let fake = Fake::serve(&[("GET /v1/doctor", 200, finding("fail"))]);
    let (stdout, _) = expect(1, &mut fake.aegisctl(&["doctor"]));
    assert!(stdout.contains("FAIL") && stdout.contains("do this"), "{stdout}");
    let fake = Fake::serve(&[("GET /v1/doctor", 200, finding("warn"))]);
    let (stdout, _) = expect(0, &mut fake.aegisctl(&["doctor", "--output", "json"]));
    assert_eq!(parsed(&stdout)["findings"][0]["level"], "warn");
}

#[test]
fn status_for_people_and_for_programs() {
    let fake = Fake::serve(&[("GET /v1/status", 200, status())]);
    let (stdout, _) = expect(0, &mut fake.aegisctl(&["status"]));
    for text in [
        "node-1",
        "1 h 2 min",
        "v7 (version 0, 3 rules",
        "finance.yaml:3:1",
        "connect4",
        "allow 5, deny 4",
        "127.0.0.1:15001",
        "770 days",
        "finance-agent",
        "redirected 7",
        "next: aegisctl verify",
        "4026532999",
        "2026-11-23T01:02:03Z",
        "1 of 2 served",
        "NOT SERVED: /run/netns/late cannot be opened",
    ] {
        assert!(stdout.contains(text), "{text}: {stdout}");
    }
    assert!(!stdout.contains('\u{1b}'), "colours in a pipe: {stdout:?}");
    let (stdout, _) = expect(0, &mut fake.aegisctl(&["status", "--output", "json"]));
    // What an older daemon does not tell has its default.
    let whole: aegis_api::Status = serde_json::from_value(status()).unwrap();
    assert_eq!(parsed(&stdout), serde_json::to_value(whole).unwrap());
}

#[test]
fn status_tells_what_leaked_and_verify_which_agent_there_is_not() {
    let mut leaky = status();
    leaky["verifications"] = json!([{"agent": "finance-agent", "at": "2026-11-23T05:00:00Z", "private": false, "held": 44,
        "deployment": 5, "na": 4, "leaked": ["quic4"], "current": true}]);
    let fake = Fake::serve(&[("GET /v1/status", 200, leaky), ("GET /v1/agents", 200, json!([agent("finance-agent")]))]);
    let (stdout, _) = expect(0, &mut fake.aegisctl(&["status"]));
    assert!(stdout.contains("finance-agent at 2026-11-23T05:00:00Z: 44 held, leaked: quic4"), "{stdout}");
    let (_, stderr) = expect(1, &mut fake.aegisctl(&["verify", "--agent", "other"]));
    assert!(stderr.contains("next: aegisctl agents register other"), "{stderr}");
    // Whatever the daemon calls a cgroup, nothing is written to another file system.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let (_, stderr) = expect(1, &mut fake.aegisctl(&["verify", "--private", "--cgroup", path]));
    assert!(stderr.contains("no directory of the cgroup v2 hierarchy"), "{stderr}");
    assert_eq!(std::fs::read_dir(path).unwrap().count(), 0);
}

#[test]
fn status_is_1_when_enforcement_is_not_whole() {
    let mut broken = status();
    broken["ready"] = json!(false);
    broken["audit"]["healthy"] = json!(false);
    let fake = Fake::serve(&[("GET /v1/status", 200, broken)]);
    let (stdout, _) = expect(1, &mut fake.aegisctl(&["status"]));
    assert!(stdout.contains("NOT READY") && stdout.contains("NOT WRITABLE"), "{stdout}");
}

#[test]
fn agents_are_listed_registered_and_removed() {
    let fake = Fake::serve(&[
        ("GET /v1/agents", 200, json!([agent("finance-agent")])),
        ("POST /v1/agents", 201, agent("new")),
        ("DELETE /v1/agents/new", 204, Value::Null),
    ]);
    let (stdout, _) = expect(0, &mut fake.aegisctl(&["agents", "list"]));
    assert!(stdout.contains("AGENT") && stdout.contains("/sys/fs/cgroup/aegis/finance-agent"), "{stdout}");
    let (stdout, _) = expect(
        0,
        &mut fake.aegisctl(&[
            "agents",
            "register",
            "new",
            "--label",
            "team=payments",
            "--direct",
            "10.0.0.5/32:5432",
            "--mode",
            "shadow",
        ]),
    );
    assert!(stdout.contains("next: aegisctl run --agent new"), "{stdout}");
    expect(0, &mut fake.aegisctl(&["agents", "remove", "new"]));
    let (call, body) = &fake.requests()[1];
    assert_eq!(call, "POST /v1/agents");
    assert_eq!(body["labels"], json!({"team": "payments"}));
    assert_eq!(body["direct"], json!([{"cidr": "10.0.0.5/32", "port": 5432, "protocol": "tcp"}]));
    assert_eq!(body["mode"], "shadow");
    // Names that could be paths never reach the daemon.
    expect(2, &mut fake.aegisctl(&["agents", "register", "../x"]));
    expect(2, &mut fake.aegisctl(&["agents", "remove", "../x"]));
    assert_eq!(fake.requests().len(), 3);
}

#[test]
fn an_update_sends_the_whole_description_with_the_change() {
    let mut known = agent("finance-agent");
    known["labels"] = json!({"team": "payments"});
    known["policies"] = json!(["finance"]);
    known["token"] = json!("required");
    let mut changed = known.clone();
    changed["unknown_policies"] = json!(["mail"]);
    let fake = Fake::serve(&[
        ("GET /v1/agents", 200, json!([known])),
        ("PUT /v1/agents/finance-agent", 200, changed),
        ("POST /v1/agents", 201, agent("new")),
    ]);
    let update = ["agents", "update", "finance-agent", "--policy", "mail", "--label", "stage=prod"];
    let (stdout, stderr) = expect(0, &mut fake.aegisctl(&update));
    assert!(stdout.contains("asked about again"), "{stdout}");
    assert!(stderr.contains("no policy in force is named \"mail\""), "{stderr}");
    let (call, body) = fake.requests().pop().unwrap();
    assert_eq!(call, "PUT /v1/agents/finance-agent");
    assert_eq!((&body["policies"], &body["token"]), (&json!(["mail"]), &json!("required")));
    assert_eq!(body["labels"], json!({"team": "payments", "stage": "prod"}));
    expect(0, &mut fake.aegisctl(&["agents", "update", "finance-agent", "--unset", "policies"]));
    assert_eq!(fake.requests().pop().unwrap().1["policies"], json!([]));
    let (_, stderr) = expect(1, &mut fake.aegisctl(&["agents", "update", "nobody", "--policy", "x"]));
    assert!(stderr.contains("next: aegisctl agents register nobody"), "{stderr}");
    // From a file, with a flag over it.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("new.yaml");
    std::fs::write(&file, "name: new\npolicies: [finance]\nbudget_profile: small\nmode: shadow\n").unwrap();
    expect(0, &mut fake.aegisctl(&["agents", "register", "--file", file.to_str().unwrap(), "--mode", "enforce"]));
    let (call, body) = fake.requests().pop().unwrap();
    assert_eq!(
        (call.as_str(), &body["mode"], &body["budget_profile"]),
        ("POST /v1/agents", &json!("enforce"), &json!("small"))
    );
    expect(2, &mut fake.aegisctl(&["agents", "register"]));
    expect(2, &mut fake.aegisctl(&["agents", "register", "other", "--file", file.to_str().unwrap()]));
}

#[test]
fn a_dry_run_without_files_asks_the_daemon_what_curl_would_send() {
    let answer = json!({"decision": "sanitize", "text": "all of it", "findings": [
        {"what": "email", "place": "body at 3", "action": "redact", "count": 2}],
        "explanation": {"mode": "enforce", "rule": "p/r", "reason": "because", "policy_version": "v1", "next_steps": []},
        "sent": {"target": "/x?a=1", "headers": [["x-env", "prod"]], "body": "to [email]"}});
    let fake = Fake::serve(&[("POST /v1/policy/explain", 200, answer)]);
    let dry_run = ["policy", "dry-run", "--agent", "a", "--now", "2026-11-23T09:30:00Z", "--", "curl", "-sXPUT"];
    let rest = ["-H", "X-Env: prod", "-d", "a=b", "https://x.example/x"];
    let (stdout, _) = expect(0, &mut fake.aegisctl(&[&dry_run[..], &rest[..]].concat()));
    for line in [
        "sanitize (enforce): because",
        "rule p/r, policy version v1",
        "found email in body at 3, 2 time(s): redact",
        "  PUT /x?a=1",
        "  x-env: prod",
        "  to [email]",
    ] {
        assert!(stdout.contains(line), "{line}\n{stdout}");
    }
    assert!(!stdout.contains("all of it"), "conditions come with --explain only: {stdout}");
    let body = &fake.requests()[0].1;
    assert_eq!(
        (&body["agent"], &body["method"], &body["url"]),
        (&json!("a"), &json!("PUT"), &json!("https://x.example/x"))
    );
    assert_eq!((&body["body"], &body["now"]), (&json!("a=b"), &json!("2026-11-23T09:30:00Z")));
    assert_eq!((&body["headers"]["x-env"], &body["headers"]["user-agent"]), (&json!("prod"), &json!("curl")));
    let (stdout, _) = expect(
        0,
        &mut fake.aegisctl(&[
            "policy",
            "dry-run",
            "--explain",
            "--agent",
            "a",
            "--curl",
            "curl 'https://x.example/a b'",
        ]),
    );
    assert!(stdout.starts_with("all of it"), "{stdout}");
    for wrong in [
        &["policy", "dry-run", "--agent", "a"][..],
        &["policy", "dry-run", "--agent", "a", "--curl", "curl -x p https://x.example/"],
        &["policy", "dry-run", "--agent", "a", "--curl", "curl 'https://x.example/"],
        &["policy", "dry-run", "--agent", "a", "--json", "{\"url\": 7}"],
        &["policy", "dry-run", "--agent", "a", "--json", "{\"agent\": \"b\", \"url\": \"https://x.example/\"}"],
        &["policy", "dry-run", "--agent", "a", "--scope", "s", "--url", "https://x.example/"],
    ] {
        expect(2, &mut fake.aegisctl(wrong));
    }
}

#[test]
fn a_refusal_is_1_with_the_daemons_next_step() {
    let problem = json!({"type": "about:blank", "title": "Forbidden", "status": 403, "detail": "uid 1000 is not root",
                         "next_steps": ["run it as root (sudo)"]});
    let fake = Fake::serve(&[("GET /v1/agents", 403, problem)]);
    let (_, stderr) = expect(1, &mut fake.aegisctl(&["agents", "list"]));
    assert!(stderr.contains("uid 1000 is not root\n  next: run it as root"), "{stderr}");
}

#[test]
fn a_minted_token_is_all_that_is_printed() {
    let token = json!({"token": "a.b.c", "agent": "finance-agent", "expires_at": 1, "jti": "j"});
    let fake = Fake::serve(&[("POST /v1/token", 200, token)]);
    let (stdout, _) = expect(0, &mut fake.aegisctl(&["token", "mint", "--agent", "finance-agent", "--ttl", "60"]));
    assert_eq!(stdout, "a.b.c\n");
    assert_eq!(fake.requests()[0].1, json!({"agent": "finance-agent", "ttl_s": 60}));
    expect(0, &mut fake.aegisctl(&["token", "mint"]));
    assert_eq!(fake.requests()[1].1, json!({}));
}

#[test]
fn a_sub_agents_token_is_asked_for_with_all_that_narrows_it() {
    let token =
        json!({"token": "a.b.c", "agent": "a", "agent_id": "a/b", "scopes": ["x"], "expires_at": 1, "jti": "j"});
    let fake = Fake::serve(&[("POST /v1/token", 200, token)]);
    let mint = |arguments: &[&str]| {
        expect(0, fake.aegisctl(&["token", "mint"]).args(arguments));
        fake.requests().last().unwrap().1.clone()
    };
    assert_eq!(
        mint(&["--child", "b", "--scopes", "x,y", "--scopes", "z"]),
        json!({"child": "b", "scopes": ["x", "y", "z"]})
    );
    assert_eq!(mint(&["--scopes", ""]), json!({"scopes": []}));
    assert_eq!(mint(&["--child", "c", "--parent-token", " t "]), json!({"child": "c", "parent_token": "t"}));
    let n = fake.requests().len();
    expect(2, &mut fake.aegisctl(&["token", "mint", "--parent-token", "t"]));
    expect(2, &mut fake.aegisctl(&["token", "mint", "--child", "a/b"]));
    assert_eq!(fake.requests().len(), n);
}

/// The claims of an outside issuer's token, and of a sub-agent's; nobody has signed them.
fn unsigned(claims: &Value) -> String {
    let encode = |value: &Value| data_encoding::BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    format!("{}.{}.AA", encode(&json!({"alg": "ES256", "kid": "k-1"})), encode(claims))
}

#[test]
fn a_token_is_shown_with_its_chain_and_the_daemons_verdict() {
    let call = "POST /v1/token/inspect";
    let fake = Fake::serve(&[(call, 200, json!({"verified": true}))]);
    let token = unsigned(&json!({"sub": "a", "agent_id": "a/b/c", "parent_agent_id": "a/b", "exp": 4_000_000_000u64,
        "act": {"sub": "a/b/c", "act": {"sub": "a/b"}}, "scopes": ["x", "y"]}));
    let (stdout, _) = expect(0, &mut fake.aegisctl(&["token", "inspect", &token]));
    for text in ["a > a/b > a/b/c", "x y", "left", "ES256 k-1", "holds, by the daemon's keys"] {
        assert!(stdout.contains(text), "{text}: {stdout}");
    }
    assert_eq!(fake.requests()[0].1, json!({"token": token}));
    let fake = Fake::serve(&[(call, 200, json!({"verified": false, "reason": "the signature is wrong"}))]);
    let outside =
        unsigned(&json!({"iss": "https://login.test/", "sub": "a", "aud": ["x", "aegis"], "scp": "p q", "exp": 1.5}));
    let (stdout, _) = expect(1, &mut fake.aegisctl(&["token", "inspect", &outside]));
    for text in ["https://login.test/", "x aegis", "p q", "EXPIRED", "DOES NOT HOLD: the signature is wrong"] {
        assert!(stdout.contains(text), "{text}: {stdout}");
    }
    let (stdout, _) = expect(1, &mut fake.aegisctl(&["token", "inspect", &outside, "-o", "json"]));
    assert_eq!(parsed(&stdout)["verified"], false);
    // Nor is a daemon that does not answer this caller a yes.
    let refusal = json!({"title": "Forbidden", "status": 403, "detail": "administrators only"});
    let fake = Fake::serve(&[(call, 403, refusal)]);
    let (stdout, _) = expect(1, &mut fake.aegisctl(&["token", "inspect", &outside]));
    assert!(stdout.contains("not checked: administrators only"), "{stdout}");
}

#[test]
fn keys_are_listed_and_rotated() {
    let keys = json!({"issuer": "aegis:default", "place": "/var/lib/aegis/keys", "rotates": "2026-11-30T00:00:00Z",
        "keys": [{"kid": "k-1", "alg": "EdDSA", "state": "current", "created": "2026-11-23T00:00:00Z"},
                 {"kid": "k-2", "alg": "EdDSA", "state": "next", "created": "2026-11-23T00:00:00Z"},
                 {"kid": "k-0", "alg": "ES256", "state": "retired", "created": "2026-11-16T00:00:00Z", "retires": "2026-11-24T00:05:00Z"}],
        "trusted": [{"issuer": "https://login.test/", "jwks": "https://login.test/keys", "keys": 2, "skipped": 1, "error": "no answer"}]});
    let fake = Fake::serve(&[("GET /v1/keys", 200, keys.clone()), ("POST /v1/keys/rotate", 200, keys.clone())]);
    for command in ["list", "rotate"] {
        let (stdout, _) = expect(0, &mut fake.aegisctl(&["keys", command]));
        for text in [
            "k-1",
            "signs",
            "next",
            "verifies until 2026-11-24T00:05:00Z",
            "2026-11-30",
            "https://login.test/",
            "no answer",
        ] {
            assert!(stdout.contains(text), "{command} {text}: {stdout}");
        }
        let (stdout, _) = expect(0, &mut fake.aegisctl(&["keys", command, "-o", "json"]));
        assert_eq!(parsed(&stdout), keys);
    }
}

#[test]
fn audit_tail_shows_lines_and_survives_a_reader_that_goes() {
    let lines: String = (0..5_000).map(|n| format!("{{\"seq\":{n}}}\n")).collect();
    let call = "GET /v1/audit/tail?lines=7&follow=false".to_owned();
    let fake = Fake::serve_text(HashMap::from([(call, (200, lines.clone()))]));
    let (stdout, _) = expect(0, &mut fake.aegisctl(&["audit", "tail", "-n", "7", "--output", "json"]));
    assert_eq!(stdout, lines);
    let (stdout, _) = expect(0, &mut fake.aegisctl(&["audit", "tail", "-n", "7"]));
    assert!(stdout.starts_with("not a record: {\"seq\":0}"), "{stdout}");
    let mut head = fake.aegisctl(&["audit", "tail", "-n", "7", "--output", "json"]);
    let mut child = head.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "a closed pipe is no error to talk about");
}

#[test]
fn policy_explain_asks_the_daemon_and_answers_by_exit_code() {
    let answer = |decision: &str| json!({"decision": decision, "text": "because", "explanation": {}});
    let call = "POST /v1/policy/explain";
    let arguments = ["policy", "explain", "--agent", "a", "--url", "https://x.example/", "--header", "x-env: prod"];
    let fake = Fake::serve(&[(call, 200, answer("sanitize"))]);
    let (stdout, _) = expect(0, &mut fake.aegisctl(&arguments));
    assert_eq!(stdout, "because\n");
    assert_eq!(fake.requests()[0].1["headers"], json!({"x-env": "prod"}));
    let fake = Fake::serve(&[(call, 200, answer("approval_needed"))]);
    expect(1, &mut fake.aegisctl(&arguments));
}

#[test]
fn policy_reload_says_what_is_in_force() {
    let policy = json!({"version": "v8", "rules": 4, "source": "p", "loaded_at": "t", "last_error": null});
    let fake = Fake::serve(&[("POST /v1/policy/reload", 200, policy)]);
    let (stdout, _) = expect(0, &mut fake.aegisctl(&["policy", "reload"]));
    assert_eq!(stdout, "v8 is in force (4 rules from p)\n");
}
