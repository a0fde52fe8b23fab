//! Who is an agent, and what an agent may do without being inspected.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use aegis_common::{ADDRESS_BITS, Address, DirectKey, RULE_HEAD_BITS, agent_flag, protocol};
use aya::maps::{HashMap, LpmTrie, MapData, lpm_trie::Key};
use ipnet::IpNet;

use super::{KernelError, cgroup::Cgroup, usage::UsageTable};

/// In `AGENT_CGROUPS`: whoever is not enrolled below is denied.
const CLOSED: u32 = 0;

/// An agent's number in the kernel's maps. Must not be given to another agent while sockets of
/// the first may be alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentIndex(NonZeroU32);

impl AgentIndex {
    /// `None` for 0, which stands for "no agent" in the kernel.
    #[must_use]
    pub fn new(index: u32) -> Option<Self> {
        NonZeroU32::new(index).map(Self)
    }

    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

/// A destination that an agent reaches directly: not redirected, not inspected, only counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectRule {
    pub cidr: IpNet,
    /// `None`: every port.
    pub port: Option<u16>,
    pub protocol: Protocol,
}

/// The transports that agents may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    fn number(self) -> u8 {
        match self {
            Self::Tcp => protocol::TCP,
            Self::Udp => protocol::UDP,
        }
    }
}

/// What the kernel decides about an agent by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentRules {
    pub direct: Vec<DirectRule>,
    pub on_down: OnDown,
    pub listen: Inbound,
}

/// What becomes of an agent's connections when the proxy gives no sign of life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDown {
    /// They are denied.
    #[default]
    Closed,
    /// They pass, uninspected; the daemon records them when it is back.
    Open,
}

/// Who gets an answer from an agent's listening sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inbound {
    /// Nobody.
    None,
    /// Who connects over loopback.
    #[default]
    Loopback,
    /// Whoever connects: what the agent answers is not inspected.
    Allow,
}

impl AgentRules {
    fn flags(&self) -> u32 {
        let down = match self.on_down {
            OnDown::Closed => 0,
            OnDown::Open => agent_flag::OPEN_WHEN_DOWN,
        };
        let listen = match self.listen {
            Inbound::None => agent_flag::LISTEN_NONE,
            Inbound::Loopback => 0,
            Inbound::Allow => agent_flag::LISTEN_ALLOW,
        };
        down | listen
    }
}

/// The maps that say who is who.
pub(super) struct Agents {
    pub(super) cgroups: HashMap<MapData, u64, u32>,
    pub(super) direct: LpmTrie<MapData, DirectKey, u32>,
    pub(super) flags: HashMap<MapData, u32, u32>,
    pub(super) usage: UsageTable,
}

impl Agents {
    /// Rules first, the cgroup last: an agent is never enforced with half of its rules.
    pub(super) fn enroll(&mut self, agent: AgentIndex, cgroup: &Cgroup, rules: &AgentRules) -> Result<(), KernelError> {
        if let Some(owner) = self.owner(cgroup.id)?.filter(|owner| *owner != agent) {
            return Err(KernelError::CgroupTaken { cgroup: cgroup.path.clone(), owner });
        }
        self.usage.begin(agent.get())?;
        self.replace_rules(agent, &rules.direct)?;
        self.flags.insert(agent.get(), rules.flags(), 0).map_err(KernelError::bpf("write an agent's flags"))?;
        self.cgroups
            .insert(cgroup.id, agent.get(), 0)
            .map_err(KernelError::bpf(format!("enrol {}", cgroup.path.display())))
    }

    /// The cgroup first: the agent is refused before anything that limits it goes.
    pub(super) fn withdraw(&mut self, agent: AgentIndex) -> Result<(), KernelError> {
        for id in self.cgroups_of(agent.get())? {
            self.cgroups.remove(&id).map_err(KernelError::bpf("withdraw a cgroup"))?;
        }
        self.replace_rules(agent, &[])?;
        match self.flags.remove(&agent.get()) {
            Ok(()) | Err(aya::maps::MapError::KeyNotFound) => {}
            Err(error) => return Err(KernelError::bpf("remove an agent's flags")(error)),
        }
        self.usage.end(agent.get())
    }

    /// Marks exactly these cgroups as closed. A cgroup that is an agent's stays the agent's.
    pub(super) fn close(&mut self, cgroups: &[PathBuf]) -> Result<(), KernelError> {
        let wanted = cgroups.iter().map(|path| Cgroup::ensure(path)).collect::<Result<Vec<_>, _>>()?;
        for cgroup in &wanted {
            if self.owner(cgroup.id)?.is_none() {
                let action = format!("close {}", cgroup.path.display());
                self.cgroups.insert(cgroup.id, CLOSED, 0).map_err(KernelError::bpf(action))?;
            }
        }
        for id in self.cgroups_of(CLOSED)? {
            if !wanted.iter().any(|cgroup| cgroup.id == id) {
                self.cgroups.remove(&id).map_err(KernelError::bpf("open a closed cgroup"))?;
            }
        }
        Ok(())
    }

