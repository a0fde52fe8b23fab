//! Who is left alone and who is denied, where the enforced root holds more than agents.

use aegis_agent::kernel::Unenrolled;

use crate::lab::{OUTSIDE_V4, lab, lines, python};

/// TCP, UDP, and a kind of socket that no agent gets.
const EVERY_KIND: &str = r#"
attempt(lambda: socket().connect((sys.argv[1], int(sys.argv[2]))))
attempt(lambda: socket(AF_INET, SOCK_DGRAM).sendto(b'x', (sys.argv[1], 9)))
attempt(lambda: socket(AF_INET, SOCK_RAW, 1).sendto(b'\x08\0\xf7\xff\0\0\0\0', (sys.argv[1], 0)))
"#;

#[test]
fn unenrolled_processes_can_be_left_alone_but_for_closed_subtrees() {
    lab(|lab| {
        let outside = std::net::TcpListener::bind((OUTSIDE_V4, 0)).unwrap();
        let port = outside.local_addr().unwrap().port().to_string();
        let root = lab.cfg.cgroup_root.clone();
        let (free, closed) = (root.join("free"), root.join("closed"));
        std::fs::create_dir_all(free.join("below")).unwrap();
        let attempts = |cgroup: &std::path::Path| lines(python(cgroup, EVERY_KIND, &[OUTSIDE_V4, &port]));
        assert_eq!(attempts(&free), ["EPERM"; 3], "denied is the default");
        lab.restart(|cfg| {
            cfg.unenrolled = Unenrolled::Pass;
            cfg.closed = vec![cfg.cgroup_root.join("closed")];
        });
        std::fs::create_dir_all(closed.join("pod")).unwrap();
        for cgroup in [&root, &free, &free.join("below")] {
            assert_eq!(attempts(cgroup), ["ok"; 3], "{}", cgroup.display());
        }
        for cgroup in [&closed, &closed.join("pod")] {
            assert_eq!(attempts(cgroup), ["EPERM"; 3], "{}", cgroup.display());
        }
        // Enrolled below a closed subtree: an agent. Enrolled beside: enforced.
        for (index, cgroup) in [(3, closed.join("pod")), (4, free.join("below"))] {
            lab.kernel().enroll(crate::lab::agent(index), &cgroup, &Default::default()).unwrap();
            let child = python(&cgroup, EVERY_KIND, &["192.0.2.1", "443"]);
            assert_eq!(lab.accept(&lab.proxy_v4).1.unwrap().agent, crate::lab::agent(index));
            assert_eq!(lines(child), ["ok", "EPERM", "EPERM"]);
        }
        assert_eq!(attempts(&free), ["ok"; 3]);
        // Closed no more.
        lab.restart(|cfg| cfg.closed.clear());
        assert_eq!(attempts(&closed), ["ok"; 3]);
    });
}

#[test]
fn a_socket_from_before_enrolment_is_no_way_out() {
    lab(|lab| {
        lab.restart(|cfg| cfg.unenrolled = Unenrolled::Pass);
        let udp = std::net::UdpSocket::bind((OUTSIDE_V4, 0)).unwrap();
        let tcp = std::net::TcpListener::bind(udp.local_addr().unwrap()).unwrap();
        let port = udp.local_addr().unwrap().port().to_string();
        let cgroup = lab.cfg.cgroup_root.join("late");
        std::fs::create_dir_all(&cgroup).unwrap();
        let script = r#"
to = (sys.argv[1], int(sys.argv[2]))
u, c, t, k = socket(AF_INET, SOCK_DGRAM), socket(AF_INET, SOCK_DGRAM), socket(), socket()
c.connect(to); k.connect(to); k.send(b'before')
u.sendto(b'before', to)
print('made', flush=True)
sys.stdin.readline()
attempt(lambda: u.sendto(b'after', to))
attempt(lambda: c.send(b'after'))
attempt(lambda: t.connect(to))
k.send(b'after')
print('done', flush=True)
sys.stdin.readline()
"#;
        let mut child = python(&cgroup, script, &[OUTSIDE_V4, &port]);
        assert_eq!(crate::lab::first_line(&mut child), "made");
        lab.kernel().enroll(crate::lab::agent(3), &cgroup, &Default::default()).unwrap();
        let go = |child: &mut std::process::Child| {
            std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"\n").unwrap();
        };
        go(&mut child);
        let answers: Vec<String> = (0..4).map(|_| crate::lab::first_line(&mut child)).collect();
        assert_eq!(answers, ["EPERM", "EPERM", "EPERM", "done"]);
        let (mut stream, _) = tcp.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut buffer = [0; 99];
        crate::lab::eventually("the connection's packets are dropped", || {
            lab.kernel().counters().unwrap().denied_packet > 0
        });
        assert_eq!(std::io::Read::read(&mut stream, &mut buffer).unwrap(), 6);
        assert!(std::io::Read::read(&mut stream, &mut buffer).is_err(), "it went on");
        assert_eq!(udp.recv(&mut buffer).unwrap(), 6);
        udp.set_nonblocking(true).unwrap();
        assert!(udp.recv(&mut buffer).is_err(), "a datagram got out");
        go(&mut child);
        lines(child);
    });
}
