//! UDP: denied but to the allowlisted and the agent's own, judged by what a socket outside got.

use std::net::UdpSocket;

use aegis_agent::kernel::Protocol;

use crate::lab::{OUTSIDE_V4, OUTSIDE_V6, lab, lines, python, rule};

#[test]
fn udp_leaves_in_no_way() {
    lab(|lab| {
        let outside_v4 = UdpSocket::bind((OUTSIDE_V4, 0)).unwrap();
        let outside_v6 = UdpSocket::bind((OUTSIDE_V6, 0)).unwrap();
        let port = |socket: &UdpSocket| socket.local_addr().unwrap().port().to_string();
        let cgroup = lab.agent(1, &[]);
        let table = [
            ("sendto", "socket(AF_INET, SOCK_DGRAM).sendto(b'x', v4)"),
            ("connect", "dialled(AF_INET, v4).send(b'x')"),
            ("sendmsg", "socket(AF_INET, SOCK_DGRAM).sendmsg([b'x'], [], 0, v4)"),
            ("v6 sendto", "socket(AF_INET6, SOCK_DGRAM).sendto(b'x', v6)"),
            ("v6 connect", "dialled(AF_INET6, v6).send(b'x')"),
            ("mapped sendto", "socket(AF_INET6, SOCK_DGRAM).sendto(b'x', mapped)"),
            ("mapped connect", "dialled(AF_INET6, mapped).send(b'x')"),
            ("broadcast", "wide(socket(AF_INET, SOCK_DGRAM)).sendto(b'x', ('255.255.255.255', 9))"),
            ("multicast", "socket(AF_INET, SOCK_DGRAM).sendto(b'x', ('224.0.0.251', 5353))"),
            ("a listener's port", "socket(AF_INET, SOCK_DGRAM).sendto(b'x', ('127.0.0.1', int(sys.argv[3])))"),
            ("corked", "corked(v4)"),
        ];
        let prelude = r#"
v4, v6, mapped = ('10.9.0.1', int(sys.argv[1])), ('fd00:9::1', int(sys.argv[2])), ('::ffff:10.9.0.1', int(sys.argv[1]))
def dialled(family, to):
    s = socket(family, SOCK_DGRAM)
    s.connect(to)
    return s
def wide(s):
    s.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
    return s
def corked(to):
    s = socket(AF_INET, SOCK_DGRAM)
    s.sendto(b'x', MSG_MORE, to)
    s.sendto(b'y', to)
"#;
        let arguments = [port(&outside_v4), port(&outside_v6), lab.cfg.dns_port.to_string()];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        for (name, call) in table {
            let script = format!("{prelude}\nattempt(lambda: {call})");
            assert_eq!(lines(python(&cgroup, &script, &arguments)), ["EPERM"], "{name}");
        }
        for outside in [&outside_v4, &outside_v6] {
            outside.set_nonblocking(true).unwrap();
            assert!(outside.recv(&mut [0; 8]).is_err(), "something arrived");
        }
        assert_eq!(lab.kernel().counters().unwrap().denied_udp, table.len() as u64);
    });
}

#[test]
fn allowlisted_udp_passes_and_sends_nowhere_else() {
    lab(|lab| {
        let allowed = UdpSocket::bind((OUTSIDE_V4, 0)).unwrap();
        let other = UdpSocket::bind((OUTSIDE_V4, 0)).unwrap();
        let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
        let cgroup = lab.agent(1, &[rule("10.9.0.1/32", Some(port(&allowed)), Protocol::Udp)]);
        let script = r#"
allowed, other = ('10.9.0.1', int(sys.argv[1])), ('10.9.0.1', int(sys.argv[2]))
s = socket(AF_INET, SOCK_DGRAM)
attempt(lambda: s.sendto(b'one', allowed))
attempt(lambda: s.connect(allowed))
attempt(lambda: s.send(b'two'))
attempt(lambda: s.sendto(b'evil', other))
attempt(lambda: s.connect(other))
attempt(lambda: s.send(b'evil'))
attempt(lambda: s.connect(allowed))
attempt(lambda: s.send(b'three'))
"#;
        let (allowed_port, other_port) = (port(&allowed).to_string(), port(&other).to_string());
        let printed = lines(python(&cgroup, script, &[&allowed_port, &other_port]));
        assert_eq!(printed, ["ok", "ok", "ok", "EPERM", "ok", "EPERM", "ok", "ok"]);
        let mut buffer = [0; 16];
        for text in ["one", "two", "three"] {
            let length = allowed.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], text.as_bytes());
        }
        other.set_nonblocking(true).unwrap();
        assert!(other.recv(&mut buffer).is_err(), "something arrived");
    });
}

