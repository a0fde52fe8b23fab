//! The host's end of the cable into an agent's network namespace: three namespaces in a row (the agent's, the host's with
//! forwarding, the outside's), and a capture outside that judges.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
    os::fd::{AsFd, AsRawFd},
    path::Path,
    process::{Child, Command},
    thread,
};

use aegis_agent::kernel::{KernelError, Protocol, cables_into};
use nix::sched::{CloneFlags, setns, unshare};

use crate::lab::{Lab, agent, direct_rules, first_line, lab, lines, python, rule};

const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);

/// Prints what comes in outside until it has seen the last marker: `MARKER` and `LAST` stand in the packets' data.
const CAPTURE: &str = r#"
s = socket(AF_PACKET, SOCK_RAW, htons(3))
s.settimeout(60)
print('ready', flush=True)
while True:
    frame = s.recv(65536)
    for marker in sys.argv[1:]:
        if marker.encode() in frame: print(marker, flush=True)
    if sys.argv[-1].encode() in frame: break
"#;

/// Sends a frame with a whole UDP packet in it, past every hook of sockets.
const FRAME: &str = r#"
def frame(data):
    total = 28 + len(data)
    ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, total, 1, 0, 64, 17, 0, inet_aton('10.77.0.2'), inet_aton('10.78.0.1'))
    words = struct.unpack('!10H', ip)
    check = sum(words); check = (check & 0xffff) + (check >> 16); check = ~((check & 0xffff) + (check >> 16)) & 0xffff
    ip = ip[:10] + struct.pack('!H', check) + ip[12:]
    ethernet = bytes.fromhex('020000000001') + bytes.fromhex('020000000002') + b'\x08\x00'
    return ethernet + ip + struct.pack('!HHHH', 4000, 9, 8 + len(data), 0) + data
import struct
def send_frame():
    s = socket(AF_PACKET, SOCK_RAW, htons(0x800))
    s.bind(('a0', 0))
    s.send(frame(sys.argv[1].encode()))
attempt(send_frame)
"#;

/// A network namespace that lives as long as this.
struct Namespace(File);

impl Namespace {
    fn new() -> Self {
        let namespace = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        Self(namespace.join().unwrap())
    }

    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let there = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            there.join().unwrap()
        })
    }

    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

/// agent (a0) - h0 host h1 - o0 (outside)
struct Cable {
    agents: Namespace,
    outside: Namespace,
    ifindex: u32,
}

impl Cable {
    /// Called in the host's namespace, which is the laboratory's.
    fn lay(lab: &Lab) -> Self {
        let (agents, outside) = (Namespace::new(), Namespace::new());
        for (host, end, to, number, last) in [("h0", "a0", &agents, 77, 2), ("h1", "o0", &outside, 78, 1)] {
            let from = if last == 1 { 2 } else { 1 };
            ip(&format!("link add {host} address 02:00:00:00:00:0{from} type veth peer name {end}"));
            ip(&format!("link set {end} netns {}", to.path()));
            ip(&format!("addr add 10.{number}.0.{from}/24 dev {host}"));
            ip(&format!("addr add fd00:{number}::{from}/64 dev {host} nodad"));
            ip(&format!("link set {host} up"));
            to.inside(|| {
                ip("link set lo up");
                ip(&format!("link set {end} up"));
                ip(&format!("addr add 10.{number}.0.{last}/24 dev {end}"));
                ip(&format!("addr add fd00:{number}::{last}/64 dev {end} nodad"));
                ip(&format!("route add default via 10.{number}.0.{from}"));
                ip(&format!("-6 route add default via fd00:{number}::{from}"));
            });
        }
        for file in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            fs::write(Path::new("/proc/sys/net").join(file), "1").unwrap();
        }
        let ifindex = nix::net::if_::if_nametoindex("h0").unwrap();
        let cable = Self { agents, outside, ifindex };
        assert!(cable.seen(lab, &["nothing"], || {}).is_empty());
        cable
    }

    /// Runs a script in the agent's namespace and waits for it.
    fn run(&self, cgroup: &Path, script: &str, arguments: &[&str]) -> Vec<String> {
        lines(self.agents.inside(|| python(cgroup, script, arguments)))
    }

    /// A program that is nobody's agent, in the agent's namespace: what is let through is to be seen by it.
    fn bystander(&self, lab: &Lab, script: &str, arguments: &[&str]) -> Vec<String> {
        self.run(lab.cfg.cgroup_root.parent().unwrap(), script, arguments)
    }

    /// What of these markers arrives outside while `work` is done; the last one is sent by a bystander behind it.
    fn seen(&self, lab: &Lab, markers: &[&str], work: impl FnOnce()) -> Vec<String> {
        let last = "the-end-of-it";
        let arguments: Vec<&str> = markers.iter().copied().chain([last]).collect();
        let outside = lab.cfg.cgroup_root.parent().unwrap();
        let mut capture = self.outside.inside(|| python(outside, CAPTURE, &arguments));
        assert_eq!(first_line(&mut capture), "ready");
        work();
        // A cable that has just been laid, or a neighbour not found yet, loses what is sent first.
        crate::lab::eventually("the end is seen outside", || {
            assert_eq!(self.bystander(lab, FRAME, &[last]), ["ok"]);
            capture.try_wait().unwrap().is_some()
        });
        let mut seen = lines(capture);
        assert_eq!(seen.pop().as_deref(), Some(last));
        seen.dedup();
        seen
    }
}

