//! Other namespaces: of the agent's own making, and others' that it enters.

use std::time::Duration;

use aegis_tests::Lab;
use aegis_tests::lab::wait_for;

use crate::attempt::{CONFINED, RAW, Role};
use crate::foreign::describe;
use crate::program::build;
use crate::stage::{Stage, TCP_PORT, Target, UDP_PORT};

/// The internet's own namespace, where everything is a local address: judged by its servers.
#[test]
fn no_namespace_that_an_agent_enters_lets_it_out() {
    let lab = Lab::new().unwrap();
    let stage = Stage::new(&lab);
    let (tcp, udp) = (build(&lab, "tcp"), build(&lab, "udp"));
    let enter = ["nsenter".to_owned(), format!("--net=/run/netns/{}", lab.inet.name())];
    let go = |role: Role| {
        let mut said = String::new();
        for (program, port, attempt) in [
            (&tcp, TCP_PORT, "connect_v4"),
            (&tcp, TCP_PORT, "connect_v6"),
            (&udp, UDP_PORT, "sendto_v4"),
            (&udp, UDP_PORT, "sendto_v6"),
        ] {
            let mut words = enter.to_vec();
            words.extend(Target::denied(port).words(program, role, &[attempt]));
            let outcome = role.command(&lab).env("PATH", "/usr/bin").run(&words).unwrap();
            said.push_str(&outcome.stdout);
            said.push_str(&outcome.stderr);
        }
        said
    };
    let arrived = |role: Role| {
        ["sendto_v4", "sendto_v6"]
            .iter()
            .filter(|name| {
                !lab.internet.datagrams.containing(format!("{}.{name}.", role.marker()).as_bytes()).is_empty()
            })
            .count()
            + ["connect_v4", "connect_v6"]
                .iter()
                .filter(|name| lab.internet.tcp.contain(format!("{}.{name}.", role.marker()).as_bytes()))
                .count()
    };
    let agents = [Role::RunUser, Role::RunRoot, Role::RawUser, Role::RawRoot].map(|role| (role, go(role)));
    let said = go(Role::Bystander);
    assert!(wait_for(Duration::from_secs(5), || (arrived(Role::Bystander) == 4).then_some(())).is_some(), "{said}");
    for (role, said) in agents {
        assert_eq!(arrived(role), 0, "{role:?}: {said}");
    }
    drop(stage);
}

/// The namespaces that `unshare` makes for an ordinary user, each time a user namespace first.
const OWN: [&[&str]; 3] = [
    &["--map-root-user"],
    &["--map-root-user", "--net"],
    &["--map-root-user", "--net", "--mount", "--pid", "--fork", "--cgroup"],
];

/// With namespaces of its own an agent is root in them, and has every capability there: for nothing outside.
#[test]
fn root_in_a_namespace_of_its_own_gets_nothing_out() {
    let lab = Lab::new().unwrap();
    let stage = Stage::new(&lab);
    let programs = [("tcp", TCP_PORT), ("udp", UDP_PORT), ("raw", UDP_PORT)];
    for (program, port) in programs.map(|(name, port)| (build(&lab, name), port)) {
        let all = RAW.iter().flat_map(|role| OWN.map(|namespaces| (*role, namespaces)));
        let running: Vec<_> = all
            .map(|(role, namespaces)| {
                // Its own loopback is up, so that nothing fails for the want of an interface.
                let inside = ["/bin/sh", "-c", "ip link set lo up; exec \"$@\"", "sh"];
                let mut words: Vec<String> =
                    [&["/usr/bin/unshare"], namespaces, &inside].concat().into_iter().map(str::to_owned).collect();
                words.extend(Target::denied(port).words(&program, role, &[]));
                (role, namespaces, role.command(&lab).start(&words).unwrap())
            })
            .collect();
        for (role, namespaces, running) in running {
            let outcome = running.finish().unwrap();
            assert!(outcome.stdout.lines().count() > 10, "{role:?} {namespaces:?}: {outcome:?}");
        }
        let escaped: Vec<String> = stage.escaped().iter().map(describe).collect();
        assert!(escaped.is_empty(), "{}: {escaped:#?}", program.display());
    }
}

/// An address is room for data, and the host tells its neighbours of every one that it gets.
#[test]
fn no_agent_gives_the_host_an_address() {
    let lab = Lab::new().unwrap();
    let stage = Stage::new(&lab);
    let give = "/usr/sbin/ip -6 addr add 2001:db8:1::6174:6b2d:6164:6472/64 dev eth0; /usr/sbin/ip neigh add 198.51.100.9 lladdr 61:74:6b:2d:61:74 dev eth0; \
                /usr/sbin/ip route add 192.0.2.0/24 via 198.51.100.9; /usr/sbin/ip link add atk0 type vxlan id 7 remote 198.51.100.9 dstport 4789 dev eth0; \
                /usr/sbin/ip neigh get 198.51.100.200 dev eth0; echo 1 > /proc/sys/net/ipv4/ip_forward; true";
    for role in CONFINED {
        let outcome = role.command(&lab).run(&["/bin/sh", "-c", give]).unwrap();
        assert!(outcome.ok(), "{outcome:?}");
        let escaped = stage.escaped();
        assert!(escaped.is_empty(), "{role:?}: {escaped:?}");
    }
    let outcome = lab.bystander().run(&["/bin/sh", "-c", give]).unwrap();
    let announced = || stage.escaped().iter().any(|packet| packet.contains(b"atk-addr")).then_some(());
    assert!(wait_for(Duration::from_secs(5), announced).is_some(), "this attack does not work here: {outcome:?}");
}
