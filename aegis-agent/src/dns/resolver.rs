//! The resolver: one asker for each question, a cache before it, the configured servers behind it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::time::Instant;

use super::answer::{Answer, MAX_CHAIN};
use super::cache::{Answers, Outcome, Question};
use super::name::to_name;
use super::resolv_conf;
use super::upstream::{AskError, Manner, ask};
use crate::config;

/// Questions asked at one time; more are refused until some are answered.
const MAX_UNDER_WAY: usize = 4096;
/// Where the host says whom to ask.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Why there is no resolver.
#[derive(Debug, thiserror::Error)]
pub enum ResolverError {
    #[error("{RESOLV_CONF} names no DNS server{0}; set dns.upstreams in the configuration")]
    NoServer(String),
}

/// Why a name has no addresses. Cheap to clone: one failure answers everybody who asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    #[error("`{0}` is not a host name")]
    BadName(Arc<str>),
    #[error("the name does not exist")]
    NotFound,
    #[error("the name has no address")]
    NoAddress,
    #[error("no DNS server answered in time")]
    Timeout,
    #[error("the DNS server answered {0}")]
    Refused(ResponseCode),
    #[error("the chain of aliases is too long")]
    Chain,
    #[error("too many DNS questions are under way")]
    Busy,
    #[error("the DNS server cannot be asked: {0}")]
    Failed(Arc<str>),
}

/// Resolves names over Aegis' own servers, for the proxy and the DNS server. Cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<Inner>,
}

type Pending = Shared<BoxFuture<'static, Outcome>>;

struct Inner {
    servers: Vec<SocketAddr>,
    /// The server that answered last, asked first.
    preferred: AtomicUsize,
    timeout: Duration,
    attempts: u32,
    max_ttl: Duration,
    answers: Answers,
    under_way: Mutex<HashMap<Question, Pending>>,
}

impl Resolver {
    /// A resolver over the configured servers, or those of `/etc/resolv.conf` where none is configured.
    ///
    /// # Errors
    /// When there is no server to ask.
    pub fn new(config: &config::Dns) -> Result<Self, ResolverError> {
        let mut servers = config.upstreams.clone();
        if servers.is_empty() {
            let text =
                std::fs::read_to_string(RESOLV_CONF).map_err(|error| ResolverError::NoServer(format!(" ({error})")))?;
            servers = resolv_conf::nameservers(&text);
        }
        if servers.is_empty() {
            return Err(ResolverError::NoServer(String::new()));
        }
        let shared = Inner {
            servers,
            preferred: AtomicUsize::new(0),
            timeout: config.timeout,
            attempts: config.attempts,
            max_ttl: config.max_ttl,
            answers: Answers::new(config.cache_entries, config.max_ttl),
            under_way: Mutex::new(HashMap::new()),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The addresses of `host`: IPv4 first, since a host without IPv6 routes is the commoner one. At least one.
    ///
    /// # Errors
    /// When the name is not one, does not exist, has no address, or nobody answers.
    pub async fn resolve(&self, host: &str) -> Result<Arc<[IpAddr]>, ResolveError> {
        if let Ok(literal) = host.parse::<IpAddr>() {
            return Ok([literal].into());
        }
        let name = to_name(host).ok_or_else(|| ResolveError::BadName(host.into()))?;
        let (v4, v6) = tokio::join!(self.lookup(&name, RecordType::A), self.lookup(&name, RecordType::AAAA));
        let found = [&v4, &v6].into_iter().flatten();
        let addresses: Vec<IpAddr> = found.flat_map(|answer| answer.records.iter().filter_map(address)).collect();
        if !addresses.is_empty() {
            return Ok(addresses.into());
        }
        match (v4, v6) {
            // A family that failed may have had the address: that is not "no address".
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(answer), Ok(_)) if answer.rcode == ResponseCode::NXDomain => Err(ResolveError::NotFound),
            _ => Err(ResolveError::NoAddress),
        }
    }

    /// The longest that an answer is given again.
    pub(super) fn max_ttl(&self) -> Duration {
        self.shared.max_ttl
    }

    /// Whether the answer to a question is at hand, so that nothing would leave the host. `name` in lower case.
    pub(super) fn holds(&self, name: &Name, kind: RecordType) -> bool {
        let question = Question { name: name.clone(), kind };
        localhost(name, kind).is_some() || self.shared.answers.get(&question, Instant::now()).is_some()
    }

    /// The answer to a question, its CNAME chain followed. `name` in lower case.
    pub(super) async fn lookup(&self, name: &Name, kind: RecordType) -> Outcome {
        if let Some(answer) = localhost(name, kind) {
            return Ok(Arc::new(answer));
        }
        let question = Question { name: name.clone(), kind };
        if let Some(outcome) = self.shared.answers.get(&question, Instant::now()) {
            return outcome;
        }
        self.pending(question)?.await
    }

    /// The asking that is under way for `question`, begun where there is none: a thousand agents that want one
    /// name cause one packet.
    fn pending(&self, question: Question) -> Result<Pending, ResolveError> {
        let mut under_way = self.shared.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pending) = under_way.get(&question) {
            return Ok(pending.clone());
        }
        if under_way.len() >= MAX_UNDER_WAY {
            return Err(ResolveError::Busy);
        }
        let asking = Asking { inner: Arc::clone(&self.shared), question: question.clone() };
        // A task of its own: that the first one who asked goes away must not fail the others.
        let task = tokio::spawn(asking.run());
        let pending = task.map(|ended| ended.unwrap_or_else(|e| Err(ResolveError::Failed(e.to_string().into()))));
        let pending = pending.boxed().shared();
        under_way.insert(question, pending.clone());
        Ok(pending)
    }
}

