//! A Redis that is stopped, killed, or never there.

use std::time::Duration;

use aegis_tests::lab::redis::Redis;
use aegis_tests::{Daemon, Lab};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::lab::{HELLO, SINK, reachable, redis_at, refused, settings, show, soon, token};

/// Refused for want of an answer, recorded with the rule that would have let it pass.
fn unavailable(daemon: &Daemon<'_>, answer: &aegis_tests::Answer) -> Value {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.field("reason").contains("state store does not answer"), "{answer:?}");
    assert!(answer.json()["next_steps"][0].as_str().unwrap().contains("Try again"), "{answer:?}");
    let id = answer.field("decision_id");
    let record = daemon.record(|record| record["decision_id"] == id.as_str()).unwrap();
    assert!(record["decision"] == "deny" && record["status"] == 503 && record["rule"] == "all/closed", "{record}");
    record
}

/// Nothing that changes anything passes; what only reads passes where its rule says so.
fn closed_for_writes(lab: &Lab, daemon: &Daemon<'_>, token: &str) {
    unavailable(daemon, &show(lab, "owner", token, &["-d", "x", SINK]));
    // A safe method under a rule that does not fail open.
    unavailable(daemon, &show(lab, "owner", token, &[SINK]));
    let read = show(lab, "owner", token, &[HELLO]);
    assert_eq!(read.status, 200, "{read:?}");
    let passed = daemon.record(|record| {
        record["path"] == "/hello" && record["reason"].as_str().is_some_and(|reason| reason.contains("was not checked"))
    });
    assert_eq!(passed.unwrap()["decision"], "allow");
    // Without a token nothing is asked of the store.
    assert_eq!(lab.agent("owner").curl(&["-d", "x", SINK]).unwrap().status, 200);
}

#[test]
fn a_redis_that_is_stopped_or_killed_closes_writes_and_holds_nobody_up() {
    let lab = Lab::new().unwrap();
    let mut redis = Redis::start(&lab).unwrap();
    let daemon = Daemon::start(&lab, &settings("{replay: bound}", redis_at("127.0.0.1"))).unwrap();
    soon("the store answers", || reachable(&daemon));
    let known = token(&lab, "owner");
    assert_eq!(show(&lab, "owner", &known, &["-d", "x", SINK]).status, 200);
    let status = daemon.status().unwrap();
    assert_eq!((&status["state"]["store"], &status["state"]["reachable"]), (&"redis".into(), &true.into()), "{status}");

    // Stopped: it accepts and never answers. A token that was good before is not relied on for long.
    let fresh = token(&lab, "owner");
    a_thousand_at_once(&lab, &daemon, &fresh, || redis.signal(Signal::SIGSTOP).unwrap());
    soon("the daemon sees it", || !reachable(&daemon));
    closed_for_writes(&lab, &daemon, &known);
    closed_for_writes(&lab, &daemon, &fresh);
    let status = daemon.status().unwrap();
    assert!(status["state"]["last_error"].as_str().unwrap().contains("no answer within 1000 ms"), "{status}");
    assert!(daemon.metric("aegis_tokens_unchecked_total").unwrap() >= Some(2.0));
    redis.signal(Signal::SIGCONT).unwrap();
    soon("it is back", || reachable(&daemon));
    assert_eq!(show(&lab, "owner", &known, &["-d", "x", SINK]).status, 200);

    // Killed: nobody listens.
    redis.kill().unwrap();
    soon("the daemon sees it", || !reachable(&daemon));
    closed_for_writes(&lab, &daemon, &known);
    // What is revoked meanwhile is worthless here at once, and stored when the store is back.
    let revoked = lab.ctl(&["--output", "json", "token", "revoke", &known]).unwrap();
    let answer: Value = serde_json::from_str(&revoked.stdout).unwrap();
    assert_eq!(answer["stored"], false, "{revoked:?}");
    refused(&daemon, &show(&lab, "owner", &known, &[HELLO]), "token_revoked");
    redis.resume().unwrap();
    soon("it is back", || reachable(&daemon));
    soon("the revocation is stored", || !redis.cli(&["KEYS", "*:revoked"]).unwrap().is_empty());
    refused(&daemon, &show(&lab, "owner", &known, &[HELLO]), "token_revoked");
    assert_eq!(show(&lab, "owner", &token(&lab, "owner"), &["-d", "x", SINK]).status, 200);

    // A replica takes no writes: as good as none.
    redis.cli(&["REPLICAOF", "192.0.2.99", "6379"]).unwrap();
    soon("the daemon sees it", || !reachable(&daemon));
    assert!(daemon.status().unwrap()["state"]["last_error"].as_str().unwrap().to_lowercase().contains("read"));
    redis.cli(&["REPLICAOF", "NO", "ONE"]).unwrap();
    soon("it is back", || reachable(&daemon));
}