    fn cgroups_of(&self, agent: u32) -> Result<Vec<u64>, KernelError> {
        let mut ids = Vec::new();
        for entry in self.cgroups.iter() {
            let (id, owner) = entry.map_err(KernelError::bpf("read the enrolled cgroups"))?;
            if owner == agent {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    /// Every agent that has a cgroup.
    pub(super) fn enrolled(&self) -> Result<Vec<u32>, KernelError> {
        let mut agents = Vec::new();
        for entry in self.cgroups.iter() {
            let (_, agent) = entry.map_err(KernelError::bpf("read the enrolled cgroups"))?;
            if agent != CLOSED {
                agents.push(agent);
            }
        }
        Ok(agents)
    }

    fn owner(&self, cgroup_id: u64) -> Result<Option<AgentIndex>, KernelError> {
        match self.cgroups.get(&cgroup_id, 0) {
            Ok(index) => Ok(AgentIndex::new(index)),
            Err(aya::maps::MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(KernelError::bpf("read the enrolled cgroups")(error)),
        }
    }

    /// New rules go in before old ones go out, so that what both allow stays reachable.
    fn replace_rules(&mut self, agent: AgentIndex, direct: &[DirectRule]) -> Result<(), KernelError> {
        let wanted: Vec<Key<DirectKey>> = direct.iter().map(|rule| lpm_key(agent, rule)).collect();
        let mut stale = Vec::new();
        for key in self.direct.keys() {
            let key = key.map_err(KernelError::bpf("read the direct destinations"))?;
            if key.data().agent == agent.get() && !wanted.iter().any(|other| same(other, &key)) {
                stale.push(key);
            }
        }
        for key in &wanted {
            self.direct.insert(key, 1, 0).map_err(KernelError::bpf("add a direct destination"))?;
        }
        for key in &stale {
            self.direct.remove(key).map_err(KernelError::bpf("remove a direct destination"))?;
        }
        Ok(())
    }
}

fn same(one: &Key<DirectKey>, other: &Key<DirectKey>) -> bool {
    one.prefix_len() == other.prefix_len() && one.data() == other.data()
}

/// The rule as the kernel looks it up: every address is an IPv6 address there.
fn lpm_key(agent: AgentIndex, rule: &DirectRule) -> Key<DirectKey> {
    let network = rule.cidr.network();
    let mapped_bits = match network {
        IpAddr::V4(_) => ADDRESS_BITS - 32,
        IpAddr::V6(_) => 0,
    };
    let data = DirectKey {
        agent: agent.get(),
        port: rule.port.unwrap_or(0),
        protocol: rule.protocol.number(),
        padding: 0,
        address: Address::from(network),
    };
    Key::new(RULE_HEAD_BITS + mapped_bits + u32::from(rule.cidr.prefix_len()), data)
}

/// Fails unless `cgroup` is strictly below `root`, spelled without `..`.
pub(super) fn check_below(root: &Path, cgroup: &Path) -> Result<(), KernelError> {
    let below = cgroup.strip_prefix(root).ok().is_some_and(|rest| {
        let mut parts = rest.components().peekable();
        parts.peek().is_some() && parts.all(|part| matches!(part, std::path::Component::Normal(_)))
    });
    if below {
        return Ok(());
    }
    Err(KernelError::OutsideRoot { cgroup: cgroup.to_owned(), root: root.to_owned() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn rules_become_prefixes_of_mapped_addresses() {
        let agent = AgentIndex::new(7).unwrap();
        let table = [
            ("10.1.2.3/8", Some(443), 64 + 96 + 8, "::ffff:10.0.0.0", 443),
            ("0.0.0.0/0", None, 64 + 96, "::ffff:0.0.0.0", 0),
            ("2001:db8::1/32", None, 64 + 32, "2001:db8::", 0),
            ("::/0", Some(1), 64, "::", 1),
        ];
        for (cidr, port, bits, address, key_port) in table {
            let rule = DirectRule { cidr: cidr.parse().unwrap(), port, protocol: Protocol::Tcp };
            let key = lpm_key(agent, &rule);
            assert_eq!(key.prefix_len(), bits, "{cidr}");
            let expected: std::net::Ipv6Addr = address.parse().unwrap();
            assert_eq!(key.data().address, Address::from(expected), "{cidr}");
            assert_eq!({ key.data().port }, key_port, "{cidr}");
        }
    }

    #[test]
    fn only_cgroups_below_the_root_can_be_enrolled() {
        let root = Path::new("/c/aegis");
        let table = [
            ("/c/aegis/one", true),
            ("/c/aegis/one/two", true),
            ("/c/aegis", false),
            ("/c/aegis/", false),
            ("/c/other", false),
            ("/c/aegis/../other", false),
            ("relative", false),
        ];
        for (cgroup, ok) in table {
            assert_eq!(check_below(root, Path::new(cgroup)).is_ok(), ok, "{cgroup}");
        }
    }
}
