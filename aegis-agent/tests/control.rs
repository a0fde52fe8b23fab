//! The control API's server, with a fake daemon behind it and real processes with other credentials in front.
//!
//! Needs root and a cgroup v2 mount; fails without. What it makes (a cgroup, a directory) it takes away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "control/fake.rs"]
mod fake;
#[path = "control/lab.rs"]
mod lab;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use aegis_agent::control::{Access, OPENAPI, routes};
use lab::{Caller, Lab};
use serde_json::{Value, json};

/// Uid and gid of `nobody`.
const NOBODY: u32 = 65_534;

#[test]
fn the_openapi_document_lists_every_call_and_no_other() {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut documented = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let access = operation["x-aegis-access"].as_str().unwrap().to_owned();
            documented.insert((method.to_uppercase(), path.clone(), access));
        }
    }
    let access = |access| match access {
        Access::Anyone => "anyone",
        Access::Workload => "workload",
        Access::Admin => "admin",
    };
    let served: BTreeSet<_> = routes()
        .into_iter()
        .map(|route| (route.method.to_owned(), route.path.to_owned(), access(route.access).to_owned()))
        .collect();
    assert_eq!(documented, served);
}

#[test]
fn every_call_is_answered_and_admin_calls_only_to_administrators() {
    let lab = Lab::new(None);
    for route in routes() {
        let path = route.path.replace("{name}", "a").replace("{agent}", "a");
        let path = if route.path == "/v1/tools/pins" { format!("{path}?agent=a") } else { path };
        let path = path.replace("{id}", "0195f3a8-31d4-7c6e-8a54-6f2f5f0f7c11");
        let body = match route.path {
            "/v1/agents" if route.method == "POST" => json!({"name": "new"}),
            "/v1/agents/{name}" if route.method == "PUT" => json!({"name": "a"}),
            "/v1/token" => json!({"agent": "a"}),
            "/v1/token/inspect" | "/v1/tokens/revoke" => json!({"token": "t"}),
            "/v1/verification" => {
                json!({"agent": "a", "private": false, "duration_ms": 1, "vectors": [
                    {"name": "udp4", "actor": "user", "verdict": "held", "detail": ""}]})
            }
            "/v1/policy/explain" => {
                json!({"agent": "a", "method": "GET", "url": "https://x.example/"})
            }
            "/v1/tools/pins/reset" => json!({"agent": "a"}),
            "/v1/policy/push" => json!({"files": []}),
            "/v1/policy/rollback" | "/v1/policy/rollout/promote" => json!({}),
            _ => Value::Null,
        };
        let answer = lab.call(&Caller::root(), route.method, &path, &body);
        assert!((200..300).contains(&answer.status), "{} {path}: {answer:?}", route.method);
        let answer = lab.call(&Caller::user(NOBODY), route.method, &path, &body);
        if route.access == Access::Anyone {
            assert_eq!(answer.status, 200, "{path}");
        } else {
            assert_eq!(answer.status, 403, "{} {path}: {answer:?}", route.method);
            assert_eq!(answer.kind, "application/problem+json", "{path}");
            assert!(answer.body["next_steps"][0].as_str().is_some(), "{answer:?}");
        }
    }
}

#[test]
fn members_of_the_group_administrate_by_main_and_by_further_group() {
    let lab = Lab::new(Some(4_242));
    let status = |caller: &Caller| lab.call(caller, "GET", "/v1/status", &Value::Null).status;
    assert_eq!(status(&Caller::user(NOBODY)), 403);
    assert_eq!(status(&Caller::user(NOBODY).main_group(4_242)), 200);
    assert_eq!(status(&Caller::user(NOBODY).groups("1,2,4242")), 200);
    assert_eq!(status(&Caller::user(NOBODY).groups("1,2,4243")), 403);
    // More groups than the first try has room for.
    let many: Vec<String> = (1_000..1_100).chain([4_242]).map(|group| group.to_string()).collect();
    assert_eq!(status(&Caller::user(NOBODY).groups(&many.join(","))), 200);
}

#[test]
fn nobody_administrates_from_inside_the_enforced_subtree() {
    let lab = Lab::new(None);
    for (place, reason) in [("a", "runs as agent \"a\""), ("a/inner", "runs as agent \"a\""), ("removed", "subtree")] {
        let answer = lab.call(&Caller::root().inside(place), "GET", "/v1/agents", &Value::Null);
        assert_eq!(answer.status, 403, "{place}");
        assert!(answer.body["detail"].as_str().unwrap().contains(reason), "{place}: {answer:?}");
    }
    // Nor does an agent get another's token, be it root.
    let other = lab.call(&Caller::root().inside("a"), "POST", "/v1/token", &json!({"agent": "b"}));
    assert_eq!(other.status, 403);
}

