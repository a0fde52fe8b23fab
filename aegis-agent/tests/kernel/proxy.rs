//! The proxy as the programs see it: alive or gone, listening in a namespace or not, and how much of it one agent has.

use std::{
    io::Write,
    net::{TcpListener, UdpSocket},
    time::Duration,
};

use aegis_agent::kernel::{AgentRules, EventKind, Listeners, NetnsCookie, OnDown};

use crate::lab::{Lab, OUTSIDE_V4, PATIENCE, agent, eventually, first_line, lab, lines, python};

const CONNECT: &str = "attempt(lambda: socket().connect((sys.argv[1], int(sys.argv[2]))))";

/// TCP, TCP to a resolver, UDP, UDP to a resolver, UDP connected.
const EVERY_WAY: &str = r#"
to, port = sys.argv[1], int(sys.argv[2])
udp = lambda: socket(AF_INET, SOCK_DGRAM)
attempt(lambda: socket().connect((to, port)))
attempt(lambda: socket().connect((to, 53)))
attempt(lambda: udp().sendto(b'one', (to, port)))
attempt(lambda: udp().sendto(b'two', (to, 53)))
def connected():
    s = udp(); s.connect((to, port)); s.send(b'three')
attempt(connected)
"#;

fn open() -> AgentRules {
    AgentRules { on_down: OnDown::Open, ..AgentRules::default() }
}

/// Agent 7 under `rules`, and an outside address that answers on one port by TCP and UDP.
fn outside() -> (TcpListener, UdpSocket, String) {
    let tcp = TcpListener::bind((OUTSIDE_V4, 0)).unwrap();
    let udp = UdpSocket::bind(tcp.local_addr().unwrap()).unwrap();
    udp.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = tcp.local_addr().unwrap().port().to_string();
    (tcp, udp, port)
}

fn event_kinds(lab: &Lab, count: usize) -> Vec<EventKind> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut events = lab.kernel().events().unwrap();
        let mut kinds = Vec::new();
        while kinds.len() < count {
            kinds.push(tokio::time::timeout(PATIENCE, events.next()).await.unwrap().unwrap().kind);
        }
        kinds
    })
}

#[test]
fn without_a_sign_of_life_everything_is_denied() {
    lab(|lab| {
        let cgroup = lab.agent(7, &[]);
        lab.kernel().retire().unwrap();
        let (tcp, udp, port) = outside();
        assert_eq!(lines(python(&cgroup, EVERY_WAY, &[OUTSIDE_V4, &port])), ["EPERM"; 5]);
        assert_eq!(event_kinds(lab, 5)[..2], [EventKind::DeniedDown; 2]);
        assert_eq!(lab.kernel().counters().unwrap().denied_down, 3);
        tcp.set_nonblocking(true).unwrap();
        udp.set_nonblocking(true).unwrap();
        assert!(tcp.accept().is_err() && udp.recv(&mut [0; 9]).is_err(), "something arrived");
        // And comes back by itself.
        lab.kernel().beat().unwrap();
        let child = python(&cgroup, CONNECT, &["192.0.2.1", "443"]);
        assert!(lab.accept(&lab.proxy_v4).1.is_some());
        assert_eq!(lines(child), ["ok"]);
    });
}

#[test]
fn a_lease_that_is_not_renewed_runs_out() {
    lab(|lab| {
        lab.restart(|cfg| cfg.lease = Duration::from_millis(300));
        let cgroup = lab.agent(7, &[]);
        eventually("the lease runs out", || lines(python(&cgroup, CONNECT, &["192.0.2.1", "443"])) == ["EPERM"]);
    });
}

