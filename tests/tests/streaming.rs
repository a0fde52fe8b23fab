//! Bodies are streamed: memory does not grow with them, and a slow reader slows the writer down.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::{AGENT, Daemon, Lab, Running, Settings};

const MIB: u64 = 1024 * 1024;
/// What the daemon may grow by, whatever the size of a body.
const GROWTH: u64 = 64 * MIB;
/// SHA-256 of 2 GiB of zero bytes.
const TWO_GIB_OF_ZEROS: &str = "a7c744c13cc101ed66c29f672f92455547889cc586ce6d44fe76ae824958ea51";

/// The largest resident size while `command` runs, in bytes.
fn peak(daemon: &Daemon, command: &mut Running) -> u64 {
    let mut peak = 0;
    while command.running() {
        peak = peak.max(daemon.resident().unwrap());
        std::thread::sleep(Duration::from_millis(20));
    }
    peak
}

#[test]
fn an_upload_of_two_gib_does_not_grow_memory() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    // Warm: what the first connection allocates for good is not the body's doing.
    assert_eq!(lab.agent(AGENT).curl(&["https://api.allowed.test/hello"]).unwrap().status, 200);
    let before = daemon.resident().unwrap();
    let script = "head -c 2147483648 /dev/zero | curl -sS --max-time 280 -T - -X POST https://api.allowed.test/sink";
    let mut upload = lab.agent(AGENT).limit(Duration::from_secs(290)).start(&["sh", "-c", script]).unwrap();
    let growth = peak(&daemon, &mut upload).saturating_sub(before);
    let outcome = upload.finish().unwrap();
    assert_eq!(outcome.stdout.trim(), "2147483648", "{outcome:?}");
    let seen = lab.internet.requests.all().pop().unwrap();
    assert_eq!((seen.body_len, seen.complete, seen.body_sha256.as_str()), (2048 * MIB, true, TWO_GIB_OF_ZEROS));
    assert!(growth < GROWTH, "memory grew by {} MiB", growth / MIB);
    eprintln!("2 GiB in {:.1?}, memory grew by {} MiB", outcome.took, growth / MIB);
}

#[test]
fn a_large_download_does_not_grow_memory() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    assert_eq!(lab.agent(AGENT).curl(&["https://api.allowed.test/hello"]).unwrap().status, 200);
    let before = daemon.resident().unwrap();
    let command = [
        "curl",
        "-sS",
        "--max-time",
        "110",
        "-o",
        "/dev/null",
        "-w",
        "%{size_download}",
        "https://api.allowed.test/bytes/536870912",
    ];
    let mut download = lab.agent(AGENT).limit(Duration::from_secs(120)).start(&command).unwrap();
    let growth = peak(&daemon, &mut download).saturating_sub(before);
    assert_eq!(download.finish().unwrap().stdout, "536870912");
    assert!(growth < GROWTH, "memory grew by {} MiB", growth / MIB);
}

#[test]
fn an_origin_that_does_not_read_stops_the_agent_and_not_the_memory() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    assert_eq!(lab.agent(AGENT).curl(&["https://api.allowed.test/hello"]).unwrap().status, 200);
    let before = daemon.resident().unwrap();
    for version in ["--http1.1", "--http2"] {
        let script = format!(
            "head -c 268435456 /dev/zero | curl {version} -sS --max-time 100 -T - -X POST 'https://api.allowed.test/stall?ms=3000'"
        );
        let mut upload = lab.agent(AGENT).limit(Duration::from_secs(110)).start(&["sh", "-c", &script]).unwrap();
        let growth = peak(&daemon, &mut upload).saturating_sub(before);
        let outcome = upload.finish().unwrap();
        assert_eq!(outcome.stdout.trim(), "268435456", "{version}: {outcome:?}");
        assert!(growth < GROWTH, "{version}: memory grew by {} MiB", growth / MIB);
    }
}

#[test]
fn a_large_body_under_redaction_is_streamed_too() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    assert_eq!(lab.agent(AGENT).curl(&["https://api.allowed.test/hello"]).unwrap().status, 200);
    let before = daemon.resident().unwrap();
    // An SSN at every place relative to the chunk boundaries of everybody on the way.
    let script = r#"/usr/bin/python3 -c "
import sys
line = b'ssn 536-22-8741 and some padding, of odd length in all....\n'
for _ in range(64 * 1024 * 1024 // len(line)): sys.stdout.buffer.write(line)" | curl -sS --max-time 200 -H 'content-type: text/plain' -T - -X POST https://api.allowed.test/echo -o /dev/null -w '%{http_code}'"#;
    let mut upload = lab.agent(AGENT).limit(Duration::from_secs(210)).start(&["sh", "-c", script]).unwrap();
    let growth = peak(&daemon, &mut upload).saturating_sub(before);
    let outcome = upload.finish().unwrap();
    assert_eq!(outcome.stdout, "200", "{outcome:?}");
    lab.settle().unwrap();
    let seen = lab.internet.requests.all().pop().unwrap();
    let lines = 64 * MIB / 59;
    assert!(seen.complete && !seen.text().contains("536-22"), "{}", &seen.text()[..200]);
    assert_eq!(seen.body_len, lines * (59 - "536-22-8741".len() as u64 + "[SSN]".len() as u64));
    assert!(growth < GROWTH, "memory grew by {} MiB", growth / MIB);
}

#[test]
fn server_sent_events_arrive_one_by_one() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let program = r#"
import time, urllib.request
times = []
for line in urllib.request.urlopen('https://api.allowed.test/events', timeout=15):
    if line.startswith(b'data:'): times.append(time.monotonic())
print(len(times), times[-1] - times[0] > 0.1)
"#;
    let outcome = lab.agent(AGENT).python(program).unwrap();
    assert_eq!(outcome.stdout.trim(), "10 True", "{outcome:?}");
    drop(daemon);
}
