//! `aegisctl status`: what is enforced on this host, and how well.

use std::io;
use std::process::ExitCode;

use aegis_api::{
    Account, BundleStatus, GuardStatus, HookStatus, NamespaceStatus, RefusedCgroup, RolloutStatus, Status, TableStatus,
    VerificationStatus,
};
use comfy_table::Cell;

use super::agents;
use crate::api::Client;
use crate::failure::Failure;
use crate::output::{Screen, cell, duration, good_or_bad, row};

/// Days before the CA's end from which `status` shows it as a problem.
const CA_WARNING_DAYS: i64 = 30;

/// Shows this host's enforcement: agents, hooks, policy, flows, decisions, CA, audit log.
///
/// Ends with 1 when enforcement is not whole (a hook missing, records that cannot be written).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aegisctl status
  aegisctl status --output json | jq .policy.version")]
pub struct Args {}

/// Runs it.
pub fn run(client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let status: Status = client.get("/v1/status")?;
    if screen.json() {
        screen.write_json(&status)?;
    } else {
        show(&status, screen)?;
    }
    Ok(if status.ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(status: &Status, screen: &Screen) -> io::Result<()> {
    screen.table(&[], overview(status))?;
    screen.heading("\nHooks")?;
    let hooks = status.kernel.hooks.iter().map(hook);
    screen.table(&["HOOK", "ATTACHED", "PINNED"], hooks.collect())?;
    if !status.kernel.guards.is_empty() {
        screen.heading("\nGuards beyond the hooks (a kernel may lack them; docs/operations.md, \"BPF LSM\")")?;
        screen.table(
            &["GUARD", "IN FORCE", "CLOSES, OR WHY IT IS ABSENT"],
            status.kernel.guards.iter().map(guard).collect(),
        )?;
    }
    if !status.namespaces.is_empty() {
        screen.heading("\nNetwork namespaces of agents")?;
        let namespaces = status.namespaces.iter().map(namespace);
        screen.table(&["INODE", "AGENTS", "NAMED AS", "LISTENERS", "SERVED SINCE"], namespaces.collect())?;
    }
    if !status.refused.is_empty() {
        screen.heading("\nUnits and containers that are no agents: they stay denied")?;
        screen.table(&["CGROUP", "AGENT", "WHY"], status.refused.iter().map(refused).collect())?;
    }
    screen.heading("\nAgents")?;
    if status.agents.is_empty() {
        return screen.line("none; next: aegisctl agents register NAME");
    }
    agents::table(&status.agents, screen)?;
    screen.heading("\nConnections of agents, by the kernel's count")?;
    let columns =
        ["AGENT", "CONNECTS", "DENIED", "REDIRECTED", "TAKEN", "WAITING", "ENDED EARLY", "UNACCOUNTED", "OPEN"];
    screen.table(&columns, status.kernel.accounts.iter().map(account).collect())
}

fn guard(guard: &GuardStatus) -> Vec<Cell> {
    let say = good_or_bad(guard.in_force, if guard.in_force { "yes" } else { "no" });
    vec![cell(&guard.name), say, cell(&guard.detail)]
}

fn hook(hook: &HookStatus) -> Vec<Cell> {
    let say = |yes: bool| good_or_bad(yes, if yes { "yes" } else { "NO" });
    vec![cell(&hook.name), say(hook.attached), say(hook.pinned)]
}

fn namespace(namespace: &NamespaceStatus) -> Vec<Cell> {
    let inode = namespace.inode.map_or_else(|| "-".to_owned(), |inode| inode.to_string());
    let listeners: Vec<&str> = namespace.listeners.iter().map(|listener| listener.address.as_str()).collect();
    let served = match (&namespace.since, &namespace.error) {
        (Some(since), None) => good_or_bad(true, since),
        (_, error) => good_or_bad(false, format!("NOT SERVED: {}", error.as_deref().unwrap_or("no reason given"))),
    };
    let mut cells = row([&inode, &namespace.agents.join(" "), &namespace.paths.join(" "), &listeners.join(" ")]);
    cells.push(served);
    cells
}

fn refused(refused: &RefusedCgroup) -> Vec<Cell> {
    let agent = refused.agent.as_deref().unwrap_or("-");
    vec![cell(&refused.cgroup), cell(agent), good_or_bad(false, &refused.why)]
}

fn overview(status: &Status) -> Vec<Vec<Cell>> {
    let mut rows = vec![
        pair("host", good_or_bad(true, format!("{} (instance {})", status.host, status.instance))),
        pair("daemon", daemon(status)),
        pair("cgroup root", cell(&status.kernel.cgroup_root)),
        pair("policy", cell(policy(status))),
    ];
    rows.extend(status.policy.bundle.as_ref().map(|taken| pair("bundle", bundle(taken))));
    if let Some(error) = &status.policy.last_error {
        rows.push(pair("policy error", good_or_bad(false, format!("{error} (the version above stays in force)"))));
    }
    rows.extend(status.policy.rollout.as_ref().map(|rollout| pair("rollout", candidate(rollout))));
    let flows = &status.flows;
    rows.push(pair("flows", cell(format!("{} active, {} in all", flows.active, flows.total))));
    rows.push(pair("decisions", cell(counts(status.decisions.iter()))));
    rows.push(pair("kernel", cell(counts(status.kernel.counters.iter()))));
    let dropped = status.kernel.events_dropped;
    rows.push(pair("events dropped", good_or_bad(dropped == 0, dropped)));
    rows.push(pair("unaccounted", unaccounted(status)));
    rows.push(pair("kernel tables", tables(status)));
    for listener in &status.listeners {
        rows.push(row([&format!("{} listener", listener.name), &listener.address]));
    }
    let served = status.namespaces.iter().filter(|namespace| namespace.error.is_none()).count();
    if !status.namespaces.is_empty() {
        let (all, text) = (status.namespaces.len(), format!("{served} of {} served", status.namespaces.len()));
        rows.push(pair("namespaces", good_or_bad(served == all, text)));
    }
    rows.push(pair("CA", certificate(status)));
    rows.push(pair("audit log", audit(status)));
    rows.push(pair("state store", state(status)));
    if status.verifications.is_empty() {
        rows.push(pair("verified", cell("not since the daemon started; next: aegisctl verify")));
    }
    rows.extend(status.verifications.iter().map(|run| pair("verified", verification(run))));
    rows
}

fn pair(name: &str, value: Cell) -> Vec<Cell> {
    vec![cell(name), value]
}

fn daemon(status: &Status) -> Cell {
    let state = if status.ready { "ready" } else { "NOT READY" };
    let (version, pid, up) = (&status.version, status.pid, duration(status.uptime_s));
    good_or_bad(status.ready, format!("{state}, version {version}, pid {pid}, up {up}"))
}

fn policy(status: &Status) -> String {
    let policy = &status.policy;
    let pinned = if policy.pinned { ", pinned" } else { "" };
    let (version, number, rules) = (&policy.version, policy.number, policy.rules);
    format!(
        "{version} (version {number}{pinned}, {rules} rules; source {}; live since {})",
        policy.source, policy.loaded_at
    )
}

fn candidate(rollout: &RolloutStatus) -> Cell {
    let RolloutStatus { candidate, revision, phase, percent, compared, deny_delta, decisions_changed, .. } = rollout;
    cell(format!(
        "version {candidate} ({revision}) in {phase} on {percent} % of the agents: {compared} compared, \
         {decisions_changed} decided otherwise, {deny_delta:+.2} points of denials"
    ))
}

fn bundle(taken: &BundleStatus) -> Cell {
    let signed = taken.signed_by.as_ref().map_or("not signed".to_owned(), |id| format!("signed by {id}"));
    let kept = if taken.from_kept { ", as kept from an earlier run" } else { "" };
    cell(format!("{}, serial {}, {signed}, taken {}{kept}", taken.revision, taken.serial, taken.taken_at))
}

fn counts<'a>(counts: impl Iterator<Item = (&'a String, &'a u64)>) -> String {
    let text: Vec<String> =
        counts.filter(|(_, count)| **count > 0).map(|(kind, count)| format!("{kind} {count}")).collect();
    if text.is_empty() { "none yet".to_owned() } else { text.join(", ") }
}

fn unaccounted(status: &Status) -> Cell {
    match status.kernel.unaccounted {
        0 => good_or_bad(true, "0: every redirected connection was taken by the proxy, waits for it, or ended before"),
        missing => good_or_bad(
            false,
            format!("{missing} REDIRECTED CONNECTIONS reached neither proxy nor resolver; next: aegisctl verify"),
        ),
    }
}

/// A share of a table above which it is shown as a problem, in per cent.
const NEARLY_FULL: u64 = 80;

fn tables(status: &Status) -> Cell {
    let full = |table: &TableStatus| table.used.saturating_mul(100) >= table.capacity.saturating_mul(NEARLY_FULL);
    let text: Vec<String> =
        status.kernel.tables.iter().map(|table| format!("{} {}/{}", table.name, table.used, table.capacity)).collect();
    good_or_bad(!status.kernel.tables.iter().any(full), text.join(", "))
}

fn account(account: &Account) -> Vec<Cell> {
    row([
        &account.agent,
        &account.connects,
        &account.denied,
        &account.redirected,
        &account.taken,
        &account.waiting,
        &account.ended_early,
        &account.unaccounted,
        &account.open,
    ])
}

fn certificate(status: &Status) -> Cell {
    let ca = &status.ca;
    let good = ca.days_left > CA_WARNING_DAYS;
    good_or_bad(good, format!("{} until {} ({} days)", ca.certificate, ca.not_after, ca.days_left))
}

fn audit(status: &Status) -> Cell {
    let audit = &status.audit;
    let state = match (&audit.last_error, audit.healthy) {
        (_, true) => "healthy".to_owned(),
        (Some(error), false) => format!("NOT WRITABLE: {error}; requests are refused"),
        (None, false) => "NOT WRITABLE; requests are refused".to_owned(),
    };
    good_or_bad(
        audit.healthy,
        format!("{}: {state}, last record {}, {} queued", audit.path, audit.last_seq, audit.queued),
    )
}

fn state(status: &Status) -> Cell {
    let state = &status.state;
    let answers = match (&state.last_error, state.reachable) {
        (_, true) => "answers".to_owned(),
        (why, false) => {
            format!("DOES NOT ANSWER: {}; tokens cannot be checked", why.as_deref().unwrap_or("no reason given"))
        }
    };
    let counts = format!("{} calls, {} failed, {:.1} ms on average", state.calls, state.failed, state.mean_latency_ms);
    good_or_bad(state.reachable, format!("{} {}: {answers}, {counts}", state.store, state.place))
}

fn verification(run: &VerificationStatus) -> Cell {
    let leaked = if run.leaked.is_empty() { "none".to_owned() } else { run.leaked.join(", ") };
    let place = if run.private { ", without the proxy" } else { "" };
    let stale = if run.current { "" } else { "; the kernel programs are others now" };
    let text = format!("{} at {}{place}: {} held, leaked: {leaked}{stale}", run.agent, run.at, run.held);
    good_or_bad(run.leaked.is_empty() && run.current, text)
}