#[test]
fn an_open_agent_passes_while_the_proxy_is_gone_and_is_told_of() {
    lab(|lab| {
        let (closed, cgroup) = (lab.agent(7, &[]), lab.cfg.cgroup_root.join("open"));
        lab.kernel().enroll(agent(8), &cgroup, &open()).unwrap();
        let (tcp, udp, port) = outside();
        let _resolver = TcpListener::bind((OUTSIDE_V4, 53)).unwrap();
        let child = python(&cgroup, CONNECT, &[OUTSIDE_V4, &port]);
        assert!(lab.accept(&lab.proxy_v4).1.is_some(), "inspected as long as the proxy lives");
        lines(child);
        lab.kernel().retire().unwrap();
        assert_eq!(lines(python(&cgroup, EVERY_WAY, &[OUTSIDE_V4, &port])), ["ok"; 5]);
        assert_eq!(lines(python(&closed, CONNECT, &[OUTSIDE_V4, &port])), ["EPERM"]);
        tcp.accept().unwrap();
        let mut datagrams = Vec::new();
        for _ in 0..2 {
            let mut buffer = [0; 9];
            let length = udp.recv(&mut buffer).unwrap();
            datagrams.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        assert_eq!(datagrams, ["one", "three"]);
        let kinds = event_kinds(lab, 6);
        assert_eq!(kinds, [[EventKind::PassedDown; 5].as_slice(), &[EventKind::DeniedDown]].concat());
        assert_eq!(lab.kernel().counters().unwrap().passed_down, 5);
    });
}

#[test]
fn what_passed_while_the_proxy_was_gone_ends_when_it_is_back() {
    lab(|lab| {
        let cgroup = lab.cfg.cgroup_root.join("open");
        lab.kernel().enroll(agent(8), &cgroup, &open()).unwrap();
        let (tcp, udp, port) = outside();
        lab.kernel().retire().unwrap();
        let script = r#"
t = socket(); t.connect((sys.argv[1], int(sys.argv[2])))
u = socket(AF_INET, SOCK_DGRAM); u.connect((sys.argv[1], int(sys.argv[2])))
t.sendall(b'before'); u.send(b'before')
print('sent', flush=True)
sys.stdin.readline()
t.sendall(b'after'); attempt(lambda: u.send(b'after'))
"#;
        let mut child = python(&cgroup, script, &[OUTSIDE_V4, &port]);
        let (mut stream, _) = tcp.accept().unwrap();
        assert_eq!(first_line(&mut child), "sent");
        lab.kernel().beat().unwrap();
        let dropped = lab.kernel().counters().unwrap().denied_packet;
        child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        eventually("its packets are dropped", || lab.kernel().counters().unwrap().denied_packet > dropped);
        assert_eq!(lines(child), ["EPERM"]);
        let mut buffer = [0; 99];
        stream.set_nonblocking(true).unwrap();
        assert_eq!(std::io::Read::read(&mut stream, &mut buffer).unwrap(), 6);
        assert!(std::io::Read::read(&mut stream, &mut buffer).is_err());
        assert_eq!(udp.recv(&mut buffer).unwrap(), 6);
        udp.set_nonblocking(true).unwrap();
        assert!(udp.recv(&mut buffer).is_err());
    });
}

#[test]
fn an_agent_is_sent_only_to_listeners_that_are_there() {
    lab(|lab| {
        let cgroup = lab.agent(7, &[]);
        let own = NetnsCookie::current().unwrap();
        lab.kernel().leave_namespace(own).unwrap();
        assert_eq!(lines(python(&cgroup, CONNECT, &["192.0.2.1", "443"])), ["EPERM"]);
        assert_eq!(event_kinds(lab, 1), [EventKind::NoListener]);
        lab.kernel().serve_namespace(own, Listeners { v4: true, v6: false }).unwrap();
        let v6 = "attempt(lambda: socket(AF_INET6).connect(('2001:db8::1', 443)))";
        let child = python(&cgroup, v6, &[]);
        let record = lab.accept(&lab.proxy_v4).1.unwrap();
        assert_eq!(record.original, "[2001:db8::1]:443".parse().unwrap());
        assert_eq!(lines(child), ["ok"]);
        let query = "attempt(lambda: socket(AF_INET6, SOCK_DGRAM).sendto(b'x', ('2001:db8::1', 53)))";
        assert_eq!(lines(python(&cgroup, query, &[])), ["EPERM"]);
    });
}

#[test]
fn no_agent_has_more_connections_open_than_its_share() {
    lab(|lab| {
        lab.restart(|cfg| cfg.limits.connections = 3);
        let (loud, quiet) = (lab.agent(7, &[]), lab.agent(8, &[]));
        let script = r#"
kept = [socket() for _ in range(5)]
for s in kept: attempt(lambda: s.connect(('192.0.2.1', 443)))
sys.stdin.readline()
for s in kept: s.close()
sys.stdin.readline()
attempt(lambda: socket().connect(('192.0.2.1', 443)))
"#;
        let mut child = python(&loud, script, &[]);
        let answers: Vec<String> = (0..5).map(|_| first_line(&mut child)).collect();
        assert_eq!(answers, ["ok", "ok", "ok", "EPERM", "EPERM"]);
        let taken: Vec<_> = (0..3).map(|_| lab.accept(&lab.proxy_v4)).collect();
        assert_eq!(lines(python(&quiet, CONNECT, &["192.0.2.1", "443"])), ["ok"], "another's share");
        lab.accept(&lab.proxy_v4);
        let usage = lab.kernel().usage().unwrap()[&agent(7)];
        assert_eq!((usage.connects, usage.denied, usage.redirected, usage.taken, usage.open), (5, 2, 3, 3, 3));
        drop(taken);
        child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        eventually("its places are free again", || lab.kernel().usage().unwrap()[&agent(7)].open == 0);
        child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        assert_eq!(lines(child), ["ok"]);
    });
}

#[test]
fn every_redirected_connection_is_accounted_for() {
    lab(|lab| {
        let cgroup = lab.agent(7, &[]);
        // Two that are taken, one that is reset before, one that waits, one that is closed in order and waits.
        let script = r#"
import struct
def connected():
    s = socket(); s.connect(('192.0.2.1', 443)); return s
taken = [connected(), connected()]
reset = connected(); reset.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack('ii', 1, 0)); reset.close()
waits = connected()
connected().close()
print('done', flush=True)
sys.stdin.readline()
"#;
        let mut child = python(&cgroup, script, &[]);
        assert_eq!(first_line(&mut child), "done");
        let _taken: Vec<_> = (0..2).map(|_| lab.accept(&lab.proxy_v4)).collect();
        let usage = lab.kernel().usage().unwrap()[&agent(7)];
        assert_eq!((usage.redirected, usage.withdrawn, usage.pending, usage.taken), (5, 1, 2, 2));
        assert_eq!(usage.unaccounted(), 0);
        // A record that somebody else took away is missed.
        let peer = {
            lab.accept_only(&lab.proxy_v4);
            let (_stream, peer) = lab.accept_only(&lab.proxy_v4);
            peer
        };
        lab.steal_record(peer);
        assert_eq!(lab.kernel().usage().unwrap()[&agent(7)].unaccounted(), 1);
        // A new daemon starts to count anew, and what it finds in the table was nobody's of its own.
        lab.restart(|_| {});
        let usage = lab.kernel().usage().unwrap()[&agent(7)];
        assert_eq!((usage.redirected, usage.pending, usage.unaccounted()), (0, 0, 0));
        child.kill().unwrap();
        child.wait().unwrap();
    });
}

