//! Sockets and flows that are alive when they must not be any more: from before enrolment, handed in from outside, of
//! agents that were removed, beyond a direct list that became shorter, denied by a new policy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::lab::{Running, wait_for};
use aegis_tests::{AGENT, Daemon, Lab, Settings};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);

/// Sends its marker again and again over one socket. Where that fails it does what an attacker would: takes off what was
/// put on the socket, and connects it anew.
const SENDER: &str = r#"
import ctypes, os, socket, sys, time
libc = ctypes.CDLL(None)
def forever(sock, kind, to, marker):
    known = False
    while True:
        try:
            sock.sendto(bytes(8) + marker, to) if kind in ('udp-any', 'raw') else sock.send(marker)
            try: sock.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError: pass
        except OSError as error:
            if not known: print('ended', error, flush=True)
            known = True
            for undo in (lambda: sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b''),
                         lambda: sock.setsockopt(socket.SOL_SOCKET, 27, 0),  # SO_DETACH_FILTER
                         lambda: libc.connect(sock.fileno(), bytes(16), 16),  # AF_UNSPEC
                         lambda: (sock.settimeout(0.05), sock.connect(to))):
                try: undo()
                except OSError: pass
        time.sleep(0.005)
def open_socket(kind, host):
    to = (host, 2525 if kind.startswith('tcp') else 9999)
    if kind == 'tcp-new': return socket.socket(), to
    if kind == 'packet': return socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM), to
    if kind == 'tcp': return socket.create_connection(to), to
    if kind == 'raw': return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP), to
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if kind == 'udp': sock.connect(to)
    return sock, to
"#;

/// What follows `SENDER` where the process makes its socket itself.
const ITSELF: &str =
    "kind, host, marker = sys.argv[1:]\nsock, to = open_socket(kind, host)\nforever(sock, kind, to, marker.encode())\n";

/// What follows `SENDER` in a helper that hands connected and unconnected sockets to whoever comes, and keeps none.
const HELPER: &str = r#"
server = socket.socket(socket.AF_UNIX); server.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777); server.listen()
print('listening', flush=True)
while True:
    client, _ = server.accept()
    made = [open_socket(kind, sys.argv[2])[0] for kind in sys.argv[3].split()]
    try: socket.send_fds(client, [b'x'], [sock.fileno() for sock in made])
    except BrokenPipeError: pass
    for sock in made: sock.close()
"#;

/// What follows `SENDER` in a process that uses the helper's sockets once it is told to, and one of its own.
const LATER: &str = r#"
import threading
path, host, kinds, marker, told = sys.argv[1:]
own = socket.socket()
client = socket.socket(socket.AF_UNIX); client.connect(path)
_, fds, _, _ = socket.recv_fds(client, 1, len(kinds.split()))
while not os.path.exists(told): time.sleep(0.02)
for fd, kind in zip(fds, kinds.split()):
    sock, to = socket.socket(fileno=fd), (host, 2525 if kind == 'tcp-new' else 9999)
    threading.Thread(target=forever, args=(sock, kind, to, f'{marker}-{kind}.'.encode())).start()
own.connect(('203.0.113.10', 80))
own.send(f'GET /{marker} HTTP/1.1\r\nHost: api.allowed.test\r\n\r\n'.encode())
"#;

/// What follows `SENDER` in a process that uses the helper's sockets.
const RECEIVER: &str = r#"
import threading
path, host, kinds, marker = sys.argv[1:]
client = socket.socket(socket.AF_UNIX); client.connect(path)
_, fds, _, _ = socket.recv_fds(client, 1, len(kinds.split()))
for fd, kind in zip(fds, kinds.split()):
    sock, to = socket.socket(fileno=fd), (host, 2525 if kind == 'tcp' else 9999)
    threading.Thread(target=forever, args=(sock, kind, to, f'{marker}-{kind}.'.encode())).start()
"#;

const OUTSIDE: &str = "203.0.113.66";
const KINDS: &str = "tcp udp udp-any raw";

