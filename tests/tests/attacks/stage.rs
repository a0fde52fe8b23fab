//! Where attacks are tried: first as agents in every way of being one, then as a bystander, who must get out.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aegis_tests::lab::wiring::{GATEWAY_V4, GATEWAY_V6, address};
use aegis_tests::{AGENT, AgentCommand, Daemon, Lab, Outcome, Packet, Protocol, Running, Settings};

/// A host that no policy of the laboratory allows and that the daemon never dials.
pub const TARGET: &str = "denied.test";
/// Port of a TCP echo outside.
pub const TCP_PORT: u16 = 2525;
/// Port of a UDP sink outside.
pub const UDP_PORT: u16 = 9999;

/// A search path without Java's keytool, to which `aegisctl run` would give a second of every laboratory.
pub const QUICK_PATH: &str = "/usr/local/bin";

/// Whose process tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An agent by `aegisctl run`, as an ordinary user.
    RunUser,
    /// An agent by `aegisctl run`, as root.
    RunRoot,
    /// An agent by its cgroup alone, as an ordinary user.
    RawUser,
    /// An agent by its cgroup alone, as root with every capability.
    RawRoot,
    /// Nobody's agent, as root.
    Bystander,
}

/// Every way of being an agent.
pub const AGENTS: &[Role] = &[Role::RunUser, Role::RunRoot, Role::RawUser, Role::RawRoot];
/// As [`AGENTS`], but for what root can do in the host's own namespaces, which is the deployment's to prevent.
pub const CONFINED: &[Role] = &[Role::RunUser, Role::RunRoot, Role::RawUser];

/// Agents by their cgroup alone.
pub const RAW: &[Role] = &[Role::RawUser, Role::RawRoot];

impl Role {
    pub fn command(self, lab: &Lab) -> AgentCommand<'_> {
        match self {
            Role::RunUser => lab.agent(AGENT).user("nobody").env("PATH", QUICK_PATH),
            Role::RunRoot => lab.agent(AGENT).env("PATH", QUICK_PATH),
            Role::RawUser => lab.raw(AGENT).user("nobody"),
            Role::RawRoot => lab.raw(AGENT),
            Role::Bystander => lab.bystander(),
        }
    }

    /// What the role's packets contain.
    pub fn marker(self) -> &'static str {
        match self {
            Role::RunUser => "atk-run-user",
            Role::RunRoot => "atk-run-root",
            Role::RawUser => "atk-raw-user",
            Role::RawRoot => "atk-raw-root",
            Role::Bystander => "atk-bystander",
        }
    }
}

/// By what the capture knows that an attempt got out.
#[derive(Clone, Copy, Debug)]
pub enum Evidence {
    /// A packet that contains the attempt's marker.
    Marker,
    /// A packet to this address.
    To(IpAddr),
    /// A packet of this IP protocol.
    Protocol(u8),
    /// An MLD report with the beginning of a marker in it: as much as fits into an address.
    Announced,
    /// A DNS question for the marker.
    Questioned,
    /// A packet that contains the marker; or the kernel has no such protocol, which the socket call says with this error.
    MarkerOrNoProtocol(&'static str),
}

/// One attempt of an attack program.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    pub name: &'static str,
    pub evidence: Evidence,
    pub roles: &'static [Role],
}

/// An attempt that every kind of agent makes.
pub const fn attempt(name: &'static str) -> Attempt {
    Attempt { name, evidence: Evidence::Marker, roles: AGENTS }
}

impl Attempt {
    pub const fn by(self, evidence: Evidence) -> Attempt {
        Attempt { evidence, ..self }
    }

    /// Tried by these only.
    pub const fn only(self, roles: &'static [Role]) -> Attempt {
        Attempt { roles, ..self }
    }

    fn proved(&self, packets: &[Packet], outcome: &Outcome) -> bool {
        let marker = format!("{}.{}.", Role::Bystander.marker(), self.name);
        let marked = || packets.iter().any(|packet| packet.contains(marker.as_bytes()));
        match self.evidence {
            Evidence::Marker => marked(),
            Evidence::To(to) => packets.iter().any(|packet| packet.destination == to),
            Evidence::Protocol(number) => packets.iter().any(|packet| packet.protocol == Protocol::Other(number)),
            Evidence::Questioned => packets.iter().any(|packet| packet.port == 53 && packet.contains(b"atk-bystander")),
            Evidence::Announced => {
                packets.iter().any(|packet| packet.protocol == Protocol::Other(0) && packet.contains(b"atk-bystande"))
            }
            Evidence::MarkerOrNoProtocol(errno) => {
                let line = said(outcome, self.name).unwrap_or_default();
                marked() || line.contains("socket(") && line.ends_with(errno)
            }
        }
    }
}