/// One question under way. Dropped, however it ends, it makes room for the next.
struct Asking {
    inner: Arc<Inner>,
    question: Question,
}

impl Drop for Asking {
    fn drop(&mut self) {
        let mut under_way = self.inner.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.remove(&self.question);
    }
}

impl Asking {
    async fn run(self) -> Outcome {
        let outcome = self.inner.follow(&self.question).await.map(Arc::new);
        // Before this is dropped: whoever comes in between finds one or the other.
        self.inner.answers.put(self.question.clone(), &outcome, Instant::now());
        outcome
    }
}

impl Inner {
    async fn follow(&self, question: &Question) -> Result<Answer, ResolveError> {
        let kind = question.kind;
        let mut answer = self.fetch(&question.name, kind).await?;
        for _ in 0..MAX_CHAIN {
            if !answer.leads_on(kind) {
                return Ok(answer);
            }
            if answer.is_circle() {
                return Err(ResolveError::Chain);
            }
            let end = answer.end.to_lowercase();
            let rest = self.fetch(&end, kind).await?;
            // Nothing there, and no SOA to say so.
            let stuck = rest.records.is_empty();
            answer = answer.joined(&rest);
            if stuck {
                return Ok(answer);
            }
        }
        Err(ResolveError::Chain)
    }

    /// Asks the servers in turn, the one that answered last first.
    async fn fetch(&self, name: &Name, kind: RecordType) -> Result<Answer, ResolveError> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut manner = Manner { edns: true, random_case: true };
        let mut failed = ResolveError::Timeout;
        let turns = (first..).take(self.attempts as usize).enumerate();
        for (attempt, turn) in turns {
            let at = turn % self.servers.len().max(1);
            let Some(server) = self.servers.get(at).copied() else { break };
            // Some servers answer in their own letter case: the last of several tries does without.
            manner.random_case = attempt == 0 || attempt + 1 < self.attempts as usize;
            match ask(server, name, kind, manner, self.timeout).await {
                Ok(message) if is_final(&message) => {
                    self.preferred.store(at, Ordering::Relaxed);
                    return Ok(Answer::of(message, name, kind, self.max_ttl, Instant::now()));
                }
                Ok(message) => {
                    failed = ResolveError::Refused(message.metadata.response_code);
                    manner.edns &= message.metadata.response_code != ResponseCode::FormErr;
                }
                Err(AskError::Timeout) => failed = ResolveError::Timeout,
                Err(error) => failed = ResolveError::Failed(error.to_string().into()),
            }
        }
        Err(failed)
    }
}

fn is_final(message: &Message) -> bool {
    matches!(message.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain)
}

fn address(record: &Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    }
}

/// `localhost` and what is below it are never asked for upstream (RFC 6761 section 6.3).
fn localhost(name: &Name, kind: RecordType) -> Option<Answer> {
    let top = name.iter().next_back()?;
    if !top.eq_ignore_ascii_case(b"localhost") {
        return None;
    }
    let data = match kind {
        RecordType::A => Some(RData::A(Ipv4Addr::LOCALHOST.into())),
        RecordType::AAAA => Some(RData::AAAA(Ipv6Addr::LOCALHOST.into())),
        _ => None,
    };
    let records = data.map(|data| Record::from_rdata(name.clone(), 0, data)).into_iter().collect();
    Some(Answer::local(name, records, Instant::now()))
}
