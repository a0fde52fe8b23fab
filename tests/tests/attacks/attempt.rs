//! Who tries what, and by what an attempt is known to have got out.

use aegis_tests::{AGENT, AgentCommand, Lab, Outcome, Packet, Protocol};

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

/// A bystander must have got out by every one of these.
pub fn all_out(lab: &Lab, attempts: &[Attempt], outcome: &Outcome) {
    let kept_in = kept_in(lab, attempts, outcome);
    assert!(kept_in.is_empty(), "{}\n{}", kept_in.join("\n"), outcome.stderr);
}

/// By which of them the bystander did not get out.
pub fn kept_in(lab: &Lab, attempts: &[Attempt], outcome: &Outcome) -> Vec<String> {
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