/// What a program printed about one of its attempts.
pub fn said<'o>(outcome: &'o Outcome, attempt: &str) -> Option<&'o str> {
    outcome.stdout.lines().find(|line| line.strip_prefix(attempt).is_some_and(|rest| rest.starts_with(": ")))
}

/// Where an attack program aims.
#[derive(Clone, Debug)]
pub struct Target {
    pub v4: String,
    pub v6: String,
    pub port: u16,
}

impl Target {
    /// The forbidden host at `port`.
    pub fn denied(port: u16) -> Target {
        let (v4, v6) = address(TARGET);
        Target { v4: v4.to_string(), v6: v6.to_string(), port }
    }

    /// The command line of an attack program.
    pub fn words(&self, program: &Path, role: Role, attempts: &[&str]) -> Vec<String> {
        let is_script = program.extension().is_some_and(|extension| extension == "py");
        let mut words = if is_script { vec!["/usr/bin/python3".to_owned()] } else { Vec::new() };
        let program = program.to_str().unwrap().to_owned();
        words.extend([program, role.marker().to_owned(), self.v4.clone(), self.v6.clone(), self.port.to_string()]);
        words.extend(attempts.iter().map(|attempt| (*attempt).to_owned()));
        words
    }
}

/// A laboratory with a daemon that enforces.
pub struct Stage<'lab> {
    pub lab: &'lab Lab,
    pub daemon: Daemon<'lab>,
}

impl<'lab> Stage<'lab> {
    pub fn new(lab: &'lab Lab) -> Stage<'lab> {
        Self::with(lab, &Settings::default())
    }

    pub fn with(lab: &'lab Lab, settings: &Settings) -> Stage<'lab> {
        Stage { lab, daemon: Daemon::start(lab, settings).unwrap() }
    }

    /// Every attempt in every role: as an agent nothing may leave, as a bystander each must. Agents come first: what a
    /// bystander's connections still send at their end would be in the way.
    pub fn play(&self, program: &str, target: &Target, attempts: &[Attempt]) {
        self.play_with(&build(self.lab, program), target, attempts, &[]);
    }

    /// As `play`, with a built program or a script, and an environment.
    pub fn play_with(&self, program: &Path, target: &Target, attempts: &[Attempt], environment: &[(&str, String)]) {
        let mut problems = self.agents_try(program, target, attempts, environment);
        let names: Vec<&str> = attempts.iter().map(|attempt| attempt.name).collect();
        let outcome = self.start(Role::Bystander, program, target, &names, environment).finish().unwrap();
        problems.extend(kept_in(self.lab, attempts, &outcome));
        let name = program.file_name().unwrap_or_default().display();
        assert!(problems.is_empty(), "{name}: {}\n{}", problems.join("\n"), outcome.stderr);
    }

    /// All roles at the same time; gives what went wrong.
    pub fn agents_try(
        &self,
        program: &Path,
        target: &Target,
        attempts: &[Attempt],
        environment: &[(&str, String)],
    ) -> Vec<String> {
        let tried_by = |role: &Role| attempts.iter().filter(|a| a.roles.contains(role)).map(|a| a.name).collect();
        let parts: Vec<(Role, Vec<&str>)> = AGENTS.iter().map(|role| (*role, tried_by(role))).collect();
        let running: Vec<_> = parts
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(role, names)| (role, names, self.start(*role, program, target, names, environment)))
            .collect();
        let mut problems = Vec::new();
        let mut said = String::new();
        for (role, names, running) in running {
            let outcome = running.finish().unwrap();
            problems.extend(unsaid(&outcome, names).into_iter().map(|name| format!("{role:?} did not try {name}")));
            said.push_str(&format!("{role:?} said:\n{}", outcome.stdout));
        }
        let escaped = self.escaped();
        problems.extend(escaped.iter().take(20).map(|packet| format!("an agent got out: {}", describe(packet))));
        if !escaped.is_empty() {
            problems.push(format!("{} packets in all; {said}", escaped.len()));
        }
        problems
    }

    pub fn start(
        &self,
        role: Role,
        program: &Path,
        target: &Target,
        names: &[&str],
        environment: &[(&str, String)],
    ) -> Running {
        let mut command = role.command(self.lab);
        for (name, value) in environment {
            command = command.env(name, value.clone());
        }
        command.start(&target.words(program, role, names)).unwrap()
    }

    /// Every packet that left the host and that neither the daemon nor the kernel's own housekeeping sends.
    pub fn escaped(&self) -> Vec<Packet> {
        self.lab.settle().unwrap();
        self.lab.internet.capture.matching(is_foreign)
    }
}

/// A bystander must have got out by every one of these.
pub fn all_out(lab: &Lab, attempts: &[Attempt], outcome: &Outcome) {
    let kept_in = kept_in(lab, attempts, outcome);
    assert!(kept_in.is_empty(), "{}\n{}", kept_in.join("\n"), outcome.stderr);
}

fn kept_in(lab: &Lab, attempts: &[Attempt], outcome: &Outcome) -> Vec<String> {
    lab.settle().unwrap();
    let packets = lab.internet.capture.matching(|_| true);
    let failed = attempts.iter().filter(|attempt| !attempt.proved(&packets, outcome));
    failed
        .map(|Attempt { name, .. }| {
            let said = said(outcome, name).unwrap_or("nothing");
            format!("this attack does not work here, a bystander's {name} did not get out: {said}")
        })
        .collect()
}

fn unsaid<'n>(outcome: &Outcome, names: &[&'n str]) -> Vec<&'n str> {
    names.iter().copied().filter(|name| said(outcome, name).is_none()).collect()
}