#[test]
fn a_workload_gets_its_own_token_by_its_cgroup() {
    let lab = Lab::new(None);
    let token = |caller: &Caller, body: Value| lab.call(caller, "POST", "/v1/token", &body);
    for place in ["a", "a/inner"] {
        let answer = token(&Caller::user(NOBODY).inside(place), json!({}));
        assert_eq!((answer.status, &answer.body["agent"]), (200, &json!("a")), "{place}: {answer:?}");
    }
    let own = token(&Caller::user(NOBODY).inside("b"), json!({"agent": "b", "ttl_s": 60}));
    assert_eq!((own.status, &own.body["agent"], &own.body["expires_at"]), (200, &json!("b"), &json!(60)));
    assert_eq!(token(&Caller::user(NOBODY).inside("b"), json!({"agent": "a"})).status, 403);
    assert_eq!(token(&Caller::user(NOBODY).inside("removed"), json!({})).status, 403);
    let outside = token(&Caller::user(NOBODY), json!({}));
    assert_eq!(outside.status, 403);
    assert!(outside.body["next_steps"][0].as_str().unwrap().contains("aegisctl run"), "{outside:?}");
    assert_eq!(token(&Caller::root(), json!({"agent": "a"})).status, 200);
    assert_eq!(token(&Caller::root(), json!({"agent": "a", "ttl_s": 0})).status, 400);
}

#[test]
fn a_connection_whose_opener_is_gone_proves_nothing() {
    let lab = Lab::new(None);
    for caller in [Caller::root(), Caller::user(NOBODY).inside("a")] {
        let answer = lab.call(&caller.handing_over(), "POST", "/v1/token", &json!({"agent": "a"}));
        assert_eq!(answer.status, 403);
        assert!(answer.body["detail"].as_str().unwrap().contains("gone"), "{answer:?}");
    }
}

#[test]
fn bad_requests_are_problems() {
    let lab = Lab::new(None);
    let root = Caller::root();
    for (method, path, body, status) in [
        ("GET", "/v1/nothing", Value::Null, 404),
        ("PUT", "/v1/status", Value::Null, 405),
        ("GET", "/v1/run/missing", Value::Null, 404),
        ("GET", "/v1/run/..%2Fx", Value::Null, 400),
        ("DELETE", "/v1/agents/UPPER", Value::Null, 400),
        ("GET", "/v1/audit/tail?lines=x", Value::Null, 400),
        ("POST", "/v1/agents", json!({"name": "ok", "nmae": "typing error"}), 400),
        ("POST", "/v1/agents", json!({"name": "../up"}), 400),
        ("POST", "/v1/agents", json!([]), 400),
        ("POST", "/v1/policy/explain", json!({"agent": "a", "method": "GET", "url": "x".repeat(5 << 20)}), 413),
    ] {
        let answer = lab.call(&root, method, path, &body);
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert_eq!(answer.kind, "application/problem+json", "{method} {path}");
        assert_eq!(answer.body["status"], status, "{method} {path}");
    }
}

#[test]
fn a_slow_head_is_cut_off_and_idlers_do_not_keep_administrators_out() {
    let lab = Lab::new(None);
    let idlers = lab.idlers(&Caller::user(NOBODY), 300);
    let mut slow = lab.connect();
    slow.write_all(b"GET /v1/status HTT").unwrap();
    assert_eq!(lab.call(&Caller::root(), "GET", "/v1/status", &Value::Null).status, 200);
    drop(idlers);
    let start = Instant::now();
    slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).unwrap();
    assert!(start.elapsed() < Duration::from_secs(10), "cut off after {:?}", start.elapsed());
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
}