/// Starts `SENDER` with what follows it.
fn start(command: aegis_tests::AgentCommand<'_>, rest: &str, arguments: &[&str]) -> Running {
    let program = format!("{SENDER}{rest}");
    let mut words = vec!["/usr/bin/python3", "-c", &program];
    words.extend(arguments);
    command.limit(Duration::from_secs(120)).start(&words).unwrap()
}

fn sender(command: aegis_tests::AgentCommand<'_>, kind: &str, host: &str, marker: &str) -> Running {
    start(command, ITSELF, &[kind, host, marker])
}

/// Packets with `marker` that have left the host.
fn count(lab: &Lab, marker: &str) -> usize {
    lab.internet.capture.matching(|packet| packet.contains(marker.as_bytes())).len()
}

/// Waits until `marker` has left the host another twenty times.
fn goes_on(lab: &Lab, marker: &str) {
    let before = count(lab, marker);
    wait_for(LIMIT, || (count(lab, marker) >= before + 20).then_some(()))
        .unwrap_or_else(|| panic!("{marker} stands still"));
}

/// Nothing with any of `silent` leaves the host while `going` does.
fn silent(lab: &Lab, markers: &[&str], going: &str) {
    let counts = || {
        lab.settle().unwrap();
        markers.iter().map(|marker| (*marker, count(lab, marker))).collect::<Vec<_>>()
    };
    let before = counts();
    (0..10).for_each(|_| goes_on(lab, going));
    assert_eq!(counts(), before);
}

fn join(lab: &Lab, agent: &str, process: &Running) {
    std::fs::write(lab.cgroup().unwrap().join(agent).join("cgroup.procs"), process.pid().to_string()).unwrap();
}