/// A thousand connections, opened beforehand; then one request on each of them at once.
const CROWD: &str = r#"
import asyncio, os, resource, socket, sys, time
token, ready, go = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
address = socket.getaddrinfo('api.allowed.test', 80, socket.AF_INET)[0][4]
request = f'POST /sink HTTP/1.1\r\nHost: api.allowed.test\r\nAegis-Token: {token}\r\nContent-Length: 1\r\n\r\nx'.encode()
async def one(connection):
    reader, writer = connection
    begun = time.monotonic()
    writer.write(request)
    status = (await reader.readline()).decode().split(' ')[1:2]
    print(*(status or ['none']), time.monotonic() - begun)
async def main():
    connections = []
    for _ in range(10):
        connections += await asyncio.gather(*(asyncio.open_connection(*address) for _ in range(100)))
    open(ready, 'w').close()
    while not os.path.exists(go): await asyncio.sleep(0.01)
    await asyncio.gather(*(one(connection) for connection in connections))
asyncio.run(main())
"#;

/// None of them waits for the others, and nothing piles up.
fn a_thousand_at_once(lab: &Lab, daemon: &Daemon<'_>, token: &str, stall: impl FnOnce()) {
    let (ready, go) = (lab.path("home/ready"), lab.path("home/go"));
    let words = ["/usr/bin/python3", "-c", CROWD, token, &ready.to_string_lossy(), &go.to_string_lossy()];
    let crowd = lab.agent("owner").limit(Duration::from_secs(90)).start(&words).unwrap();
    soon("a thousand connections", || ready.exists());
    let before = daemon.resident().unwrap();
    stall();
    std::fs::write(&go, "").unwrap();
    let outcome = crowd.finish().unwrap();
    let answers: Vec<(&str, f64)> = (outcome.stdout.lines())
        .filter_map(|line| line.split_once(' ').map(|(status, took)| (status, took.parse().unwrap())))
        .collect();
    assert_eq!(answers.len(), 1000, "{outcome:?}");
    // One call may take a second; the rest is a busy machine's. One after the other they would take a quarter of an hour.
    let others: Vec<_> = answers.iter().filter(|(status, took)| *status != "503" || *took > 15.0).collect();
    assert!(others.is_empty(), "{others:?} {}", outcome.stderr);
    let grown = daemon.resident().unwrap().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more than before");
}

#[test]
fn a_daemon_starts_without_its_redis_and_checks_tokens_once_it_is_there() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings("{replay: single_use}", redis_at("127.0.0.1"))).unwrap();
    soon("the daemon has looked", || daemon.metric("aegis_state_calls_failed_total").unwrap() >= Some(1.0));
    closed_for_writes(&lab, &daemon, &token(&lab, "owner"));
    let redis = Redis::start(&lab).unwrap();
    soon("the store answers", || reachable(&daemon));
    let once = token(&lab, "owner");
    assert_eq!(show(&lab, "owner", &once, &["-d", "x", SINK]).status, 200);
    refused(&daemon, &show(&lab, "owner", &once, &["-d", "x", SINK]), "token_replayed");
    drop(redis);
}

