//! Loopback and inbound: an agent reaches its own sockets, nobody else's, and answers nobody
//! outside.

use std::{
    io::Read,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use aegis_agent::kernel::{AgentRules, Inbound, Protocol};

use crate::lab::{OUTSIDE_V4, agent, first_line, lab, lines, python, rule};

/// Listens on argv[1] (TCP) and answers `hello`; prints the port.
const SERVER: &str = r#"
s = socket(AF_INET6 if ':' in sys.argv[1] else AF_INET)
s.bind((sys.argv[1], 0))
s.listen()
print(s.getsockname()[1], flush=True)
while True:
    c, _ = s.accept()
    c.sendall(b'hello')
    c.close()
"#;

const CLIENT: &str = r#"
s = socket(AF_INET6 if ':' in sys.argv[1] else AF_INET)
s.connect((sys.argv[1], int(sys.argv[2])))
print(s.recv(5).decode())
"#;

#[test]
fn an_agent_reaches_its_own_listeners_on_loopback() {
    lab(|lab| {
        let cgroup = lab.agent(1, &[]);
        for (bound, named) in [
            ("127.0.0.1", "127.0.0.1"),
            ("0.0.0.0", "127.0.0.1"),
            ("0.0.0.0", "0.0.0.0"),
            ("::1", "::1"),
            ("::", "::"),
            ("::", "127.0.0.1"),
            ("127.0.0.1", "::ffff:127.0.0.1"),
        ] {
            let mut server = python(&cgroup, SERVER, &[bound]);
            let port = first_line(&mut server);
            assert_eq!(lines(python(&cgroup, CLIENT, &[named, &port])), ["hello"], "{bound} {named}");
            server.kill().unwrap();
            server.wait().unwrap();
        }
        assert_eq!(lab.kernel().counters().unwrap().allowed_own, 7);
    });
}

#[test]
fn an_agent_does_not_reach_others_on_loopback() {
    lab(|lab| {
        let (one, two) = (lab.agent(1, &[]), lab.agent(2, &[]));
        let mut server = python(&one, SERVER, &["127.0.0.1"]);
        let port = first_line(&mut server);
        let child = python(&two, CLIENT, &["127.0.0.1", &port]);
        let (stream, record) = lab.accept(&lab.proxy_v4);
        assert_eq!(record.unwrap().original, format!("127.0.0.1:{port}").parse().unwrap());
        drop(stream);
        assert_eq!(lines(child), [""]);
        server.kill().unwrap();
        server.wait().unwrap();
    });
}

#[test]
fn inbound_connections_get_an_answer_on_loopback_only() {
    lab(|lab| {
        let cgroup = lab.agent(1, &[]);
        let mut server = python(&cgroup, SERVER, &["0.0.0.0"]);
        let port: u16 = first_line(&mut server).parse().unwrap();
        let mut text = String::new();
        TcpStream::connect(("127.0.0.1", port)).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
        let outside = SocketAddr::new(OUTSIDE_V4.parse().unwrap(), port);
        assert!(TcpStream::connect_timeout(&outside, Duration::from_millis(300)).is_err());
        assert!(lab.kernel().counters().unwrap().denied_packet > 0);
        server.kill().unwrap();
        server.wait().unwrap();
    });
}

#[test]
fn own_udp_sockets_are_reached_and_others_are_not() {
    lab(|lab| {
        let (one, two) = (lab.agent(1, &[]), lab.agent(2, &[]));
        let server = r#"
s = socket(AF_INET, SOCK_DGRAM)
s.bind(('127.0.0.1', 0))
print(s.getsockname()[1], flush=True)
while True:
    data, peer = s.recvfrom(9)
    s.sendto(data.upper(), peer)
"#;
        let client = r#"
for connected in (False, True):
    s = socket(AF_INET, SOCK_DGRAM)
    s.settimeout(60)
    to = ('127.0.0.1', int(sys.argv[1]))
    if connected:
        attempt(lambda: s.connect(to))
        attempt(lambda: s.send(b'x'))
    else:
        attempt(lambda: s.sendto(b'x', to))
    if sys.argv[2] == 'own':
        print(s.recv(9).decode())
"#;
        let mut child = python(&one, server, &[]);
        let port = first_line(&mut child);
        assert_eq!(lines(python(&one, client, &[&port, "own"])), ["ok", "X", "ok", "ok", "X"]);
        let refused = lines(python(&two, client, &[&port, "other"]));
        assert_eq!(refused, ["EPERM", "ok", "EPERM"]);
        child.kill().unwrap();
        child.wait().unwrap();
    });
}

#[test]
fn the_listeners_ports_cannot_be_taken() {
    lab(|lab| {
        let cgroup = lab.agent(1, &[]);
        let script = r#"
for port in map(int, sys.argv[1:]):
    for family, kind, host in ((AF_INET, SOCK_STREAM, '0.0.0.0'), (AF_INET6, SOCK_STREAM, '::'), (AF_INET, SOCK_DGRAM, '127.0.0.2')):
        attempt(lambda: socket(family, kind).bind((host, port)))
attempt(lambda: socket().bind(('127.0.0.1', 0)))
"#;
        let (proxy, dns) = (lab.cfg.proxy_v4.port().to_string(), lab.cfg.dns_port.to_string());
        let printed = lines(python(&cgroup, script, &[&proxy, &dns]));
        assert_eq!(printed, ["EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "ok"]);
        assert_eq!(lab.kernel().counters().unwrap().denied_bind, 6);
    });
}

#[test]
fn who_is_answered_by_an_agents_listener_is_set_for_each() {
    lab(|lab| {
        let port_of = |server: &mut std::process::Child| first_line(server).parse::<u16>().unwrap();
        // On loopback by itself; from outside, the server's answers go to an address of the outside.
        let table = [(Inbound::None, false, false), (Inbound::Loopback, true, false), (Inbound::Allow, true, true)];
        for (index, (listen, loopback, outside)) in (1..).zip(table) {
            let cgroup = lab.cfg.cgroup_root.join(format!("listens-{index}"));
            let rules = AgentRules { listen, ..AgentRules::default() };
            lab.kernel().enroll(agent(index), &cgroup, &rules).unwrap();
            for (bound, reached) in [("127.0.0.1", loopback), (OUTSIDE_V4, outside)] {
                let mut server = python(&cgroup, SERVER, &[bound]);
                let to: SocketAddr = format!("{bound}:{}", port_of(&mut server)).parse().unwrap();
                let said = TcpStream::connect_timeout(&to, Duration::from_millis(500)).and_then(|mut stream| {
                    let mut said = String::new();
                    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
                    stream.read_to_string(&mut said).map(|_| said)
                });
                assert_eq!(said.is_ok_and(|said| said == "hello"), reached, "{listen:?} {bound}");
                server.kill().unwrap();
                server.wait().unwrap();
            }
        }
    });
}

/// A listening socket that was once let through to a direct destination has no right to answer for it.
#[test]
fn a_listener_does_not_inherit_what_its_socket_was_admitted_to() {
    lab(|lab| {
        let outside = std::net::TcpListener::bind((OUTSIDE_V4, 0)).unwrap();
        let port = outside.local_addr().unwrap().port();
        let cgroup = lab.agent(1, &[rule("10.9.0.0/24", Some(port), Protocol::Tcp)]);
        let script = r#"
import ctypes
s = socket()
s.connect((sys.argv[1], int(sys.argv[2])))
libc = ctypes.CDLL(None)
assert libc.connect(s.fileno(), bytes(16), 16) == 0  # AF_UNSPEC: disconnected
s.bind((sys.argv[1], 0))
s.listen()
print(s.getsockname()[1], flush=True)
c, _ = s.accept()
c.sendall(b'hello')
"#;
        let mut server = python(&cgroup, script, &[OUTSIDE_V4, &port.to_string()]);
        let to: SocketAddr = format!("{OUTSIDE_V4}:{}", first_line(&mut server)).parse().unwrap();
        assert!(TcpStream::connect_timeout(&to, Duration::from_millis(500)).is_err(), "it answered");
        server.kill().unwrap();
        server.wait().unwrap();
    });
}

/// Who shares a port with an agent (SO_REUSEPORT) is not reached by it: the kernel chooses among them only with the SYN.
/// Whether the look at connect() finds the agent's socket or the other one is by chance (a hash with a secret of the
/// network namespace): so namespaces are tried until it was the agent's.
#[test]
fn an_own_listener_is_no_way_to_those_who_share_its_port() {
    assert!((0..30).any(|_| connections_to_shared_ports() > 0), "no connect ever went to the agent's own listener");
}

/// An agent shares the ports of twelve others' listeners and connects 240 times; gives how many came to itself.
fn connections_to_shared_ports() -> u32 {
    lab(|lab| {
        let cgroup = lab.agent(1, &[]);
        let shared = |_| {
            let shared = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            shared.set_reuse_port(true).unwrap();
            shared.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
            shared.listen(64).unwrap();
            shared.set_nonblocking(true).unwrap();
            std::net::TcpListener::from(shared)
        };
        let victims: Vec<_> = (0..12).map(shared).collect();
        let ports: Vec<String> = victims.iter().map(|victim| victim.local_addr().unwrap().port().to_string()).collect();
        let script = r#"
heard, kept = 0, []
for port in map(int, sys.argv[1:]):
    own = socket(); own.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1); own.bind(('127.0.0.1', port)); own.listen(64)
    for _ in range(20):
        s = socket(); s.setblocking(False); kept.append(s)
        try: s.connect(('127.0.0.1', port))
        except BlockingIOError: pass
    own.settimeout(.1)
    try:
        while kept.append(own.accept()) is None: heard += 1
    except TimeoutError: pass
print(heard)
attempt(lambda: own.setsockopt(SOL_SOCKET, 51, bytes(16)))
"#;
        let arguments: Vec<&str> = ports.iter().map(String::as_str).collect();
        let said = lines(python(&cgroup, script, &arguments));
        let heard = said.first().unwrap().parse().unwrap();
        assert!(heard < 240, "none of them was steered to another");
        assert_eq!(said.get(1).unwrap(), "EPERM", "the agent chose who is found");
        assert!(victims.iter().all(|victim| victim.accept().is_err()), "somebody else heard the agent");
        heard
    })
}
