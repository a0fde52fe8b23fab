//! The flow table: from the agent's end of a redirected connection to where it wanted to go and
//! who it is. Either the kernel's maps, or memory for tests and benches.

use std::{
    collections::{HashMap as StdHashMap, HashSet},
    net::SocketAddr,
    os::fd::AsFd,
    sync::{Mutex, PoisonError},
};

use aegis_common::{DnsKey, Flow, FlowKey};
use aya::maps::{HashMap, Map, MapData, MapError};

use super::{AgentIndex, AgentUsage, KernelConfig, KernelError, NetnsCookie, syscall};

/// What the kernel recorded of one flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    pub agent: AgentIndex,
    /// Where the agent wanted to go. IPv4-mapped addresses come as IPv4.
    pub original: SocketAddr,
    /// Thread group id in the initial pid namespace.
    pub pid: u32,
    /// User id in the initial user namespace.
    pub uid: u32,
    /// The command name (at most 15 bytes; the process can choose it).
    pub comm: String,
    pub cgroup_id: u64,
    pub netns_cookie: NetnsCookie,
    pub socket_cookie: u64,
}

/// Looks up who is behind an accepted flow. A flow without a record must be refused.
pub trait FlowTable: Send + Sync {
    /// The record of a connection accepted by the proxy's listener in `namespace`, taken out of the table.
    /// `peer` is the connection's remote address as `accept` gave it: every namespace has its own 127.0.0.1.
    ///
    /// # Errors
    /// When the kernel refuses the lookup.
    fn take(&self, namespace: NetnsCookie, peer: SocketAddr) -> Result<Option<FlowRecord>, KernelError>;

    /// As [`FlowTable::take`], for a TCP connection accepted by the DNS listener. A method of its
    /// own because two connections can share a local port when their listeners differ.
    ///
    /// # Errors
    /// When the kernel refuses the lookup.
    fn take_dns(&self, namespace: NetnsCookie, peer: SocketAddr) -> Result<Option<FlowRecord>, KernelError>;

    /// The sender of a datagram that the DNS listener received; stays in the table as long as
    /// the sender's socket lives.
    ///
    /// # Errors
    /// When the kernel refuses the lookup.
    fn dns_client(&self, namespace: NetnsCookie, peer: SocketAddr) -> Result<Option<FlowRecord>, KernelError>;
}

/// The kernel's own tables.
pub(super) struct KernelFlows {
    /// Not an aya `HashMap`: that has no lookup-and-delete.
    flows: MapData,
    /// The same map, to look through.
    entries: HashMap<MapData, FlowKey, Flow>,
    dns_clients: HashMap<MapData, DnsKey, Flow>,
    /// The same map, to take from.
    dns_entries: MapData,
    proxy_v4_port: u16,
    /// The IPv4 listener's where there is no IPv6 one.
    proxy_v6_port: u16,
    dns_port: u16,
    /// [`aegis_common::Settings::generation`] of this daemon.
    generation: u32,
    taken: Mutex<StdHashMap<AgentIndex, u64>>,
}

impl KernelFlows {
    pub(super) fn new(
        flows: Map,
        entries: Map,
        dns_clients: Map,
        dns_entries: MapData,
        cfg: &KernelConfig,
        generation: u32,
    ) -> Result<Self, KernelError> {
        let wrong = || KernelError::bpf("open the flow table");
        let Map::HashMap(flows) = flows else {
            return Err(wrong()(aya::maps::MapError::InvalidMapType { map_type: 0 }));
        };
        Ok(Self {
            flows,
            // Checks the key's and the value's size.
            entries: entries.try_into().map_err(wrong())?,
            generation,
            taken: Mutex::default(),
            dns_clients: dns_clients.try_into().map_err(wrong())?,
            dns_entries,
            proxy_v4_port: cfg.proxy_v4.port(),
            proxy_v6_port: cfg.proxy_v6.map_or(cfg.proxy_v4.port(), |listener| listener.port()),
            dns_port: cfg.dns_port,
        })
    }

