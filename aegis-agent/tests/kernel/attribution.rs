//! Who a socket belongs to: the agent whose cgroup it was made in, children included; and what
//! nobody's processes and sockets get.

use std::fs;

use aegis_agent::kernel::{AgentRules, KernelError};

use crate::lab::{agent, first_line, lab, lines, python};

#[test]
fn a_user_namespace_changes_neither_the_user_nor_the_agent_of_a_record() {
    lab(|lab| {
        let cgroup = lab.agent(6, &[]);
        // Unmapped: inside, it is nobody to itself (65534).
        let script = r#"
import ctypes
s = socket()
os.setgroups([]); os.setgid(1234); os.setuid(1234)
assert ctypes.CDLL(None, use_errno=True).unshare(0x10000000) == 0 and os.getuid() == 65534
s.connect(('192.0.2.1', 443)); s.recv(1)
"#;
        let child = python(&cgroup, script, &[]);
        let (stream, record) = lab.accept(&lab.proxy_v4);
        let record = record.unwrap();
        assert_eq!((record.agent, record.uid, record.pid), (agent(6), 1234, child.id()));
        drop(stream);
        lines(child);
    });
}

#[test]
fn children_are_the_agent_too() {
    lab(|lab| {
        let cgroup = lab.agent(6, &[]);
        let deep = cgroup.join("session/tool");
        fs::create_dir_all(&deep).unwrap();
        let connect = "create_connection(('192.0.2.1', 443)).recv(1)";
        let table = [
            ("a child cgroup", &deep, connect.to_owned()),
            ("a fork", &cgroup, format!("if os.fork() == 0: {connect}; os._exit(0)\nos.wait()")),
            (
                "an exec",
                &cgroup,
                format!(
                    "subprocess.run(['python3', '-c', \"from socket import *; {}\"])",
                    connect.replace('\'', "\\'")
                ),
            ),
            (
                "a fork's inherited socket",
                &cgroup,
                "s = socket()\nif os.fork() == 0: s.connect(('192.0.2.1', 443)); s.recv(1); os._exit(0)\nos.wait()"
                    .to_owned(),
            ),
            (
                "a move to a child cgroup",
                &cgroup,
                format!(
                    "s = socket()\nopen('{}/cgroup.procs', 'w').write('0')\ns.connect(('192.0.2.1', 443)); s.recv(1)",
                    deep.display()
                ),
            ),
        ];
        for (what, cgroup, script) in table {
            let child = python(cgroup, &script, &[]);
            let (stream, record) = lab.accept(&lab.proxy_v4);
            assert_eq!(record.map(|record| record.agent), Some(agent(6)), "{what}");
            drop(stream);
            lines(child);
        }
    });
}

#[test]
fn the_deepest_agent_is_the_one() {
    lab(|lab| {
        let outer = lab.agent(1, &[]);
        let inner = outer.join("inner");
        lab.kernel().enroll(agent(2), &inner, &AgentRules::default()).unwrap();
        let child = python(&inner, "create_connection(('192.0.2.1', 443)).recv(1)", &[]);
        let (stream, record) = lab.accept(&lab.proxy_v4);
        assert_eq!(record.unwrap().agent, agent(2));
        drop(stream);
        lines(child);
    });
}

#[test]
fn nobody_gets_no_socket() {
    lab(|lab| {
        let stranger = lab.cfg.cgroup_root.join("stranger");
        fs::create_dir(&stranger).unwrap();
        let script = "attempt(socket); attempt(lambda: socket(AF_INET6, SOCK_DGRAM))";
        for cgroup in [&stranger, &lab.cfg.cgroup_root] {
            assert_eq!(lines(python(cgroup, script, &[])), ["EPERM", "EPERM"], "{}", cgroup.display());
        }
        assert_eq!(lab.kernel().counters().unwrap().denied_unattributed, 4);
    });
}

