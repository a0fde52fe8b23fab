//! The daemon is killed a hundred times at random moments, also while it starts, under agents that try to get out all the
//! time: nothing gets out that was not decided, the record stays whole, and nothing is left over.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use aegis_tests::lab::wiring::{DNS_V4, address};
use aegis_tests::lab::{bpf, wait_for};
use aegis_tests::{AGENT, Background, Daemon, Lab, Packet, Protocol, Running, Settings};
use fastrand::Rng;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const SEED: u64 = 7;
const KILLS: usize = 100;
const ALLOWED: &str = "api.allowed.test";
/// In everything that the attackers send.
const MARKER: &[u8] = b"chaos-marker";
/// Curl processes that ask for what is allowed, each for one thing at a time.
const CLIENTS: usize = 2;

/// Tries everything to reach what is denied, and what is allowed past the proxy, without a pause.
const ATTACKER: &str = r#"
import os, socket, struct, threading, time
V4, V6 = ('203.0.113.66', '203.0.113.10', '203.0.113.53', '198.51.100.1'), ('2001:db8:2::42', '2001:db8:2::a', '::ffff:203.0.113.66')
M = b'chaos-marker' + bytes(300)
def question(n):
    name = b'\x0cchaos-marker\x08' + b'%08d' % n + b'\x06denied\x04test\0'
    return struct.pack('>6H', n & 0xffff, 0x100, 1, 0, 0, 0) + name + b'\0\x01\0\x01'
def tcp(n):
    family, host = ((socket.AF_INET, V4[n % 4]), (socket.AF_INET6, V6[n % 3]))[n & 1]
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(0.3)
        s.connect((host, (443, 2525, 853, 80, 7)[n % 5]))
        s.sendall(M)
        if n % 7 == 0: s.recv(100)
def fast_open(n):
    with socket.socket() as s: s.sendto(M, socket.MSG_FASTOPEN | socket.MSG_DONTWAIT, (V4[n % 4], 443))
def udp(n):
    family, host = ((socket.AF_INET, V4[n % 4]), (socket.AF_INET6, V6[n % 3]))[n & 1]
    with socket.socket(family, socket.SOCK_DGRAM) as s: s.sendto(M, (host, (443, 9999, 123, 853)[n % 4]))
def connected(n):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s: s.connect((V4[n % 4], 443)); s.send(M)
def dns(n):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.05); s.sendto(question(n), (V4[n % 4], 53)); s.recv(512)
def kept(n, held=[]):
    # A socket that lives on over many daemons, and sends again whenever it can.
    if len(held) < 20: held.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM)); held[-1].settimeout(0.1); held[-1].connect((V4[n % 4], 443))
    s = held[n % len(held)]
    try: s.sendall(M)
    except OSError: held.remove(s); s.close()
def run(body, start):
    n = start
    while True:
        n += 1
        try: body(n)
        except OSError: pass
        time.sleep(0.004)
for start, body in enumerate((tcp, fast_open, udp, connected, dns, kept)):
    threading.Thread(target=run, args=(body, start), daemon=True).start()
print('trying', flush=True)
time.sleep(1000)
"#;

/// What the next daemon writes of a request that the last one did not live to record.
const UNDER_WAY: &str = "the daemon ended before this exchange did";

/// Asks for what is allowed, each time under another path, small and large; and once in a while for what is not.
const CLIENT: &str = r#"
i=0
while :; do
    i=$((i+1))
    curl -sS -o /dev/null --max-time 3 "https://api.allowed.test/hello/$0-$i-[1-5]" "https://api.allowed.test/bytes/$((300000+2*i+${0#c}))" 2>/dev/null || sleep 0.05
    curl -sS -k -o /dev/null --max-time 1 --resolve denied.test:443:203.0.113.66 "https://denied.test/chaos-marker" 2>/dev/null
done
"#;

#[test]
fn a_hundred_kills_let_nothing_out_and_leave_nothing_over() {
    let lab = Lab::new().unwrap();
    let agents: Vec<Value> =
        [AGENT, "raw"].map(|name| json!({"name": name, "org": "laboratory", "tenant": "tests"})).into();
    let settings = Settings::with(json!({"agents": agents, "bpf": {"heartbeat_timeout_ms": 500}}));
    let mut daemon = Daemon::start(&lab, &settings).unwrap();
    let background = Background::of(&lab).unwrap();
    let fresh = Remains::of(&lab, &daemon);
    let load = start_load(&lab);
    lab.internet.requests.wait(Duration::from_secs(20), |request| request.path.starts_with("/hello")).unwrap();
    let mut dice = Rng::with_seed(SEED);
    let mut done = BTreeMap::new();
    while done.get("kill").copied().unwrap_or(0) < KILLS {
        let what = disturb(&lab, &mut daemon, &mut dice);
        *done.entry(what).or_default() += 1;
        // The expected is forgotten, so that what is not has room.
        lab.internet.capture.forget(|packet| is_expected(&background, packet));
    }
    println!("seed {SEED}: {done:?}");
    daemon.await_ready().unwrap();
    let before = lab.internet.requests.all().len();
    wait_for(Duration::from_secs(20), || (lab.internet.requests.all().len() > before + 20).then_some(()))
        .expect("the agents can work again");
    drop(load);
    lab.settle().unwrap();
    let foreign = lab.internet.capture.matching(|packet| !is_expected(&background, packet));
    let first: Vec<String> = foreign.iter().take(10).map(Packet::to_string).collect();
    assert!(foreign.is_empty(), "{} packets got out: {first:#?}", foreign.len());
    assert_eq!(lab.internet.capture.lost(), 0, "packets that nobody has seen");
    assert!(lab.internet.requests.all().iter().all(|request| request.host == ALLOWED));
    fresh.compare(&lab, &mut daemon);
    every_request_is_in_the_chain(&lab, &mut daemon);
}

