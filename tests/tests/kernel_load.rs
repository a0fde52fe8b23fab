//! Seventy thousand sockets of one agent within twenty seconds: another agent is served as before, and the kernel's tables
//! stay within what is one agent's share.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use aegis_tests::lab::wait_for;
use aegis_tests::{AGENT, Daemon, Lab, Outcome, Running, Settings};
use serde_json::json;

const SOCKETS: u64 = 70_000;
const SECONDS: u64 = 20;
/// Together they may hold sixteen thousand sockets, four times what one agent may have open.
const PROCESSES: u64 = 4;
/// The agent that works while the other one floods.
const STEADY: &str = "steady";

/// Until a file is there: a request on a connection of its own with a second one on the same, and a direct connection.
/// Prints what came of it and how long each took, in milliseconds.
const WORK: &str = r#"
import os, socket, subprocess, sys, time
URLS = ['https://api.allowed.test/hello/new', 'https://api.allowed.test/hello/kept']
def requests():
    words = ['curl', '-sS', '--max-time', '20', '-w', '%{http_code} %{time_total}\n']
    for url in URLS: words += ['-o', '/dev/null', url]
    answer = subprocess.run(words, capture_output=True, text=True)
    lines = [line.split() for line in answer.stdout.splitlines()]
    return all(line[0] == '200' for line in lines) and len(lines) == 2, [float(line[1]) * 1000 for line in lines], answer.stderr
def direct():
    start = time.monotonic()
    try:
        with socket.create_connection(('203.0.113.66', 2525), timeout=20) as s: s.sendall(b'direct'); good = s.recv(10) == b'direct'
    except OSError as e: return False, 0, str(e)
    return good, (time.monotonic() - start) * 1000, ''
rounds = 0
while rounds < 40 or not os.path.exists(sys.argv[1]):
    good, times, why = requests()
    print('request', good, *times, why.strip(), flush=True)
    good, took, why = direct()
    print('direct', good, took, why, flush=True)
    rounds += 1
    time.sleep(0.02)
"#;

