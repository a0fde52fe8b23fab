//! What the DNS server needs of the daemon: whose query it is, whether the name may be resolved, and a place
//! for the record. A seam, so that the server runs in tests without a kernel.

use std::net::SocketAddr;
use std::time::Duration;

use aegis_policy::{Denial, NameVerdict};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::Resolver;
use crate::kernel::{AgentIndex, FlowRecord, FlowTable};

/// The daemon, as the DNS server sees it.
pub trait DnsHost: Send + Sync + 'static {
    /// Who is behind a peer.
    fn flows(&self) -> &dyn FlowTable;

    /// Answers what is allowed.
    fn resolver(&self) -> &Resolver;

    /// A place in the record for a query of `client`, taken before anything is asked upstream. `None` where nothing can be
    /// recorded: the query then fails.
    fn reserve(&self, client: Option<&FlowRecord>) -> Option<Box<dyn Ticket>>;

    /// Queries handled at one time.
    fn concurrent_queries(&self) -> usize;
}

/// A reserved place in the record, and the one policy that the query is decided by; used once for each query.
pub trait Ticket: Send {
    /// Whether `agent` may resolve `host` (lower case, no trailing dot). Denies for an index that is nobody's.
    fn judge(&self, agent: AgentIndex, host: &str) -> NameVerdict;

    /// Why `agent` may not have `name` resolved now, by `dns.limits`, if it may not: a name about `host`, which policy lets
    /// it resolve. Counts it if it may. `leaves`: the answer is not at hand.
    fn limited(&self, agent: AgentIndex, name: &str, host: &str, leaves: bool) -> Option<Denial>;

    /// The policy version, for denials that no policy made.
    fn policy_version(&self) -> String;

    /// Notes that `host` is about to be asked for, so that the record is not lost with the daemon; false where it cannot be noted: then nothing
    /// may be asked upstream.
    #[must_use]
    fn note(&mut self, client: Option<&FlowRecord>, host: &str, kind: RecordType) -> bool;

    fn commit(self: Box<Self>, decided: Decided<'_>);
}

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

/// One query with what became of it.
#[derive(Debug)]
pub struct Decided<'a> {
    /// The kernel's record of the sender; `None` for a query that nobody can be held to.
    pub client: Option<&'a FlowRecord>,
    pub peer: SocketAddr,
    pub transport: Transport,
    /// The host that was decided on; the queried name itself where it is no host's.
    pub host: &'a str,
    pub kind: RecordType,
    /// What the client got.
    pub rcode: ResponseCode,
    pub outcome: &'a Outcome,
    /// From the query's arrival to its answer.
    pub took: Duration,
}

/// What became of a query.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Allowed, and answered with this many records.
    Answered { records: usize },
    /// Not allowed; nothing was asked upstream.
    Refused(Denial),
    /// Allowed, but no server gave an answer.
    Failed(String),
}