    fn take_from(
        &self,
        namespace: NetnsCookie,
        listener: u16,
        peer: SocketAddr,
    ) -> Result<Option<FlowRecord>, KernelError> {
        let key = FlowKey { netns_cookie: namespace.get(), local: peer.into(), listener, padding: 0 };
        // Lookup and removal are one operation: two acceptors can never both get one record.
        let flow = syscall::map_take::<FlowKey, Flow>(self.flows.fd().as_fd(), &key)
            .map_err(KernelError::io("read the flow table"))?;
        if let Some(flow) = &flow {
            self.count(flow);
        }
        Ok(flow.and_then(|flow| record(&flow, namespace)))
    }

    /// What an earlier daemon's programs recorded stands in nobody's counts any more.
    fn count(&self, flow: &Flow) {
        if let Some(agent) = AgentIndex::new(flow.agent).filter(|_| flow.generation == self.generation) {
            *self.taken.lock().unwrap_or_else(PoisonError::into_inner).entry(agent).or_default() += 1;
        }
    }

    /// Forgets how many flows of an agent were taken, together with the kernel's counts of it.
    pub(super) fn forget(&self, agent: AgentIndex) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&agent);
    }

    /// Completes the kernel's counts with what is in the table and what was taken out of it.
    pub(super) fn complete(&self, usage: &mut StdHashMap<AgentIndex, AgentUsage>) {
        for flow in distinct(self.entries.iter()) {
            let counted = AgentIndex::new(flow.agent).filter(|_| flow.generation == self.generation);
            if let Some(usage) = counted.and_then(|agent| usage.get_mut(&agent)) {
                usage.pending += 1;
            }
        }
        for (agent, taken) in &*self.taken.lock().unwrap_or_else(PoisonError::into_inner) {
            if let Some(usage) = usage.get_mut(agent) {
                usage.taken = *taken;
            }
        }
    }

    /// Removes what earlier daemons recorded: connections that nobody can accept any more.
    pub(super) fn purge(&self) -> Result<(), KernelError> {
        self.remove(|generation| generation != self.generation)
    }

    /// As [`KernelFlows::purge`], without those of the last daemon, which may wait in a listener that was handed over.
    pub(super) fn purge_older(&self) -> Result<(), KernelError> {
        self.remove(|generation| generation != self.generation && generation != self.generation.wrapping_sub(1))
    }

    fn remove(&self, unwanted: impl Fn(u32) -> bool) -> Result<(), KernelError> {
        // What is missed because the table changes meanwhile is an entry of ours, or goes the next time.
        let former = |entry: Result<(FlowKey, Flow), MapError>| {
            entry.ok().filter(|(_, flow)| unwanted(flow.generation)).map(|(key, _)| key)
        };
        let stale: Vec<FlowKey> = self.entries.iter().take(2 * CAPACITY).filter_map(former).collect();
        for key in stale {
            syscall::map_take::<FlowKey, Flow>(self.flows.fd().as_fd(), &key)
                .map_err(KernelError::io("clear the flow table"))?;
        }
        Ok(())
    }

    /// Removes those who ask the resolver from `namespace` and whose sockets are gone: an entry goes with its socket, but a
    /// socket that asks from two addresses at once may leave one behind, and it would keep others from the address.
    /// `alive` is asked for the cookies of all UDP sockets of the namespace.
    pub(super) fn forget_dead(
        &self,
        namespace: NetnsCookie,
        alive: impl FnOnce() -> std::io::Result<HashSet<u64>>,
    ) -> Result<usize, KernelError> {
        let there =
            |entry: Result<(DnsKey, Flow), MapError>| entry.ok().filter(|(key, _)| key.netns_cookie == namespace.get());
        let listed: Vec<(DnsKey, Flow)> = self.dns_clients.iter().take(2 * CAPACITY).filter_map(there).collect();
        if listed.is_empty() {
            return Ok(0);
        }
        // After the list was made: who lived then and has ended since is left for the next time.
        let alive = alive().map_err(KernelError::io("list the UDP sockets"))?;
        let mut gone = 0;
        for (key, flow) in listed.into_iter().filter(|(_, flow)| !alive.contains(&flow.socket_cookie)) {
            let map = self.dns_entries.fd().as_fd();
            let removed =
                syscall::map_take::<DnsKey, Flow>(map, &key).map_err(KernelError::io("clear the DNS clients"))?;
            gone += usize::from(removed.is_some_and(|removed| removed.socket_cookie == flow.socket_cookie));
        }
        Ok(gone)
    }

    /// Connections waiting to be accepted, and sockets that ask the resolver.
    pub(super) fn lengths(&self) -> (usize, usize) {
        (distinct(self.entries.iter()).count(), distinct(self.dns_clients.iter()).count())
    }
}

