//! Agents in containers: network namespaces of their own are served, whatever else they unshare.
//!
//! The container of the laboratory is routed to the internet, so what is not stopped in it is seen outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use aegis_tests::lab::container::{CONTAINER_V4, CONTAINER_V6, Container};
use aegis_tests::lab::netns::ip;
use aegis_tests::lab::wait_for;
use aegis_tests::lab::wiring::{HOST_V4, HOST_V6, address};
use aegis_tests::{AGENT, Daemon, Lab, Settings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);
const HELLO: &str = "https://api.allowed.test/hello";
const INSIDE: &str = "inside";

/// `AGENT` is dialled for from the host, `INSIDE` from within its namespace.
fn settings(path: Option<&Container>) -> Settings {
    let path = path.map(Container::path);
    Settings::with(json!({"agents": [
        {"name": AGENT, "org": "laboratory", "tenant": "tests", "network_namespace": path},
        {"name": INSIDE, "org": "laboratory", "tenant": "tests", "network_namespace": path, "dial": "namespace"},
    ]}))
}

fn status(lab: &Lab) -> Value {
    let outcome = lab.ctl(&["--output", "json", "status"]).unwrap();
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome:?}"))
}

/// The namespaces of `status` for which `wanted` holds, once there is one.
fn namespaces(lab: &Lab, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
    wait_for(PATIENCE, || status(lab)["namespaces"].as_array().unwrap().iter().find(|found| wanted(found)).cloned())
}

fn is_served(namespace: &Value) -> bool {
    namespace["error"].is_null()
}

/// Packets from anywhere to a host of the laboratory's internet.
fn packets_to(lab: &Lab, host: &str) -> usize {
    lab.settle().unwrap();
    let (v4, v6) = address(host);
    let addresses = [IpAddr::V4(v4), IpAddr::V6(v6)];
    lab.internet.capture.matching(|packet| addresses.contains(&packet.destination)).len()
}

