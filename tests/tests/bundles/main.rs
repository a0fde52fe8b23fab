//! Policies from a bundle server: a new revision takes effect, and whatever is wrong with one leaves the last good one in
//! force, over restarts too.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod server;

use std::path::Path;
use std::time::Duration;

use aegis_tests::lab::wait_for;
use aegis_tests::{AGENT, Daemon, Lab, Settings};
use serde_json::{Value, json};
use server::{Answer, Server};

const LIMIT: Duration = Duration::from_secs(20);
const TOKEN: &str = "a-bearer-token";
/// What the daemon takes at most, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// A policy under which only `path` is allowed.
fn policy(version: &str, path: &str) -> String {
    format!(
        "version: {version}\npolicies:\n  - name: served\n    agents: [\"*\"]\n    rules:\n      - {{name: only, hosts: [api.allowed.test], paths: [\"{path}\"], decision: allow}}\n"
    )
}

fn key(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../aegis-policy/tests/keys").join(name);
    path.display().to_string()
}

/// A bundle as an operator builds it, with `aegisctl policy build`.
fn built(lab: &Lab, policy: &str, revision: &str, serial: u64, signing: &[&str]) -> Vec<u8> {
    let (source, bundle) = (lab.path("served.yaml"), lab.path(&format!("{revision}.tar.gz")));
    std::fs::write(&source, policy).unwrap();
    let serial = serial.to_string();
    let (source, file) = (source.display().to_string(), bundle.display().to_string());
    let mut command = vec!["policy", "build", &source, "--file", &file, "--revision", revision, "--serial", &serial];
    command.extend(signing);
    let outcome = lab.ctl(&command).unwrap();
    assert!(outcome.ok(), "{outcome:?}");
    std::fs::read(bundle).unwrap()
}

fn signed(lab: &Lab, policy: &str, revision: &str, serial: u64) -> Vec<u8> {
    built(lab, policy, revision, serial, &["--signing-key", &key("es256.pem"), "--key-id", "release"])
}

/// A daemon that takes its policies from `url`, signed by the key `release`.
fn settings(lab: &Lab, url: &str) -> Settings {
    std::fs::write(lab.path("token"), TOKEN).unwrap();
    let key = json!({"id": "release", "file": key("es256.pub.pem"), "algorithm": "ES256"});
    Settings::with(json!({
        "policies": {
            "bundle": url, "keys": [key], "poll_s": 1, "poll_jitter_pct": 0, "timeout_ms": 1000,
            "max_bytes": MAX_BYTES, "token_file": lab.path("token"),
        },
        "upstream": {"extra_roots": [lab.path("origin-root.pem"), lab.path("bundle-root.pem")]},
    }))
}

fn start_server(lab: &Lab, port: u16, answer: Answer) -> Server {
    Server::start(lab, &lab.path("bundle-root.pem"), port, answer)
}

fn allowed(lab: &Lab, path: &str) -> bool {
    let answer = lab.agent(AGENT).curl(&[&format!("https://api.allowed.test{path}")]).unwrap();
    assert!(answer.status == 200 || answer.is_denial(), "{answer:?}");
    answer.status == 200
}

fn policy_status(daemon: &Daemon<'_>) -> Value {
    daemon.status().unwrap()["policy"].clone()
}

fn await_version(daemon: &Daemon<'_>, version: &str) {
    wait_for(LIMIT, || (policy_status(daemon)["version"] == version).then_some(()))
        .unwrap_or_else(|| panic!("{version} never came: {:#}\n{}", policy_status(daemon), daemon.log()));
}

