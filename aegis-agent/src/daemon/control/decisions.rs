//! A past decision, explained with the policy that made it, where that is still there.

use aegis_api::{DecisionLogStatus, LoggedDecision, Problem};
use aegis_policy::Snapshot;
use aegis_policy::replay::{Account, Past};

use crate::daemon::Aegis;

/// Kept versions of one name that are looked through for the one that decides as it was decided.
const MOST_TRIED: usize = 16;

pub fn status(aegis: &Aegis) -> DecisionLogStatus {
    let health = aegis.decisions.health();
    DecisionLogStatus {
        enabled: health.enabled,
        path: health.dir.display().to_string(),
        written: health.written,
        dropped: health.dropped_full + health.dropped_unwritten,
        last_error: health.error,
    }
}

pub fn find(aegis: &Aegis, id: &str) -> Result<LoggedDecision, Problem> {
    let event = aegis
        .decisions
        .find(id)
        .map_err(|error| Problem::unavailable(format!("the decision log cannot be read: {error}")))?
        .ok_or_else(|| unknown(aegis, id))?;
    let past = Past::of_event(&event)
        .map_err(|error| Problem::unprocessable(format!("the event of decision {id} cannot be read: {error}")))?;
    let (explained_by, account) = account(aegis, &past);
    let json = |error: serde_json::Error| Problem::internal(error.to_string());
    Ok(LoggedDecision {
        event: serde_json::to_value(&event).map_err(json)?,
        text: text(&account, explained_by.as_deref()),
        account: serde_json::to_value(&account).map_err(json)?,
        explained_by,
    })
}

fn unknown(aegis: &Aegis, id: &str) -> Problem {
    let problem = Problem::not_found(format!("decision {id} is not in the decision log"));
    let health = aegis.decisions.health();
    if !health.enabled {
        return problem.next("the log is off: set `decisions.enabled` to true");
    }
    problem.next(format!(
        "events are kept for `decisions.keep_h` hours in {}; older copies are read with --log FILE; the audit log has every decision",
        health.dir.display()
    ))
}

fn text(account: &Account, by: Option<&str>) -> String {
    let which = match by {
        Some("live") => "explained with the policy in force".to_owned(),
        Some(version) => format!("explained with policy {version}"),
        None => format!("policy {} is not kept any more: its rules cannot be shown", account.policy_version),
    };
    format!("{}\n{which}\n", account.text().trim_end())
}

/// The account by the policy that bears the decision's version and decides as it was decided; else by the first that bears it.
fn account(aegis: &Aegis, past: &Past) -> (Option<String>, Account) {
    let wanted = past.live.policy_version.as_str();
    let live = aegis.policy.for_agent(past.agent());
    let mut first: Option<(String, Account)> = None;
    if live.version() == wanted {
        let account = live.account(past);
        if account.agrees != Some(false) {
            return (Some("live".to_owned()), account);
        }
        first = Some(("live".to_owned(), account));
    }
    let (index, _, _) = aegis.policy.look();
    let kept: Vec<u64> = index
        .newest_first()
        .filter(|version| version.revision == wanted)
        .map(|version| version.number)
        .take(MOST_TRIED)
        .collect();
    for number in kept {
        let Some(snapshot) = version(aegis, number) else { continue };
        let account = snapshot.account(past);
        if account.agrees != Some(false) {
            return (Some(format!("version {number}")), account);
        }
        first.get_or_insert((format!("version {number}"), account));
    }
    match first {
        Some((name, account)) => (Some(name), account),
        None => (None, Account::without_policy(past)),
    }
}

/// A kept version, compiled; one that cannot be read any more explains nothing.
fn version(aegis: &Aegis, number: u64) -> Option<Snapshot> {
    aegis_policy::compile(&aegis.policy.sources(number).ok()?).ok()
}