/// The record of a destroyed socket of `process`.
fn destroyed(daemon: &Daemon<'_>, process: &Running, scheme: &str) -> Value {
    let of_process = |record: &Value| {
        record["pid"] == json!(process.pid())
            && record["scheme"] == json!(scheme)
            && text(&record["reason"]).contains("destroyed")
    };
    daemon.record(of_process).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn connections_from_before_enrolment_end_with_it() {
    let lab = Lab::new().unwrap();
    // As a container runtime does it: the cgroup is there before the daemon.
    std::fs::create_dir_all(lab.cgroup().unwrap().join(AGENT)).unwrap();
    let bystander = sender(lab.bystander(), "tcp", OUTSIDE, "marker-of-a-bystander.");
    let inside = sender(lab.raw(AGENT), "tcp", OUTSIDE, "marker-made-inside.");
    let kinds =
        [("tcp", "marker-tcp."), ("udp", "marker-udp."), ("udp-any", "marker-unconnected."), ("raw", "marker-raw.")];
    let moved = kinds.map(|(kind, marker)| sender(lab.bystander(), kind, OUTSIDE, marker));
    let elsewhere = {
        let words = format!(
            "ip link set lo up; exec /usr/bin/python3 -c '{}' \"$@\"",
            format!("{SENDER}{ITSELF}").replace('\'', "\"")
        );
        let command = ["unshare", "-n", "sh", "-c", &words, "sh", "udp-any", "127.0.0.1", "marker-elsewhere."];
        lab.bystander().limit(LIMIT).start(&command).unwrap()
    };
    let markers = ["marker-made-inside.", "marker-tcp.", "marker-udp.", "marker-unconnected.", "marker-raw."];
    markers.iter().for_each(|marker| goes_on(&lab, marker));
    wait_for(LIMIT, || has_udp(elsewhere.pid()).then_some(())).expect("a socket in another namespace");
    moved.iter().chain([&elsewhere]).for_each(|process| join(&lab, AGENT, process));
    markers.iter().for_each(|marker| goes_on(&lab, marker));

    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    silent(&lab, &markers, "marker-of-a-bystander.");
    let record = destroyed(&daemon, &inside, "tcp");
    assert_eq!((&record["decision"], &record["agent_id"]), (&json!("deny"), &json!(AGENT)));
    assert_eq!((&record["host"], &record["port"]), (&json!(OUTSIDE), &json!(2525)));
    assert!(text(&record["exe"]).contains("python3") && record["error"].is_null(), "{record}");
    for (process, scheme) in moved.iter().chain([&elsewhere]).zip(["tcp", "udp", "udp", "raw", "udp"]) {
        let record = destroyed(&daemon, process, scheme);
        assert!(text(&record["reason"]).contains("outside of enforcement") && record["error"].is_null(), "{record}");
    }
    let metric = daemon.metric("aegis_sockets_destroyed_total{reason=\"unenforced\"}").unwrap().unwrap();
    assert!(metric >= 5.0, "{metric}");
    assert_eq!(daemon.metric("aegis_socket_sweeps_failed_total").unwrap(), Some(0.0));
    let untouched = |record: &Value| record["pid"] == json!(bystander.pid());
    assert!(!daemon.records().unwrap().iter().any(untouched));
    // What is enforced from the start works as ever, also beside those that were ended.
    assert_eq!(lab.agent(AGENT).curl(&["https://api.allowed.test/hello"]).unwrap().status, 200);
}

/// Whether a process has a UDP socket that was used, in whatever namespace it is.
fn has_udp(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/net/udp")).is_ok_and(|table| table.lines().count() > 1)
}

#[test]
fn connections_from_before_a_registration_end_with_it_and_all_others_with_the_removal() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let bystander = sender(lab.bystander(), "tcp", OUTSIDE, "marker-of-a-bystander.");
    let earlier = sender(lab.bystander(), "tcp", OUTSIDE, "marker-from-before.");
    std::fs::create_dir_all(lab.cgroup().unwrap().join("late")).unwrap();
    goes_on(&lab, "marker-from-before.");
    join(&lab, "late", &earlier);
    goes_on(&lab, "marker-from-before.");

    let direct = format!("{OUTSIDE}/32:2525");
    let registered =
        lab.ctl(&["agents", "register", "late", "--direct", "203.0.113.67/32", "--direct", &direct]).unwrap();
    assert!(registered.ok(), "{registered:?}");
    // On the list: it may stay.
    goes_on(&lab, "marker-from-before.");
    let enforced = sender(lab.raw("late"), "tcp", OUTSIDE, "marker-direct.");
    let relayed = ["curl", "-sSNk", "--max-time", "60", "https://api.allowed.test/slow?ms=60000"];
    let relayed = lab.raw("late").limit(LIMIT * 3).start(&relayed).unwrap();
    goes_on(&lab, "marker-direct.");
    lab.internet.requests.wait(LIMIT, |request| request.path.starts_with("/slow")).unwrap();

    let removed = lab.ctl(&["agents", "remove", "late"]).unwrap();
    assert!(removed.ok(), "{removed:?}");
    silent(&lab, &["marker-direct.", "marker-from-before."], "marker-of-a-bystander.");
    for process in [&enforced, &earlier] {
        let record = destroyed(&daemon, process, "tcp");
        assert!(text(&record["reason"]).contains("removed"), "{record}");
    }
    let cut = daemon.record(|record| record.to_string().contains("cut off: the agent was removed")).unwrap();
    assert_eq!(cut["host"], json!("api.allowed.test"));
    assert_ne!(relayed.finish().unwrap().stdout, "at last\n");

    // Registered anew without a list, it has nothing left that could go on.
    assert!(lab.ctl(&["agents", "register", "late"]).unwrap().ok());
    silent(&lab, &["marker-direct.", "marker-from-before."], "marker-of-a-bystander.");
    drop(bystander);
}