#[test]
fn a_flood_of_sockets_starves_no_other_agent() {
    let lab = Lab::new().unwrap();
    let program = build();
    let direct = json!([{"cidr": "203.0.113.66/32", "port": 2525, "protocol": "tcp"}]);
    let daemon = Daemon::start(
        &lab,
        &Settings::with(json!({"agents": [
            {"name": AGENT, "org": "laboratory", "tenant": "tests"},
            {"name": STEADY, "org": "laboratory", "tenant": "tests", "direct": direct},
        ]})),
    )
    .unwrap();
    let enough = lab.path("home/enough");
    std::fs::write(&enough, "").unwrap();
    let before = Service::of(&work(&lab, &enough).finish().unwrap());
    std::fs::remove_file(&enough).unwrap();
    let steady = work(&lab, &enough);
    let limit = Duration::from_secs(SECONDS * 5);
    let words = [SOCKETS, SECONDS, PROCESSES].map(|number| number.to_string());
    let mut flood = lab.raw(AGENT).limit(limit).start(&[&program, &words[0], &words[1], &words[2]]).unwrap();
    let mut most = BTreeMap::new();
    while flood.running() {
        for (table, used) in tables(&daemon) {
            let highest = most.entry(table).or_insert(used);
            *highest = used.max(*highest);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let flooded = flood.finish().unwrap();
    std::fs::write(&enough, "").unwrap();
    let during = Service::of(&steady.finish().unwrap());
    println!("flood:\n{}tables, at most: {most:?}", flooded.stdout);
    println!("before: {before}\nduring: {during}");
    let counters = &daemon.status().unwrap()["kernel"]["counters"];
    println!("counters: {counters:#}");
    // Connections, sockets that ask, events: the flood met each of its limits.
    for counter in ["denied_limit", "flow_table_full", "events_suppressed"] {
        assert!(counters[counter].as_u64() > Some(0), "{counter} in {counters:#}");
    }
    assert!(made(&flooded) >= SOCKETS, "{flooded:?}");
    for service in [&before, &during] {
        assert!(service.failures.is_empty(), "{} failures: {:#?}", service.failures.len(), service.failures);
    }
    shares_are_kept(&most);
    let empty = || tables(&daemon).iter().all(|(table, used)| !is_flow_table(table) || *used == 0).then_some(());
    wait_for(Duration::from_secs(20), empty).unwrap_or_else(|| panic!("entries are left: {:?}", tables(&daemon)));
}

/// An agent that takes all of the processor does not keep the daemon from its signs of life, without which all are denied.
#[test]
fn every_thread_of_the_daemon_comes_before_its_agents() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let mut threads = 0;
    for thread in std::fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap().flatten() {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap();
        // proc(5): the 19th field, of which two stand before the parenthesis' end.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        assert_eq!(fields.split(' ').nth(16), Some("-10"), "{stat}");
        threads += 1;
    }
    assert!(threads > 2, "{threads}");
}

/// One agent's share, and room for the other one's few.
fn shares_are_kept(most: &BTreeMap<String, u64>) {
    const SHARE: u64 = 4096;
    const OTHERS: u64 = 64;
    for (table, used) in most.iter().filter(|(table, _)| is_flow_table(table)) {
        assert!(*used <= SHARE + OTHERS, "{table}: {used}");
    }
    assert_eq!(most.keys().filter(|table| is_flow_table(table)).count(), 2, "{most:?}");
}

/// The tables with an entry for each connection, and each socket that asks the resolver.
fn is_flow_table(name: &str) -> bool {
    matches!(name, "flows" | "dns_clients")
}

/// Entries in use.
fn tables(daemon: &Daemon<'_>) -> BTreeMap<String, u64> {
    let status = daemon.status().unwrap();
    let tables = status["kernel"]["tables"].as_array().unwrap().iter();
    tables.map(|table| (table["name"].as_str().unwrap().to_owned(), table["used"].as_u64().unwrap())).collect()
}

fn work(lab: &Lab, enough: &Path) -> Running {
    let enough = enough.to_string_lossy();
    let work = lab.agent(STEADY).limit(Duration::from_secs(SECONDS * 6));
    work.start(&["/usr/bin/python3", "-c", WORK, &enough]).unwrap()
}

/// Sockets made by all processes of the flood.
fn made(outcome: &Outcome) -> u64 {
    let number = |line: &str| line.strip_prefix("made ")?.split(' ').next()?.parse::<u64>().ok();
    outcome.stdout.lines().filter_map(number).sum()
}

fn build() -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("attacks/flood.c");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("flood");
    let mut cc = Command::new("cc");
    cc.args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&program).arg(&source);
    let output = cc.output().expect("`cc` is missing: apt-get install gcc libc6-dev");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program.to_string_lossy().into_owned()
}

/// How the steady agent was served.
struct Service {
    /// Milliseconds of a request on a new connection, on a kept one, and of a direct connection.
    times: [Vec<f64>; 3],
    failures: Vec<String>,
}

impl Service {
    fn of(outcome: &Outcome) -> Service {
        assert!(outcome.ok(), "{outcome:?}");
        let mut service = Service { times: [const { Vec::new() }; 3], failures: Vec::new() };
        for line in outcome.stdout.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |place: usize| words.get(place).and_then(|word| word.parse::<f64>().ok());
            match words[..] {
                ["request", "True", ..] => {
                    service.times[0].extend(number(2));
                    service.times[1].extend(number(3));
                }
                ["direct", "True", ..] => service.times[2].extend(number(2)),
                _ => service.failures.push(line.to_owned()),
            }
        }
        assert!(service.times.iter().all(|times| times.len() + service.failures.len() >= 40), "{outcome:?}");
        service.times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
        service
    }
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (what, times) in ["new connection", "kept connection", "direct"].iter().zip(&self.times) {
            let at = |share: f64| times.get((times.len() as f64 * share) as usize).or(times.last()).unwrap_or(&0.0);
            write!(f, "{what}: {} x, p50 {:.1} ms, p99 {:.1} ms; ", times.len(), at(0.5), at(0.99))?;
        }
        write!(f, "failures: {}", self.failures.len())
    }
}
