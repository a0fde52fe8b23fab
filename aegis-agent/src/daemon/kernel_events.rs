//! What the kernel decided by itself, written down like every other decision.

mod merge;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use aegis_audit::{Decision, Draft};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::merge::{Merge, Occurrences, PERIOD};
use super::Aegis;
use crate::flow::record::Masks;
use crate::kernel::{EventKind, EventStream, KernelEvent};

/// Reads events until `stop`.
pub async fn run(aegis: Arc<Aegis>, mut events: EventStream, stop: CancellationToken) {
    let mut merge = Merge::default();
    let mut period = tokio::time::interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => take(&aegis, &mut merge, event),
                None => {
                    tracing::error!("the kernel's event stream ended; its counters in `aegisctl status` go on");
                    break;
                }
            },
            _ = period.tick() => flush(&aegis, &mut merge).await,
            () = stop.cancelled() => break,
        }
        // Reading the ring costs no budget, and under a flood it is never empty: without this no other task would get
        // this thread.
        tokio::task::consume_budget().await;
    }
    flush(&aegis, &mut merge).await;
    let lost: u64 = merge.due().iter().map(|unrecorded| unrecorded.times).sum();
    if lost > 0 {
        tracing::error!("{lost} events of the kernel could not be recorded");
    }
}

fn take(aegis: &Aegis, merge: &mut Merge, event: KernelEvent) {
    if event.kind == EventKind::Departed {
        end_departed(aegis, &event);
    }
    aegis.metrics.kernel_event(event.kind.label());
    if event.kind == EventKind::NoListener {
        // A container that nothing else told of: the agent's next attempt finds listeners there.
        aegis.namespaces.wake();
    }
    // Each event is a decision, whichever record tells of it.
    let (decision, _) = outcome(event.kind);
    aegis.metrics.decision(&Draft { ts: SystemTime::now(), decision, ..Draft::default() });
    if let Some(first) = merge.seen(event, Instant::now()) {
        record(aegis, merge, &first);
    }
}

/// It has left the hooks: whatever it does next, nobody sees.
fn end_departed(aegis: &Aegis, event: &KernelEvent) {
    match aegis.kernel.end_departed(event.pid) {
        Ok(ended) => tracing::warn!(pid = event.pid, comm = %event.comm, ended, "a process left its agent's cgroup"),
        Err(error) => tracing::error!(pid = event.pid, comm = %event.comm, %error, "a process left its agent's cgroup"),
    }
}

/// Records what was counted in the period that ends.
async fn flush(aegis: &Aegis, merge: &mut Merge) {
    for repeated in merge.due() {
        record(aegis, merge, &repeated);
        tokio::task::consume_budget().await;
    }
}

fn record(aegis: &Aegis, merge: &mut Merge, occurrences: &Occurrences) {
    let Ok(slot) = aegis.audit.reserve() else {
        merge.keep(occurrences);
        return aegis.metrics.unrecordable();
    };
    let mut draft = draft(aegis, occurrences);
    Masks::of(&aegis.policy.current()).redact(&mut draft);
    aegis.spans.decision(&draft, draft.ts);
    slot.commit(draft);
}

fn draft(aegis: &Aegis, occurrences: &Occurrences) -> Draft {
    let event = &occurrences.event;
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
        reason: occurrences.reason(reason, Instant::now()),
        policy_version: aegis.policy.version_for(agent.map(Arc::as_ref)),
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
        EventKind::DeniedDown => (Decision::Deny, "the daemon gave no sign of life"),
        EventKind::PassedDown => (
            Decision::Allow,
            "passed uninspected: the daemon gave no sign of life and the agent is `on_agent_down: open`",
        ),
        EventKind::NoListener => {
            (Decision::Deny, "Aegis does not listen in the network namespace of the agent's socket")
        }
        EventKind::DeniedOption { .. } => (Decision::Deny, "a socket option that leads around enforcement"),
        EventKind::DeniedLimit => (Decision::Deny, "the agent has as many connections open as it may"),
        EventKind::DeniedReceived => (Decision::Deny, "a socket from elsewhere was not let in"),
        EventKind::DeniedLeaving => (Decision::Deny, "processes stay in their agent's cgroup"),
        EventKind::DeniedTampering => {
            (Decision::Deny, "agents use no BPF and do not look into processes that are not their own")
        }
        EventKind::Departed => (Decision::Deny, "the process left its agent's cgroup"),
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