#[test]
fn sockets_that_a_helper_hands_over_end_within_a_sweep() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let path = lab.path("home").join("helper.sock").display().to_string();
    let _helper = start(lab.bystander(), HELPER, &[&path, OUTSIDE, KINDS]);
    wait_for(LIMIT, || std::os::unix::net::UnixStream::connect(&path).ok()).expect("the helper");
    // Nobody's process can use what it is handed, and goes on with it.
    let bystander = start(lab.bystander(), RECEIVER, &[&path, OUTSIDE, KINDS, "marker-of-a-bystander"]);
    let others = ["tcp", "udp", "udp-any", "raw"].map(|kind| format!("marker-of-a-bystander-{kind}."));
    others.iter().for_each(|marker| goes_on(&lab, marker));

    let agent = start(lab.raw(AGENT), RECEIVER, &[&path, OUTSIDE, KINDS, "marker-of-the-agent"]);
    let user = start(lab.raw(AGENT).user("nobody"), RECEIVER, &[&path, OUTSIDE, KINDS, "marker-of-a-user"]);
    for process in [&agent, &user] {
        for (scheme, sockets) in [("tcp", 1), ("udp", 2), ("raw", 1)] {
            let of_process =
                |record: &&Value| record["pid"] == json!(process.pid()) && record["scheme"] == json!(scheme);
            let all = wait_for(LIMIT, || {
                let records = daemon.records().ok()?;
                let reasons: Vec<Value> = records.iter().filter(of_process).cloned().collect();
                (reasons.len() >= sockets).then_some(reasons)
            });
            let all = all.unwrap_or_else(|| panic!("{scheme}: {:?}\n{}", daemon.records(), daemon.log()));
            assert!(
                all.iter().all(|record| text(&record["reason"]).contains("handed in") && record["error"].is_null()),
                "{all:?}"
            );
        }
    }
    let kinds = ["tcp", "udp", "udp-any", "raw"];
    let theirs: Vec<String> = ["agent", "user"]
        .iter()
        .zip(["the-", "a-"])
        .flat_map(|(who, the)| kinds.map(|kind| format!("marker-of-{the}{who}-{kind}.")))
        .collect();
    let theirs: Vec<&str> = theirs.iter().map(String::as_str).collect();
    silent(&lab, &theirs, "marker-of-a-bystander-udp.");
    others.iter().for_each(|marker| goes_on(&lab, marker));
    drop(bystander);
}

/// Waits for records that `process` had a socket of each of `schemes` taken away, and nothing else.
fn taken_away(daemon: &Daemon<'_>, process: &Running, schemes: &[&str]) {
    let taken = wait_for(LIMIT, || {
        let records = daemon.records().ok()?;
        let of_process = |record: &&Value| {
            record["pid"] == json!(process.pid())
                && text(&record["reason"]).contains("handed in")
                && record["error"].is_null()
        };
        let mut taken: Vec<String> =
            records.iter().filter(of_process).map(|record| text(&record["scheme"]).to_owned()).collect();
        taken.sort();
        (taken.len() >= schemes.len()).then_some(taken)
    });
    assert_eq!(
        taken.as_deref(),
        Some(&schemes.iter().map(|&scheme| scheme.to_owned()).collect::<Vec<_>>()[..]),
        "{}",
        daemon.log()
    );
}

#[test]
fn sockets_that_were_not_used_yet_when_they_were_handed_over_lead_nowhere() {
    const KINDS: &str = "tcp-new udp-new";
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let path = lab.path("home").join("helper.sock").display().to_string();
    let _helper = start(lab.bystander(), HELPER, &[&path, OUTSIDE, KINDS]);
    wait_for(LIMIT, || std::os::unix::net::UnixStream::connect(&path).ok()).expect("the helper");
    let told = |marker: &str| lab.path("home").join(format!("told-{marker}"));
    let later = |command, marker: &str| {
        start(command, LATER, &[&path, OUTSIDE, KINDS, marker, &told(marker).display().to_string()])
    };
    let bystander = later(lab.bystander(), "marker-bystander");
    std::fs::write(told("marker-bystander"), "").unwrap();
    ["marker-bystander-tcp-new.", "marker-bystander-udp-new."].iter().for_each(|marker| goes_on(&lab, marker));

    let agent = later(lab.raw(AGENT), "marker-agent");
    let user = later(lab.agent(AGENT).user("nobody"), "marker-user");
    // The sweep has seen all that they hold.
    taken_away(&daemon, &agent, &["tcp", "udp"]);
    let of_user = |record: &Value| record["pid"] != json!(agent.pid()) && text(&record["reason"]).contains("handed in");
    for scheme in ["tcp", "udp"] {
        daemon.record(|record| of_user(record) && record["scheme"] == json!(scheme)).unwrap();
    }
    for marker in ["marker-agent", "marker-user"] {
        std::fs::write(told(marker), "").unwrap();
        // What an agent made itself and did not use until now is its own.
        let own = format!("/{marker}");
        lab.internet
            .requests
            .wait(LIMIT, |request| request.path == own)
            .unwrap_or_else(|| panic!("{own}\n{}", daemon.log()));
    }
    let theirs = ["marker-agent-tcp-new.", "marker-agent-udp-new.", "marker-user-tcp-new.", "marker-user-udp-new."];
    silent(&lab, &theirs, "marker-bystander-udp-new.");
    assert_eq!(theirs.map(|marker| count(&lab, marker)), [0; 4]);
    taken_away(&daemon, &agent, &["tcp", "udp"]);
    drop((bystander, user));
}