fn audit(lab: &Lab) -> Vec<Value> {
    let text = fs::read_to_string(lab.path("state").join("audit/audit.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn dialled_from(lab: &Lab) -> Option<IpAddr> {
    lab.internet.requests.all().last().and_then(|request| request.peer.as_ref().map(SocketAddr::ip))
}

#[test]
fn a_configured_container_is_served_before_anything_runs_in_it() {
    let lab = Lab::new().unwrap();
    let container = lab.container().unwrap();
    // A leak would be seen: who is no agent gets out, with the container's address.
    let free = lab.bystander().within(&container).curl(&["-k", "https://payments.allowed.test/hello"]).unwrap();
    assert_eq!((free.status, dialled_from(&lab)), (200, Some(IpAddr::V4(CONTAINER_V4))), "{free:?}");
    assert!(packets_to(&lab, "payments.allowed.test") > 0);

    let daemon = Daemon::start(&lab, &settings(Some(&container))).unwrap();
    let own = [IpAddr::V4(CONTAINER_V4), IpAddr::V6(CONTAINER_V6)];
    let hosts = [IpAddr::V4(HOST_V4), IpAddr::V6(HOST_V6)];
    for (agent, from) in [(AGENT, hosts), (INSIDE, own)] {
        for arguments in [&[HELLO][..], &["--http1.1", HELLO], &["-6", HELLO], &["http://api.allowed.test/hello"]] {
            lab.internet.requests.clear();
            // The first attempt counts: there is no race where the path was given.
            let answer = lab.agent(agent).within(&container).curl(arguments).unwrap();
            assert_eq!(answer.status, 200, "{agent} {arguments:?}: {answer:?}\n{}", daemon.log());
            assert!(from.contains(&dialled_from(&lab).unwrap()), "{agent} {arguments:?}: {:?}", dialled_from(&lab));
        }
        let relayed = lab.agent(agent).within(&container).curl(&["-k", "https://passthrough.allowed.test/hello"]);
        assert_eq!(relayed.unwrap().status, 200);
        assert!(from.contains(&dialled_from(&lab).unwrap()), "{agent}, relayed: {:?}", dialled_from(&lab));
        let (denied, _) = address("denied.test");
        let to_denied = format!("denied.test:443:{denied}");
        let refused = lab.agent(agent).within(&container).curl(&["--resolve", &to_denied, "https://denied.test/up"]);
        assert!(refused.as_ref().unwrap().is_denial(), "{refused:?}");
    }
    let served = namespaces(&lab, is_served).unwrap();
    assert_eq!(served["inode"], container.inode().unwrap());
    assert_eq!(served["agents"], json!([INSIDE, AGENT]));
    assert_eq!(served["listeners"].as_array().unwrap().len(), 4, "{served}");
    assert!(daemon.get("/metrics").unwrap().1.contains("aegis_namespaces_served 1"));
    assert_eq!(packets_to(&lab, "denied.test"), 0);
}

#[test]
fn what_agents_try_in_a_container_does_not_get_out() {
    let lab = Lab::new().unwrap();
    let container = lab.container().unwrap();
    let attempts = r#"
import socket, sys
MARK = b'container-' + sys.argv[1].encode()
def attempt(what, call):
    try: print(what, call())
    except OSError as error: print(what, 'refused', error.errno)
def udp(family, to, mark):
    return socket.socket(family, socket.SOCK_DGRAM).sendto(MARK + mark, to)
def raw():
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP).sendto(b'\x30\x39\x01\xbb\x00\x1c\x00\x00' + MARK + b'-raw', ('203.0.113.66', 0))
def frame():
    s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM); ip = socket.inet_aton
    mark = MARK + b'-frame'
    size = lambda more: (8 + more + len(mark)).to_bytes(2, 'big')
    packet = b'\x45\x00' + size(20) + b'\x00\x01\x00\x00\x40\x11\x00\x00' + ip('192.0.2.2') + ip('203.0.113.66')
    packet += b'\x30\x39\x01\xbb' + size(0) + b'\x00\x00' + mark
    gateway = open('/proc/net/arp').read().split('192.0.2.1 ')[1].split()[2]
    total = sum(int.from_bytes(packet[i:i + 2], 'big') for i in range(0, 20, 2)); total = ~((total & 0xffff) + (total >> 16)) & 0xffff
    packet = packet[:10] + total.to_bytes(2, 'big') + packet[12:]
    return s.sendto(packet, ('eth0', 0x0800, 0, 0, bytes.fromhex(gateway.replace(':', ''))))
attempt('udp4', lambda: udp(socket.AF_INET, ('203.0.113.66', 443), b'-udp4'))
attempt('udp6', lambda: udp(socket.AF_INET6, ('2001:db8:2::42', 443), b'-udp6'))
attempt('raw', raw)
if sys.argv[2] == 'frame': attempt('frame', frame)
attempt('name', lambda: socket.getaddrinfo('api.allowed.test', 443, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
attempt('other', lambda: socket.getaddrinfo('secret.denied.test', 443))
"#;
    let marked = |mark: &str| {
        lab.settle().unwrap();
        let seen = |way: &&str| {
            let mark = format!("container-{mark}-{way}").into_bytes();
            !lab.internet.capture.matching(|packet| packet.contains(&mark)).is_empty()
        };
        ["udp4", "udp6", "raw", "frame"].into_iter().filter(seen).collect::<Vec<_>>()
    };
    let run = |command: aegis_tests::AgentCommand<'_>, mark: &str, frame: &str| {
        command.within(&container).run(&["/usr/bin/python3", "-c", attempts, mark, frame]).unwrap()
    };
    // The kernel learns the gateway's address first. Forwarding of IPv6 takes a moment to begin on a new cable.
    lab.bystander().within(&container).curl(&["-k", "https://payments.allowed.test/hello"]).unwrap();
    let free = wait_for(PATIENCE, || {
        let free = run(lab.bystander(), "bystander", "frame");
        (marked("bystander").len() == 4).then_some(free)
    });
    let free = free.unwrap_or_else(|| panic!("each works for who is no agent, but only {:?} did", marked("bystander")));
    let asked = |name: &str| lab.internet.queries.all().iter().filter(|(query, _)| query.contains(name)).count();
    assert!(asked("secret.denied") > 0, "{free:?}");
    let before = asked("secret.denied");

    let daemon = Daemon::start(&lab, &settings(Some(&container))).unwrap();
    for (command, mark) in
        [(lab.agent(AGENT), "run"), (lab.raw(AGENT).user("nobody"), "nobody"), (lab.raw(AGENT), "root")]
    {
        let tried = run(command, mark, "no");
        assert!(tried.ok(), "{tried:?}");
        assert_eq!(tried.stdout.matches("refused").count(), 4, "{mark}: {tried:?}");
        assert!(tried.stdout.contains("name 203.0.113.10"), "names are resolved inside: {tried:?}");
        assert_eq!((marked(mark), asked("secret.denied")), (vec![], before), "{mark}");
    }
    drop(daemon);
}

#[test]
fn a_container_that_nobody_configured_is_found_and_nothing_leaks_until_then() {
    let lab = Lab::new().unwrap();
    let container = lab.container().unwrap();
    let daemon = Daemon::start(&lab, &settings(None)).unwrap();
    assert_eq!(status(&lab)["namespaces"], json!([]));
    // Tries from its first moment on: refused until the listeners are there, then served.
    let script = format!(
        "for i in $(seq 200); do \
           /usr/bin/python3 -c \"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'early-marker', ('203.0.113.66', 443))\" 2>/dev/null; \
           curl -sk --max-time 2 -o /dev/null https://203.0.113.66/early; \
           curl -sS --max-time 5 {HELLO} && exit 0; sleep 0.05; done; exit 1"
    );
    for (agent, from) in [(AGENT, HOST_V4), (INSIDE, CONTAINER_V4)] {
        lab.internet.requests.clear();
        let tried = lab.agent(agent).within(&container).shell(&script).unwrap();
        assert!(tried.ok(), "{tried:?}\n{}", daemon.log());
        assert_eq!(dialled_from(&lab), Some(IpAddr::V4(from)));
    }
    assert_eq!(packets_to(&lab, "denied.test"), 0);
    drop(daemon);
}

#[test]
fn the_end_of_a_container_frees_everything_and_a_restart_opens_it_again() {
    let lab = Lab::new().unwrap();
    let container = lab.container().unwrap();
    let mut daemon = Daemon::start(&lab, &settings(None)).unwrap();
    let held = |pid: u32| {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        let names = threads.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
        let inside = names.filter(|name| name.trim() == "aegis-netns").count();
        let entries =
            status(&lab)["kernel"]["tables"].as_array().unwrap().iter().find_map(|table| {
                (table["name"].as_str() == Some("namespaces")).then(|| table["used"].as_u64().unwrap())
            });
        (inside, fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(), entries)
    };
    // Warm: what the first request opens for good is not the container's.
    assert_eq!(lab.agent(INSIDE).curl(&[HELLO]).unwrap().status, 200);
    let before = wait_for(PATIENCE, || {
        let now = held(daemon.pid());
        std::thread::sleep(Duration::from_millis(200));
        (now == held(daemon.pid())).then_some(now)
    });
    let before = before.expect("a quiet daemon");
    let sleeper =
        lab.agent(INSIDE).within(&container).limit(Duration::from_secs(120)).start(&["sleep", "100"]).unwrap();
    namespaces(&lab, is_served).expect("served");
    assert_eq!(lab.agent(INSIDE).within(&container).curl(&[HELLO]).unwrap().status, 200);
    let during = held(daemon.pid());
    assert!(during.0 == before.0 + 1 && during.1 > before.1, "{before:?} {during:?}");
    assert_eq!(during.2, before.2.map(|entries| entries + 1));

    daemon.kill().unwrap();
    drop(daemon);
    let daemon = Daemon::resume(&lab).unwrap();
    // At its start already: the processes were there.
    assert!(is_served(&status(&lab)["namespaces"][0]), "{}", daemon.log());
    assert_eq!(lab.agent(INSIDE).within(&container).curl(&[HELLO]).unwrap().status, 200);

    drop(sleeper);
    fs::write(lab.cgroup().unwrap().join(INSIDE).join("cgroup.kill"), "1").unwrap();
    wait_for(PATIENCE, || (status(&lab)["namespaces"] == json!([])).then_some(())).expect("left");
    let after = || {
        let now = held(daemon.pid());
        // Other descriptors come and go with the runtime; a namespace takes six and a connection from within.
        (now.0 == before.0 && now.2 == before.2 && now.1 <= before.1 + 2).then_some(())
    };
    wait_for(PATIENCE, after).unwrap_or_else(|| panic!("{before:?} {:?}", held(daemon.pid())));
    container.remove();
    drop(daemon);
}

#[test]
fn a_port_taken_inside_and_a_loopback_that_is_down_are_told_and_refused() {
    let lab = Lab::new().unwrap();
    let container = lab.bare_container().unwrap();
    let daemon = Daemon::start(&lab, &settings(Some(&container))).unwrap();
    let why = |text: &str| {
        let found = namespaces(&lab, |found| found["error"].as_str().is_some_and(|why| why.contains(text)));
        found.unwrap_or_else(|| panic!("{text}: {}", status(&lab)["namespaces"]))
    };
    why("`ip link set lo up`");
    assert!(daemon.log().contains("loopback interface is down"), "{}", daemon.log());
    let refused = || {
        let (denied, _) = address("denied.test");
        let to = ["--resolve", &format!("denied.test:443:{denied}"), "-k", "https://denied.test/"];
        let answer = lab.agent(AGENT).within(&container).curl(&to).unwrap();
        assert_eq!(answer.status, 0, "{answer:?}");
        let found = |record: &Value| record["reason"].as_str().is_some_and(|why| why.contains("does not listen"));
        wait_for(PATIENCE, || audit(&lab).iter().any(found).then_some(())).expect("recorded");
    };
    refused();
    // Somebody in the container has the port before Aegis can take it.
    let squat = "import socket, sys; s = socket.create_server(('0.0.0.0', 15001)); print('there'); sys.stdout.flush(); s.accept()[0].recv(9); print('asked')";
    let squatter = lab.bystander().within(&container).start(&["/usr/bin/python3", "-c", squat]).unwrap();
    wait_for(PATIENCE, || listening(squatter.pid(), "3A99")).expect("the squatter listens");
    container.loopback_up().unwrap();
    why("in use by another process");
    refused();
    kill(Pid::from_raw(squatter.pid().cast_signed()), Signal::SIGKILL).unwrap();
    let squatted = squatter.finish().unwrap();
    assert!(!squatted.stdout.contains("asked"), "an agent reached who had taken the port: {squatted:?}");
    namespaces(&lab, is_served).expect("served as soon as the port is free");
    assert_eq!(lab.agent(AGENT).within(&container).curl(&[HELLO]).unwrap().status, 200);
    assert_eq!(packets_to(&lab, "denied.test"), 0);
}

/// Whether something listens on the port (hexadecimal) in the network namespace of `pid`.
fn listening(pid: u32, port: &str) -> Option<()> {
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).ok()?;
    table.lines().any(|line| line.contains(&format!(":{port} 00000000:0000 0A"))).then_some(())
}