#[test]
fn an_agent_that_runs_as_root_takes_no_administrators_place_nor_another_agents() {
    let lab = Lab::new(None);
    let idlers = lab.idlers(&Caller::root().inside("a"), 600);
    assert_eq!(lab.call(&Caller::root(), "GET", "/v1/status", &Value::Null).status, 200);
    for (caller, agent) in [(Caller::user(NOBODY).inside("b"), "b"), (Caller::root().inside("b"), "b")] {
        let answer = lab.call(&caller, "POST", "/v1/token", &json!({}));
        assert_eq!((answer.status, &answer.body["agent"]), (200, &json!(agent)), "{answer:?}");
    }
    drop(idlers);
    let idlers = lab.idlers(&Caller::root().departed(), 300);
    assert_eq!(lab.call(&Caller::root(), "GET", "/v1/status", &Value::Null).status, 200);
    drop(idlers);
}

#[test]
fn who_has_left_its_agent_is_nobody_here() {
    let lab = Lab::new(None);
    let root = Caller::root().departed();
    let status = lab.call(&root, "GET", "/v1/status", &Value::Null);
    assert_eq!(status.status, 403);
    assert!(status.body["detail"].as_str().unwrap().contains("has left the cgroup of its agent"), "{status:?}");
    for (path, body) in [("/v1/token", json!({"agent": "a"})), ("/v1/tokens/revoke", json!({"token": "t"}))] {
        assert_eq!(lab.call(&root, "POST", path, &body).status, 403, "{path}");
        assert_eq!(lab.call(&root.clone().inside("b"), "POST", path, &body).status, 403, "{path} from another's");
    }
}

#[test]
fn an_agent_gets_so_many_tokens_at_once_and_others_theirs() {
    let lab = Lab::new(None);
    let (got, refused) = lab.greedy(&Caller::user(NOBODY).inside("a"));
    assert!(got >= 200, "its burst: {got}");
    assert_eq!((refused.status, refused.kind.as_str()), (429, "application/problem+json"), "{refused:?}");
    assert!(refused.body["next_steps"][0].as_str().unwrap().starts_with("wait "), "{refused:?}");
    assert_eq!(lab.call(&Caller::user(NOBODY).inside("b"), "POST", "/v1/token", &json!({})).status, 200);
    assert_eq!(lab.call(&Caller::root(), "POST", "/v1/token", &json!({"agent": "a"})).status, 200);
}

#[test]
fn what_agents_send_is_small_and_of_the_right_type() {
    let lab = Lab::new(None);
    let scopes = vec!["read"; 20_000];
    let answer = lab.call(&Caller::user(NOBODY).inside("a"), "POST", "/v1/token", &json!({"scopes": scopes}));
    assert_eq!(answer.status, 413, "{answer:?}");
    let mut stream = lab.connect();
    let text = "POST /v1/token HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n{}";
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
}

#[test]
fn the_audit_log_is_followed_until_shutdown() {
    let lab = Lab::new(None);
    let mut stream = lab.connect();
    stream.write_all(b"GET /v1/audit/tail?lines=2&follow=true HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains("\"seq\":5") {
        let count = stream.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "ended early: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    // 1 to 3 are in the file, 3 to 5 come live: each of the last two and of the new ones once.
    let seen: Vec<usize> = (1..=5).map(|seq| text.matches(&format!("\"seq\":{seq}}}")).count()).collect();
    assert_eq!(seen, [0, 1, 1, 1, 1], "{text}");
    let path = lab.socket().to_owned();
    let start = Instant::now();
    drop(lab);
    stream.read_to_string(&mut text).unwrap();
    assert!(start.elapsed() < Duration::from_secs(3), "a follower must not hold the shutdown up");
    assert!(!path.exists(), "the socket is taken away");
}

#[test]
fn a_workload_revokes_by_showing_the_token_only() {
    let lab = Lab::new(None);
    let revoke = |caller: &Caller, body: Value| lab.call(caller, "POST", "/v1/tokens/revoke", &body);
    let inside = Caller::root().inside("a");
    let own = revoke(&inside, json!({"token": "t"}));
    assert_eq!((own.status, &own.body["jti"]), (200, &json!("a")), "asked as the agent, root or not: {own:?}");
    assert_eq!(revoke(&inside, json!({"jti": "j"})).status, 403);
    assert_eq!(revoke(&Caller::root().inside("removed"), json!({"token": "t"})).status, 403, "nobody's agent");
    let by_administrator = revoke(&Caller::root(), json!({"jti": "j", "issuer": "i"}));
    assert_eq!(by_administrator.body["jti"], "an administrator", "{by_administrator:?}");
    for neither in [json!({}), json!({"token": "t", "jti": "j"})] {
        assert_eq!(revoke(&Caller::root(), neither).status, 400);
    }
}