#[test]
fn a_socket_below_ip_that_came_in_is_told_of_once() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let path = lab.path("home").join("helper.sock").display().to_string();
    let _helper = start(lab.bystander(), HELPER, &[&path, OUTSIDE, "packet"]);
    wait_for(LIMIT, || std::os::unix::net::UnixStream::connect(&path).ok()).expect("the helper");
    let tell = |marker| {
        let agent = start(lab.raw(AGENT), RECEIVER, &[&path, OUTSIDE, "packet", marker]);
        let record = destroyed(&daemon, &agent, "packet");
        assert!(text(&record["error"]).contains("could not be destroyed"), "{record}");
        agent
    };
    // The second is found by a later sweep, which meets the first again.
    let (first, _second) = (tell("marker-first"), tell("marker-second"));
    let records = daemon.records().unwrap();
    assert_eq!(records.iter().filter(|record| record["pid"] == json!(first.pid())).count(), 1, "{records:?}");
}

#[test]
fn sockets_of_those_who_may_pass_do_not_become_an_agents() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::with(json!({"enrolment": {"unenrolled": "pass"}}))).unwrap();
    std::fs::create_dir_all(lab.cgroup().unwrap().join("outsider")).unwrap();
    let path = lab.path("home").join("helper.sock").display().to_string();
    let kinds = "tcp udp udp-any";
    let _helper = start(lab.raw("outsider"), HELPER, &[&path, OUTSIDE, kinds]);
    wait_for(LIMIT, || std::os::unix::net::UnixStream::connect(&path).ok()).expect("the helper");
    let outsider = start(lab.raw("outsider"), RECEIVER, &[&path, OUTSIDE, kinds, "marker-outsider"]);
    let moved = sender(lab.raw("outsider"), "tcp", OUTSIDE, "marker-moved.");
    let passing = ["marker-outsider-tcp.", "marker-outsider-udp.", "marker-outsider-udp-any."];
    passing.iter().chain(&["marker-moved."]).for_each(|marker| goes_on(&lab, marker));

    let agent = start(lab.raw(AGENT), RECEIVER, &[&path, OUTSIDE, kinds, "marker-agent"]);
    join(&lab, AGENT, &moved);
    taken_away(&daemon, &agent, &["tcp", "udp", "udp"]);
    taken_away(&daemon, &moved, &["tcp"]);
    let theirs = ["marker-agent-tcp.", "marker-agent-udp.", "marker-agent-udp-any.", "marker-moved."];
    silent(&lab, &theirs, "marker-outsider-udp.");
    // Nobody else loses anything, whoever is an agent's neighbour.
    passing.iter().for_each(|marker| goes_on(&lab, marker));
    let untouched =
        |record: &Value| record["pid"] == json!(outsider.pid()) && text(&record["reason"]).contains("destroyed");
    assert!(!daemon.records().unwrap().iter().any(untouched));
}

#[test]
fn a_socket_of_a_namespace_that_no_agent_is_in_is_found_too() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let path = lab.path("home").join("helper.sock").display().to_string();
    let program = lab.path("home").join("helper.py");
    std::fs::write(&program, format!("{SENDER}{HELPER}")).unwrap();
    let words = format!("ip link set lo up; exec /usr/bin/python3 {} {path} 127.0.0.1 udp-any", program.display());
    let helper = ["unshare", "-n", "sh", "-c", &words];
    let _helper = lab.bystander().limit(LIMIT * 3).start(&helper).unwrap();
    wait_for(LIMIT, || std::os::unix::net::UnixStream::connect(&path).ok()).expect("the helper");
    let agent = start(lab.raw(AGENT), RECEIVER, &[&path, "127.0.0.1", "udp-any", "marker"]);
    let record = destroyed(&daemon, &agent, "udp");
    assert!(text(&record["reason"]).contains("handed in") && record["error"].is_null(), "{record}");
}

