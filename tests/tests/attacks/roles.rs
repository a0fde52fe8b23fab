//! Who the attacks run as: that each role really is what the other tests take it for.

use aegis_tests::{AGENT, Daemon, Lab, Settings};

const SELF: &str = "cat /proc/self/cgroup; grep -E '^(Uid|CapEff|Seccomp):' /proc/self/status | tr '\\t' ' '";

#[test]
fn a_raw_process_is_an_agent_by_its_cgroup_alone() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let inside = format!("0::/{}/{AGENT}\n", lab.cgroup_name());

    let root = lab.raw(AGENT).shell(SELF).unwrap();
    assert!(root.stdout.contains(&inside) && root.stdout.contains("Seccomp: 0"), "{root:?}");
    assert!(root.stdout.contains("Uid: 0 ") && !root.stdout.contains("CapEff: 0000000000000000"), "{root:?}");

    let user = lab.raw(AGENT).user("nobody").shell(SELF).unwrap();
    assert!(user.stdout.contains(&inside) && user.stdout.contains("Seccomp: 0"), "{user:?}");
    assert!(user.stdout.contains("Uid: 65534 ") && user.stdout.contains("CapEff: 0000000000000000"), "{user:?}");

    let child = lab.raw(&format!("{AGENT}/inner")).shell(SELF).unwrap();
    assert!(child.stdout.contains(&format!("0::/{}/{AGENT}/inner\n", lab.cgroup_name())), "{child:?}");

    let bystander = lab.bystander().user("nobody").shell(SELF).unwrap();
    assert!(
        !bystander.stdout.contains(&lab.cgroup_name()) && bystander.stdout.contains("Uid: 65534 "),
        "{bystander:?}"
    );
    assert_eq!(lab.raw("nobody-s-agent").shell("true").unwrap().code, 125);
    drop(daemon);
}
