//! Processes that are no agents, made to speak for one: by their memory, their descriptors and their sockets.

use std::time::Duration;

use aegis_tests::lab::{binary, wait_for};
use aegis_tests::{AGENT, Lab, Outcome};

use crate::attempt::{Attempt, Role, all_out, attempt, said};
use crate::program::{build, script};
use crate::stage::{Stage, Target, UDP_PORT};

const ATTEMPTS: &[Attempt] = &[
    attempt("by_process_vm_writev"),
    attempt("by_ptrace"),
    attempt("by_memory_file"),
    attempt("by_descriptor"),
    attempt("by_abstract_socket"),
];

/// The victim is a process of the very user that the agent runs as: what keeps them apart is `aegisctl run` alone.
#[test]
fn no_process_of_the_same_user_speaks_for_an_agent() {
    let lab = Lab::new().unwrap();
    let _stage = Stage::new(&lab);
    let (victim, attack) = (build(&lab, "victim"), build(&lab, "take_over"));
    let target = Target::denied(UDP_PORT);
    let place = lab.path("victim");
    std::fs::create_dir(&place).unwrap();
    nix::unistd::chown(&place, Some(65_534.into()), None).unwrap();
    let report = place.join("report");
    let words =
        [victim.to_str().unwrap(), &target.v4, &target.port.to_string(), report.to_str().unwrap()].map(str::to_owned);
    let running = lab.bystander().user("nobody").start(&words).unwrap();
    let report = wait_for(Duration::from_secs(10), || std::fs::read_to_string(&report).ok()).expect("no victim");
    let names: Vec<&str> = ATTEMPTS.iter().map(|attempt| attempt.name).collect();
    let attack = |role: Role| -> Outcome {
        role.command(&lab).env("VICTIM", report.trim()).run(&target.words(&attack, role, &names)).unwrap()
    };
    for role in [Role::RunUser, Role::RunRoot] {
        let outcome = attack(role);
        // Were a slot written to, the victim's next round would send it.
        std::thread::sleep(Duration::from_millis(50));
        lab.settle().unwrap();
        let packets = lab.internet.capture.matching(|packet| packet.contains(role.marker().as_bytes()));
        assert!(packets.is_empty(), "{role:?} got out: {outcome:?}");
        assert!(names.iter().all(|name| said(&outcome, name).is_some()), "{outcome:?}");
    }
    let outcome = attack(Role::Bystander);
    let all_sent = || {
        names
            .iter()
            .all(|name| {
                !lab.internet
                    .datagrams
                    .containing(format!("{}.{name}.", Role::Bystander.marker()).as_bytes())
                    .is_empty()
            })
            .then_some(())
    };
    wait_for(Duration::from_secs(5), all_sent);
    all_out(&lab, ATTEMPTS, &outcome);
    drop(running);
}

/// Where helpers that act for others have their sockets.
const HELPERS: &[&str] = &[
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/user/65534/bus",
    "/run/dbus/system_bus_socket",
    "/run/systemd/private",
    "/run/nscd/socket",
    "/run/avahi-daemon/socket",
    "/run/systemd/resolve/io.systemd.Resolve",
];

/// On a `/run` of its own, in a mount namespace of its own: the machine's stays as it is.
#[test]
fn no_helper_of_the_host_speaks_for_an_agent() {
    let lab = Lab::new().unwrap();
    let _stage = Stage::new(&lab);
    let engine = script(&lab, "engine.py");
    let target = Target::denied(UDP_PORT);
    let ask = |role: Role| {
        let program = format!(
            "import socket\n\
             for path in {HELPERS:?}:\n\
             \x20   try:\n\
             \x20       s = socket.socket(socket.AF_UNIX); s.connect(path); s.sendall(b'{}.' + path.encode())\n\
             \x20       s.settimeout(2); s.recv(1); print('asked', path)\n\
             \x20   except OSError as error: print('refused', path, error)\n",
            role.marker()
        );
        let place = lab.path(role.marker());
        std::fs::write(&place, program).unwrap();
        place
    };
    for role in [Role::RunUser, Role::RunRoot, Role::Bystander] {
        let run = match role {
            Role::RunUser => format!("{} run --agent {AGENT} --user nobody --", binary("aegisctl").unwrap().display()),
            Role::RunRoot => format!("{} run --agent {AGENT} --", binary("aegisctl").unwrap().display()),
            _ => String::new(),
        };
        let script = format!(
            "mount -t tmpfs tmpfs /run && mkfifo /run/ready && {{ /usr/bin/python3 {} {} {} {} > /run/ready & }} && \
             read line < /run/ready && {run} /usr/bin/python3 {}; status=$?; kill $!; exit $status",
            engine.display(),
            target.v4,
            target.port,
            HELPERS.join(" "),
            ask(role).display(),
        );
        let outcome = lab.bystander().run(&["/usr/bin/unshare", "-m", "/bin/sh", "-c", &script]).unwrap();
        assert_eq!(outcome.stdout.lines().count(), HELPERS.len(), "{outcome:?}");
        lab.settle().unwrap();
        for helper in HELPERS {
            let marker = format!("{}.{helper}", role.marker());
            let sent = !lab.internet.capture.matching(|packet| packet.contains(marker.as_bytes())).is_empty();
            assert_eq!(sent, role == Role::Bystander, "{role:?} by {helper}: {outcome:?}");
        }
    }
}
