//! A place to try the kernel programs in: a thread with a network namespace and a mount namespace
//! of its own, a bpf file system in it, a cgroup subtree of its own, and listeners in the role of
//! the daemon. All of it goes away with the `Lab`, also when a test fails.

use std::{
    fs,
    io::Read,
    net::{SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use aegis_agent::kernel::{
    AgentIndex, AgentLimits, AgentRules, DirectRule, FlowRecord, Kernel, KernelConfig, NetnsCookie, OnDeparture,
    Protocol, Unenrolled, cgroup,
};
use aegis_common::{Flow, FlowKey, map_name};
use aya::maps::{HashMap, Map, MapData};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
};
use tempfile::TempDir;

/// Addresses of the laboratory's "outside": on its loopback interface, but no loopback addresses.
pub const OUTSIDE_V4: &str = "10.9.0.1";
pub const OUTSIDE_V6: &str = "fd00:9::1";
/// Where the maps are pinned, below the pin directory.
pub const MAPS: &str = "maps-2";
/// How long anything may take; an emulated machine on a busy host is slow.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Lab {
    // Dropped in this order: the programs go before the cgroup they are attached to.
    pub kernel: Option<Kernel>,
    pub cfg: KernelConfig,
    pub proxy_v4: TcpListener,
    pub proxy_v6: TcpListener,
    pub dns_v4: UdpSocket,
    pub dns_v6: UdpSocket,
    _cgroup: CgroupTree,
    _bpf: BpfMount,
}

/// Runs a test in a laboratory of its own.
pub fn lab<T: Send + 'static>(test: impl FnOnce(&mut Lab) -> T + Send + 'static) -> T {
    let outcome = thread::spawn(move || test(&mut Lab::new())).join();
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl Lab {
    fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("these tests need root");
        let bpf = BpfMount::new();
        bring_up_network();
        let root = unique_cgroup();
        let (dns_v4, dns_v6) = both_families(UdpSocket::bind);
        let (proxy_v4, proxy_v6) = both_families(TcpListener::bind);
        let cfg = KernelConfig {
            cgroup_root: root.0.clone(),
            pin_dir: bpf.0.path().join("aegis"),
            proxy_v4: v4(proxy_v4.local_addr().unwrap()),
            proxy_v6: Some(v6(proxy_v6.local_addr().unwrap())),
            dns_port: dns_v4.local_addr().unwrap().port(),
            log: false,
            unenrolled: Unenrolled::Deny,
            closed: Vec::new(),
            limits: AgentLimits::default(),
            // For as long as any test may take; the tests of the heartbeat shorten it.
            lease: Duration::from_secs(3600),
            on_departure: OnDeparture::Kill,
        };
        for socket in [&dns_v4, &dns_v6] {
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        let kernel = Some(Kernel::attach(&cfg).unwrap_or_else(|error| panic!("{error}")));
        Self { kernel, cfg, proxy_v4, proxy_v6, dns_v4, dns_v6, _cgroup: root, _bpf: bpf }
    }

    pub fn kernel(&self) -> &Kernel {
        self.kernel.as_ref().unwrap()
    }

    /// Starts the kernel side again with another configuration, as a restarted daemon does.
    pub fn restart(&mut self, change: impl FnOnce(&mut KernelConfig)) {
        change(&mut self.cfg);
        self.kernel = Some(Kernel::attach(&self.cfg).unwrap_or_else(|error| panic!("{error}")));
    }

    /// Lets one agent fill the whole event ring.
    pub fn without_event_limit(&mut self) {
        self.restart(|cfg| cfg.limits.events_per_second = u32::MAX);
    }

    /// Enrols agent `index` in a cgroup of its own and returns the cgroup.
    pub fn agent(&self, index: u32, direct: &[DirectRule]) -> PathBuf {
        let cgroup = self.cfg.cgroup_root.join(format!("agent-{index}"));
        self.kernel().enroll(agent(index), &cgroup, &direct_rules(direct)).unwrap();
        cgroup
    }

    /// How many entries the kernel's flow table has.
    pub fn recorded_flows(&self) -> usize {
        let pin = self.cfg.pin_dir.join(MAPS).join(map_name::FLOWS);
        let map = Map::from_map_data(MapData::from_pin(pin).unwrap()).unwrap();
        let flows: HashMap<_, FlowKey, Flow> = map.try_into().unwrap();
        flows.keys().count()
    }

    /// Accepts one redirected connection and takes its record.
    pub fn accept(&self, listener: &TcpListener) -> (TcpStream, Option<FlowRecord>) {
        let (stream, peer) = accept(listener);
        let record = self.kernel().flows().take(here(), peer).unwrap();
        (stream, record)
    }

    /// Accepts a connection and leaves its record where it is.
    pub fn accept_only(&self, listener: &TcpListener) -> (TcpStream, SocketAddr) {
        accept(listener)
    }

    /// Takes the record of a connection from `peer` to the IPv4 listener away, as nobody should.
    pub fn steal_record(&self, peer: SocketAddr) {
        let pin = self.cfg.pin_dir.join(MAPS).join(map_name::FLOWS);
        let map = Map::from_map_data(MapData::from_pin(pin).unwrap()).unwrap();
        let mut flows: HashMap<_, FlowKey, Flow> = map.try_into().unwrap();
        let keys: Vec<FlowKey> = flows.keys().map(Result::unwrap).collect();
        let key = keys.into_iter().find(|key| key.local == peer.into()).unwrap();
        flows.remove(&key).unwrap();
    }
}

pub fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    listener.set_nonblocking(true).unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                stream.set_nonblocking(false).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                return (stream, peer);
            }
            Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(2)),
            Err(error) => panic!("nothing arrived: {error}"),
        }
    }
}