#[test]
fn without_ipv6_in_the_container_its_ipv6_goes_to_the_ipv4_listener_or_nowhere() {
    let lab = Lab::new().unwrap();
    let container = lab.container().unwrap();
    // As container runtimes do it.
    let off = || fs::write("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "1");
    container.namespace.within(off).unwrap().unwrap();
    let daemon = Daemon::start(&lab, &settings(Some(&container))).unwrap();
    let served = namespaces(&lab, is_served).unwrap();
    let listeners = served["listeners"].as_array().unwrap();
    assert!(listeners.iter().all(|listener| listener["address"].as_str().unwrap().starts_with("127.")), "{served}");
    assert!(daemon.log().contains("no ::1 in this namespace"), "{}", daemon.log());
    for arguments in [[HELLO, "-4"], [HELLO, "-6"]] {
        let answer = lab.agent(AGENT).within(&container).curl(&arguments).unwrap();
        assert_eq!(answer.status, 200, "{arguments:?}: {answer:?}\n{}", daemon.log());
    }
    let (_, denied) = address("denied.test");
    let to = format!("denied.test:443:[{denied}]");
    let answer = lab.agent(AGENT).within(&container).curl(&["--resolve", &to, "https://denied.test/"]).unwrap();
    assert!(answer.is_denial(), "{answer:?}");
    assert_eq!(packets_to(&lab, "denied.test"), 0);
}

#[test]
fn cgroup_pid_and_user_namespaces_change_nothing() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let socket = lab.path("control.sock");
    let socket = socket.to_str().unwrap();
    let script = format!(
        "cat /proc/self/cgroup; curl -sS {HELLO}; curl -s -o /dev/null -w '%{{http_code}}\n' -k --resolve denied.test:443:203.0.113.66 https://denied.test/; \
         curl -sS --unix-socket {socket} -H 'content-type: application/json' -d '{{}}' http://aegis/v1/token; echo; \
         curl -s -o /dev/null -w 'admin %{{http_code}}\n' --unix-socket {socket} http://aegis/v1/agents"
    );
    let nested = [
        &["unshare", "-C"][..],
        &["unshare", "-C", "-p", "--fork", "--mount-proc"],
        &["unshare", "-U", "-r", "-C", "-p", "--fork"],
    ];
    for (round, words) in nested.iter().enumerate() {
        lab.internet.requests.clear();
        let mut words = words.to_vec();
        words.extend(["sh", "-c", &script]);
        let command = lab.raw("tester/nested");
        let command = if round == 2 { command.user("nobody") } else { command };
        let inside = command.run(&with_ca(&lab, &words)).unwrap();
        assert!(inside.stdout.contains("0::/\n"), "it sees itself at the root of its hierarchy: {inside:?}");
        assert!(inside.stdout.contains("hello from api.allowed.test"), "{words:?} {inside:?}\n{}", daemon.log());
        assert!(inside.stdout.contains("403\n"), "{words:?} {inside:?}");
        assert!(inside.stdout.contains("\"agent\":\"tester\""), "its own token: {words:?} {inside:?}");
        assert!(inside.stdout.contains("admin 403"), "{words:?} {inside:?}");
        assert_eq!(lab.internet.requests.all().len(), 1);
    }
    let records = audit(&lab);
    let allowed: Vec<&Value> =
        records.iter().filter(|record| record["host"] == "api.allowed.test" && record["method"] == "GET").collect();
    assert_eq!(allowed.len(), 3);
    for record in allowed {
        // The pid in the daemon's namespace, not the 1 or 2 that it has in its own.
        assert!(record["agent_id"] == AGENT && record["pid"].as_u64().unwrap() > 100, "{record}");
    }
    assert_eq!(packets_to(&lab, "denied.test"), 0);
}