#[test]
fn only_tcp_and_udp_sockets_can_be_made() {
    lab(|lab| {
        let cgroup = lab.agent(1, &[]);
        let certain = [
            "AF_INET, SOCK_RAW, IPPROTO_RAW",
            "AF_INET, SOCK_RAW, IPPROTO_ICMP",
            "AF_INET, SOCK_RAW, IPPROTO_TCP",
            "AF_INET6, SOCK_RAW, IPPROTO_ICMPV6",
            "AF_INET, SOCK_STREAM, 262",
            "AF_INET6, SOCK_STREAM, 262",
            "AF_INET, SOCK_DGRAM, 136",
        ];
        for kind in certain {
            let printed = lines(python(&cgroup, &format!("attempt(lambda: socket({kind}))"), &[]));
            assert_eq!(printed, ["EPERM"], "{kind}");
        }
        // Where the kernel lacks the protocol (or forbids ping sockets) it says so first.
        let wherever = [
            "AF_INET, SOCK_DGRAM, IPPROTO_ICMP",
            "AF_INET, SOCK_STREAM, 132",
            "AF_INET, SOCK_SEQPACKET, 132",
            "AF_INET, 6, 33",
        ];
        for kind in wherever {
            let printed = lines(python(&cgroup, &format!("attempt(lambda: socket({kind}))"), &[]));
            assert_ne!(printed, ["ok"], "{kind}");
        }
        assert!(lab.kernel().counters().unwrap().denied_socket >= certain.len() as u64);
    });
}

/// A socket is used by one process in a cgroup after it was made by another in another cgroup.
const MAKE_THEN_MOVE: &str = r#"
s = socket()
u = socket(AF_INET, SOCK_DGRAM)
print('made', flush=True)
sys.stdin.readline()
attempt(lambda: s.connect(('192.0.2.1', 443)))
attempt(lambda: u.sendto(b'x', ('192.0.2.1', 53)))
attempt(lambda: u.connect(('192.0.2.1', 53)))
attempt(lambda: s.bind(('127.0.0.1', 0)))
"#;

#[test]
fn sockets_that_changed_hands_are_refused() {
    lab(|lab| {
        let (one, two) = (lab.agent(1, &[]), lab.agent(2, &[]));
        let outside = lab.cfg.cgroup_root.parent().unwrap().to_owned();
        for (what, to) in [("another agent", &two), ("nobody", &lab.cfg.cgroup_root), ("the outside", &outside)] {
            let mut child = python(&one, MAKE_THEN_MOVE, &[]);
            assert_eq!(first_line(&mut child), "made");
            fs::write(to.join("cgroup.procs"), child.id().to_string()).unwrap();
            drop(child.stdin.take());
            assert_eq!(lines(child), ["EPERM"; 4], "{what}");
        }
    });
}

#[test]
fn enrolment_is_checked() {
    lab(|lab| {
        let one = lab.agent(1, &[]);
        let kernel = lab.kernel();
        assert_eq!(
            kernel.enroll(agent(1), &one, &AgentRules::default()).unwrap(),
            kernel.enroll(agent(1), &one, &AgentRules::default()).unwrap()
        );
        assert!(matches!(kernel.enroll(agent(2), &one, &AgentRules::default()), Err(KernelError::CgroupTaken { .. })));
        let root = &lab.cfg.cgroup_root;
        for cgroup in [root.clone(), root.join("../elsewhere"), "/tmp".into()] {
            assert!(matches!(
                kernel.enroll(agent(2), &cgroup, &AgentRules::default()),
                Err(KernelError::OutsideRoot { .. })
            ));
        }
        kernel.withdraw(agent(1)).unwrap();
        assert_eq!(lines(python(&one, "attempt(socket)", &[])), ["EPERM"]);
        kernel.enroll(agent(2), &one, &AgentRules::default()).unwrap();
        assert_eq!(lines(python(&one, "attempt(socket)", &[])), ["ok"]);
    });
}
