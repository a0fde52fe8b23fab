//! BPF LSM: what no cgroup hook sees. Each attack is first shown to work for somebody who is no agent. Where the kernel
//! does not ask BPF programs, the same attacks work for agents too, and `doctor` says so: both are asserted, so that no
//! run is green for want of the thing it tests. AEGIS_EXPECT_LSM=1 says that it has to be there.

use std::{path::Path, process::Command};

use aegis_agent::kernel::{OnDeparture, Protocol};

use crate::lab::{Lab, first_line, lab, lines, python, rule};

const PROGRAMS: [&str; 6] =
    ["lsm_bpf", "lsm_file_open", "lsm_file_receive", "lsm_ptrace_access_check", "lsm_socket_create", "lsm_task_alloc"];

/// Whether the programs are in force; that it is as the environment says, and that `doctor` says it, is asserted.
fn guarded(lab: &Lab) -> bool {
    let expected = std::env::var("AEGIS_EXPECT_LSM").is_ok_and(|value| value == "1");
    let guards = lab.kernel().guards();
    let mut found: Vec<&str> =
        guards.iter().filter(|guard| guard.name.starts_with("lsm_")).map(|guard| guard.name.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, PROGRAMS);
    let of_lsm = || guards.iter().filter(|guard| guard.name.starts_with("lsm_"));
    let in_force = of_lsm().all(|guard| guard.in_force);
    if expected {
        assert!(in_force, "BPF LSM is expected here: {guards:?}");
    } else if !in_force {
        for guard in of_lsm() {
            assert!(!guard.in_force && !guard.detail.is_empty(), "{guard:?}");
            let told = lab.kernel().findings().into_iter().find(|finding| finding.detail.contains(&guard.name));
            let told = told.unwrap();
            assert!(
                !told.ok && !told.required && told.detail.contains(&guard.detail) && told.fix.is_some(),
                "{told:?}"
            );
        }
    }
    for guard in of_lsm().filter(|guard| guard.in_force) {
        assert!(lab.cfg.pin_dir.join("guards").join(&guard.name).exists());
    }
    in_force
}

fn bystanders(lab: &Lab) -> &Path {
    lab.cfg.cgroup_root.parent().unwrap()
}

#[test]
fn the_state_of_bpf_lsm_is_told() {
    lab(|lab| {
        guarded(lab);
        // A later daemon takes over, and leaves the same.
        let before = lab.kernel().guards();
        lab.restart(|_| {});
        assert_eq!(lab.kernel().guards(), before);
    });
}

#[test]
fn other_families_are_closed() {
    lab(|lab| {
        let guarded = guarded(lab);
        let cgroup = lab.agent(1, &[]);
        // AF_PACKET, AF_NETLINK for audit; then those that a kernel may lack: AF_VSOCK, AF_ALG, AF_TIPC, AF_XDP, AF_KEY.
        let certain = ["17, SOCK_RAW, 0", "17, SOCK_DGRAM, 0", "16, SOCK_RAW, 9"];
        let wherever =
            ["40, SOCK_STREAM, 0", "38, SOCK_SEQPACKET, 0", "30, SOCK_DGRAM, 0", "44, SOCK_RAW, 0", "15, SOCK_RAW, 2"];
        for (kind, must_work) in
            certain.iter().map(|kind| (kind, true)).chain(wherever.iter().map(|kind| (kind, false)))
        {
            let script = format!("attempt(lambda: socket({kind}))");
            let free = lines(python(bystanders(lab), &script, &[]));
            assert!(!must_work || free == ["ok"], "{kind}: {free:?}");
            let expected = if guarded { vec!["EAFNOSUPPORT".to_owned()] } else { free };
            assert_eq!(lines(python(&cgroup, &script, &[])), expected, "{kind}");
        }
        let usual = ["AF_UNIX, SOCK_STREAM", "AF_UNIX, SOCK_DGRAM", "AF_INET", "AF_INET6", "AF_NETLINK, SOCK_RAW, 0"];
        for kind in usual {
            let script = format!("attempt(lambda: socket({kind}))");
            assert_eq!(lines(python(&cgroup, &script, &[])), ["ok"], "{kind}");
        }
        let counters = lab.kernel().counters().unwrap();
        assert_eq!(counters.denied_socket >= certain.len() as u64, guarded);
    });
}