#[test]
fn a_direct_list_that_becomes_shorter_ends_what_it_allowed() {
    let lab = Lab::new().unwrap();
    let with = |direct: Value| {
        let agent = json!({"name": AGENT, "org": "laboratory", "tenant": "tests", "direct": direct});
        Settings::with(json!({"agents": [agent]}))
    };
    let tcp = |last: u8| json!({"cidr": format!("203.0.113.{last}/32"), "port": 2525, "protocol": "tcp"});
    let udp = json!({"cidr": "203.0.113.66/32", "port": 9999, "protocol": "udp"});
    let mut daemon = Daemon::start(&lab, &with(json!([tcp(66), tcp(16), udp]))).unwrap();
    let markers = ["marker-gone.", "marker-gone-udp.", "marker-kept."];
    let gone = sender(lab.raw(AGENT), "tcp", OUTSIDE, markers[0]);
    let gone_udp = sender(lab.raw(AGENT), "udp", OUTSIDE, markers[1]);
    let kept = sender(lab.raw(AGENT), "tcp", "203.0.113.16", markers[2]);
    markers.iter().for_each(|marker| goes_on(&lab, marker));
    assert!(daemon.stop().unwrap().success());
    drop(daemon);

    let daemon = Daemon::start(&lab, &with(json!([tcp(16)]))).unwrap();
    silent(&lab, &markers[..2], markers[2]);
    for (process, scheme) in [(&gone, "tcp"), (&gone_udp, "udp")] {
        let record = destroyed(&daemon, process, scheme);
        assert!(text(&record["reason"]).contains("direct list"), "{record}");
    }
    assert!(
        !daemon
            .records()
            .unwrap()
            .iter()
            .any(|record| { record["pid"] == json!(kept.pid()) && text(&record["reason"]).contains("destroyed") })
    );
}

#[test]
fn an_agent_that_left_the_configuration_has_no_connections_left() {
    let lab = Lab::new().unwrap();
    let direct = json!([{"cidr": "203.0.113.66/32", "port": 2525, "protocol": "tcp"}]);
    let agent = |name: &str| json!({"name": name, "org": "laboratory", "tenant": "tests", "direct": direct});
    let mut daemon = Daemon::start(&lab, &Settings::with(json!({"agents": [agent(AGENT), agent("leaver")]}))).unwrap();
    let leaver = sender(lab.raw("leaver"), "tcp", OUTSIDE, "marker-leaver.");
    let stayer = sender(lab.raw(AGENT), "tcp", OUTSIDE, "marker-stayer.");
    ["marker-leaver.", "marker-stayer."].iter().for_each(|marker| goes_on(&lab, marker));
    assert!(daemon.stop().unwrap().success());
    drop(daemon);
    let daemon = Daemon::start(&lab, &Settings::with(json!({"agents": [agent(AGENT)]}))).unwrap();
    silent(&lab, &["marker-leaver."], "marker-stayer.");
    let record = destroyed(&daemon, &leaver, "tcp");
    assert_eq!(
        (&record["agent_id"], text(&record["reason"]).contains("removed")),
        (&json!("leaver"), true),
        "{record}"
    );
    drop(stayer);
}

const RELOADED: &str = r#"version: live-1
policies:
  - name: live
    agents: ["*"]
    rules:
      - {name: kept, hosts: [index.allowed.test], decision: allow}
      - {name: kept-unread, hosts: [git.allowed.test], tls: passthrough, decision: allow}
      - {name: passthrough, hosts: [passthrough.allowed.test], tls: passthrough, decision: allow}
      - {name: raw, hosts: [203.0.113.16], ports: [2525], tcp: true, decision: allow}
      - {name: uploads, hosts: [api.allowed.test], decision: allow}
"#;

/// An upload without an end.
fn upload(lab: &Lab, version: &str, url: &str) -> Running {
    let script =
        format!("while printf %0200d 0; do sleep 0.01; done | curl -sS -k -N {version} --max-time 100 -T - {url}");
    lab.agent(AGENT).limit(Duration::from_secs(120)).start(&["sh", "-c", &script]).unwrap()
}

