//! The kernel's own counts, summed over its CPUs.

use aegis_common::counter;
use aya::maps::{MapData, PerCpuArray};

use super::KernelError;

/// How often each thing happened since the maps were made (they outlive the daemon).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connects and sends to the agent's own loopback sockets.
    pub allowed_own: u64,
    /// Connects and sends to allowlisted destinations.
    pub allowed_direct: u64,
    /// TCP connects sent to the proxy.
    pub redirected: u64,
    /// TCP connects and UDP sends sent to the resolver.
    pub redirected_dns: u64,
    pub denied_connect: u64,
    pub denied_udp: u64,
    pub denied_socket: u64,
    pub denied_unattributed: u64,
    pub denied_bind: u64,
    pub denied_packet: u64,
    pub flow_table_full: u64,
    /// Events that found the ring buffer full.
    pub events_dropped: u64,
    /// Refused because the proxy gave no sign of life.
    pub denied_down: u64,
    /// Passed because the proxy gave no sign of life and the agent may pass without it.
    pub passed_down: u64,
    /// Refused because the proxy does not listen in the network namespace.
    pub no_listener: u64,
    /// Refused because the agent has as many connections open as it may.
    pub denied_limit: u64,
    /// Socket options refused.
    pub denied_option: u64,
    /// Events kept back because their agent had used up its share of the ring.
    pub events_suppressed: u64,
    /// Sockets from elsewhere that were not let in.
    pub denied_received: u64,
    /// Attempts to put a process out of its agent's cgroup.
    pub denied_leaving: u64,
    /// bpf(2), and ptrace(2) and the like on processes of others.
    pub denied_tampering: u64,
    /// Processes that have left their agent's cgroup.
    pub departed: u64,
}

impl Counters {
    pub(super) fn read(map: &PerCpuArray<MapData, u64>) -> Result<Self, KernelError> {
        let sum = |index: u32| -> Result<u64, KernelError> {
            let values = map.get(&index, 0).map_err(KernelError::bpf("read the kernel's counters"))?;
            Ok(values.iter().copied().fold(0, u64::wrapping_add))
        };
        Ok(Self {
            allowed_own: sum(counter::ALLOWED_OWN)?,
            allowed_direct: sum(counter::ALLOWED_DIRECT)?,
            redirected: sum(counter::REDIRECTED)?,
            redirected_dns: sum(counter::REDIRECTED_DNS)?,
            denied_connect: sum(counter::DENIED_CONNECT)?,
            denied_udp: sum(counter::DENIED_UDP)?,
            denied_socket: sum(counter::DENIED_SOCKET)?,
            denied_unattributed: sum(counter::DENIED_UNATTRIBUTED)?,
            denied_bind: sum(counter::DENIED_BIND)?,
            denied_packet: sum(counter::DENIED_PACKET)?,
            flow_table_full: sum(counter::FLOW_TABLE_FULL)?,
            events_dropped: sum(counter::EVENTS_DROPPED)?,
            denied_down: sum(counter::DENIED_DOWN)?,
            passed_down: sum(counter::PASSED_DOWN)?,
            no_listener: sum(counter::NO_LISTENER)?,
            denied_limit: sum(counter::DENIED_LIMIT)?,
            denied_option: sum(counter::DENIED_OPTION)?,
            events_suppressed: sum(counter::EVENTS_SUPPRESSED)?,
            denied_received: sum(counter::DENIED_RECEIVED)?,
            denied_leaving: sum(counter::DENIED_LEAVING)?,
            denied_tampering: sum(counter::DENIED_TAMPERING)?,
            departed: sum(counter::DEPARTED)?,
        })
    }

    /// Everything the kernel refused by itself.
    #[must_use]
    pub fn denied(&self) -> u64 {
        [
            self.denied_connect,
            self.denied_udp,
            self.denied_socket,
            self.denied_unattributed,
            self.denied_bind,
            self.denied_packet,
            self.denied_down,
            self.no_listener,
            self.denied_limit,
            self.denied_option,
            self.denied_received,
            self.denied_leaving,
            self.denied_tampering,
            self.departed,
        ]
        .into_iter()
        .fold(0, u64::wrapping_add)
    }
}
