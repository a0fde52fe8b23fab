//! One record for what was destroyed alike, and a count for each socket.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aegis_audit::{Decision, Draft};
use uuid::Uuid;

use super::look::Destroyed;
use crate::daemon::Aegis;
use crate::flow::record::Masks;
use crate::telemetry::Slot;

/// How long a report waits in all for places in the log: an agent may have had more connections than there are.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

/// Records and counts what was destroyed. Blocks.
pub fn all(aegis: &Aegis, destroyed: &[Destroyed]) {
    let mut patience = PATIENCE;
    for (one, times) in grouped(destroyed) {
        aegis.metrics.live().destroyed(one.why.label(), times);
        let draft = draft(aegis, one, times);
        tracing::warn!(
            agent = draft.agent_id,
            pid = draft.pid,
            exe = draft.exe,
            protocol = one.protocol,
            peer = one.peer.map(tracing::field::display),
            times,
            error = draft.error,
            "{}",
            one.why.reason()
        );
        aegis.metrics.decision(&draft);
        aegis.spans.decision(&draft, draft.ts);
        match place(aegis, &mut patience) {
            Some(slot) => slot.commit(draft),
            // They are gone all the same.
            None => aegis.metrics.unrecordable(),
        }
    }
}

fn place(aegis: &Aegis, patience: &mut Duration) -> Option<Slot> {
    loop {
        match aegis.audit.reserve() {
            Ok(slot) => return Some(slot),
            Err(_) if patience.is_zero() => return None,
            Err(_) => {
                std::thread::sleep(PAUSE);
                *patience = patience.saturating_sub(PAUSE);
            }
        }
    }
}

/// The first of those that a record would say the same of, and how many there are.
fn grouped(destroyed: &[Destroyed]) -> Vec<(&Destroyed, u64)> {
    let mut groups = BTreeMap::new();
    for one in destroyed {
        let pid = one.holder.map(|holder| holder.pid);
        let key = (&one.owner.name, one.why, one.protocol, one.peer, pid, &one.error);
        groups.entry(key).or_insert((one, 0)).1 += 1;
    }
    groups.into_values().collect()
}

fn draft(aegis: &Aegis, one: &Destroyed, times: u64) -> Draft {
    let agent = one.owner.agent.as_deref();
    let many = if times > 1 { format!("; {times} such sockets") } else { String::new() };
    let mut draft = Draft {
        ts: SystemTime::now(),
        decision_id: Uuid::now_v7().to_string(),
        trace_id: Uuid::new_v4().simple().to_string(),
        org: agent.map(|agent| agent.org.clone()).unwrap_or_default(),
        tenant: agent.map(|agent| agent.tenant.clone()).unwrap_or_default(),
        agent_id: one.owner.name.clone(),
        parent_agent_id: agent.and_then(|agent| agent.parent.clone()),
        scheme: Some(one.protocol.to_owned()),
        host: one.peer.map(|peer| peer.ip().to_string()),
        port: one.peer.map(|peer| peer.port()),
        decision: Decision::Deny,
        reason: format!("{}{many}", one.why.reason()),
        policy_version: aegis.policy.version_for(agent),
        pid: one.holder.map_or(0, |holder| holder.pid),
        exe: one.exe.clone(),
        cgroup: one.owner.cgroup.display().to_string(),
        error: one.error.as_ref().map(|why| format!("it could not be destroyed: {why}")),
        ..Draft::default()
    };
    Masks::of(&aegis.policy.current()).redact(&mut draft);
    draft
}
