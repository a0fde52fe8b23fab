//! The maps that the daemon writes and the programs read.

use aegis_common::map_name;
use aya::Ebpf;

use super::{
    KernelConfig, KernelError, NetnsCookie,
    agents::Agents,
    load,
    proxy::{Listeners, ProxyState},
    usage::UsageTable,
};

/// How full one of the kernel's tables is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFill {
    pub name: &'static str,
    pub used: usize,
    pub capacity: usize,
}

/// What the programs read of agents and of the proxy, in the state that this daemon's programs need at their start.
pub(super) struct Tables {
    pub(super) agents: Agents,
    pub(super) proxy: ProxyState,
}

impl Tables {
    pub(super) fn open(cfg: &KernelConfig, object: &mut Ebpf, generation: u32) -> Result<Self, KernelError> {
        let mut open = |name: &str| load::map(object, name);
        let wrong = || KernelError::bpf("open the programs' maps");
        let mut agents = Agents {
            cgroups: open(map_name::AGENT_CGROUPS)?.try_into().map_err(wrong())?,
            direct: open(map_name::DIRECT)?.try_into().map_err(wrong())?,
            flags: open(map_name::AGENT_FLAGS)?.try_into().map_err(wrong())?,
            usage: UsageTable::new(open(map_name::USAGE)?, generation)?,
        };
        let enrolled = agents.enrolled()?;
        agents.usage.begin_all(&enrolled)?;
        agents.close(&cfg.closed)?;
        let mut proxy = ProxyState::new(open(map_name::LEASE)?, open(map_name::NAMESPACES)?)?;
        let own = NetnsCookie::current().map_err(KernelError::io("read the network namespace's cookie"))?;
        proxy.leave_all_but(own)?;
        proxy.serve(own, Listeners { v4: true, v6: cfg.proxy_v6.is_some() })?;
        proxy.renew(cfg.lease)?;
        Ok(Self { agents, proxy })
    }
}