/// Outside of `aegisctl run` nobody tells the command of the CA.
fn with_ca<'a>(lab: &'a Lab, words: &[&'a str]) -> Vec<String> {
    let ca = status(lab)["ca"]["certificate"].as_str().unwrap().to_owned();
    let public = lab.path("home").join("ca.pem");
    fs::copy(ca, &public).unwrap();
    let mut command = vec!["env".to_owned(), format!("CURL_CA_BUNDLE={}", public.display())];
    command.extend(words.iter().map(|word| (*word).to_owned()));
    command
}

#[test]
fn an_unprivileged_agent_that_makes_its_own_network_namespace_is_served_there_or_refused() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings(None)).unwrap();
    // Alone it has no route; with the loopback up, Aegis listens there and decides as ever.
    let script = format!(
        "ip link set lo up && for i in $(seq 200); do \
           curl -sk --max-time 2 -o /dev/null https://203.0.113.66/unshared; \
           curl -s --max-time 5 {HELLO} && break; sleep 0.05; done; \
         curl -s -o /dev/null -w '%{{http_code}}\n' -k --resolve denied.test:443:203.0.113.66 https://denied.test/"
    );
    for (agent, answer) in [(AGENT, "hello from api.allowed.test"), (INSIDE, "no connection to api.allowed.test")] {
        let words = with_ca(&lab, &["unshare", "-U", "-r", "-n", "sh", "-c", &script]);
        let tried = lab.raw(agent).user("nobody").run(&words).unwrap();
        // Dialled from within, there is no way on: no route leads out of that namespace.
        assert!(tried.stdout.contains(answer), "{agent}: {tried:?}\n{}", daemon.log());
        assert!(tried.stdout.ends_with("403\n"), "{agent}: {tried:?}");
    }
    assert_eq!(packets_to(&lab, "denied.test"), 0);
    wait_for(PATIENCE, || (status(&lab)["namespaces"] == json!([])).then_some(())).expect("left");
}