/// Somebody outside hands a socket to whoever connects: of TCP, connected; of UDP; of frames; a unix socket; a file.
const HAND_OUT: &str = r#"
server = socket(AF_UNIX)
server.bind(sys.argv[1])
server.listen()
tcp = create_connection(('10.9.0.1', int(sys.argv[2])))
files = [tcp, socket(AF_INET, SOCK_DGRAM), socket(17, SOCK_RAW, 0), socket(AF_UNIX), open('/dev/null')]
print('there', flush=True)
for file in files:
    peer, _ = server.accept()
    send_fds(peer, [b'x'], [file.fileno()])
    peer.close()
sys.stdin.readline()
"#;

/// Prints how many descriptors came with each.
const TAKE_IN: &str = r#"
for name in ('tcp', 'udp', 'frames', 'unix', 'file'):
    s = socket(AF_UNIX)
    s.connect(sys.argv[1])
    message, files, flags, _ = recv_fds(s, 16, 1)
    print(name, len(files), flush=True)
    if name == 'tcp' and files: os.write(files[0], b'leak')
"#;

#[test]
fn sockets_handed_in_from_outside_are_not_let_in() {
    lab(|lab| {
        let guarded = guarded(lab);
        let cgroup = lab.agent(1, &[]);
        let all = ["tcp 1", "udp 1", "frames 1", "unix 1", "file 1"];
        let safe = ["tcp 0", "udp 0", "frames 0", "unix 1", "file 1"];
        for (who, place, expected) in
            [("a bystander", bystanders(lab), all), ("an agent", &cgroup, if guarded { safe } else { all })]
        {
            let outside = std::net::TcpListener::bind("10.9.0.1:0").unwrap();
            let port = outside.local_addr().unwrap().port().to_string();
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("socket");
            let path = path.to_str().unwrap();
            let mut hands_out = python(bystanders(lab), HAND_OUT, &[path, &port]);
            assert_eq!(first_line(&mut hands_out), "there");
            assert_eq!(lines(python(place, TAKE_IN, &[path])), expected, "{who}");
            drop(hands_out.stdin.take());
            lines(hands_out);
            let (mut stream, _) = crate::lab::accept(&outside);
            let mut heard = String::new();
            std::io::Read::read_to_string(&mut stream, &mut heard).unwrap();
            assert_eq!(heard == "leak", expected == all, "{who}");
        }
    });
}

/// Sockets go from one process of the agent to another as they please.
const OWN: &str = r#"
one, other = socketpair()
tcp, udp = socket(), socket(AF_INET, SOCK_DGRAM)
tcp.connect(('10.9.0.1', int(sys.argv[1])))
if os.fork() == 0:
    tcp.close(), udp.close()
    _, files, _, _ = recv_fds(other, 16, 2)
    print(len(files), flush=True)
    os.write(files[0], b'own')
    os._exit(0)
send_fds(one, [b'x'], [tcp.fileno(), udp.fileno()])
os.wait()
"#;

#[test]
fn an_agents_own_sockets_change_hands_within_it() {
    lab(|lab| {
        guarded(lab);
        let outside = std::net::TcpListener::bind("10.9.0.1:0").unwrap();
        let port = outside.local_addr().unwrap().port();
        let cgroup = lab.agent(1, &[rule("10.9.0.1/32", Some(port), Protocol::Tcp)]);
        assert_eq!(lines(python(&cgroup, OWN, &[&port.to_string()])), ["2"]);
        let (mut stream, _) = crate::lab::accept(&outside);
        let mut heard = String::new();
        std::io::Read::read_to_string(&mut stream, &mut heard).unwrap();
        assert_eq!(heard, "own");
        assert_eq!(lab.kernel().counters().unwrap().denied_received, 0);
    });
}

/// Takes a file out of another process, looks into one, asks the kernel for a map.
const CALLS: &str = r#"
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    result = libc.syscall(*[ctypes.c_long(argument) for argument in arguments])
    if result < 0: raise OSError(ctypes.get_errno(), 'call')
    return result
def getfd(pid, fd): return call(438, call(434, pid, 0), fd, 0)
def ptrace(request, pid):
    if libc.ptrace(ctypes.c_long(request), ctypes.c_long(pid), None, None) < 0:
        raise OSError(ctypes.get_errno(), 'ptrace')
BPF = {'x86_64': 321}.get(os.uname().machine, 280)
"#;

