//! DNS: queries to any resolver reach Aegis' own, attributed, and look answered by the one asked.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use crate::lab::{accept, agent, eventually, first_line, here, lab, lines, python};

/// Asks argv[2] in the way argv[1] says and prints where the answer came from.
const ASK: &str = r#"
family = AF_INET6 if ':' in sys.argv[2] else AF_INET
s = socket(family, SOCK_DGRAM)
s.settimeout(60)
resolver = (sys.argv[2], 53)
if sys.argv[1] == 'connected':
    s.connect(resolver)
    s.send(b'query')
    print(*s.getpeername()[:2], flush=True)
else:
    s.sendto(b'query', resolver)
answer, source = s.recvfrom(99)
print(answer.decode(), *source[:2], flush=True)
sys.stdin.read()
"#;

#[test]
fn queries_over_udp_are_redirected_and_attributed() {
    lab(|lab| {
        let cgroup = lab.agent(9, &[]);
        for resolver in ["192.0.2.53", "2001:db8::53", "::ffff:192.0.2.53", "127.0.0.53"] {
            for way in ["unconnected", "connected"] {
                let child = python(&cgroup, ASK, &[way, resolver]);
                println!("{resolver} {way}");
                let v6 = resolver.starts_with("2001");
                let listener: &UdpSocket = if v6 { &lab.dns_v6 } else { &lab.dns_v4 };
                let mut buffer = [0; 16];
                let (length, peer) = listener.recv_from(&mut buffer).unwrap();
                assert_eq!(&buffer[..length], b"query");
                let record = lab.kernel().flows().dns_client(here(), peer).unwrap().unwrap();
                let original = SocketAddr::new(resolver.parse().unwrap(), 53);
                assert_eq!(record.original.ip(), original.ip().to_canonical());
                assert_eq!((record.original.port(), record.agent, record.pid), (53, agent(9), child.id()));
                listener.send_to(b"answer", peer).unwrap();
                let printed = lines(child);
                assert_eq!(printed.last().unwrap(), &format!("answer {resolver} 53"), "{way}");
                if way == "connected" {
                    assert_eq!(printed[0], format!("{resolver} 53"));
                }
                let gone = || lab.kernel().flows().dns_client(here(), peer).unwrap().is_none();
                eventually("a closed socket is forgotten", gone);
            }
        }
    });
}

#[test]
fn queries_over_tcp_reach_the_resolver_too() {
    lab(|lab| {
        let resolver = TcpListener::bind(("127.0.0.1", lab.cfg.dns_port)).unwrap();
        let cgroup = lab.agent(9, &[]);
        let child = python(&cgroup, "create_connection(('192.0.2.53', 53)).recv(1)", &[]);
        let (stream, peer) = accept(&resolver);
        assert_eq!(lab.kernel().flows().take(here(), peer).unwrap(), None, "not the proxy's");
        let record = lab.kernel().flows().take_dns(here(), peer).unwrap().unwrap();
        assert_eq!(record.original, "192.0.2.53:53".parse().unwrap());
        drop(stream);
        lines(child);
    });
}

#[test]
fn a_stranger_is_no_dns_client() {
    lab(|lab| {
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        let peer = stranger.local_addr().unwrap();
        assert_eq!(lab.kernel().flows().dns_client(here(), peer).unwrap(), None);
    });
}

#[test]
fn two_agents_cannot_send_from_one_address() {
    lab(|lab| {
        let (one, two) = (lab.agent(1, &[]), lab.agent(2, &[]));
        let script = r#"
s = socket(AF_INET, SOCK_DGRAM)
s.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
s.bind(('127.0.0.1', 40053))
attempt(lambda: s.sendto(b'query', ('192.0.2.53', 53)))
sys.stdin.read()
"#;
        let first = python(&one, script, &[]);
        let mut buffer = [0; 16];
        let (_, peer) = lab.dns_v4.recv_from(&mut buffer).unwrap();
        assert_eq!(lines(python(&two, script, &[])), ["EPERM"]);
        let record = lab.kernel().flows().dns_client(here(), peer).unwrap().unwrap();
        assert_eq!(record.agent, agent(1));
        assert_eq!(lines(first), ["ok"]);
    });
}

#[test]
fn an_agent_can_use_up_its_own_share_only() {
    lab(|lab| {
        let (one, two) = (lab.agent(1, &[]), lab.agent(2, &[]));
        let greedy = r#"
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
asked, held = 0, []
for _ in range(5000):
    s = socket(AF_INET, SOCK_DGRAM)
    held.append(s)
    try:
        s.sendto(b'query', ('192.0.2.53', 53))
        asked += 1
    except PermissionError: pass
print(asked, flush=True)
sys.stdin.readline()
for s in held: s.close()
attempt(lambda: socket(AF_INET, SOCK_DGRAM).sendto(b'query', ('192.0.2.53', 53)))
"#;
        let mut child = python(&one, greedy, &[]);
        assert_eq!(first_line(&mut child), "4096");
        let once = "attempt(lambda: socket(AF_INET, SOCK_DGRAM).sendto(b'query', ('192.0.2.53', 53)))";
        assert_eq!(lines(python(&one, once, &[])), ["EPERM"]);
        assert_eq!(lines(python(&two, once, &[])), ["ok"]);
        drop(child.stdin.take());
        assert_eq!(lines(child), ["ok"], "what was given back");
    });
}

/// A query comes from the loopback address that it was redirected to, and from no other of the same socket.
#[test]
fn a_query_is_sent_from_one_address_only() {
    lab(|lab| {
        let cgroup = lab.agent(1, &[]);
        let script = r#"
import struct
s = socket(AF_INET, SOCK_DGRAM)
info = lambda a: [(IPPROTO_IP, 8, struct.pack('=i4s4s', 0, inet_aton(a), bytes(4)))]
attempt(lambda: s.sendmsg([b'query'], info('127.0.0.9'), 0, ('192.0.2.53', 53)))
attempt(lambda: s.sendmsg([b'query'], info('127.0.0.1'), 0, ('192.0.2.53', 53)))
"#;
        assert_eq!(lines(python(&cgroup, script, &[])), ["EPERM", "ok"]);
    });
}

#[test]
fn who_asked_and_is_gone_is_forgotten() {
    lab(|lab| {
        let cgroup = lab.agent(1, &[]);
        let script = "s = socket(AF_INET, SOCK_DGRAM)\ns.sendto(b'query', ('192.0.2.53', 53))\nprint('asked', flush=True)\nsys.stdin.readline()";
        let mut child = python(&cgroup, script, &[]);
        assert_eq!(crate::lab::first_line(&mut child), "asked");
        let (_, peer) = lab.dns_v4.recv_from(&mut [0; 16]).unwrap();
        let cookie = lab.kernel().flows().dns_client(here(), peer).unwrap().unwrap().socket_cookie;
        let forget =
            |alive: &[u64]| lab.kernel().forget_dead_dns(here(), || Ok(alive.iter().copied().collect())).unwrap();
        assert_eq!(forget(&[cookie]), 0);
        assert!(lab.kernel().flows().dns_client(here(), peer).unwrap().is_some());
        assert_eq!(forget(&[]), 1, "as if its socket had left it behind");
        assert_eq!(lab.kernel().flows().dns_client(here(), peer).unwrap(), None);
        drop(child.stdin.take());
        lines(child);
    });
}
