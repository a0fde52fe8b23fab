//! TCP connects: redirected with their original destination, or let through where allowlisted.

use std::{io::Read, net::TcpListener};

use aegis_agent::kernel::{Kernel, KernelConfig, Protocol};

use crate::lab::{OUTSIDE_V4, OUTSIDE_V6, accept, agent, eventually, first_line, here, lab, lines, python, rule};

/// Connects to argv[1]:argv[2] with a socket of family argv[3] and prints its pid and peer.
const CONNECT: &str = r#"
s = socket(AF_INET6 if sys.argv[3] == "6" else AF_INET)
s.connect((sys.argv[1], int(sys.argv[2])))
print(os.getpid(), s.getpeername()[0], s.getpeername()[1], flush=True)
s.recv(1)
"#;

#[test]
fn every_connect_reaches_the_proxy_with_its_original_destination() {
    lab(|lab| {
        let cgroup = lab.agent(7, &[]);
        let table = [
            ("192.0.2.1", "443", "4", "192.0.2.1:443"),
            ("2001:db8::1", "443", "6", "[2001:db8::1]:443"),
            ("::ffff:192.0.2.1", "8443", "6", "192.0.2.1:8443"),
            // NAT64 and 6to4 prefixes are addresses like any other.
            ("64:ff9b::c000:201", "80", "6", "[64:ff9b::c000:201]:80"),
            ("2002:c000:201::1", "80", "6", "[2002:c000:201::1]:80"),
            ("169.254.169.254", "80", "4", "169.254.169.254:80"),
            ("255.255.255.255", "1", "4", "255.255.255.255:1"),
            (OUTSIDE_V4, "22", "4", "10.9.0.1:22"),
            (OUTSIDE_V6, "22", "6", "[fd00:9::1]:22"),
        ];
        for (host, port, family, original) in table {
            let child = python(&cgroup, CONNECT, &[host, port, family]);
            let pid = child.id();
            let listener = if original.starts_with('[') { &lab.proxy_v6 } else { &lab.proxy_v4 };
            let (stream, record) = lab.accept(listener);
            let record = record.unwrap_or_else(|| panic!("no record for {host}"));
            assert_eq!(record.original, original.parse().unwrap());
            assert_eq!(record.agent, agent(7), "{host}");
            assert_eq!((record.pid, record.uid, record.comm.as_str()), (pid, 0, "python3"), "{host}");
            let again = lab.kernel().flows().take(here(), stream.peer_addr().unwrap()).unwrap();
            assert_eq!(again, None, "a record can be taken once");
            drop(stream);
            assert_eq!(lines(child), [format!("{pid} {host} {port}")], "getpeername for {host}");
        }
        assert_eq!(lab.kernel().counters().unwrap().redirected, table.len() as u64);
    });
}

#[test]
fn the_ways_around_connect_are_no_ways_around() {
    lab(|lab| {
        let cgroup = lab.agent(3, &[]);
        let table = [
            ("non-blocking", "s.setblocking(False); s.connect_ex(('192.0.2.1', 443)); time.sleep(.2)"),
            ("fast open", "s.sendto(b'x', MSG_FASTOPEN, ('192.0.2.1', 443))"),
            ("bound source", "s.bind(('10.9.0.1', 0)); s.connect(('192.0.2.1', 443))"),
            (
                "reconnect",
                "s.setblocking(False); s.connect_ex(('192.0.2.9', 443)); s.close(); s = socket(); s.connect(('192.0.2.1', 443))",
            ),
        ];
        for (name, way) in table {
            let child = python(&cgroup, &format!("s = socket()\n{way}\ntime.sleep(.1)"), &[]);
            let expected = "192.0.2.1:443".parse().unwrap();
            let (_stream, record) = loop {
                let (stream, record) = lab.accept(&lab.proxy_v4);
                if record.as_ref().is_some_and(|record| record.original == expected) {
                    break (stream, record);
                }
            };
            assert_eq!(record.unwrap().agent, agent(3), "{name}");
            lines(child);
        }
    });
}

#[test]
fn a_local_port_shared_by_two_connections_is_not_confused() {
    lab(|lab| {
        let resolver = TcpListener::bind(("127.0.0.1", lab.cfg.dns_port)).unwrap();
        let script = r#"
def connect(to):
    s = socket()
    s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    s.bind(('127.0.0.1', 40001))
    s.connect(to)
    return s
both = [connect((sys.argv[1], int(port))) for port in (443, 53)]
sys.stdin.read()
"#;
        let cgroup = lab.agent(1, &[]);
        let child = python(&cgroup, script, &["192.0.2.1"]);
        let (_dns, peer) = accept(&resolver);
        let record = lab.kernel().flows().take_dns(here(), peer).unwrap().unwrap();
        assert_eq!(record.original, "192.0.2.1:53".parse().unwrap());
        let (_stream, record) = lab.accept(&lab.proxy_v4);
        assert_eq!(record.unwrap().original, "192.0.2.1:443".parse().unwrap());
        lines(child);
    });
}