#[test]
fn a_redis_with_a_password_is_asked_with_it_and_a_wrong_one_is_told() {
    let lab = Lab::new().unwrap();
    let redis = Redis::start(&lab).unwrap();
    // What docs/operations.md gives, word for word.
    let rights = "+set +get +exists +xadd +xrange +xrevrange +zadd +zcount +zrevrangebyscore +zremrangebyscore \
                  +zremrangebyrank +expire";
    let mut words = vec!["ACL", "SETUSER", "aegis", "on", ">correct", "resetkeys", "~aegis:*", "-@all"];
    words.extend(rights.split_whitespace());
    assert_eq!(redis.cli(&words).unwrap(), "OK");
    assert_eq!(redis.cli(&["ACL", "SETUSER", "default", "off"]).unwrap(), "OK");
    let password = lab.path("redis.password");
    let write = |text: &str| {
        std::fs::write(&password, text).unwrap();
        std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    };
    let mut state = redis_at("127.0.0.1");
    state["redis"]["username"] = "aegis".into();
    state["redis"]["password_file"] = password.to_string_lossy().into_owned().into();
    write("wrong\n");
    let daemon = Daemon::start(&lab, &settings("{replay: bound}", state.clone())).unwrap();
    soon("the daemon has looked", || daemon.metric("aegis_state_calls_failed_total").unwrap() >= Some(1.0));
    closed_for_writes(&lab, &daemon, &token(&lab, "owner"));
    let status = daemon.status().unwrap();
    assert!(status["state"]["last_error"].as_str().unwrap().to_lowercase().contains("password"), "{status}");
    drop(daemon);
    write("correct\n");
    let daemon = Daemon::start(&lab, &settings("{replay: bound}", state)).unwrap();
    soon("the store answers", || reachable(&daemon));
    let used = token(&lab, "owner");
    assert_eq!(show(&lab, "owner", &used, &["-d", "x", SINK]).status, 200);
    assert!(lab.ctl(&["token", "revoke", &used]).unwrap().ok());
    refused(&daemon, &show(&lab, "owner", &used, &["-d", "x", SINK]), "token_revoked");
    let listed = lab.ctl(&["token", "list-revoked"]).unwrap();
    assert!(listed.ok() && listed.stdout.contains(&super::lab::jti(&lab, &used)), "{listed:?}");
}

#[test]
fn a_later_revocation_does_not_shorten_an_earlier_one() {
    let lab = Lab::new().unwrap();
    let redis = Redis::start(&lab).unwrap();
    let daemon = Daemon::start(&lab, &settings("{replay: bound}", redis_at("127.0.0.1"))).unwrap();
    soon("the store answers", || reachable(&daemon));
    let known = token(&lab, "owner");
    let jti = super::lab::jti(&lab, &known);
    let ends = || {
        let number = |words: &[&str]| redis.cli(words).unwrap().trim().parse::<f64>().unwrap();
        let (key, member) = (
            redis.cli(&["KEYS", "*:revoked"]).unwrap(),
            redis.cli(&["ZRANGE", "aegis:{revocations}:list", "0", "-1"]).unwrap(),
        );
        (number(&["TTL", key.trim()]), number(&["ZSCORE", "aegis:{revocations}:list", member.trim()]))
    };
    // Shown, its end is known; by its jti, it may be any.
    assert!(lab.ctl(&["token", "revoke", &known]).unwrap().ok());
    let short = ends();
    assert!(lab.ctl(&["token", "revoke", &jti]).unwrap().ok());
    let long = ends();
    assert!(short.0 < 86_400.0 && long.0 > 30.0 * 86_400.0 && long.1 > short.1, "{short:?} {long:?}");
    assert!(lab.ctl(&["token", "revoke", &known]).unwrap().ok());
    let after = ends();
    assert!(after.0 > 30.0 * 86_400.0 && after.1 >= long.1, "{long:?} {after:?}");
    drop(daemon);
}

#[test]
fn a_redis_over_tls_is_believed_by_the_configured_root_only() {
    let lab = Lab::new().unwrap();
    let (redis, root) = Redis::start_tls(&lab).unwrap();
    let at = |roots: &std::path::Path| {
        let mut state = redis_at("127.0.0.1");
        state["redis"]["url"] = state["redis"]["url"].as_str().unwrap().replace("redis:", "rediss:").into();
        state["redis"]["roots"] = serde_json::json!([roots]);
        settings("{replay: single_use}", state)
    };
    // The CA of the laboratory's origins has not signed this server.
    let daemon = Daemon::start(&lab, &at(&lab.path("origin-root.pem"))).unwrap();
    soon("the daemon has looked", || daemon.metric("aegis_state_calls_failed_total").unwrap() >= Some(1.0));
    closed_for_writes(&lab, &daemon, &token(&lab, "owner"));
    drop(daemon);
    let daemon = Daemon::start(&lab, &at(&root)).unwrap();
    soon("the store answers", || reachable(&daemon));
    let once = token(&lab, "owner");
    assert_eq!(show(&lab, "owner", &once, &["-d", "x", SINK]).status, 200);
    refused(&daemon, &show(&lab, "owner", &once, &["-d", "x", SINK]), "token_replayed");
    let place = daemon.status().unwrap()["state"]["place"].as_str().unwrap().to_owned();
    assert_eq!(place, "127.0.0.1:6379 (TLS)");
    drop(redis);
}