/// The network namespace of the calling test.
pub fn here() -> NetnsCookie {
    NetnsCookie::current().unwrap()
}

pub fn direct_rules(direct: &[DirectRule]) -> AgentRules {
    AgentRules { direct: direct.to_vec(), ..AgentRules::default() }
}

pub fn agent(index: u32) -> AgentIndex {
    AgentIndex::new(index).unwrap()
}

pub fn rule(cidr: &str, port: Option<u16>, protocol: Protocol) -> DirectRule {
    DirectRule { cidr: cidr.parse().unwrap(), port, protocol }
}

/// Starts Python in a cgroup. It is there before Python begins.
pub fn python(cgroup: &Path, script: &str, arguments: &[&str]) -> Child {
    Command::new("/bin/sh")
        .args(["-c", r#"echo $$ > "$0/cgroup.procs" && exec python3 -S -c "$@""#])
        .arg(cgroup)
        .arg(format!("{PRELUDE}\n{script}"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// `attempt` prints what came of a call: `ok` or the name of the errno.
const PRELUDE: &str = r#"
import socket, sys, os, errno, time, subprocess
from socket import *
def attempt(call):
    try:
        call()
        print("ok", flush=True)
    except OSError as error:
        print(errno.errorcode.get(error.errno, error), flush=True)
"#;

/// The next line a running child prints, byte by byte: the rest stays for [`lines`].
pub fn first_line(child: &mut Child) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    let stdout = child.stdout.as_mut().unwrap();
    while stdout.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
        line.extend(byte);
    }
    String::from_utf8(line).unwrap()
}

/// Waits for a child and returns the lines it printed. Its failure is the test's.
pub fn lines(child: Child) -> Vec<String> {
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Waits until something holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn bring_up_network() {
    for command in [
        "ip link set lo up".to_owned(),
        format!("ip addr add {OUTSIDE_V4}/32 dev lo"),
        format!("ip addr add {OUTSIDE_V6}/128 dev lo nodad"),
    ] {
        let mut words = command.split(' ');
        let status = Command::new(words.next().unwrap()).args(words).status().unwrap();
        assert!(status.success(), "{command}");
    }
}

/// The same port on 127.0.0.1 and ::1.
fn both_families<S: LocalAddr>(bind: impl Fn(SocketAddr) -> std::io::Result<S>) -> (S, S) {
    let one = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let other = bind(format!("[::1]:{}", one.port()).parse().unwrap()).unwrap();
    (one, other)
}

trait LocalAddr {
    fn port(&self) -> u16;
}

impl LocalAddr for TcpListener {
    fn port(&self) -> u16 {
        self.local_addr().unwrap().port()
    }
}

impl LocalAddr for UdpSocket {
    fn port(&self) -> u16 {
        self.local_addr().unwrap().port()
    }
}

fn v4(address: SocketAddr) -> SocketAddrV4 {
    match address {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(_) => unreachable!(),
    }
}

fn v6(address: SocketAddr) -> SocketAddrV6 {
    match address {
        SocketAddr::V6(address) => address,
        SocketAddr::V4(_) => unreachable!(),
    }
}

/// A bpf file system on a directory of its own, in the thread's own mount namespace.
struct BpfMount(TempDir);

impl BpfMount {
    fn new() -> Self {
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let dir = tempfile::Builder::new().prefix("aegis-test-bpf-").tempdir().unwrap();
        mount(Some("bpf"), dir.path(), Some("bpf"), MsFlags::empty(), none).unwrap();
        Self(dir)
    }
}

impl Drop for BpfMount {
    fn drop(&mut self) {
        let _ = Kernel::detach(&self.0.path().join("aegis"));
        let _ = umount2(self.0.path(), MntFlags::MNT_DETACH);
    }
}

struct CgroupTree(PathBuf);

fn unique_cgroup() -> CgroupTree {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mount = cgroup::mount_point().unwrap().expect("cgroup v2 is mounted");
    let name = format!("aegis-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    CgroupTree(mount.join(name))
}

impl Drop for CgroupTree {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        let deadline = Instant::now() + PATIENCE;
        while remove_tree(&self.0).is_err() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Deepest first: a cgroup with children cannot be removed.
fn remove_tree(cgroup: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(cgroup)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(cgroup)
}