#[test]
fn allowlisted_destinations_are_reached_untouched_and_others_are_not() {
    lab(|lab| {
        let allowed_v4 = TcpListener::bind((OUTSIDE_V4, 0)).unwrap();
        let allowed_v6 = TcpListener::bind((OUTSIDE_V6, 0)).unwrap();
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let cgroup = lab.agent(
            2,
            &[
                rule("10.9.0.0/24", Some(port(&allowed_v4)), Protocol::Tcp),
                rule("fd00:9::/64", None, Protocol::Tcp),
                rule("192.0.2.0/24", None, Protocol::Udp),
            ],
        );
        let other = lab.agent(3, &[]);
        let direct = |listener: &TcpListener, host: &str, family: &str| {
            let port = port(listener).to_string();
            let child = python(&cgroup, CONNECT, &[host, &port, family]);
            drop(accept(listener));
            let pid = child.id();
            assert_eq!(lines(child), [format!("{pid} {host} {port}")]);
        };
        direct(&allowed_v4, OUTSIDE_V4, "4");
        direct(&allowed_v4, "::ffff:10.9.0.1", "6");
        direct(&allowed_v6, OUTSIDE_V6, "6");
        assert_eq!(lab.kernel().counters().unwrap().allowed_direct, 3);
        let v4_port = port(&allowed_v4).to_string();
        let redirected = [
            (&cgroup, OUTSIDE_V4, "1", "another port"),
            (&cgroup, "192.0.2.1", "443", "a rule for UDP only"),
            (&other, OUTSIDE_V4, v4_port.as_str(), "another agent"),
        ];
        for (cgroup, host, port, why) in redirected {
            let child = python(cgroup, CONNECT, &[host, port, "4"]);
            assert!(lab.accept(&lab.proxy_v4).1.is_some(), "{why}");
            lines(child);
        }
    });
}