/// Not even one that was connected while the proxy lived, when nothing of it was told.
#[test]
fn each_datagram_socket_that_passes_is_told_of_in_each_absence() {
    lab(|lab| {
        let cgroup = lab.cfg.cgroup_root.join("open");
        lab.kernel().enroll(agent(8), &cgroup, &open()).unwrap();
        let (_tcp, udp, port) = outside();
        let script = r#"
u = socket(AF_INET, SOCK_DGRAM); u.connect((sys.argv[1], int(sys.argv[2])))
for _ in range(3):
    print('ready', flush=True)
    sys.stdin.readline()
    for _ in range(2): attempt(lambda: u.send(b'x'))
"#;
        let mut child = python(&cgroup, script, &[OUTSIDE_V4, &port]);
        for (gone, answer, told) in [(true, "ok", 1), (false, "EPERM", 1), (true, "ok", 2)] {
            assert_eq!(first_line(&mut child), "ready");
            if gone {
                lab.kernel().retire().unwrap()
            } else {
                lab.kernel().beat().unwrap()
            }
            child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
            assert_eq!([first_line(&mut child), first_line(&mut child)], [answer, answer]);
            assert_eq!(lab.kernel().counters().unwrap().passed_down, told);
        }
        lines(child);
        for _ in 0..4 {
            udp.recv(&mut [0; 9]).unwrap();
        }
    });
}

/// Nobody is sent to a listener's port while an agent has it, however it came by it.
#[test]
fn a_listeners_port_in_an_agents_hands_gets_nobodys_connection() {
    lab(|lab| {
        let (thief, victim) = (lab.agent(7, &[]), lab.agent(8, &[]));
        let port = lab.cfg.proxy_v4.port();
        // IP_LOCAL_PORT_RANGE is refused, so that the port is left to luck; here the range of the namespace is made small.
        let range = "attempt(lambda: socket().setsockopt(IPPROTO_IP, 51, bytes(4)))";
        assert_eq!(lines(python(&thief, range, &[])), ["EPERM"]);
        let former = std::mem::replace(&mut lab.proxy_v4, TcpListener::bind("127.0.0.1:0").unwrap());
        drop(former);
        std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", format!("{port} {port}")).unwrap();
        let script = "s = socket(); s.listen(); print(s.getsockname()[1], flush=True); sys.stdin.readline()";
        let mut stealing = python(&thief, script, &[]);
        assert_eq!(first_line(&mut stealing), port.to_string());
        std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "32768 60999").unwrap();
        let dropped = lab.kernel().counters().unwrap().denied_packet;
        let script = "s = socket(); s.settimeout(.5)\ntry: s.connect(('192.0.2.1', 443)); print('connected')\nexcept TimeoutError: print('nothing')";
        assert_eq!(lines(python(&victim, script, &[])), ["nothing"]);
        assert!(lab.kernel().counters().unwrap().denied_packet > dropped);
        stealing.kill().unwrap();
        stealing.wait().unwrap();
    });
}
