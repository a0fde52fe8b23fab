//! TLS with the agent: the per-host CA, its leaves, resumption.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;

use aegis_tests::{AGENT, Daemon, Lab, Settings};

#[test]
fn the_ca_is_made_once_and_its_key_is_private() {
    let lab = Lab::new().unwrap();
    let mut daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let state = lab.path("state");
    let mode = |name: &str| std::fs::metadata(state.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("ca.key"), mode("keys/ring.json"), mode("audit.key")), (0o600, 0o600, 0o600));
    let first = std::fs::read(state.join("ca.pem")).unwrap();
    daemon.stop().unwrap();

    let mut daemon = Daemon::resume(&lab).unwrap();
    assert_eq!(std::fs::read(state.join("ca.pem")).unwrap(), first, "agents would have to be told again");
    daemon.stop().unwrap();

    // Readable by others, it is no secret any more: the daemon says so and does not start.
    std::fs::set_permissions(state.join("ca.key"), PermissionsExt::from_mode(0o644)).unwrap();
    let (status, said) = Daemon::refuses(&lab, &Settings::default()).unwrap();
    assert!(!status.success() && said.contains("chmod 600"), "{said}");
}

#[test]
fn leaves_are_for_the_asked_name_only_and_live_a_day() {
    let lab = Lab::new().unwrap();
    let _daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let outcome = lab
        .agent(AGENT)
        .python(
            r#"
import socket, ssl, time
context = ssl.create_default_context()
raw = socket.create_connection(("api.allowed.test", 443), timeout=10)
leaf = context.wrap_socket(raw, server_hostname="api.allowed.test").getpeercert()
names = [name for _, name in leaf["subjectAltName"]]
hours = (ssl.cert_time_to_seconds(leaf["notAfter"]) - time.time()) / 3600
print(names, 0 < hours <= 24)
"#,
        )
        .unwrap();
    assert_eq!(outcome.stdout, "['api.allowed.test'] True\n", "{}", outcome.stderr);
}

#[test]
fn sessions_are_resumed_in_both_versions_of_tls() {
    let lab = Lab::new().unwrap();
    let _daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let outcome = lab
        .agent(AGENT)
        .python(
            r#"
import socket, ssl
for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    context = ssl.create_default_context()
    context.minimum_version = context.maximum_version = version
    session = None
    for _ in range(2):
        raw = socket.create_connection(("api.allowed.test", 443), timeout=10)
        stream = context.wrap_socket(raw, server_hostname="api.allowed.test", session=session)
        stream.sendall(b"GET /hello HTTP/1.1\r\nHost: api.allowed.test\r\nConnection: close\r\n\r\n")
        while stream.recv(4096):
            pass
        print(stream.version(), stream.session_reused)
        session = stream.session
"#,
        )
        .unwrap();
    let expected = "TLSv1.2 False\nTLSv1.2 True\nTLSv1.3 False\nTLSv1.3 True\n";
    assert_eq!(outcome.stdout, expected, "{}", outcome.stderr);
    assert_eq!(lab.internet.requests.all().len(), 4);
}

#[test]
fn an_origin_that_cannot_be_verified_is_not_spoken_to() {
    let lab = Lab::new().unwrap();
    // The laboratory's origins have a CA of their own; without it as an extra root nobody vouches for them.
    let settings = Settings::with(serde_json::json!({"upstream": {"extra_roots": [], "system_roots": true}}));
    let daemon = Daemon::start(&lab, &settings).unwrap();
    let answer = lab.agent(AGENT).curl(&["https://api.allowed.test/hello"]).unwrap();
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(answer.body.contains("certificate"), "{}", answer.body);
    assert!(lab.internet.requests.all().is_empty());
    let record = daemon.record(|record| record["status"] == 502).unwrap();
    assert_eq!(record["decision"], "allow", "the policy allowed it, and the record says so: {record}");
    assert!(record["error"].as_str().unwrap().contains("certificate"), "{record}");
}