/// The clients through `aegisctl run`, the attackers by their cgroup alone, as an ordinary user and as root.
fn start_load(lab: &Lab) -> Vec<Running> {
    let limit = Duration::from_secs(280);
    let client =
        |number: usize| lab.agent(AGENT).limit(limit).start(&["sh", "-c", CLIENT, &format!("c{number}")]).unwrap();
    let attack = ["/usr/bin/python3", "-c", ATTACKER];
    let attackers = [
        lab.raw("raw").user("nobody").limit(limit).start(&attack).unwrap(),
        lab.raw(AGENT).limit(limit).start(&attack).unwrap(),
        lab.agent(AGENT).user("nobody").limit(limit).start(&attack).unwrap(),
    ];
    (0..CLIENTS).map(client).chain(attackers).collect()
}

/// Does something to the daemon and has another one started.
fn disturb<'lab>(lab: &'lab Lab, daemon: &mut Daemon<'lab>, dice: &mut Rng) -> &'static str {
    // Half of them meet a daemon at work, half one that starts.
    if dice.bool() {
        daemon.await_ready().unwrap();
        sleep(Duration::from_millis(dice.u64(..600)));
    } else {
        sleep(Duration::from_millis(dice.u64(..250)));
    }
    match dice.u8(..12) {
        0 => {
            daemon.signal(Signal::SIGSTOP).unwrap();
            // Beyond the heartbeat's timeout in half of all cases.
            sleep(Duration::from_millis(dice.u64(..1000)));
            daemon.signal(Signal::SIGCONT).unwrap();
            "hang"
        }
        1 => {
            daemon.signal(Signal::SIGSTOP).unwrap();
            sleep(Duration::from_millis(dice.u64(..300)));
            daemon.kill().unwrap();
            *daemon = Daemon::launch(lab).unwrap();
            "kill"
        }
        2 => {
            // One that starts may not listen to signals yet, and ends by this one all the same.
            daemon.stop().unwrap();
            *daemon = Daemon::launch(lab).unwrap();
            "end"
        }
        _ => {
            daemon.kill().unwrap();
            *daemon = Daemon::launch(lab).unwrap();
            "kill"
        }
    }
}

/// What may leave: the kernel's own, questions for allowed names, and TLS towards the one allowed host, from Aegis.
fn is_expected(background: &Background, packet: &Packet) -> bool {
    let (v4, v6) = address(ALLOWED);
    let to_allowed = packet.destination == v4 || packet.destination == v6;
    let carries = packet.contains(MARKER);
    match packet.protocol {
        Protocol::Tcp => to_allowed && packet.port == 443 && !carries,
        Protocol::Udp => packet.destination == DNS_V4 && packet.port == 53 && asks_for_allowed(packet, UDP_HEADER),
        // An answer that came for a daemon that had just been killed.
        Protocol::Icmp if packet.destination == DNS_V4 => {
            packet.payload.starts_with(&[3, 3]) && asks_for_allowed(packet, ICMP_HEADER + IPV4_HEADER + UDP_HEADER)
        }
        _ => background.has(packet),
    }
}

const UDP_HEADER: usize = 8;
const ICMP_HEADER: usize = 8;
const IPV4_HEADER: usize = 20;
const DNS_HEADER: usize = 12;

/// Whether the DNS message at `start` is about the allowed host; the daemon writes names in random case.
fn asks_for_allowed(packet: &Packet, start: usize) -> bool {
    let question = packet.payload.get(start + DNS_HEADER..).unwrap_or_default().to_ascii_lowercase();
    question.starts_with(b"\x03api\x07allowed\x04test\0")
}

/// What a daemon holds, and what it leaves in the system.
struct Remains {
    pins: BTreeSet<String>,
    attached: BTreeMap<String, usize>,
    cgroups: BTreeSet<String>,
    state: BTreeSet<String>,
    descriptors: usize,
    resident: u64,
}