/// Body bytes that have arrived in the request for `path`.
fn arrived(lab: &Lab, path: &str) -> u64 {
    lab.internet.requests.all().iter().filter(|request| request.path == path).map(|request| request.body_len).sum()
}

fn grows(lab: &Lab, path: &str) {
    let before = arrived(lab, path);
    wait_for(LIMIT, || (arrived(lab, path) >= before + 500).then_some(()))
        .unwrap_or_else(|| panic!("{path} stands at {before}"));
}

#[test]
fn a_new_policy_cuts_off_what_it_does_not_allow_and_nothing_else() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::policy(RELOADED)).unwrap();
    let uploads = [
        ("--http1.1", "https://api.allowed.test/sink/h1"),
        ("--http2", "https://api.allowed.test/sink/h2"),
        ("", "https://passthrough.allowed.test/sink/unread"),
        ("--http1.1", "https://index.allowed.test/sink/kept-h1"),
        ("--http2", "https://index.allowed.test/sink/kept-h2"),
        ("", "https://git.allowed.test/sink/kept-unread"),
    ];
    let _running = uploads.map(|(version, url)| upload(&lab, version, url));
    let _raw = sender(lab.raw(AGENT), "tcp", "203.0.113.16", "marker-relayed.");
    let waits = lab.agent(AGENT).limit(LIMIT * 3);
    let waits = waits.start(&["curl", "-sS", "https://api.allowed.test/slow?ms=60000"]).unwrap();
    let doomed = ["/sink/h1", "/sink/h2", "/sink/unread"];
    let kept = ["/sink/kept-h1", "/sink/kept-h2", "/sink/kept-unread"];
    doomed.iter().chain(&kept).for_each(|path| grows(&lab, path));
    relayed_on(&lab);
    lab.internet.requests.wait(LIMIT, |request| request.path.starts_with("/slow")).unwrap();

    // The same again changes nothing.
    std::fs::write(lab.path("policy.yaml"), RELOADED.replace("live-1", "live-2")).unwrap();
    assert!(lab.ctl(&["policy", "reload"]).unwrap().ok());
    doomed.iter().chain(&kept).for_each(|path| grows(&lab, path));
    relayed_on(&lab);
    assert_eq!(daemon.metric("aegis_flows_cut_off_total").unwrap(), Some(0.0));

    let shorter: Vec<&str> = RELOADED.lines().take(7).collect();
    std::fs::write(lab.path("policy.yaml"), shorter.join("\n").replace("live-1", "live-3")).unwrap();
    daemon.signal(Signal::SIGHUP).unwrap();
    let all = || daemon.metric("aegis_flows_cut_off_total").ok().flatten().filter(|cut| *cut >= 5.0);
    assert_eq!(wait_for(LIMIT, all), Some(5.0), "{}", daemon.log());
    // Ended at the origins, too, so that nothing is on its way any more.
    for path in doomed {
        let ended = |request: &aegis_tests::SeenRequest| request.path == path && !request.body_sha256.is_empty();
        let request = lab.internet.requests.wait(LIMIT, ended).unwrap_or_else(|| panic!("{path} goes on"));
        assert!(!request.complete, "{path} looks whole to the origin");
    }
    lab.settle().unwrap();
    let before = (doomed.map(|path| arrived(&lab, path)), count(&lab, "marker-relayed."));
    (0..3).for_each(|_| kept.iter().for_each(|path| grows(&lab, path)));
    lab.settle().unwrap();
    assert_eq!((doomed.map(|path| arrived(&lab, path)), count(&lab, "marker-relayed.")), before);
    for host in ["api.allowed.test", "passthrough.allowed.test", "203.0.113.16"] {
        let cut =
            |record: &Value| record["host"] == json!(host) && record.to_string().contains("cut off: policy live-3");
        daemon.record(cut).unwrap();
    }
    let answer = waits.finish().unwrap();
    assert!(answer.stdout.contains("cut off: policy live-3"), "who still waits for an answer gets one: {answer:?}");
}

/// The raw relay still carries: its bytes leave the host from the proxy.
fn relayed_on(lab: &Lab) {
    goes_on(lab, "marker-relayed.");
}
