#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;
use crate::sockets::diag::{Family, for_tests};

const ROOT: u64 = 10;
const OWN: u64 = 11;
const CHILD: u64 = 12;
const OTHER_AGENT: u64 = 13;
const OUTSIDE: u64 = 1;
const HELD: u64 = 500;
const ESTABLISHED: u8 = 1;
const CLOSED: u8 = 7;

fn socket(protocol: Protocol, state: u8, local: &str, remote: &str, cgroup: u64, inode: u64) -> Socket {
    for_tests(Family::V4, protocol, state, local.parse().unwrap(), remote.parse().unwrap(), inode, Some(cgroup))
}

fn tcp(remote: &str, cgroup: u64, inode: u64) -> Socket {
    socket(Protocol::Tcp, ESTABLISHED, "198.51.100.2:40000", remote, cgroup, inode)
}

fn udp(remote: &str, cgroup: u64, inode: u64) -> Socket {
    let state = if remote == NOBODY { CLOSED } else { ESTABLISHED };
    socket(Protocol::Udp, state, "0.0.0.0:5000", remote, cgroup, inode)
}

fn listener(local: &str, cgroup: u64, inode: u64) -> Socket {
    socket(Protocol::Tcp, TCP_LISTEN, local, NOBODY, cgroup, inode)
}

const NOBODY: &str = "0.0.0.0:0";
const FAR: &str = "203.0.113.10:443";
const DIRECT: &str = "203.0.113.66:2525";

fn rules(listen: Inbound) -> AgentRules {
    let rule = |cidr: &str, port, protocol| DirectRule { cidr: cidr.parse().unwrap(), port, protocol };
    let direct = vec![
        rule("203.0.113.64/28", Some(2525), Protocol::Tcp),
        rule("2001:db8:5::/48", None, Protocol::Tcp),
        rule("192.0.2.1/32", None, Protocol::Udp),
    ];
    AgentRules { direct, listen, ..AgentRules::default() }
}

fn chosen(sockets: &[Socket], occasion: Occasion, listen: Inbound) -> Vec<(Socket, Why)> {
    let cgroups = [OWN, CHILD].into();
    let enforced = |socket: &Socket| matches!(socket.cgroup, Some(ROOT | OWN | CHILD | OTHER_AGENT));
    let (held, rules) = ([HELD, HELD + 1].into(), rules(listen));
    let view = View { cgroups: &cgroups, enforced: &enforced, held: &held, rules: &rules, occasion };
    choose(sockets, &view).into_iter().map(|(socket, why)| (socket.clone(), why)).collect()
}

fn verdict_on(socket: Socket, occasion: Occasion) -> Option<Why> {
    chosen(&[socket], occasion, Inbound::Loopback).pop().map(|(_, why)| why)
}

#[test]
fn each_kind_of_socket_at_each_occasion() {
    use Why::{NotDirect, Removed, Unenforced};
    let table = [
        // What, at enrolment, in a sweep, at removal.
        ("made there, to the outside", tcp(FAR, OWN, 7), [Some(NotDirect), None, Some(Removed)]),
        ("made below, to the outside", tcp(FAR, CHILD, 0), [Some(NotDirect), None, Some(Removed)]),
        ("made there, to the proxy", tcp("127.0.0.1:15001", OWN, 7), [None, None, Some(Removed)]),
        ("made there, to the proxy, mapped", tcp("[::ffff:127.0.0.1]:15001", OWN, 7), [None, None, Some(Removed)]),
        ("made there, direct", tcp(DIRECT, OWN, 7), [None, None, Some(Removed)]),
        (
            "made there, direct but for the port",
            tcp("203.0.113.66:2526", OWN, 7),
            [Some(NotDirect), None, Some(Removed)],
        ),
        ("made there, direct by IPv6", tcp("[2001:db8:5:1::1]:9", OWN, 7), [None, None, Some(Removed)]),
        ("made there, direct but for the protocol", udp(DIRECT, OWN, 7), [Some(NotDirect), None, Some(Removed)]),
        ("made there, UDP without a peer", udp(NOBODY, OWN, 7), [None, None, Some(Removed)]),
        ("made there, a listener", listener("0.0.0.0:80", OWN, 7), [None, None, Some(Removed)]),
        ("came in, to the outside", tcp(FAR, OUTSIDE, HELD), [Some(Unenforced), Some(Unenforced), Some(Removed)]),
        ("came in, direct", tcp(DIRECT, OUTSIDE, HELD), [None, None, Some(Removed)]),
        (
            "came in, to a service of the host",
            tcp("127.0.0.1:6379", OUTSIDE, HELD),
            [Some(Unenforced), Some(Unenforced), Some(Removed)],
        ),
        ("came in, UDP with a peer", udp(FAR, OUTSIDE, HELD), [Some(Unenforced), Some(Unenforced), Some(Removed)]),
        ("came in, UDP, direct", udp("192.0.2.1:53", OUTSIDE, HELD), [None, None, Some(Removed)]),
        (
            "came in, UDP without a peer",
            udp(NOBODY, OUTSIDE, HELD),
            [Some(Unenforced), Some(Unenforced), Some(Removed)],
        ),
        (
            "came in, a listener",
            listener("0.0.0.0:80", OUTSIDE, HELD),
            [Some(Unenforced), Some(Unenforced), Some(Removed)],
        ),
        ("came in, a listener on loopback", listener("127.0.0.1:80", OUTSIDE, HELD), [None, None, Some(Removed)]),
        ("another agent's, shared", tcp(FAR, OTHER_AGENT, HELD), [None, None, None]),
        ("a bystander's, to the outside", tcp(FAR, OUTSIDE, 7), [None, None, None]),
        ("a bystander's, to the proxy", tcp("127.0.0.1:15001", OUTSIDE, 7), [None, None, None]),
        ("nobody's any more", tcp(FAR, OUTSIDE, 0), [None, None, None]),
        ("another agent's own", tcp(FAR, OTHER_AGENT, 7), [None, None, None]),
    ];
    for (name, socket, verdicts) in table {
        for (occasion, verdict) in [Occasion::Enrolment, Occasion::Sweep, Occasion::Removal].into_iter().zip(verdicts) {
            assert_eq!(verdict_on(socket.clone(), occasion), verdict, "{name}, {occasion:?}");
        }
    }
}