/// The most entries of `FLOWS`, and of `DNS_CLIENTS`.
pub(super) const CAPACITY: usize = 65_536;

/// The entries of a table that changes while it is read. Where the entry is gone behind which the kernel should go on, it
/// begins anew: so each socket counts once, and no flood keeps the reader in here.
fn distinct<K>(entries: impl Iterator<Item = Result<(K, Flow), MapError>>) -> impl Iterator<Item = Flow> {
    let mut seen = HashSet::new();
    entries
        .take(2 * CAPACITY)
        .filter_map(Result::ok)
        .map(|(_, flow)| flow)
        .filter(move |flow| seen.insert(flow.socket_cookie))
}

impl FlowTable for KernelFlows {
    fn take(&self, namespace: NetnsCookie, peer: SocketAddr) -> Result<Option<FlowRecord>, KernelError> {
        let listener = if peer.ip().to_canonical().is_ipv4() { self.proxy_v4_port } else { self.proxy_v6_port };
        self.take_from(namespace, listener, peer)
    }

    fn take_dns(&self, namespace: NetnsCookie, peer: SocketAddr) -> Result<Option<FlowRecord>, KernelError> {
        self.take_from(namespace, self.dns_port, peer)
    }

    fn dns_client(&self, namespace: NetnsCookie, peer: SocketAddr) -> Result<Option<FlowRecord>, KernelError> {
        let key = DnsKey { netns_cookie: namespace.get(), local: peer.into(), padding: 0 };
        match self.dns_clients.get(&key, 0) {
            Ok(flow) => Ok(record(&flow, namespace)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(KernelError::bpf("read the table of DNS clients")(error)),
        }
    }
}

/// `None` for a record of agent 0, which the programs never write.
fn record(flow: &Flow, netns_cookie: NetnsCookie) -> Option<FlowRecord> {
    Some(FlowRecord {
        agent: AgentIndex::new(flow.agent)?,
        original: flow.original.into(),
        pid: flow.process.pid,
        uid: flow.process.uid,
        comm: comm(&flow.process.comm),
        cgroup_id: flow.cgroup_id,
        netns_cookie,
        socket_cookie: flow.socket_cookie,
    })
}

/// A NUL-padded command name as text; what is not UTF-8 in it is replaced.
pub(super) fn comm(bytes: &[u8; 16]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// A flow table in memory, for tests and benches of what stands on it.
#[derive(Default)]
pub struct MemoryFlows {
    proxy: Table,
    dns: Table,
    dns_clients: Table,
}

type Table = Mutex<StdHashMap<(NetnsCookie, SocketAddr), FlowRecord>>;

impl MemoryFlows {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a connection to the proxy's listener in the record's namespace.
    pub fn insert(&self, peer: SocketAddr, record: FlowRecord) {
        put(&self.proxy, peer, record);
    }

    /// Records a TCP connection to the DNS listener in the record's namespace.
    pub fn insert_dns(&self, peer: SocketAddr, record: FlowRecord) {
        put(&self.dns, peer, record);
    }

    /// Records a sender of datagrams to the DNS listener in the record's namespace.
    pub fn insert_dns_client(&self, peer: SocketAddr, record: FlowRecord) {
        put(&self.dns_clients, peer, record);
    }
}

/// IPv4-mapped peers and IPv4 peers are one, as in the kernel's keys.
fn key(namespace: NetnsCookie, peer: SocketAddr) -> (NetnsCookie, SocketAddr) {
    (namespace, SocketAddr::new(peer.ip().to_canonical(), peer.port()))
}

fn put(table: &Table, peer: SocketAddr, record: FlowRecord) {
    table.lock().unwrap_or_else(PoisonError::into_inner).insert(key(record.netns_cookie, peer), record);
}

fn remove(table: &Table, namespace: NetnsCookie, peer: SocketAddr) -> Option<FlowRecord> {
    table.lock().unwrap_or_else(PoisonError::into_inner).remove(&key(namespace, peer))
}

impl FlowTable for MemoryFlows {
    fn take(&self, namespace: NetnsCookie, peer: SocketAddr) -> Result<Option<FlowRecord>, KernelError> {
        Ok(remove(&self.proxy, namespace, peer))
    }

    fn take_dns(&self, namespace: NetnsCookie, peer: SocketAddr) -> Result<Option<FlowRecord>, KernelError> {
        Ok(remove(&self.dns, namespace, peer))
    }

    fn dns_client(&self, namespace: NetnsCookie, peer: SocketAddr) -> Result<Option<FlowRecord>, KernelError> {
        let table = self.dns_clients.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(table.get(&key(namespace, peer)).cloned())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    const HERE: NetnsCookie = NetnsCookie::new(1);
    const ELSEWHERE: NetnsCookie = NetnsCookie::new(2);

    fn someone(original: &str) -> FlowRecord {
        FlowRecord {
            agent: AgentIndex::new(1).unwrap(),
            original: original.parse().unwrap(),
            pid: 1,
            uid: 0,
            comm: "curl".to_owned(),
            cgroup_id: 1,
            netns_cookie: HERE,
            socket_cookie: 1,
        }
    }

    #[test]
    fn memory_behaves_as_the_kernel_does() {
        let flows = MemoryFlows::new();
        let peer: SocketAddr = "127.0.0.1:40000".parse().unwrap();
        let mapped: SocketAddr = "[::ffff:127.0.0.1]:40000".parse().unwrap();
        flows.insert(peer, someone("192.0.2.1:443"));
        flows.insert_dns(peer, someone("192.0.2.1:53"));
        flows.insert_dns_client(peer, someone("192.0.2.2:53"));
        // The same address and port in another namespace is somebody else.
        assert_eq!(flows.take(ELSEWHERE, peer).unwrap(), None);
        assert_eq!(flows.dns_client(ELSEWHERE, peer).unwrap(), None);
        assert_eq!(flows.take(HERE, mapped).unwrap(), Some(someone("192.0.2.1:443")));
        assert_eq!(flows.take(HERE, peer).unwrap(), None);
        assert_eq!(flows.take_dns(HERE, peer).unwrap(), Some(someone("192.0.2.1:53")));
        assert_eq!(flows.take_dns(HERE, peer).unwrap(), None);
        for _ in 0..2 {
            assert_eq!(flows.dns_client(HERE, peer).unwrap(), Some(someone("192.0.2.2:53")));
        }
    }

    #[test]
    fn names_end_at_the_first_nul() {
        let table: [(&[u8; 16], &str); 4] = [
            (b"python3\0\0\0\0\0\0\0\0\0", "python3"),
            (b"exactly16bytes!!", "exactly16bytes!!"),
            (&[0; 16], ""),
            (b"a\xffb\0junk\0\0\0\0\0\0\0\0", "a\u{fffd}b"),
        ];
        for (bytes, text) in table {
            assert_eq!(comm(bytes), text);
        }
    }

    #[test]
    fn nobodys_record_is_no_record() {
        assert_eq!(record(&Flow::default(), HERE), None);
    }
}