/// Whether BPF LSM lets no agent make a socket for frames.
fn lsm_refuses(lab: &Lab) -> bool {
    lab.kernel().guards().iter().any(|guard| guard.name == "lsm_socket_create" && guard.in_force)
}

/// What came of the agent's attempt to send a frame: where BPF LSM refuses the socket, there is nothing to send with.
fn frame_of_agent(lab: &Lab, cable: &Cable, cgroup: &Path, marker: &str) -> bool {
    let refused = lsm_refuses(lab);
    let printed = cable.run(cgroup, FRAME, &[marker]);
    assert_eq!(printed, [if refused { "EAFNOSUPPORT" } else { "ok" }]);
    !refused
}

#[test]
fn frames_of_a_root_agent_do_not_leave_its_namespace() {
    lab(|lab| {
        let cable = Cable::lay(lab);
        let cgroup = lab.agent(5, &[]);
        let sent = std::cell::Cell::new(false);
        let seen = cable.seen(lab, &["before-it"], || sent.set(frame_of_agent(lab, &cable, &cgroup, "before-it")));
        assert_eq!(!seen.is_empty(), sent.get(), "the attack works wherever the socket can be made");
        assert_eq!(cables_into(cable.agents.0.as_fd()).unwrap(), [cable.ifindex]);
        assert!(cable.agents.inside(|| cables_into(cable.outside.0.as_fd())).unwrap().is_empty());
        lab.kernel().guard_link(cable.ifindex).unwrap();
        lab.kernel().guard_link(cable.ifindex).unwrap();
        let before = lab.kernel().counters().unwrap().denied_packet;
        let seen = cable.seen(lab, &["behind-it"], || {
            frame_of_agent(lab, &cable, &cgroup, "behind-it");
        });
        assert!(seen.is_empty(), "{seen:?}");
        assert_eq!(lab.kernel().counters().unwrap().denied_packet > before, sent.get());
    });
}

#[test]
fn a_guarded_link_stays_guarded_without_the_daemon_and_after_it() {
    lab(|lab| {
        let cable = Cable::lay(lab);
        let cgroup = lab.agent(5, &[]);
        lab.kernel().guard_link(cable.ifindex).unwrap();
        let attempt = |lab: &Lab, marker: &str| {
            cable.seen(lab, &[marker], || {
                // Past the hooks of sockets: what no verdict admitted, made by the namespace's own hand.
                forwarded(&cable, &cgroup, marker);
            })
        };
        assert!(attempt(lab, "while-it-runs").is_empty());
        drop(lab.kernel.take());
        assert!(attempt(lab, "while-it-is-gone").is_empty());
        lab.restart(|_| {});
        assert!(attempt(lab, "when-it-is-back").is_empty());
        lab.kernel().guard_link(cable.ifindex).unwrap();
        if lab.cfg.pin_dir.join("host-links").join(cable.ifindex.to_string()).exists() {
            assert_eq!(lab.kernel().guarded_links().unwrap(), [cable.ifindex]);
        }
        lab.kernel().unguard_link(cable.ifindex);
        lab.kernel().unguard_link(cable.ifindex);
        assert!(lab.kernel().guarded_links().unwrap().is_empty());
        assert_eq!(attempt(lab, "when-it-is-open"), ["when-it-is-open"]);
        lab.kernel().guard_link(cable.ifindex).unwrap();
        let pin = lab.cfg.pin_dir.join("host-links").join(cable.ifindex.to_string());
        let is_link = pin.exists();
        ip("link del h0");
        lab.restart(|_| {});
        assert!(!pin.exists(), "{is_link}");
        assert!(matches!(lab.kernel().guard_link(cable.ifindex), Err(KernelError::Bpf { .. })));
    });
}