#[test]
fn connections_of_an_agent_with_itself_stay() {
    let (here, there) = ("127.0.0.1:4000", "127.0.0.1:40000");
    let one = socket(Protocol::Tcp, ESTABLISHED, here, there, OUTSIDE, HELD);
    let own = socket(Protocol::Tcp, ESTABLISHED, there, here, OUTSIDE, HELD + 1);
    assert_eq!(chosen(&[one.clone(), own], Occasion::Sweep, Inbound::Loopback), []);
    let others = socket(Protocol::Tcp, ESTABLISHED, there, here, OUTSIDE, 7);
    assert_eq!(chosen(&[one.clone(), others], Occasion::Sweep, Inbound::Loopback), [(one, Why::Unenforced)]);
}

#[test]
fn who_may_be_connected_to_keeps_what_was_accepted() {
    let listening = listener("0.0.0.0:8080", OWN, 7);
    let accepted = socket(Protocol::Tcp, ESTABLISHED, "198.51.100.2:8080", "203.0.113.9:50000", OWN, 8);
    let sockets = [listening, accepted.clone(), tcp(FAR, OWN, 9)];
    let of = |listen| chosen(&sockets, Occasion::Enrolment, listen).into_iter().map(|(socket, _)| socket.inode);
    assert_eq!(of(Inbound::Allow).collect::<Vec<_>>(), [9]);
    assert_eq!(of(Inbound::Loopback).collect::<Vec<_>>(), [8, 9]);
}

#[test]
fn a_rule_for_all_of_ipv6_covers_ipv4_as_it_does_in_the_kernel() {
    let all = DirectRule { cidr: "::/0".parse().unwrap(), port: None, protocol: Protocol::Tcp };
    assert!(covers(&all, Protocol::Tcp, FAR.parse().unwrap()));
    assert!(covers(&all, Protocol::Tcp, "[2001:db8::1]:1".parse().unwrap()));
    let v4 = DirectRule { cidr: "0.0.0.0/0".parse().unwrap(), ..all };
    assert!(covers(&v4, Protocol::Tcp, FAR.parse().unwrap()));
    assert!(!covers(&v4, Protocol::Tcp, "[2001:db8::1]:1".parse().unwrap()));
}

prop_compose! {
    fn any_socket()(
        tcp: bool, state in 1_u8..12, local: ([u8; 4], u16), remote: ([u8; 4], u16), near: bool,
        cgroup in prop::option::of(prop::sample::select(vec![OUTSIDE, ROOT, OWN, CHILD, OTHER_AGENT, 99])),
        inode in prop::sample::select(vec![0, 7, HELD, HELD + 1]),
    ) -> Socket {
        let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
        let remote = if near { ([127, 0, 0, 1], remote.1) } else { remote };
        for_tests(Family::V4, protocol, state, local.into(), remote.into(), inode, cgroup)
    }
}

proptest! {
    #[test]
    fn nobody_elses_socket_is_ever_chosen(sockets in prop::collection::vec(any_socket(), 0..20)) {
        for occasion in [Occasion::Enrolment, Occasion::Sweep, Occasion::Removal] {
            for (socket, _) in chosen(&sockets, occasion, Inbound::Loopback) {
                let made = socket.cgroup.is_some_and(|cgroup| cgroup == OWN || cgroup == CHILD);
                let held = socket.inode >= HELD;
                let enforced_elsewhere = matches!(socket.cgroup, Some(ROOT | OTHER_AGENT));
                prop_assert!(made || held && !enforced_elsewhere, "{:?}: {:?}", occasion, socket);
            }
        }
    }

    #[test]
    fn nothing_that_came_in_keeps_a_peer_outside(sockets in prop::collection::vec(any_socket(), 0..20)) {
        let gone: Vec<Socket> = chosen(&sockets, Occasion::Sweep, Inbound::Loopback).into_iter().map(|(s, _)| s).collect();
        for socket in &sockets {
            let came_in = socket.inode >= HELD && !matches!(socket.cgroup, Some(ROOT | OWN | CHILD | OTHER_AGENT));
            let direct = rules(Inbound::Loopback).direct.iter().any(|rule| covers(rule, socket.protocol, socket.remote));
            if came_in && socket.connected() && !loopback(socket.remote) && !direct {
                prop_assert!(gone.contains(socket), "{:?}", socket);
            }
        }
    }
}