#[test]
fn an_agent_has_a_share_of_namespaces_and_no_more() {
    let lab = Lab::new().unwrap();
    let mut settings = settings(None);
    settings.config["limits"] = json!({"namespaces_per_agent": 2});
    let daemon = Daemon::start(&lab, &settings).unwrap();
    let many = "for i in 1 2 3 4 5; do unshare -U -r -n sh -c 'ip link set lo up; sleep 60' & done; wait";
    let hog = lab.raw(AGENT).user("nobody").limit(Duration::from_secs(90)).start(&["sh", "-c", many]).unwrap();
    let counts = || {
        let all = status(&lab)["namespaces"].as_array().unwrap().clone();
        (all.iter().filter(|one| is_served(one)).count(), all.len())
    };
    wait_for(PATIENCE, || (counts() == (2, 5)).then_some(()))
        .unwrap_or_else(|| panic!("{:?}\n{}", counts(), daemon.log()));
    let container = lab.container().unwrap();
    // Another agent's container has its place.
    let other = lab.raw(INSIDE).within(&container).start(&["sleep", "60"]).unwrap();
    wait_for(PATIENCE, || (counts() == (3, 6)).then_some(())).unwrap_or_else(|| panic!("{:?}", counts()));
    drop((hog, other));
}

#[test]
fn the_containers_own_addresses_are_not_the_outside() {
    let lab = Lab::new().unwrap();
    let container = lab.container().unwrap();
    // Public addresses of the container's own: whoever dials them from within reaches what listens there.
    let (v4, v6) = address("index.allowed.test");
    for own in [format!("{v4}/32"), format!("{v6}/128")] {
        ip(["-n", container.namespace.name(), "addr", "add", &own, "dev", "lo"]).unwrap();
    }
    let daemon = Daemon::start(&lab, &settings(Some(&container))).unwrap();
    let url = "https://index.allowed.test/hello";
    assert_eq!(lab.agent(AGENT).within(&container).curl(&[url]).unwrap().status, 200, "{}", daemon.log());
    lab.internet.requests.clear();
    let inside = lab.agent(INSIDE).within(&container).curl(&[url]).unwrap();
    assert!(inside.is_denial() && inside.field("reason").contains("this host's own"), "{inside:?}");
    assert_eq!(lab.internet.requests.all().len(), 0);
}

