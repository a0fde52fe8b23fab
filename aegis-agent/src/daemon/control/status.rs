//! `GET /v1/status`, gathered from all parts of the daemon.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use aegis_api::{
    Account, Agent, AuditStatus, CaStatus, FlowStatus, GuardStatus, HookStatus, KernelStatus, ListenerStatus,
    PolicyStatus, RefusedCgroup, RolloutStatus, StateStatus, Status, TableStatus,
};

use super::{decisions, policy, source, verification};
use crate::daemon::{Aegis, build, containers};
use crate::identity::Enrolled;
use crate::kernel::{Counters, TableFill};

const DAY: u64 = 24 * 3600;

pub fn of(aegis: &Aegis, agents: Vec<Agent>) -> Status {
    Status {
        instance: aegis.config.instance.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        pid: std::process::id(),
        started: rfc3339(aegis.started),
        uptime_s: aegis.started.elapsed().unwrap_or_default().as_secs(),
        ready: aegis.not_ready().is_none(),
        kernel: kernel_status(aegis),
        policy: policy_status(aegis),
        agents,
        flows: FlowStatus { active: aegis.admissions.open() as u64, total: aegis.metrics.flows_total() },
        decisions: aegis.metrics.decisions(),
        listeners: build::addresses(&aegis.config).into_iter().map(listener).collect(),
        ca: ca_status(aegis),
        audit: audit_status(aegis),
        decision_log: decisions::status(aegis),
        verifications: verification::list(aegis),
        namespaces: containers::status(&aegis.namespaces),
        state: state_status(aegis),
        refused: refused(aegis),
    }
}

fn refused(aegis: &Aegis) -> Vec<RefusedCgroup> {
    let refused = aegis.discovery.all();
    let described = |refused: &crate::discovery::Refused| RefusedCgroup {
        cgroup: refused.cgroup.display().to_string(),
        agent: refused.agent.clone(),
        why: refused.why.clone(),
    };
    refused.iter().map(described).collect()
}

fn kernel_status(aegis: &Aegis) -> KernelStatus {
    let counters = aegis.kernel.counters().unwrap_or_default();
    KernelStatus {
        cgroup_root: aegis.config.cgroup_dir().map_or_else(|error| error, |dir| dir.display().to_string()),
        pin_dir: aegis.config.bpf.pin_dir.display().to_string(),
        hooks: aegis
            .kernel
            .hooks()
            .into_iter()
            .map(|hook| HookStatus { name: hook.name, attached: hook.attached, pinned: hook.pinned })
            .collect(),
        guards: aegis
            .kernel
            .guards()
            .into_iter()
            .map(|guard| GuardStatus { name: guard.name, in_force: guard.in_force, detail: guard.detail })
            .collect(),
        events_dropped: counters.events_dropped,
        unaccounted: aegis.accounts.missing_in_all(),
        accounts: accounts(aegis),
        tables: aegis.kernel.fill().iter().map(table).collect(),
        counters: by_name(&counters),
    }
}

fn accounts(aegis: &Aegis) -> Vec<Account> {
    let usage = aegis.kernel.usage().unwrap_or_default();
    let described = |enrolled: Arc<Enrolled>| {
        let usage = usage.get(&enrolled.index).copied().unwrap_or_default();
        Account {
            agent: enrolled.agent.name.clone(),
            connects: usage.connects,
            denied: usage.denied,
            redirected: usage.redirected,
            taken: usage.taken,
            waiting: usage.pending,
            ended_early: usage.withdrawn,
            unaccounted: aegis.accounts.missing(enrolled.index),
            open: usage.open,
            events_suppressed: usage.suppressed,
        }
    };
    aegis.registry.list().into_iter().map(described).collect()
}

fn table(fill: &TableFill) -> TableStatus {
    TableStatus { name: fill.name.to_owned(), used: fill.used as u64, capacity: fill.capacity as u64 }
}

fn by_name(counters: &Counters) -> BTreeMap<String, u64> {
    [
        ("allowed_own", counters.allowed_own),
        ("allowed_direct", counters.allowed_direct),
        ("redirected", counters.redirected),
        ("redirected_dns", counters.redirected_dns),
        ("denied_connect", counters.denied_connect),
        ("denied_udp", counters.denied_udp),
        ("denied_socket", counters.denied_socket),
        ("denied_unattributed", counters.denied_unattributed),
        ("denied_bind", counters.denied_bind),
        ("denied_packet", counters.denied_packet),
        ("flow_table_full", counters.flow_table_full),
        ("denied_down", counters.denied_down),
        ("passed_down", counters.passed_down),
        ("no_listener", counters.no_listener),
        ("denied_limit", counters.denied_limit),
        ("denied_option", counters.denied_option),
        ("denied_received", counters.denied_received),
        ("denied_leaving", counters.denied_leaving),
        ("denied_tampering", counters.denied_tampering),
        ("departed", counters.departed),
        ("events_suppressed", counters.events_suppressed),
    ]
    .map(|(name, count)| (name.to_owned(), count))
    .into()
}

pub fn policy_status(aegis: &Aegis) -> PolicyStatus {
    let snapshot = aegis.policy.current();
    let (index, _, changed_at) = aegis.policy.look();
    let rollout =
        policy::rollout(aegis).map(|rollout| RolloutStatus { differences: Vec::new(), recent: Vec::new(), ..rollout });
    let seen = aegis.origin.seen();
    PolicyStatus {
        version: snapshot.version().to_owned(),
        rules: snapshot.rules() as u64,
        source: aegis.origin.place(),
        loaded_at: rfc3339(changed_at),
        bundle: source::bundle(&seen),
        failures: u64::from(seen.failures),
        last_error: seen.last_error,
        number: index.live,
        pinned: index.pinned,
        rollout,
    }
}

fn ca_status(aegis: &Aegis) -> CaStatus {
    let not_after = aegis.ca.not_after();
    let days = match not_after.duration_since(SystemTime::now()) {
        Ok(left) => i64::try_from(left.as_secs() / DAY).unwrap_or(i64::MAX),
        Err(over) => -i64::try_from(over.duration().as_secs() / DAY + 1).unwrap_or(i64::MAX),
    };
    CaStatus {
        certificate: aegis.ca.certificate_path().display().to_string(),
        not_after: rfc3339(not_after),
        days_left: days,
    }
}

fn audit_status(aegis: &Aegis) -> AuditStatus {
    let health = aegis.audit.health();
    AuditStatus {
        path: health.path.display().to_string(),
        checkpoints: Some(health.checkpoints.display().to_string()),
        public_key: Some(health.public_key.display().to_string()),
        healthy: health.healthy,
        last_seq: health.last_seq,
        queued: health.queued as u64,
        last_error: health.error,
    }
}

fn state_status(aegis: &Aegis) -> StateStatus {
    let health = aegis.replay.health();
    StateStatus {
        store: health.kind.to_owned(),
        place: health.place,
        reachable: health.reachable,
        last_error: health.error,
        calls: health.calls,
        failed: health.failed,
        mean_latency_ms: health.mean_latency.as_secs_f64() * 1e3,
    }
}

pub fn listener((name, address): (&'static str, SocketAddr)) -> ListenerStatus {
    ListenerStatus { name: name.to_owned(), address: address.to_string() }
}

pub fn rfc3339(at: SystemTime) -> String {
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::from(at).format(format).unwrap_or_default()
}