/// Writes a packet into a tunnel that ends in the agent's namespace, which forwards it: what comes out has no socket.
const TUNNEL: &str = r#"
import fcntl, struct
tunnel = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(tunnel, 0x400454ca, struct.pack('16sH', b't0', 0x1001))
subprocess.run('ip link set t0 up && ip addr add 10.79.0.1/24 dev t0', shell=True, check=True)
open('/proc/sys/net/ipv4/ip_forward', 'w').write('1')
data = sys.argv[1].encode()
ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28 + len(data), 1, 0, 64, 17, 0, inet_aton('10.79.0.2'), inet_aton('10.78.0.1'))
check = sum(struct.unpack('!10H', ip)); check = (check & 0xffff) + (check >> 16); check = ~((check & 0xffff) + (check >> 16)) & 0xffff
ip = ip[:10] + struct.pack('!H', check) + ip[12:]
os.write(tunnel, ip + struct.pack('!HHHH', 4000, 9, 8 + len(data), 0) + data)
print('written')
"#;

fn forwarded(cable: &Cable, cgroup: &Path, marker: &str) {
    assert_eq!(cable.run(cgroup, TUNNEL, &[marker]), ["written"]);
}

#[test]
fn what_is_forwarded_for_somebody_inside_does_not_come_out() {
    lab(|lab| {
        let cable = Cable::lay(lab);
        let cgroup = lab.agent(5, &[]);
        let seen = cable.seen(lab, &["tunnelled"], || forwarded(&cable, &cgroup, "tunnelled"));
        assert_eq!(seen, ["tunnelled"], "the attack works");
        lab.kernel().guard_link(cable.ifindex).unwrap();
        let seen = cable.seen(lab, &["tunnelled"], || forwarded(&cable, &cgroup, "tunnelled"));
        assert!(seen.is_empty(), "{seen:?}");
    });
}

/// Bridges a tunnel with the cable and writes Ethernet frames into it, each of a type, a length and a first byte behind the header.
const BRIDGED: &str = r#"
import fcntl, struct
tunnel = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(tunnel, 0x400454ca, struct.pack('16sH', b't0', 0x1002))
subprocess.run('ip link add b0 type bridge mcast_snooping 0 && for i in a0 b0 t0; do echo 1 > /proc/sys/net/ipv6/conf/$i/disable_ipv6; done; ip link set t0 master b0 && ip link set a0 master b0 && ip link set t0 up && ip link set b0 up',
    shell=True, check=True)
neighbour = lambda kind: bytes([0x60, 0, 0, 0, 0, 32, 58, 255]) + bytes(32) + bytes([kind]) + bytes(31)
def frame(kind, body, length):
    os.write(tunnel, (b'\x02\0\0\0\0\x02' + b'\x02\0\0\0\0\x99' + struct.pack('!H', kind) + body).ljust(length, b'd'))
for kind, body, length in ((0x806, b'', 42), (0x806, b'', 400), (0x86dd, neighbour(135), 86), (0x86dd, neighbour(135), 400), (0x86dd, neighbour(134), 86)):
    for _ in range(100):
        before = int(open('/sys/class/net/a0/statistics/tx_packets').read())
        frame(kind, body, length)
        while int(open('/sys/class/net/a0/statistics/tx_packets').read()) == before: time.sleep(.001)
    print('sent', flush=True)
"#;

#[test]
fn what_finds_neighbours_carries_nothing_else() {
    lab(|lab| {
        let cable = Cable::lay(lab);
        let cgroup = lab.agent(5, &[]);
        lab.kernel().guard_link(cable.ifindex).unwrap();
        let before = lab.kernel().counters().unwrap().denied_packet;
        // sysfs shows the namespace that it was mounted in.
        let script = format!("subprocess.run('mount -t sysfs s /sys', shell=True, check=True)\n{BRIDGED}");
        let script = format!(
            "import ctypes\nctypes.CDLL(None).unshare(0x20000)\nsubprocess.run('mount --make-rprivate /', shell=True)\n{script}"
        );
        assert_eq!(cable.run(&cgroup, &script, &[]), ["sent"; 5]);
        // The two long ones and the router's. Older kernels know the tunnel's socket to be the agent's and drop the others too;
        // that neighbours are found at all is seen by what passes a guarded link.
        crate::lab::eventually("they are dropped", || lab.kernel().counters().unwrap().denied_packet >= before + 300);
    });
}

/// Connects, says something, hears it again, over both families, and sends a datagram.
const DIRECT: &str = r#"
for family, host in ((AF_INET, '10.78.0.1'), (AF_INET6, 'fd00:78::1')):
    s = socket(family)
    s.settimeout(60)
    s.connect((host, int(sys.argv[1])))
    s.sendall(b'x' * 100000)
    s.shutdown(SHUT_WR)
    heard = 0
    while True:
        part = s.recv(65536)
        if not part: break
        heard += len(part)
    print(heard, flush=True)
attempt(lambda: socket(AF_INET, SOCK_DGRAM).sendto(b'a-datagram', ('10.78.0.1', 9)))
"#;

/// Says everything back until the other side is done, and is done then itself.
fn echo(cable: &Cable) -> (u16, thread::JoinHandle<()>) {
    let listener = cable.outside.inside(|| TcpListener::bind("[::]:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    let serving = thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = crate::lab::accept(&listener);
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).unwrap();
            stream.write_all(&heard).unwrap();
        }
    });
    (port, serving)
}