/// Takes the container's cable along into a new namespace whose loopback stays down, and sends a frame from there.
const CARRY_OFF: &str = r#"
import ctypes, os, socket, struct, subprocess, sys
mark = sys.argv[1].encode()
gateway = bytes.fromhex(open('/proc/net/arp').read().split('192.0.2.1 ')[1].split()[2].replace(':', ''))
start, moved = os.pipe(), os.pipe()
if os.fork() == 0:
    assert ctypes.CDLL(None, use_errno=True).unshare(0x40000000) == 0
    os.write(start[1], b'x'); os.read(moved[0], 1)
    subprocess.run(['ip', 'link', 'set', 'eth0', 'up'], check=True)
    # Time enough for Aegis to look again.
    subprocess.run(['sleep', '1'])
    head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28 + len(mark), 1, 0, 64, 17, 0, socket.inet_aton('192.0.2.2'), socket.inet_aton('203.0.113.66'))
    total = sum(struct.unpack('!10H', head)); total = (total & 0xffff) + (total >> 16); total = ~((total & 0xffff) + (total >> 16)) & 0xffff
    packet = head[:10] + struct.pack('!H', total) + head[12:] + struct.pack('!HHHH', 4000, 9, 8 + len(mark), 0) + mark
    frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    frames.bind(('eth0', 0))
    frames.send(gateway + frames.getsockname()[4] + b'\x08\x00' + packet)
    print('sent'); sys.stdout.flush(); os._exit(0)
os.read(start[0], 1)
child = next(pid for pid in open(f'/proc/self/task/{os.getpid()}/children').read().split())
subprocess.run(['ip', 'link', 'set', 'eth0', 'netns', child], check=True)
os.write(moved[1], b'x'); os.wait()
"#;

#[test]
fn a_cable_that_root_takes_along_into_another_namespace_stays_guarded() {
    let lab = Lab::new().unwrap();
    let carry_off = |mark: &str, daemon: bool| {
        let container = lab.container().unwrap();
        let settings = settings(Some(&container));
        let daemon = daemon.then(|| Daemon::start(&lab, &settings).unwrap());
        lab.bystander().within(&container).curl(&["-k", "https://payments.allowed.test/hello"]).unwrap();
        let command = if daemon.is_some() { lab.raw(AGENT) } else { lab.bystander() };
        let tried = command.within(&container).run(&["/usr/bin/python3", "-c", CARRY_OFF, mark]).unwrap();
        assert!(tried.stdout.contains("sent"), "{tried:?}");
        lab.settle().unwrap();
        container.remove();
        drop(daemon);
        lab.internet.capture.matching(|packet| packet.contains(mark.as_bytes())).len()
    };
    assert_eq!(carry_off("carried-by-a-bystander", false), 1, "the attack works");
    assert_eq!(carry_off("carried-by-an-agent", true), 0);
}