#[test]
fn sockets_are_not_taken_out_of_other_processes() {
    lab(|lab| {
        let guarded = guarded(lab);
        let cgroup = lab.agent(1, &[]);
        let holding = "s = socket()\nprint(s.fileno(), flush=True)\nsys.stdin.readline()";
        let take = format!("{CALLS}\nattempt(lambda: getfd(int(sys.argv[1]), int(sys.argv[2])))");
        let mut holder = python(bystanders(lab), holding, &[]);
        let (pid, fd) = (holder.id().to_string(), first_line(&mut holder));
        assert_eq!(lines(python(bystanders(lab), &take, &[&pid, &fd])), ["ok"], "the attack works");
        let expected = if guarded { "EPERM" } else { "ok" };
        assert_eq!(lines(python(&cgroup, &take, &[&pid, &fd])), [expected], "out of somebody else's process");
        // By now an agent's process, with a socket that it brought along: it may be looked into, the socket not taken.
        std::fs::write(cgroup.join("cgroup.procs"), &pid).unwrap();
        assert_eq!(lines(python(&cgroup, &take, &[&pid, &fd])), [expected], "a foreign socket out of an own process");
        assert_eq!(lines(python(&cgroup, &take, &[&pid, "0"])), ["ok"], "a pipe out of an own process");
        drop(holder.stdin.take());
        lines(holder);
    });
}

#[test]
fn the_cgroup_is_not_left() {
    lab(|lab| {
        lab.restart(|cfg| cfg.on_departure = OnDeparture::Report);
        let guarded = guarded(lab);
        let (one, two) = (lab.agent(1, &[]), lab.agent(2, &[]));
        let within = one.join("within");
        std::fs::create_dir(&within).unwrap();
        let expected = if guarded { "EPERM" } else { "ok" };
        let places = [
            (bystanders(lab), expected),
            (&lab.cfg.cgroup_root, expected),
            (&two, expected),
            (&one, "ok"),
            (&within, "ok"),
        ];
        for (to, expected) in places {
            let script = format!("attempt(lambda: open('{}/cgroup.procs', 'w').write('0'))", to.display());
            assert_eq!(lines(python(bystanders(lab), &script, &[])), ["ok"], "the attack works: {}", to.display());
            assert_eq!(lines(python(&one, &script, &[])), [expected], "{}", to.display());
        }
        // Reading is free, and so are other files that an agent was given.
        let read = format!("attempt(lambda: open('{}/cgroup.procs').read())", bystanders(lab).display());
        let freeze = format!("attempt(lambda: open('{}/cgroup.freeze', 'w').write('0'))", within.display());
        assert_eq!(lines(python(&one, &format!("{read}\n{freeze}"), &[])), ["ok", "ok"]);
        assert_eq!(lab.kernel().counters().unwrap().denied_leaving, if guarded { 3 } else { 0 });
    });
}

#[test]
fn the_kernel_and_other_processes_are_out_of_reach() {
    lab(|lab| {
        let guarded = guarded(lab);
        let cgroup = lab.agent(1, &[]);
        // BPF_MAP_CREATE of an array with one entry.
        let make_map = format!(
            "{CALLS}\nmap = (ctypes.c_uint32 * 32)(2, 4, 4, 1)\nattempt(lambda: call(BPF, 0, ctypes.addressof(map), 128))"
        );
        // A process of nobody's.
        let mut sleeper = Command::new("sleep").arg("60").spawn().unwrap();
        let attach = format!("{CALLS}\nattempt(lambda: ptrace(0x4206, {}))", sleeper.id());
        let own = format!(
            "{CALLS}\nchild = subprocess.Popen(['sleep', '60'])\n{}",
            "attempt(lambda: ptrace(0x4206, child.pid))\nchild.kill()"
        );
        for (what, script) in [("bpf", &make_map), ("ptrace", &attach)] {
            assert_eq!(lines(python(bystanders(lab), script, &[])), ["ok"], "{what}: the attack works");
            let expected = if guarded { "EPERM" } else { "ok" };
            assert_eq!(lines(python(&cgroup, script, &[])), [expected], "{what}");
        }
        assert_eq!(lines(python(&cgroup, &own, &[])), ["ok"], "its own child");
        assert_eq!(lab.kernel().counters().unwrap().denied_tampering, if guarded { 2 } else { 0 });
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
    });
}