#[test]
fn what_an_agent_may_reach_directly_passes_a_guarded_link() {
    lab(|lab| {
        let cable = Cable::lay(lab);
        let (port, serving) = echo(&cable);
        let direct = [
            rule("10.78.0.1/32", Some(port), Protocol::Tcp),
            rule("fd00:78::1/128", Some(port), Protocol::Tcp),
            rule("10.78.0.1/32", Some(9), Protocol::Udp),
        ];
        let cgroup = lab.agent(5, &direct);
        lab.kernel().guard_link(cable.ifindex).unwrap();
        let seen = cable.seen(lab, &["a-datagram"], || {
            assert_eq!(cable.run(&cgroup, DIRECT, &[&port.to_string()]), ["100000", "100000", "ok"]);
        });
        assert_eq!(seen, ["a-datagram"]);
        serving.join().unwrap();
        assert_eq!(lab.kernel().counters().unwrap().denied_packet, 0);
    });
}

/// Keeps a connection and goes on talking on it when told to.
const GO_ON: &str = r#"
s = create_connection(('10.78.0.1', int(sys.argv[1])))
s.sendall(b'while-allowed')
print('connected', flush=True)
sys.stdin.readline()
s.sendall(b'when-taken-back')
time.sleep(60)
"#;

#[test]
fn a_rule_taken_back_stops_what_still_flows() {
    lab(|lab| {
        let cable = Cable::lay(lab);
        let listener = cable.outside.inside(|| TcpListener::bind((OUTSIDE, 0)).unwrap());
        let port = listener.local_addr().unwrap().port();
        let cgroup = lab.agent(5, &[rule("10.78.0.1/32", Some(port), Protocol::Tcp)]);
        lab.kernel().guard_link(cable.ifindex).unwrap();
        let mut child = None;
        let seen = cable.seen(lab, &["while-allowed", "when-taken-back"], || {
            let mut talking = cable.agents.inside(|| python(&cgroup, GO_ON, &[&port.to_string()]));
            assert_eq!(first_line(&mut talking), "connected");
            lab.kernel().enroll(agent(5), &cgroup, &direct_rules(&[])).unwrap();
            let before = lab.kernel().counters().unwrap().denied_packet;
            drop(talking.stdin.take());
            crate::lab::eventually("the packet is dropped", || lab.kernel().counters().unwrap().denied_packet > before);
            child = Some(talking);
        });
        assert_eq!(seen, ["while-allowed"]);
        let mut child: Child = child.unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    });
}

#[test]
fn a_namespace_of_the_agents_own_making_is_guarded_like_any() {
    lab(|lab| {
        let cable = Cable::lay(lab);
        let listener = cable.outside.inside(|| TcpListener::bind((OUTSIDE, 0)).unwrap());
        let port = listener.local_addr().unwrap().port();
        let cgroup = lab.agent(5, &[rule("10.78.0.1/32", Some(port), Protocol::Tcp)]);
        lab.kernel().guard_link(cable.ifindex).unwrap();
        let unshare = "import ctypes\nassert ctypes.CDLL(None).unshare(0x40000000) == 0\n";
        let connect = format!("attempt(lambda: create_connection(('10.78.0.1', {port})))");
        let script = format!("{unshare}print('made', flush=True)\nsys.stdin.readline()\n{connect}\n{FRAME}");
        let mut child = python(&cgroup, &script, &["from-its-own"]);
        assert_eq!(first_line(&mut child), "made");
        let made = Namespace(File::open(format!("/proc/{}/ns/net", child.id())).unwrap());
        cable.agents.inside(|| ip(&format!("link set a0 netns {}", made.path())));
        made.inside(|| {
            ip("link set lo up");
            ip("link set a0 up");
            ip("addr add 10.77.0.2/24 dev a0");
            ip("route add default via 10.77.0.1");
        });
        let cable = Cable { agents: made, ..cable };
        assert!(cable.seen(lab, &["nothing"], || {}).is_empty());
        let seen = cable.seen(lab, &["from-its-own"], || {
            drop(child.stdin.take());
            let refused = lsm_refuses(lab);
            assert_eq!(lines(child), ["ok", if refused { "EAFNOSUPPORT" } else { "ok" }]);
        });
        assert!(seen.is_empty(), "{seen:?}");
        crate::lab::accept(&listener);
    });
}

#[test]
fn an_interface_that_is_not_there_cannot_be_guarded() {
    lab(|lab| {
        let refused = lab.kernel().guard_link(9999).unwrap_err();
        assert!(refused.to_string().contains("interface 9999"), "{refused}");
        lab.kernel().unguard_link(9999);
    });
}
