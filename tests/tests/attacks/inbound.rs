//! Data taken out by who comes in: an agent's listeners answer nobody outside.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use aegis_tests::lab::wait_for;
use aegis_tests::lab::wiring::{HOST_V4, HOST_V6};
use aegis_tests::{Lab, Running};

use crate::attempt::{AGENTS, Role};
use crate::foreign::describe;
use crate::program::script;
use crate::stage::Stage;

/// Starts the listeners of `role` at `port` and returns when they listen.
fn listen(lab: &Lab, role: Role, port: u16) -> Running {
    let directory = lab.path(role.marker());
    std::fs::create_dir(&directory).unwrap();
    nix::unistd::chown(&directory, Some(65_534.into()), None).unwrap();
    let ready = directory.join("ready");
    let port = port.to_string();
    let program = script(lab, "listen.py");
    let words = ["/usr/bin/python3", program.to_str().unwrap(), role.marker(), &port, ready.to_str().unwrap()];
    let running = role.command(lab).start(&words).unwrap();
    let listens = wait_for(Duration::from_secs(15), || ready.exists().then_some(()));
    assert!(listens.is_some(), "{role:?} does not listen: {:?}", running.finish());
    running
}

/// Comes in from outside by every way; says what was answered.
fn knock(lab: &Lab, port: u16) -> Vec<String> {
    let doors: [(IpAddr, u16); 4] =
        [(HOST_V4.into(), port), (HOST_V4.into(), port + 1), (HOST_V6.into(), port + 1), (HOST_V4.into(), port + 2)];
    let streams = doors.map(|door| {
        lab.inet.within(move || {
            let stream = TcpStream::connect_timeout(&SocketAddr::from(door), Duration::from_millis(300));
            stream.map(|_| format!("TCP {door:?} accepted")).ok()
        })
    });
    let datagrams = [doors[0], doors[2]].map(|door| {
        lab.inet.within(move || {
            let socket = UdpSocket::bind((IpAddr::from(Ipv6Addr::UNSPECIFIED), 0)).unwrap();
            let to = match door.0 {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => v6,
            };
            socket.send_to(b"knock", (to, door.1)).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            socket.recv(&mut [0; 2048]).map(|_| format!("UDP {door:?} answered")).ok()
        })
    });
    streams.into_iter().chain(datagrams).filter_map(Result::unwrap).collect()
}

#[test]
fn nobody_outside_is_answered_by_an_agent() {
    let lab = Lab::new().unwrap();
    let stage = Stage::new(&lab);
    let mut running = Vec::new();
    for (number, role) in AGENTS.iter().enumerate() {
        let port = 7000 + 10 * u16::try_from(number).unwrap();
        running.push(listen(&lab, *role, port));
        let answers = knock(&lab, port);
        assert!(answers.is_empty(), "{role:?}: {answers:?}");
        // No SYN-ACK, no data, no reset: a door that is closed says nothing.
        let escaped: Vec<String> =
            stage.escaped().iter().filter(|packet| !is_answer_to_lookup(packet)).map(describe).collect();
        assert!(escaped.is_empty(), "{role:?}: {escaped:#?}");
    }
    running.push(listen(&lab, Role::Bystander, 7100));
    assert_eq!(knock(&lab, 7100).len(), 6, "a bystander's listeners are not reached");
    lab.settle().unwrap();
    for way in ["tcp", "udp_sendto", "udp_sendmsg", "udp_connected"] {
        let marker = format!("{}.{way}.", Role::Bystander.marker());
        assert!(!lab.internet.capture.matching(|packet| packet.contains(marker.as_bytes())).is_empty(), "{way}");
    }
    drop(running);
}

/// Who comes in from outside first looks for the host's link address.
fn is_answer_to_lookup(packet: &aegis_tests::Packet) -> bool {
    packet.payload.get(6..8) == Some(&[0, 2]) && packet.protocol == aegis_tests::Protocol::Link(0x0806)
}
