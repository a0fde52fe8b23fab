//! What the kernel decided by itself, written down like every other decision.

use std::sync::Arc;
use std::time::SystemTime;

use aegis_audit::{Decision, Draft};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Aegis;
use crate::kernel::{EventKind, EventStream, KernelEvent};

/// Reads events until `stop`.
pub async fn run(aegis: Arc<Aegis>, mut events: EventStream, stop: CancellationToken) {
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = stop.cancelled() => return,
        };
        match event {
            Some(event) => record(&aegis, &event),
            None => return tracing::error!("the kernel's event stream ended; its counters in `aegisctl status` go on"),
        }
    }
}

fn record(aegis: &Aegis, event: &KernelEvent) {
    aegis.metrics.kernel_event(event.kind.label());
    let Ok(slot) = aegis.audit.reserve() else { return aegis.metrics.unrecordable() };
    let draft = draft(aegis, event);
    aegis.metrics.decision(&draft);
    aegis.spans.decision(&draft, draft.ts);
    slot.commit(draft);
}

fn draft(aegis: &Aegis, event: &KernelEvent) -> Draft {
    let enrolled = event.agent.and_then(|index| aegis.registry.by_index(index));
    let agent = enrolled.as_ref().map(|enrolled| &enrolled.agent);
    let (decision, reason) = outcome(event.kind);
    Draft {
        ts: SystemTime::now(),
        decision_id: Uuid::now_v7().to_string(),
        trace_id: Uuid::new_v4().simple().to_string(),
        org: agent.map(|agent| agent.org.clone()).unwrap_or_default(),
        tenant: agent.map(|agent| agent.tenant.clone()).unwrap_or_default(),
        agent_id: agent.map(|agent| agent.name.clone()).unwrap_or_default(),
        parent_agent_id: agent.and_then(|agent| agent.parent.clone()),
        scheme: Some(protocol(event.protocol).to_owned()),
        host: event.destination.map(|destination| destination.ip().to_string()),
        port: event.destination.map(|destination| destination.port()),
        decision,
        reason: reason.to_owned(),
        policy_version: aegis.policy.current().version().to_owned(),
        pid: event.pid,
        exe: event.comm.clone(),
        cgroup: enrolled.map(|enrolled| enrolled.cgroup.display().to_string()).unwrap_or_default(),
        ..Draft::default()
    }
}

fn outcome(kind: EventKind) -> (Decision, &'static str) {
    match kind {
        EventKind::AllowedDirect => (Decision::Allow, "the destination is on the agent's direct list"),
        EventKind::DeniedConnect => (Decision::Deny, "the kernel refused the connection"),
        EventKind::DeniedUdp => (Decision::Deny, "UDP is denied unless the destination is on the agent's direct list"),
        EventKind::DeniedSocket { .. } => (Decision::Deny, "only TCP and UDP sockets over IPv4 and IPv6 may be made"),
        EventKind::DeniedUnattributed => (Decision::Deny, "the socket or its caller belongs to no enrolled agent"),
        EventKind::DeniedBind => (Decision::Deny, "the port belongs to Aegis"),
        EventKind::DeniedPacket => (Decision::Deny, "a packet that no verdict had admitted was dropped"),
        EventKind::FlowTableFull => (Decision::Deny, "the kernel's flow table is full"),
    }
}

/// The names of IANA's protocol numbers that can turn up here.
fn protocol(number: u8) -> &'static str {
    match number {
        1 | 58 => "icmp",
        6 => "tcp",
        17 => "udp",
        132 => "sctp",
        136 => "udplite",
        _ => "ip",
    }
}