/// Every name lookup connects a UDP socket to each address, to see which source address it would have (RFC 6724).
#[test]
fn connecting_without_sending_is_no_attempt() {
    lab(|lab| {
        let cgroup = lab.agent(1, &[]);
        let script = r#"
for family, to in ((AF_INET, ('10.9.0.1', 443)), (AF_INET6, ('fd00:9::1', 443))):
    s = socket(family, SOCK_DGRAM)
    attempt(lambda: s.connect(to))
    print(s.getpeername()[0])
"#;
        let printed = lines(python(&cgroup, script, &[]));
        assert_eq!(printed, ["ok", "10.9.0.1", "ok", "fd00:9::1"]);
        assert_eq!(lab.kernel().counters().unwrap().denied(), 0);
    });
}

#[test]
fn a_socket_reconnected_while_another_thread_sends_reaches_nobody_else() {
    lab(|lab| {
        let allowed = UdpSocket::bind((OUTSIDE_V4, 0)).unwrap();
        let other = UdpSocket::bind((OUTSIDE_V4, 0)).unwrap();
        let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
        let cgroup = lab.agent(1, &[rule("10.9.0.1/32", Some(port(&allowed)), Protocol::Udp)]);
        let script = r#"
import threading, time
allowed, other = ('10.9.0.1', int(sys.argv[1])), ('10.9.0.1', int(sys.argv[2]))
s = socket(AF_INET, SOCK_DGRAM)
s.connect(allowed)
sent = 0
def send():
    global sent
    tries = 0
    # On a busy machine each of many sends can meet the wrong moment.
    while tries < 20000 or not sent and tries < 2000000:
        tries += 1
        try:
            s.send(b'x')
            sent += 1
        except OSError:
            pass
sender = threading.Thread(target=send)
sender.start()
while sender.is_alive():
    s.connect(other)
    s.connect(allowed)
    time.sleep(0)
print('sent' if sent else 'nothing was sent')
"#;
        let (allowed_port, other_port) = (port(&allowed).to_string(), port(&other).to_string());
        assert_eq!(lines(python(&cgroup, script, &[&allowed_port, &other_port])), ["sent"]);
        other.set_nonblocking(true).unwrap();
        assert!(other.recv(&mut [0; 8]).is_err(), "a packet went to where nothing is allowed");
    });
}

/// Once for each destination that a socket turns to: nobody but these events tells of direct datagrams.
#[test]
fn direct_datagrams_are_told_of_however_they_are_sent() {
    lab(|lab| {
        lab.restart(|cfg| cfg.limits.events_per_second = 5);
        let outside = std::net::UdpSocket::bind((OUTSIDE_V4, 0)).unwrap();
        outside.set_nonblocking(true).unwrap();
        let port = outside.local_addr().unwrap().port();
        let cgroup = lab.agent(3, &[rule("10.9.0.1/32", None, Protocol::Udp)]);
        let script = r#"
to, other = ('10.9.0.1', int(sys.argv[1])), ('10.9.0.1', 9)
s = socket(AF_INET, SOCK_DGRAM)
for _ in range(3): attempt(lambda: s.sendto(b'x', to))
attempt(lambda: s.sendto(b'x', other))
attempt(lambda: s.sendto(b'x', to))
c = socket(AF_INET, SOCK_DGRAM); c.connect(to)
for _ in range(2): attempt(lambda: c.send(b'x'))
"#;
        assert_eq!(lines(python(&cgroup, script, &[&port.to_string()])), ["ok"; 7]);
        assert_eq!(lab.kernel().counters().unwrap().allowed_direct, 4);
        // What cannot be told is not sent: each of these would be one more destination in the same second.
        let script = "import time\nwhile time.monotonic() % 1 > .2: pass\nfor port in range(100, 120): attempt(lambda: socket(AF_INET, SOCK_DGRAM).sendto(b'x', ('10.9.0.1', port)))";
        assert!(lines(python(&cgroup, script, &[])).contains(&"EPERM".to_owned()));
    });
}
