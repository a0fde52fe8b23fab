//! The laboratory itself, without Aegis. The other tests say "nothing arrived": these prove that it would be seen.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aegis_tests::internet::ECH_CONFIG;
use aegis_tests::lab::wait_for;
use aegis_tests::{Lab, Protocol};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn curl(lab: &Lab, arguments: &[&str]) -> aegis_tests::Outcome {
    let root = lab.path("origin-root.pem");
    let mut command = vec!["curl", "-sS", "--max-time", "10", "--cacert", root.to_str().unwrap()];
    command.extend(arguments);
    lab.bystander().run(&command).unwrap()
}

#[test]
fn a_bystander_reaches_an_origin_over_h2_h1_plain_http_and_ipv6() {
    let lab = Lab::new().unwrap();
    for (arguments, alpn) in [
        (&["https://api.allowed.test/hello"][..], Some("h2")),
        (&["--http1.1", "https://denied.test/hello"][..], Some("http/1.1")),
        (&["http://api.allowed.test/hello"][..], None),
        (&["-6", "https://api.allowed.test/hello"][..], Some("h2")),
    ] {
        let outcome = curl(&lab, arguments);
        assert!(outcome.ok() && outcome.stdout.starts_with("hello from"), "{arguments:?}: {outcome:?}");
        let seen = lab.internet.requests.all().pop().unwrap();
        assert_eq!((seen.path.as_str(), seen.alpn.as_deref(), seen.complete), ("/hello", alpn, true));
    }
    lab.settle().unwrap();
    let v6 = lab.internet.capture.matching(|packet| packet.protocol == Protocol::Tcp && packet.destination.is_ipv6());
    assert!(!v6.is_empty());
}

#[test]
fn an_origin_keeps_what_it_received() {
    let lab = Lab::new().unwrap();
    let outcome =
        curl(&lab, &["-d", r#"{"ssn":"078-05-1120"}"#, "-H", "x-one: 1", "https://api.allowed.test/echo?q=1"]);
    assert_eq!(outcome.stdout, r#"{"ssn":"078-05-1120"}"#);
    let seen = &lab.internet.requests.at("api.allowed.test")[0];
    assert_eq!(
        (seen.method.as_str(), seen.path.as_str(), seen.sni.as_deref()),
        ("POST", "/echo?q=1", Some("api.allowed.test"))
    );
    assert_eq!(
        (seen.header("x-one"), seen.text().as_str(), seen.body_len),
        (Some("1"), r#"{"ssn":"078-05-1120"}"#, 21)
    );
}

#[test]
fn a_datagram_of_a_bystander_is_seen_by_sink_and_capture() {
    let lab = Lab::new().unwrap();
    let program =
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'marker-one', ('203.0.113.66', 443))";
    assert!(lab.bystander().python(program).unwrap().ok());
    lab.settle().unwrap();
    let packets = lab.internet.capture.matching(|packet| packet.contains(b"marker-one"));
    assert_eq!(packets.len(), 1);
    assert_eq!((packets[0].protocol, packets[0].port), (Protocol::Udp, 443));
    let arrived = wait_for(Duration::from_secs(5), || lab.internet.datagrams.containing(b"marker-one").pop());
    assert_eq!(arrived.unwrap().port, 443);
}

#[test]
fn the_name_server_answers_and_counts() {
    let lab = Lab::new().unwrap();
    let program = r#"
import socket, struct
q = b'\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00' + b''.join(bytes([len(l)]) + l for l in b'api.allowed.test'.split(b'.')) + b'\x00' + struct.pack('>HH', 65, 1)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
s.sendto(q, ('203.0.113.53', 53)); print(s.recv(4096))
"#;
    let outcome = lab.bystander().python(program).unwrap();
    assert!(outcome.stdout.contains(std::str::from_utf8(ECH_CONFIG).unwrap()), "{outcome:?}");
    assert!(lab.bystander().run(&["getent", "hosts", "nowhere.test"]).unwrap().code != 0);
    assert_eq!(lab.internet.queries.all()[0], ("api.allowed.test".to_owned(), "HTTPS".to_owned()));
    assert!(lab.internet.queries.count("nowhere") > 0);
}

#[test]
fn nothing_of_a_laboratory_remains() {
    let lab = Lab::new().unwrap();
    let (directory, host) = (lab.directory(), lab.host.name().to_owned());
    assert!(directory.join("bpf").exists());
    drop(lab);
    assert!(!directory.exists());
    assert!(!std::path::Path::new("/run/netns").join(host).exists());
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(directory.to_str().unwrap()));
}

#[test]
fn a_stream_of_bytes_arrives_whole() {
    let lab = Lab::new().unwrap();
    let outcome = curl(&lab, &["-o", "/dev/null", "-w", "%{size_download}", "https://api.allowed.test/bytes/10000000"]);
    assert_eq!(outcome.stdout, "10000000");
    let outcome = curl(&lab, &["https://api.allowed.test/events"]);
    assert_eq!(outcome.stdout.matches("data: ").count(), 10);
}

/// The demo, until its laboratory stands.
fn demo_under_way() -> (Child, String) {
    let demo = Command::new(env!("CARGO_BIN_EXE_demo")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let id = format!("{}-0", demo.id());
    let namespace = Path::new("/run/netns").join(format!("aegis-{id}-inet"));
    wait_for(Duration::from_secs(20), || namespace.exists().then_some(())).expect("the demo makes no namespace");
    (demo, id)
}

fn remains(id: &str) -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let cgroups = mounts.lines().filter(|line| line.starts_with("cgroup2 ")).filter_map(|line| line.split(' ').nth(1));
    let places =
        [format!("/tmp/aegis-lab/{id}"), format!("/run/netns/aegis-{id}-host"), format!("/run/netns/aegis-{id}-inet")];
    places
        .into_iter()
        .chain(cgroups.map(|mount| format!("{mount}/aegis-{id}")))
        .filter(|place| Path::new(place).exists())
        .collect()
}

#[test]
fn ctrl_c_removes_everything() {
    let (mut demo, id) = demo_under_way();
    kill(Pid::from_raw(demo.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    let status = wait_for(Duration::from_secs(20), || demo.try_wait().unwrap()).expect("the demo goes on");
    assert!(!status.success());
    assert_eq!(remains(&id), Vec::<String>::new());
}

#[test]
fn what_a_killed_run_left_is_swept_by_the_next() {
    let (mut demo, id) = demo_under_way();
    demo.kill().unwrap();
    demo.wait().unwrap();
    assert!(!remains(&id).is_empty(), "nothing to sweep");
    drop(Lab::new().unwrap());
    assert_eq!(remains(&id), Vec::<String>::new());
}