#[test]
fn source_routes_do_not_leave() {
    lab(|lab| {
        let listener = TcpListener::bind((OUTSIDE_V4, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let cgroup = lab.agent(2, &[rule("10.9.0.1/32", Some(port), Protocol::Udp)]);
        // Loose source route over 10.9.0.1 to the destination (RFC 791): for the socket, or for one packet (IP_RETOPTS).
        let script = r#"
route, to = bytes([1, 131, 7, 4, 10, 9, 0, 1]), ('10.9.0.1', int(sys.argv[1]))
s = socket()
attempt(lambda: s.setsockopt(IPPROTO_IP, IP_OPTIONS, route))
u = socket(AF_INET, SOCK_DGRAM)
attempt(lambda: u.sendto(b'x', to))
attempt(lambda: u.sendmsg([b'x'], [(IPPROTO_IP, 7, route)], 0, to))
"#;
        let printed = lines(python(&cgroup, script, &[&port.to_string()]));
        assert_eq!(printed, ["EPERM", "ok", "EPERM"]);
        assert_eq!(lab.kernel().counters().unwrap().denied_packet, 1);
    });
}

#[test]
fn records_do_not_outlive_connections_that_are_not_taken() {
    lab(|lab| {
        let cgroup = lab.agent(5, &[]);
        // Reset by the agent.
        let script = r#"
import struct
s = create_connection(('192.0.2.1', 443))
s.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack('ii', 1, 0))
s.close()
"#;
        lines(python(&cgroup, script, &[]));
        assert_eq!(lab.recorded_flows(), 0, "reset");
        // Refused: nobody listens any more.
        let proxy = std::mem::replace(&mut lab.proxy_v4, TcpListener::bind("127.0.0.1:0").unwrap());
        drop(proxy);
        let script = "attempt(lambda: create_connection(('192.0.2.1', 443)))";
        assert_eq!(lines(python(&cgroup, script, &[])), ["ECONNREFUSED"]);
        assert_eq!(lab.recorded_flows(), 0, "refused");
    });
}

/// The handshake's last ACK is held back (TCP_DEFER_ACCEPT), so the listener has no connection yet; then it hears nothing more,
/// and the agent takes its FIN back before anybody has acknowledged it.
#[test]
fn a_connection_that_was_never_whole_leaves_no_record() {
    lab(|lab| {
        let cgroup = lab.agent(5, &[]);
        let script = r#"
import ctypes
made = []
for n in range(50):
    s = socket(); s.bind(('127.0.1.%d' % (n + 1), 0))
    s.setsockopt(IPPROTO_TCP, TCP_DEFER_ACCEPT, 1)
    s.connect(('192.0.2.1', 443))
    made.append(s)
print('made', flush=True)
sys.stdin.readline()
for s in made:
    s.shutdown(SHUT_WR)
    ctypes.CDLL(None).connect(s.fileno(), bytes(16), 16)
"#;
        let mut child = python(&cgroup, script, &[]);
        assert_eq!(first_line(&mut child), "made");
        assert_eq!(lab.recorded_flows(), 50);
        let nothing = [socket2::SockFilter::new((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, 0)];
        socket2::SockRef::from(&lab.proxy_v4).attach_filter(&nothing).unwrap();
        drop(child.stdin.take());
        lines(child);
        let usage = lab.kernel().usage().unwrap()[&agent(5)];
        assert_eq!((usage.redirected, usage.withdrawn, usage.pending, usage.open), (50, 50, 0, 0));
        assert_eq!(lab.recorded_flows(), 0);
    });
}

/// What an earlier daemon left in the table goes, and what waits for this one stays.
#[test]
fn records_of_earlier_daemons_are_forgotten() {
    lab(|lab| {
        let cgroup = lab.agent(5, &[]);
        let script = "kept = [socket() for _ in range(3)]\nfor s in kept: s.connect(('192.0.2.1', 443))\nprint('made', flush=True)\nsys.stdin.readline()";
        let mut former = python(&cgroup, script, &[]);
        assert_eq!(first_line(&mut former), "made");
        lab.restart(|_| {});
        let mut own = python(&cgroup, script, &[]);
        assert_eq!(first_line(&mut own), "made");
        assert_eq!(lab.recorded_flows(), 6, "they may still wait in a listener that was handed over");
        lab.kernel().forget_former().unwrap();
        assert_eq!(lab.recorded_flows(), 3);
        for mut child in [former, own] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    });
}

#[test]
fn what_was_sent_before_an_early_close_is_still_attributed() {
    lab(|lab| {
        let cgroup = lab.agent(5, &[]);
        lines(python(&cgroup, "s = create_connection(('192.0.2.1', 443)); s.send(b'gone'); s.close()", &[]));
        let (mut stream, record) = lab.accept(&lab.proxy_v4);
        assert_eq!(record.unwrap().agent, agent(5));
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(text, "gone");
        eventually("the record is gone", || lab.recorded_flows() == 0);
    });
}

#[test]
fn a_connection_that_the_kernel_did_not_redirect_has_no_record() {
    lab(|lab| {
        let stranger = std::net::TcpStream::connect(lab.proxy_v4.local_addr().unwrap()).unwrap();
        let (_stream, record) = lab.accept(&lab.proxy_v4);
        assert_eq!(record, None);
        drop(stranger);
        // An agent that names the listener is redirected like anybody, and shows what it wanted.
        let cgroup = lab.agent(4, &[]);
        let port = lab.cfg.proxy_v4.port().to_string();
        let child = python(&cgroup, CONNECT, &["127.0.0.1", &port, "4"]);
        let (stream, record) = lab.accept(&lab.proxy_v4);
        assert_eq!(record.unwrap().original, lab.proxy_v4.local_addr().unwrap());
        drop(stream);
        lines(child);
    });
}

#[test]
fn without_an_ipv6_listener_ipv6_goes_to_the_ipv4_one() {
    lab(|lab| {
        let cfg = KernelConfig { proxy_v6: None, ..lab.cfg.clone() };
        lab.kernel = Some(Kernel::attach(&cfg).unwrap());
        let cgroup = lab.agent(7, &[]);
        let child = python(&cgroup, CONNECT, &["2001:db8::1", "443", "6"]);
        let (stream, record) = lab.accept(&lab.proxy_v4);
        assert_eq!(record.unwrap().original, "[2001:db8::1]:443".parse().unwrap());
        drop(stream);
        let pid = child.id();
        assert_eq!(lines(child), [format!("{pid} 2001:db8::1 443")]);
    });
}

#[test]
fn another_network_namespace_is_no_way_out() {
    lab(|lab| {
        let cgroup = lab.agent(7, &[]);
        // Its own loopback has no listener; 10.9.0.1 would be reachable there without Aegis.
        let script = r#"
inner = """
import socket, errno, os
os.system('ip link set lo up; ip addr add 10.9.0.1/32 dev lo')
try:
    socket.create_connection(('10.9.0.1', 443), 5)
    print('ok')
except OSError as error:
    print(errno.errorcode[error.errno])
"""
print(subprocess.run(['unshare', '-n', 'python3', '-c', inner], capture_output=True, text=True).stdout.strip())
"#;
        assert_eq!(lines(python(&cgroup, script, &[])), ["EPERM"]);
        let counters = lab.kernel().counters().unwrap();
        assert_eq!((counters.redirected, counters.no_listener), (0, 1));
    });
}