#[test]
fn a_new_revision_takes_effect_and_a_bad_one_does_not() {
    let lab = Lab::new().unwrap();
    let first = signed(&lab, &policy("v1", "/hello"), "r1", 100);
    let second = signed(&lab, &policy("v2", "/hello/second"), "r2", 200);
    let server = start_server(&lab, 0, Answer::Bundle { bytes: first.clone(), etag: "\"one\"" });
    let daemon = Daemon::start(&lab, &settings(&lab, &server.url())).unwrap();
    let status = policy_status(&daemon);
    assert_eq!((&status["version"], &status["source"]), (&json!("v1"), &json!(server.url())));
    assert_eq!((&status["bundle"]["revision"], &status["bundle"]["serial"]), (&json!("r1"), &json!(100)));
    assert_eq!((&status["bundle"]["signed_by"], &status["bundle"]["etag"]), (&json!("release"), &json!("\"one\"")));
    assert!(allowed(&lab, "/hello") && !allowed(&lab, "/hello/second"));

    // Asked again with the tag; a 304 changes nothing.
    let conditional =
        |etag: &str| server.asked().iter().filter(|asked| asked.if_none_match.as_deref() == Some(etag)).count();
    wait_for(LIMIT, || (conditional("\"one\"") >= 2).then_some(())).expect("no conditional request");
    assert_eq!(policy_status(&daemon)["failures"], 0);
    assert!(server.asked().iter().all(|asked| asked.authorization.as_deref() == Some("Bearer a-bearer-token")));

    // Nobody touches the host: the poll finds it.
    server.answer(Answer::Bundle { bytes: second.clone(), etag: "\"two\"" });
    await_version(&daemon, "v2");
    assert!(!allowed(&lab, "/hello") && allowed(&lab, "/hello/second"));

    let unsigned = built(&lab, &policy("v3", "/**"), "r3", 300, &[]);
    let stranger =
        built(&lab, &policy("v3", "/**"), "r3", 300, &["--signing-key", &key("other.pem"), "--key-id", "release"]);
    let unknown =
        built(&lab, &policy("v3", "/**"), "r3", 300, &["--signing-key", &key("es256.pem"), "--key-id", "other"]);
    let half = second[..second.len() / 2].to_vec();
    let bundle = |bytes: &[u8]| Answer::Bundle { bytes: bytes.to_vec(), etag: "\"bad\"" };
    let cases = [
        ("cut short", bundle(&half), "it is no whole gzip archive"),
        ("unsigned", bundle(&unsigned), "it is not signed"),
        ("wrong key", bundle(&stranger), "the key did not sign this"),
        ("unknown key", bundle(&unknown), "the key `other`, which is not configured here"),
        ("older", bundle(&first), "older than what this host had from there (serial 100, after 200)"),
        ("no bundle", bundle(b"<html>hello</html>"), "it is no whole gzip archive"),
        ("oversized", bundle(&vec![0; MAX_BYTES + 1]), "longer than 65536 bytes"),
        ("oversized, unannounced", Answer::Endless(MAX_BYTES * 4), "longer than 65536 bytes"),
        ("broken off", Answer::CutShort { bytes: second.clone(), after: 100 }, "no answer: "),
        ("error", Answer::Status("500 Internal Server Error"), "the server answered 500"),
        ("elsewhere", Answer::Status("302 Found"), "the server redirects (302 Found)"),
        ("slow", Answer::Drip, "no whole answer within 1000 ms"),
        ("hanging", Answer::Hang, "no whole answer within 1000 ms"),
    ];
    for (what, answer, why) in cases {
        server.answer(answer);
        let outcome = lab.ctl(&["policy", "reload"]).unwrap();
        assert_eq!(outcome.code, 1, "{what}: {outcome:?}");
        assert!(outcome.stderr.contains(why), "{what}: {}", outcome.stderr);
        let status = policy_status(&daemon);
        assert_eq!((&status["version"], &status["bundle"]["revision"]), (&json!("v2"), &json!("r2")), "{what}");
        assert!(status["last_error"].as_str().is_some_and(|error| error.contains(why)), "{what}: {status:#}");
        assert!(status["failures"].as_u64() >= Some(1), "{what}: {status:#}");
        assert!(!allowed(&lab, "/hello") && allowed(&lab, "/hello/second"), "{what}");
    }
    assert!(daemon.metric("aegis_policy_source_failures").unwrap() >= Some(13.0));
    assert!(daemon.metric("aegis_policy_source_refused_total").unwrap() >= Some(13.0));
    let shown = lab.ctl(&["status"]).unwrap().stdout;
    assert!(shown.contains("no whole answer within 1000 ms"), "{shown}");

    // The poller has not given up either.
    server.answer(Answer::Bundle { bytes: signed(&lab, &policy("v4", "/hello"), "r4", 400), etag: "\"four\"" });
    let outcome = lab.ctl(&["policy", "reload"]).unwrap();
    assert!(outcome.ok() && outcome.stdout.contains("v4 is in force"), "{outcome:?}");
    let status = policy_status(&daemon);
    assert_eq!((&status["failures"], &status["last_error"]), (&json!(0), &Value::Null));
    assert_eq!(daemon.metric("aegis_policy_bundle_serial").unwrap(), Some(400.0));
    assert!(allowed(&lab, "/hello"));
}

