//! What the daemon adds to the kernel's hooks: it ends who has left its agent, and guards the cables into containers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use aegis_tests::lab::container::Container;
use aegis_tests::lab::wait_for;
use aegis_tests::lab::wiring::address;
use aegis_tests::{AGENT, Daemon, Lab, Settings};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn who_is_put_out_of_its_agent_is_ended_and_recorded() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let mut process = lab.raw(AGENT).start(&["sleep", "600"]).unwrap();
    let cgroup = lab.cgroup().unwrap();
    let inside = || fs::read_to_string(cgroup.join(AGENT).join("cgroup.procs")).unwrap_or_default();
    let pid = process.pid().to_string();
    wait_for(PATIENCE, || inside().lines().any(|line| line == pid).then_some(())).expect("it never joined");
    fs::write(cgroup.parent().unwrap().join("cgroup.procs"), &pid).unwrap();
    wait_for(PATIENCE, || (!process.running()).then_some(())).expect("it goes on outside");
    let record = daemon.record(|record| record["reason"].as_str().is_some_and(|why| why.contains("left its agent")));
    let record = record.unwrap();
    assert_eq!((&record["decision"], &record["agent_id"]), (&json!("deny"), &json!(AGENT)), "{record}");
    assert_eq!(record["pid"].as_u64(), pid.parse().ok());
    assert_eq!(daemon.status().unwrap()["kernel"]["counters"]["departed"], 1);
}

#[test]
fn status_and_doctor_tell_which_guards_are_in_force() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let status = daemon.status().unwrap();
    let guards = status["kernel"]["guards"].as_array().unwrap();
    assert_eq!(guards.len(), 9, "{guards:?}");
    let doctor = lab.ctl(&["--output", "json", "doctor"]).unwrap().stdout;
    for guard in guards {
        let (name, detail) = (guard["name"].as_str().unwrap(), guard["detail"].as_str().unwrap());
        assert!(!detail.is_empty() && doctor.contains(name), "{guard}: {doctor}");
    }
    assert!(guards.iter().any(|guard| guard["name"] == "departure_move" && guard["in_force"] == true));
    assert_eq!(daemon.get("/readyz").unwrap().0, 200, "what a kernel lacks keeps nobody from working");
}

/// Sends a frame with a UDP packet to the address given, by the gateway of the container.
const FRAME: &str = r#"
import socket, struct, sys
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try: probe.sendto(b'', ('192.0.2.1', 9))
except PermissionError: pass
def gateway():
    import time
    while True:
        for line in open('/proc/net/arp').read().splitlines()[1:]:
            fields = line.split()
            if fields[0] == '192.0.2.1' and fields[3] != '00:00:00:00:00:00': return bytes.fromhex(fields[3].replace(':', ''))
        time.sleep(0.01)
data = b'MARKER'
head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28 + len(data), 1, 0, 64, 17, 0, socket.inet_aton('192.0.2.2'), socket.inet_aton('ADDRESS'))
total = sum(struct.unpack('!10H', head)); total = (total & 0xffff) + (total >> 16); total = ~((total & 0xffff) + (total >> 16)) & 0xffff
packet = head[:10] + struct.pack('!H', total) + head[12:] + struct.pack('!HHHH', 4000, 9, 8 + len(data), 0) + data
frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
frames.bind(('eth0', 0))
own = frames.getsockname()[4]
frames.send(gateway() + own + b'\x08\x00' + packet)
print('sent')
"#;

#[test]
fn frames_of_an_agent_do_not_come_out_of_its_container() {
    let lab = Lab::new().unwrap();
    let container = lab.container().unwrap();
    let (outside, _) = address("api.allowed.test");
    let frame = |marker: &str| FRAME.replace("MARKER", marker).replace("ADDRESS", &outside.to_string());
    let seen = |marker: &str| {
        lab.settle().unwrap();
        let arrived = |destination: IpAddr| destination == IpAddr::V4(outside);
        let packets = lab.internet.capture.matching(|p| arrived(p.destination) && p.contains(marker.as_bytes()));
        packets.len()
    };
    let free = lab.bystander().within(&container).python(&frame("free-frame")).unwrap();
    assert!(free.ok() && seen("free-frame") == 1, "the attack works: {free:?}");

    let path = Container::path(&container);
    let agents =
        json!({"agents": [{"name": AGENT, "org": "laboratory", "tenant": "tests", "network_namespace": path}]});
    let daemon = Daemon::start(&lab, &Settings::with(agents)).unwrap();
    let tried = lab.raw(AGENT).within(&container).python(&frame("agents-frame")).unwrap();
    assert_eq!(seen("agents-frame"), 0, "{tried:?}");
    // Who is no agent works on, past the guard.
    let free = lab.bystander().within(&container).python(&frame("another-frame")).unwrap();
    assert!(free.ok() && seen("another-frame") == 1, "{free:?}");
    let counters = &daemon.status().unwrap()["kernel"]["counters"];
    assert!(!tried.ok() || counters["denied_packet"].as_u64() > Some(0), "{tried:?}: {counters}");
}
