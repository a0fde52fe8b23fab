//! The daemon as the DNS server needs it, without a kernel: a policy of names, flows in memory, records in a list.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aegis_agent::config;
use aegis_agent::dns::{Asked, Decided, DnsHost, DnsServer, Names, Outcome, Resolver, Sockets, Ticket};
use aegis_agent::handover::Inherited;
use aegis_agent::kernel::{AgentIndex, FlowRecord, FlowTable, MemoryFlows, NetnsCookie};
use aegis_policy::{Denial, DenialKind, NameVerdict};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use tokio_util::sync::{CancellationToken, DropGuard};

pub fn settings(upstreams: &[SocketAddr]) -> config::Dns {
    config::Dns { upstreams: upstreams.to_vec(), timeout: Duration::from_secs(5), ..config::Config::default().dns }
}

/// What was recorded of one query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub agent: Option<u32>,
    pub host: String,
    pub kind: RecordType,
    pub rcode: ResponseCode,
    /// `answered N`, `refused REASON` or `failed REASON`.
    pub outcome: String,
}

#[derive(Default)]
pub struct Records {
    entries: Mutex<Vec<Entry>>,
    pub full: AtomicBool,
    pub unnotable: AtomicBool,
}

impl Records {
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap().clone()
    }
}

struct Host {
    flows: Arc<MemoryFlows>,
    resolver: Resolver,
    names: Arc<Names>,
    records: Arc<Records>,
}

struct Slot {
    records: Arc<Records>,
    names: Arc<Names>,
}

impl Ticket for Slot {
    /// Agent 1 may resolve what ends in `.test`, except below `secret.test`.
    fn judge(&self, agent: AgentIndex, host: &str) -> NameVerdict {
        if agent.get() == 1 && host.ends_with(".test") && !host.ends_with(".secret.test") {
            return NameVerdict::Resolve;
        }
        NameVerdict::Refuse(Denial::new(DenialKind::Policy, "no rule allows this host", "v1"))
    }

    /// As if the rules were `*.test` and, spelled out, `api.test`.
    fn limited(&self, agent: AgentIndex, name: &str, host: &str, leaves: bool) -> Option<Denial> {
        let chosen = if host == "api.test" { 0 } else { host.len() - ".test".len() };
        let admitted = self.names.admit(agent, &Asked::new(name, host, chosen, leaves), Instant::now());
        admitted.err().map(|excess| excess.denial("v1"))
    }

    fn policy_version(&self) -> String {
        "v1".to_owned()
    }

    fn note(&mut self, _client: Option<&FlowRecord>, _host: &str, _kind: RecordType) -> bool {
        !self.records.unnotable.load(Ordering::SeqCst)
    }

    fn commit(self: Box<Self>, decided: Decided<'_>) {
        let outcome = match decided.outcome {
            Outcome::Answered { records } => format!("answered {records}"),
            Outcome::Refused(denial) => format!("refused {}", denial.reason),
            Outcome::Failed(reason) => format!("failed {reason}"),
        };
        self.records.entries.lock().unwrap().push(Entry {
            agent: decided.client.map(|flow| flow.agent.get()),
            host: decided.host.to_owned(),
            kind: decided.kind,
            rcode: decided.rcode,
            outcome,
        });
    }
}

impl DnsHost for Host {
    fn flows(&self) -> &dyn FlowTable {
        self.flows.as_ref()
    }

    fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    fn reserve(&self, _client: Option<&FlowRecord>) -> Option<Box<dyn Ticket>> {
        let free = !self.records.full.load(Ordering::SeqCst);
        let slot = || Slot { records: Arc::clone(&self.records), names: Arc::clone(&self.names) };
        free.then(|| Box::new(slot()) as Box<dyn Ticket>)
    }

    fn concurrent_queries(&self) -> usize {
        1024
    }
}

/// A server for agents; stopped when dropped.
pub struct Running {
    pub udp: SocketAddr,
    pub tcp: SocketAddr,
    pub flows: Arc<MemoryFlows>,
    pub records: Arc<Records>,
    _stop: DropGuard,
}

impl Running {
    pub fn start(settings: &config::Dns) -> Self {
        let sockets = Sockets::bind(&["127.0.0.1:0".parse().unwrap()], &mut Inherited::default()).unwrap();
        let (udp, tcp) = (sockets.udp_addresses()[0], sockets.tcp_addresses()[0]);
        let flows = Arc::new(MemoryFlows::new());
        let records = Arc::new(Records::default());
        let resolver = Resolver::new(settings).unwrap();
        let names = Arc::new(Names::new(settings.limits.clone()));
        let host = Host { flows: Arc::clone(&flows), resolver, names, records: Arc::clone(&records) };
        let stop = CancellationToken::new();
        tokio::spawn(DnsServer::new(Arc::new(host)).run(sockets, stop.clone()));
        Self { udp, tcp, flows, records, _stop: stop.drop_guard() }
    }
}

pub fn flow(agent: u32) -> FlowRecord {
    FlowRecord {
        agent: AgentIndex::new(agent).unwrap(),
        original: "192.0.2.53:53".parse().unwrap(),
        pid: 1,
        uid: 0,
        comm: "test".into(),
        cgroup_id: 1,
        netns_cookie: NetnsCookie::current().unwrap(),
        socket_cookie: 1,
    }
}