/// Neither the host's own search for its gateway and its group memberships, nor the daemon's question to its resolver.
/// Whom the host looks for is looked at: an address is room for an agent's data too.
pub fn is_foreign(packet: &Packet) -> bool {
    if packet.contains(b"atk-") {
        return true;
    }
    match packet.protocol {
        Protocol::Link(0x0806) => packet.payload.get(24..28) != Some(&GATEWAY_V4.octets()),
        // The host has no use for the answer to a fence.
        Protocol::Icmp if packet.destination == GATEWAY_V4 => !packet.contains(b"received"),
        Protocol::Icmp => !is_neighbour_discovery(packet),
        // MLDv2 reports, behind a hop-by-hop header.
        Protocol::Other(0) => packet.destination != IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, 0x16]),
        Protocol::Udp => packet.port != 53,
        _ => true,
    }
}

/// Router solicitations, advertisements of the host's own addresses, and the search for the gateway.
fn is_neighbour_discovery(packet: &Packet) -> bool {
    match packet.payload.first() {
        Some(133 | 136) => true,
        Some(135) => {
            packet.payload.get(8..24).is_some_and(|to| to == GATEWAY_V6.octets() || to.starts_with(&[0xfe, 0x80]))
        }
        _ => false,
    }
}

/// A packet, short enough for a failure message.
pub fn describe(packet: &Packet) -> String {
    let start = String::from_utf8_lossy(&packet.payload[..packet.payload.len().min(120)]).escape_debug().to_string();
    format!("{:?} {} -> {} port {}: {start}", packet.protocol, packet.source, packet.destination, packet.port)
}

/// Compiles `tests/attacks/NAME.c` unless that has been done, and puts it where every user can execute it.
pub fn build(lab: &Lab, name: &str) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("attacks");
    let (source, header) = (sources.join(name).with_extension("c"), sources.join("attack.h"));
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("attacks");
    std::fs::create_dir_all(&cache).unwrap();
    let built = cache.join(name);
    if age(&built) >= age(&source).min(age(&header)) {
        // Under a name of its own until it is whole: other tests may be at it too.
        let draft = cache.join(format!("{name}.{}", std::process::id()));
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-Wall", "-Wextra", "-pthread", "-o"]).arg(&draft).arg(&source);
        let output = cc.output().expect("`cc` is missing: apt-get install gcc libc6-dev");
        assert!(output.status.success(), "{cc:?}: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::rename(&draft, &built).unwrap();
    }
    let place = lab.path("attacks");
    std::fs::create_dir_all(&place).unwrap();
    let copy = place.join(name);
    std::fs::copy(&built, &copy).unwrap();
    copy
}

/// How long ago a file was written; for ever, where there is none.
fn age(path: &Path) -> Duration {
    let written = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    written.ok().and_then(|at| at.elapsed().ok()).unwrap_or(Duration::MAX)
}

/// The gateway's link-local address, with the zone that the host knows it by.
pub fn link_local(lab: &Lab) -> String {
    let text = lab.inet.within(|| std::fs::read_to_string("/proc/thread-self/net/if_inet6")).unwrap().unwrap();
    let line = text.lines().find(|line| line.starts_with("fe80")).expect("no link-local address outside");
    let groups: Vec<&str> = (0..8).map(|at| &line[at * 4..at * 4 + 4]).collect();
    format!("{}%eth0", groups.join(":"))
}

/// Puts `tests/attacks/NAME`, a script, where every user can read it.
pub fn script(lab: &Lab, name: &str) -> PathBuf {
    let place = lab.path("attacks");
    std::fs::create_dir_all(&place).unwrap();
    let copy = place.join(name);
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("attacks").join(name), &copy).unwrap();
    copy
}