impl Remains {
    fn of(lab: &Lab, daemon: &Daemon<'_>) -> Remains {
        Remains {
            pins: tree(&lab.path("bpf")),
            attached: bpf::attached(&lab.cgroup().unwrap()).unwrap(),
            cgroups: tree(&lab.cgroup().unwrap()).into_iter().filter(|path| !path.contains('.')).collect(),
            state: tree(&lab.path("state")),
            descriptors: descriptors(daemon),
            resident: daemon.resident().unwrap(),
        }
    }

    /// Nothing more than at the beginning is there once the load is gone and another daemon has started.
    fn compare<'lab>(&self, lab: &'lab Lab, daemon: &mut Daemon<'lab>) {
        let loaded = Remains::of(lab, daemon);
        // Twice: a daemon keeps the entries of the one before, whose connections may wait in a listener that was handed over.
        for _ in 0..2 {
            daemon.stop().unwrap();
            *daemon = Daemon::resume(lab).unwrap();
        }
        // It looks around when it starts, and has more open for a moment.
        let settled = || (descriptors(daemon) <= self.descriptors + 8).then_some(());
        wait_for(Duration::from_secs(10), settled)
            .unwrap_or_else(|| panic!("{} descriptors, {} at first", descriptors(daemon), self.descriptors));
        let now = Remains::of(lab, daemon);
        println!(
            "resident: fresh {} KiB, under load {} KiB, at the end {} KiB; descriptors {} {} {}",
            self.resident / 1024,
            loaded.resident / 1024,
            now.resident / 1024,
            self.descriptors,
            loaded.descriptors,
            now.descriptors
        );
        assert_eq!(now.pins, self.pins);
        assert_eq!(now.attached, self.attached);
        assert!(self.attached.values().sum::<usize>() >= 8, "{:?}", self.attached);
        assert_eq!(now.cgroups, self.cgroups);
        let new: Vec<&String> = now.state.difference(&self.state).collect();
        let kept = ["audit/audit.jsonl.torn", "audit/audit.checkpoints.jsonl"];
        // A daemon begins a file of decisions; they go by age and size.
        let is_kept =
            |path: &str| kept.contains(&path) || path == "decisions" || path.starts_with("decisions/decisions-");
        assert!(new.iter().all(|path| is_kept(path)), "left in the state directory: {new:?}");
        const MORE: u64 = 32 * 1024 * 1024;
        assert!(now.resident <= self.resident + MORE, "{} bytes resident, {} at first", now.resident, self.resident);
        let empty = || {
            let tables = daemon.status().unwrap()["kernel"]["tables"].take();
            let used = |name: &str| {
                tables.as_array().unwrap().iter().find(|table| table["name"] == name).unwrap()["used"].as_u64()
            };
            ["flows", "dns_clients"].into_iter().all(|name| used(name) == Some(0)).then_some(())
        };
        wait_for(Duration::from_secs(10), empty)
            .unwrap_or_else(|| panic!("entries are left: {}", daemon.status().unwrap()["kernel"]["tables"]));
    }
}

fn descriptors(daemon: &Daemon<'_>) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count()
}

/// All paths below a directory, relative to it.
fn tree(directory: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            found.extend(tree(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
        }
        found.insert(name);
    }
    found
}

/// The chain holds over all restarts, and each request that an origin received is in it, once.
fn every_request_is_in_the_chain(lab: &Lab, daemon: &mut Daemon<'_>) {
    assert!(daemon.stop().unwrap().success());
    let verified = lab.ctl(&["audit", "verify", &lab.path("state/audit/audit.jsonl").to_string_lossy()]).unwrap();
    assert!(verified.ok(), "{verified:?}");
    let records = daemon.records().unwrap();
    let mut allowed = BTreeMap::<String, usize>::new();
    for path in records.iter().filter(|record| record["decision"] == "allow").filter_map(path_of) {
        *allowed.entry(path).or_default() += 1;
    }
    // No two requests have the same path.
    let seen: Vec<String> = lab.internet.requests.all().into_iter().map(|request| request.path).collect();
    let (found, missing): (Vec<_>, Vec<_>) = seen.iter().partition(|path| allowed.contains_key(*path));
    let doubled: Vec<_> = found.iter().filter(|path| allowed.get(**path) != Some(&1)).collect();
    let under_way = records.iter().filter(|record| record["error"] == UNDER_WAY).count();
    println!("{} requests seen, {} records, {under_way} of them by the next daemon", seen.len(), records.len());
    assert!(seen.len() > 100, "too little was asked for: {}", seen.len());
    assert!(missing.is_empty(), "{} of {} requests have no record: {missing:?}", missing.len(), seen.len());
    assert!(doubled.is_empty(), "{} of {} requests have more than one record: {doubled:?}", doubled.len(), seen.len());
    assert!(under_way > 0, "no kill met a request under way");
    let decisions: BTreeSet<_> = records.iter().map(|record| record["decision_id"].as_str().unwrap()).collect();
    assert_eq!(decisions.len(), records.len(), "a decision has two records");
}

fn path_of(record: &Value) -> Option<String> {
    record["path"].as_str().map(str::to_owned)
}
