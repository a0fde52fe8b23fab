//! Leaving the cgroup, and undoing the enforcement.

use aegis_tests::{AGENT, Lab};
use nix::sys::signal::Signal;

use crate::attempt::{Attempt, CONFINED, RAW, Role, all_out, attempt};
use crate::program::script;
use crate::stage::{Stage, Target, UDP_PORT};

/// Root in the host's own namespaces can write to the hierarchy: what that leads to is the deployment's to prevent. Even
/// so it may not do more than leave: parents and children of the agent's cgroup are the agent's, or nobody's.
const WAYS_OUT: &[Attempt] = &[
    attempt("root").only(CONFINED),
    attempt("parent"),
    attempt("thread_only").only(CONFINED),
    attempt("child"),
    attempt("hierarchy_mounted_anew").only(CONFINED),
    attempt("namespace"),
    attempt("user_namespace"),
    attempt("cloned_into").only(CONFINED),
    attempt("daemonized"),
];

#[test]
fn no_way_out_of_the_cgroup_gets_out() {
    let target = Target::denied(UDP_PORT);
    let names: Vec<&str> = WAYS_OUT.iter().map(|attempt| attempt.name).collect();
    // Without Aegis: the same cgroup, and nobody enforces anything there.
    let lab = Lab::new().unwrap();
    std::fs::create_dir_all(agents_cgroup(&lab)).unwrap();
    let command = lab.raw(AGENT).env("CGROUP", agents_cgroup(&lab));
    let outcome = command.run(&target.words(&script(&lab, "leave.py"), Role::Bystander, &names)).unwrap();
    all_out(&lab, WAYS_OUT, &outcome);
    drop(lab);

    let lab = Lab::new().unwrap();
    let environment = [("CGROUP", agents_cgroup(&lab))];
    let stage = Stage::new(&lab);
    let problems = stage.agents_try(&script(&lab, "leave.py"), &target, WAYS_OUT, &environment);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn agents_cgroup(lab: &Lab) -> String {
    lab.cgroup().unwrap().join(AGENT).to_str().unwrap().to_owned()
}

/// What an agent may try against the enforcement itself. As root with every capability it would succeed.
const UNDOINGS: &[&str] = &[
    "unpin",
    "rename",
    "cover",
    "detach",
    "detach_by_number",
    "overwrite_maps",
    "remove_cgroup",
    "administrate",
    "stop",
    "kill",
];

#[test]
fn the_enforcement_is_not_undone_by_an_agent() {
    let lab = Lab::new().unwrap();
    let mut stage = Stage::new(&lab);
    let program = script(&lab, "undo.py");
    let target = Target::denied(UDP_PORT);
    let environment = |pid: u32| {
        [
            ("PINS", lab.path("bpf/aegis").to_str().unwrap().to_owned()),
            ("DAEMON", pid.to_string()),
            ("SOCKET", lab.path("control.sock").to_str().unwrap().to_owned()),
            ("CGROUP", agents_cgroup(&lab)),
        ]
    };
    let pins = || walk(&lab.path("bpf/aegis"));
    let (before, pid) = (pins(), stage.daemon.pid());
    assert!(!before.is_empty());
    for role in CONFINED {
        let outcome = stage.start(*role, &program, &target, UNDOINGS, &environment(pid)).finish().unwrap();
        let escaped = stage.escaped();
        assert!(escaped.is_empty(), "{role:?}: {escaped:?} {outcome:?}");
        assert_eq!(outcome.stdout.lines().count(), UNDOINGS.len(), "{role:?}: {outcome:?}");
        assert!(!outcome.stdout.contains("succeeded"), "{role:?}: {outcome:?}");
        assert_eq!(pins(), before, "{role:?}");
        assert_eq!(stage.daemon.get("/readyz").unwrap().0, 200, "{role:?}");
    }
    // Killed and stopped by whoever can: the agents are cut off, not let out.
    for way in ["stop", "kill"] {
        let outcome = stage.start(Role::RawRoot, &program, &target, &[way], &environment(pid)).finish().unwrap();
        let escaped = stage.escaped();
        assert!(escaped.is_empty() && outcome.stdout.contains("succeeded"), "{way}: {escaped:?} {outcome:?}");
    }
    stage.daemon.signal(Signal::SIGCONT).unwrap();
    stage.daemon.wait_exit().unwrap();
    // The same program in the right hands takes the enforcement away: the attempts are real ones.
    let undo = stage.start(Role::Bystander, &program, &target, &["unpin"], &environment(pid)).finish().unwrap();
    assert!(undo.stdout.contains("unpin: succeeded"), "{undo:?}");
    let program = script(&lab, "leave.py");
    for role in RAW {
        let outcome = stage.start(*role, &program, &target, &["daemonized"], &environment(pid)).finish().unwrap();
        lab.settle().unwrap();
        let packets = lab.internet.capture.matching(|packet| packet.contains(role.marker().as_bytes()));
        assert!(!packets.is_empty(), "without the pins an agent is enforced all the same: {outcome:?}");
    }
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect();
    found.sort();
    found
}
