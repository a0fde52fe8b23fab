//! How often a token may be shown, by whom, and when it is worth nothing any more.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod hosts;
mod lab;
mod outage;

use aegis_tests::{Daemon, Lab};
use lab::{HELLO, SINK, jti, refused, settings, show, token};
use serde_json::json;

#[test]
fn a_single_use_token_is_good_for_one_request_also_after_a_crash() {
    let lab = Lab::new().unwrap();
    let mut daemon = Daemon::start(&lab, &settings("{replay: single_use}", json!({}))).unwrap();
    let once = token(&lab, "owner");
    assert_eq!(show(&lab, "owner", &once, &["-d", "x", SINK]).status, 200);
    let record = refused(&daemon, &show(&lab, "owner", &once, &["-d", "x", SINK]), "token_replayed");
    assert_eq!(record["agent_id"], "owner");
    daemon.kill().unwrap();
    drop(daemon);
    let daemon = Daemon::resume(&lab).unwrap();
    refused(&daemon, &show(&lab, "owner", &once, &["-d", "x", SINK]), "token_replayed");
    assert_eq!(show(&lab, "owner", &token(&lab, "owner"), &["-d", "x", SINK]).status, 200);
    assert_eq!(lab.internet.requests.all().len(), 2, "one request a token");
    assert_eq!(daemon.metric(r#"aegis_tokens_refused_total{reason="token_replayed"}"#).unwrap(), Some(1.0));
    let status = daemon.status().unwrap();
    assert_eq!(status["state"]["store"], "embedded", "{status}");
}

#[test]
fn a_bound_token_is_good_for_many_requests_also_after_a_restart() {
    let lab = Lab::new().unwrap();
    let mut daemon = Daemon::start(&lab, &settings("{replay: bound}", json!({}))).unwrap();
    let bound = token(&lab, "owner");
    for _ in 0..3 {
        assert_eq!(show(&lab, "owner", &bound, &[HELLO]).status, 200);
    }
    daemon.stop().unwrap();
    drop(daemon);
    let daemon = Daemon::resume(&lab).unwrap();
    assert_eq!(show(&lab, "owner", &bound, &[HELLO]).status, 200);
    drop(daemon);
}

#[test]
fn a_stolen_token_is_told_with_both_names_and_where_the_policy_says_so_worth_nothing_for_its_owner() {
    for (tokens, owner_gets, reason) in [("{on_theft: refuse}", 200, ""), ("{on_theft: revoke}", 401, "token_revoked")]
    {
        let lab = Lab::new().unwrap();
        let daemon = Daemon::start(&lab, &settings(tokens, json!({}))).unwrap();
        let stolen = token(&lab, "owner");
        assert_eq!(show(&lab, "owner", &stolen, &[HELLO]).status, 200);
        let record = refused(&daemon, &show(&lab, "thief", &stolen, &[HELLO]), "token_theft");
        assert_eq!(record["agent_id"], "thief");
        assert!(record["reason"].as_str().unwrap().contains("(owner)"), "{record}");
        let told = daemon.log().lines().any(|line| {
            line.contains("token theft")
                && line.contains("owner")
                && line.contains("thief")
                && line.contains(&jti(&lab, &stolen))
        });
        assert!(told, "{}", daemon.log());
        assert_eq!(daemon.metric(r#"aegis_tokens_refused_total{reason="token_theft"}"#).unwrap(), Some(1.0));
        let answer = show(&lab, "owner", &stolen, &[HELLO]);
        assert_eq!(answer.status, owner_gets, "{tokens}: {answer:?}");
        assert!(answer.field("reason").starts_with(reason), "{answer:?}");
        assert_eq!(show(&lab, "owner", &token(&lab, "owner"), &[HELLO]).status, 200, "a new one is good");
    }
}

/// A request whose body ends when somebody says so.
const SLOW: &str = r#"
import os, socket, sys, time
token, go = sys.argv[1:]
s = socket.create_connection(('api.allowed.test', 80))
s.sendall(f'POST /sink HTTP/1.1\r\nHost: api.allowed.test\r\nAegis-Token: {token}\r\nContent-Length: 2\r\n\r\nx'.encode())
while not os.path.exists(go): time.sleep(0.01)
s.sendall(b'y')
print(s.recv(65536).decode())
"#;

#[test]
fn a_token_that_is_revoked_while_the_body_comes_sends_nothing() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings("{replay: bound}", json!({}))).unwrap();
    let calls = || daemon.metric("aegis_state_calls_total").unwrap().unwrap_or_default();
    for (revoked, answer) in [(false, "HTTP/1.1 200"), (true, "HTTP/1.1 401")] {
        let (slow, go) = (token(&lab, "owner"), lab.path(&format!("home/go-{revoked}")));
        let (before, words) = (calls(), ["/usr/bin/python3", "-c", SLOW, &slow, &go.to_string_lossy()]);
        let running = lab.agent("owner").start(&words).unwrap();
        // It was good when its head was read.
        lab::soon("the token has been shown", || calls() > before);
        if revoked {
            assert!(lab.ctl(&["token", "revoke", &slow]).unwrap().ok());
        }
        std::fs::write(&go, "").unwrap();
        let outcome = running.finish().unwrap();
        assert!(outcome.stdout.starts_with(answer), "{outcome:?}");
        assert_eq!(outcome.stdout.contains("token_revoked"), revoked, "{outcome:?}");
    }
    assert_eq!(lab.internet.requests.all().len(), 1, "only the first has left");
}

#[test]
fn another_agents_token_is_a_theft_on_the_control_socket_too() {
    for (path, extra) in [("token", r#", "child": "x""#), ("tokens/revoke", "")] {
        let lab = Lab::new().unwrap();
        let daemon = Daemon::start(&lab, &settings("{on_theft: revoke}", json!({}))).unwrap();
        let stolen = token(&lab, "owner");
        assert_eq!(show(&lab, "owner", &stolen, &[HELLO]).status, 200);
        let field = if path == "token" { "parent_token" } else { "token" };
        let call = format!(
            "curl -sS --unix-socket $AEGIS_SOCKET -H 'content-type: application/json' -w ' %{{http_code}}' \
             -d '{{\"{field}\": \"{stolen}\"{extra}}}' http://localhost/v1/{path}"
        );
        let answer = lab.raw("thief").shell(&call).unwrap().stdout;
        assert!(answer.ends_with(" 403") && answer.contains("token_theft") && answer.contains("(owner)"), "{answer}");
        assert_eq!(daemon.metric(r#"aegis_tokens_refused_total{reason="token_theft"}"#).unwrap(), Some(1.0));
        let told = |line: &str| line.contains("token theft") && line.contains("owner") && line.contains("thief");
        assert!(daemon.log().lines().any(told), "{}", daemon.log());
        refused(&daemon, &show(&lab, "owner", &stolen, &[HELLO]), "token_revoked");
    }
}

#[test]
fn who_may_revoke_what() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings("{replay: bound}", json!({}))).unwrap();
    let tokens: Vec<String> = (0..4).map(|_| token(&lab, "owner")).collect();
    for token in &tokens {
        assert_eq!(show(&lab, "owner", token, &[HELLO]).status, 200);
    }
    // An administrator: by the token, by its jti, from standard input.
    assert!(lab.ctl(&["token", "revoke", &tokens[0]]).unwrap().ok());
    assert!(lab.ctl(&["token", "revoke", &jti(&lab, &tokens[1])]).unwrap().ok());
    let aegisctl = aegis_tests::lab::binary("aegisctl").unwrap();
    let piped = lab.bystander().input(tokens[2].clone()).run(&[
        aegisctl.as_os_str(),
        "token".as_ref(),
        "revoke".as_ref(),
        "--stdin".as_ref(),
    ]);
    assert!(piped.unwrap().ok());
    for token in &tokens[..3] {
        refused(&daemon, &show(&lab, "owner", token, &[HELLO]), "token_revoked");
    }
    assert_eq!(show(&lab, "owner", &tokens[3], &[HELLO]).status, 200);
    let listed = lab.ctl(&["--output", "json", "token", "list-revoked"]).unwrap();
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed["total"], 3, "{listed}");

    // An agent: its own by showing it, nobody else's, and none by its jti.
    let call = |body: serde_json::Value| {
        format!(
            "curl -sS --unix-socket $AEGIS_SOCKET -H 'content-type: application/json' -w ' %{{http_code}}' -d '{body}' \
             http://localhost/v1/tokens/revoke"
        )
    };
    let thief = |body| lab.raw("thief").shell(&call(body)).unwrap().stdout;
    assert!(thief(json!({"token": tokens[3]})).ends_with(" 403"));
    assert!(thief(json!({"jti": jti(&lab, &tokens[3])})).ends_with(" 403"));
    assert!(thief(json!({})).ends_with(" 400"));
    assert_eq!(show(&lab, "owner", &tokens[3], &[HELLO]).status, 200);
    let own = lab.raw("owner").shell(&call(json!({"token": tokens[3]}))).unwrap().stdout;
    assert!(own.ends_with(" 200"), "{own}");
    refused(&daemon, &show(&lab, "owner", &tokens[3], &[HELLO]), "token_revoked");
}

#[test]
fn a_state_file_that_is_damaged_stops_the_start_and_says_what_to_do() {
    let lab = Lab::new().unwrap();
    std::fs::write(lab.path("state").join("state.redb"), b"not a database".repeat(500)).unwrap();
    let (status, log) = Daemon::refuses(&lab, &settings("{replay: bound}", json!({}))).unwrap();
    assert!(!status.success() && log.contains("state.redb cannot be read") && log.contains("Fix:"), "{log}");
}
