//! One query, from its bytes to the bytes of its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use aegis_policy::{Denial, DenialKind, NameVerdict};
use hickory_proto::op::ResponseCode;

use super::host::{Decided, DnsHost, Outcome, Ticket, Transport};
use super::name::host_of;
use super::reply::{Explanation, Reply, rejection};
use super::request::{Request, is_answered, parse};
use crate::kernel::{AgentIndex, FlowRecord};

/// Who asks, and how.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) peer: SocketAddr,
    pub(super) transport: Transport,
    /// The kernel's word; `None` where it knows nothing of this peer.
    pub(super) flow: Option<FlowRecord>,
}

/// The answer to `bytes`; `None` where none is due.
pub(super) async fn serve(host: &Arc<dyn DnsHost>, client: &Client, bytes: &[u8]) -> Option<Vec<u8>> {
    let arrived = Instant::now();
    let request = match parse(bytes) {
        Ok(request) => request,
        Err(rejected) => return rejection(&rejected),
    };
    // Before anything goes out: a query that cannot be recorded does not happen.
    let Some(mut ticket) = host.reserve(client.flow.as_ref()) else {
        return unrecordable().encode(&request, client.transport);
    };
    let name = host_of(request.question.name(), request.kind());
    let queried = request.question.name().to_ascii();
    let about = name.as_deref().unwrap_or(&queried);
    let (reply, outcome) = match refusal(host, &*ticket, client, &request, name.as_deref()) {
        Some((denial, explanation)) => (Reply::error(ResponseCode::Refused, explanation), Outcome::Refused(denial)),
        None if ticket.note(client.flow.as_ref(), about, request.kind()) => resolve(host, &request).await,
        None => {
            let denial = Denial::unavailable("the decision cannot be recorded", ticket.policy_version());
            (unrecordable(), Outcome::Refused(denial))
        }
    };
    ticket.commit(Decided {
        client: client.flow.as_ref(),
        peer: client.peer,
        transport: client.transport,
        host: about,
        kind: request.kind(),
        rcode: reply.rcode,
        outcome: &outcome,
        took: arrived.elapsed(),
    });
    reply.encode(&request, client.transport)
}

fn unrecordable() -> Reply {
    Reply::error(ResponseCode::ServFail, Explanation::prohibited("queries cannot be recorded at the moment"))
}

/// Why the query is not resolved, if it is not: no known sender, a type or a name that is never answered, or
/// the policy's word.
fn refusal(
    host: &Arc<dyn DnsHost>,
    ticket: &dyn Ticket,
    client: &Client,
    request: &Request,
    name: Option<&str>,
) -> Option<(Denial, Explanation)> {
    let own = |kind, reason: &str| Denial::new(kind, reason, ticket.policy_version());
    let Some(flow) = &client.flow else {
        let reason = "the kernel knows no agent behind this query";
        return Some((own(DenialKind::Attribution, reason), Explanation::prohibited(reason)));
    };
    let denial = match name {
        _ if !is_answered(request.kind()) => {
            let kind = request.kind();
            let reason = format!("queries of type {kind} are not answered: they carry data more than addresses");
            own(DenialKind::Protocol, &reason)
        }
        None => own(DenialKind::Protocol, "the queried name is not a host name"),
        Some(name) => match ticket.judge(flow.agent, name) {
            NameVerdict::Resolve => excess(host, ticket, flow.agent, request, name)?,
            NameVerdict::Refuse(denial) => denial,
        },
    };
    let explanation = Explanation::blocked(&denial.reason);
    Some((denial, explanation))
}

/// The limit that an allowed name is beyond, if it is. REFUSED like what policy forbids, and not NXDOMAIN: the name may well
/// exist, nobody may keep the answer (RFC 2308), and a resolver does not go on to make more names from a search list.
fn excess(
    host: &Arc<dyn DnsHost>,
    ticket: &dyn Ticket,
    agent: AgentIndex,
    request: &Request,
    about: &str,
) -> Option<Denial> {
    let name = request.question.name().to_lowercase();
    let leaves = !host.resolver().holds(&name, request.kind());
    let text = name.to_ascii();
    let text = text.strip_suffix('.').unwrap_or(&text);
    ticket.limited(agent, text, about, leaves)
}

async fn resolve(host: &Arc<dyn DnsHost>, request: &Request) -> (Reply, Outcome) {
    // Lower case again: what is kept and asked is one name, however it was spelled.
    let name = request.question.name().to_lowercase();
    let resolver = host.resolver();
    match resolver.lookup(&name, request.kind()).await {
        Ok(answer) => {
            let now = tokio::time::Instant::now();
            let records: Vec<_> = answer.records_at(now, resolver.max_ttl()).collect();
            let outcome = Outcome::Answered { records: records.len() };
            (Reply { rcode: answer.rcode, records, soa: answer.soa_at(now), explanation: None }, outcome)
        }
        Err(error) => {
            let reason = error.to_string();
            (Reply::error(ResponseCode::ServFail, Explanation::unreachable(&reason)), Outcome::Failed(reason))
        }
    }
}