#[test]
fn a_restart_needs_no_server_and_forgets_no_serial() {
    let lab = Lab::new().unwrap();
    let old = signed(&lab, &policy("v1", "/hello"), "r1", 100);
    let new = signed(&lab, &policy("v2", "/hello/second"), "r2", 200);
    let server = start_server(&lab, 0, Answer::Bundle { bytes: old.clone(), etag: "\"one\"" });
    let (port, settings) = (server.port(), settings(&lab, &server.url()));

    // Nothing was ever taken: without the server there is nothing to start with.
    drop(server);
    let (exit, log) = Daemon::refuses(&lab, &settings).unwrap();
    assert!(!exit.success() && log.contains("there is no policy to start with"), "{log}");
    assert!(log.contains("nothing is kept of an earlier time"), "{log}");

    let server = start_server(&lab, port, Answer::Bundle { bytes: old.clone(), etag: "\"one\"" });
    let mut daemon = Daemon::start(&lab, &settings).unwrap();
    server.answer(Answer::Bundle { bytes: new, etag: "\"two\"" });
    await_version(&daemon, "v2");
    daemon.stop().unwrap();
    drop(daemon);
    drop(server);

    let mut daemon = Daemon::resume(&lab).unwrap();
    assert!(allowed(&lab, "/hello/second") && !allowed(&lab, "/hello"));
    let status = wait_for(LIMIT, || {
        let status = policy_status(&daemon);
        (status["failures"].as_u64() >= Some(1)).then_some(status)
    });
    let status = status.expect("the missing server is told of");
    assert_eq!((&status["version"], &status["bundle"]["from_kept"]), (&json!("v2"), &json!(true)));
    assert!(status["last_error"].as_str().is_some_and(|error| error.contains("no answer: ")), "{status:#}");

    // An attacker who has the server, and an old bundle that was signed in its time.
    let server = start_server(&lab, port, Answer::Bundle { bytes: old, etag: "\"one\"" });
    // The root of this server's certificate is another one now: the daemon has to read it, as at any start.
    daemon.stop().unwrap();
    drop(daemon);
    let daemon = Daemon::resume(&lab).unwrap();
    let refused = wait_for(LIMIT, || {
        let status = policy_status(&daemon);
        status["last_error"].as_str().filter(|error| error.contains("older than")).map(str::to_owned)
    });
    refused.unwrap_or_else(|| panic!("{:#}\n{}", policy_status(&daemon), daemon.log()));
    assert!(allowed(&lab, "/hello/second") && !allowed(&lab, "/hello"));
    drop(server);
}

#[test]
fn what_is_under_way_is_asked_again_when_a_bundle_arrives() {
    let lab = Lab::new().unwrap();
    let first = signed(&lab, &policy("v1", "/slow"), "r1", 100);
    let second = signed(&lab, &policy("v2", "/hello"), "r2", 200);
    let server = start_server(&lab, 0, Answer::Bundle { bytes: first, etag: "\"one\"" });
    let daemon = Daemon::start(&lab, &settings(&lab, &server.url())).unwrap();
    let request = lab
        .agent(AGENT)
        .limit(Duration::from_secs(40))
        .start(&["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "https://api.allowed.test/slow?ms=30000"])
        .unwrap();
    lab.internet.requests.wait(LIMIT, |request| request.path.starts_with("/slow")).unwrap();
    server.answer(Answer::Bundle { bytes: second, etag: "\"two\"" });
    let outcome = request.finish().unwrap();
    assert!(outcome.stdout.trim() != "200", "{outcome:?}");
    assert_eq!(policy_status(&daemon)["version"], "v2");
    daemon
        .record(|record| record["reason"].as_str().is_some_and(|reason| reason.contains("cut off: policy v2")))
        .unwrap();
}

#[test]
fn a_server_that_nobody_vouches_for_is_not_believed() {
    let lab = Lab::new().unwrap();
    let bundle = signed(&lab, &policy("v1", "/hello"), "r1", 100);
    let server = start_server(&lab, 0, Answer::Bundle { bytes: bundle, etag: "\"one\"" });
    let mut settings = settings(&lab, &server.url());
    settings.config["upstream"] = json!({"extra_roots": [lab.path("origin-root.pem")]});
    let (exit, log) = Daemon::refuses(&lab, &settings).unwrap();
    assert!(!exit.success() && log.contains("certificate"), "{log}");
    assert!(server.asked().is_empty(), "the token went to a stranger");
}
