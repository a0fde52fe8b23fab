//! Policy versions over the control API: listed, pushed, compared, rolled back, rolled out.

use std::time::Duration;

use aegis_api::{
    Canary, KeyChange, PolicyChange, PolicyDiff, PolicyStatus, PolicyVersion, PolicyVersions, Problem, PromoteRequest,
    PushRequest, PushResponse, RollbackRequest, RolloutDifference, RolloutExample, RolloutSide, RolloutStatus,
};
use aegis_policy::bundle::{Bundle, BundleError};
use aegis_policy::{Difference, Snapshot, Source, unified};

use super::Api;
use super::status::{self, rfc3339};
use crate::control::PolicyControl;
use crate::daemon::Aegis;
use crate::policy::{ChangeError, Found, Index, Percent, Plan, PolicyError, Pushed, Side, Version, Who};

/// Decisions that a comparison of rates may wait for.
const MAX_DECISIONS: u64 = 1_000_000;
/// Longest phase, in seconds: 30 days.
const MAX_PHASE: u64 = 30 * 24 * 3600;

impl PolicyControl for Api {
    fn reload(&self, who: Who) -> Result<PolicyStatus, Problem> {
        self.0.reload_policy(who).map_err(refused)?;
        Ok(status::policy_status(&self.0))
    }

    fn versions(&self) -> PolicyVersions {
        versions(&self.0)
    }

    fn push(&self, request: PushRequest, who: Who) -> Result<PushResponse, Problem> {
        push(&self.0, request, who)
    }

    fn diff(&self, from: Option<u64>, to: Option<u64>, text: bool) -> Result<PolicyDiff, Problem> {
        diff(&self.0, from, to, text)
    }

    fn rollback(&self, request: RollbackRequest, who: Who) -> Result<PolicyVersion, Problem> {
        rollback(&self.0, request.version, request.note.as_deref(), who)
    }

    fn rollout(&self) -> Option<RolloutStatus> {
        rollout(&self.0)
    }

    fn promote(&self, request: PromoteRequest, who: Who) -> Result<Option<RolloutStatus>, Problem> {
        promote(&self.0, request.percent, who)
    }

    fn abort(&self, who: Who) -> Result<RolloutStatus, Problem> {
        abort(&self.0, who)
    }
}

fn versions(aegis: &Aegis) -> PolicyVersions {
    let (index, _, _) = aegis.policy.look();
    let versions = index.newest_first().map(|version| described(version, &index)).collect();
    PolicyVersions { live: index.live, pinned: index.pinned, versions }
}

fn described(version: &Version, index: &Index) -> PolicyVersion {
    let state = match version.number {
        number if number == index.live => "live",
        number if index.candidate.as_ref().is_some_and(|candidate| candidate.number == number) => "candidate",
        number if index.previous == Some(number) => "previous",
        _ => "kept",
    };
    PolicyVersion {
        number: version.number,
        revision: version.revision.clone(),
        digest: version.digest.clone(),
        rules: version.rules as u64,
        source: version.act.name().to_owned(),
        at: rfc3339(version.at.into()),
        uid: version.by.uid,
        pid: version.by.pid,
        note: version.note.clone(),
        state: state.to_owned(),
    }
}

fn push(aegis: &Aegis, request: PushRequest, who: Who) -> Result<PushResponse, Problem> {
    let PushRequest { files, note, if_version, canary, dry_run } = request;
    let plan = canary.map(plan).transpose().map_err(Problem::bad_request)?;
    let files = files.into_iter().map(|file| Source { name: file.name, text: file.text }).collect();
    let (sources, snapshot) = compiled(files)?;
    let (index, _, _) = aegis.policy.look();
    let live = aegis.policy.sources(index.live).map_err(refused)?;
    let (revision, rules) = (snapshot.version().to_owned(), snapshot.rules() as u64);
    let answer = |number, changed| PushResponse {
        number,
        revision,
        rules,
        changed,
        diff: difference((index.live, &live), (number, &sources), false),
    };
    if dry_run {
        return Ok(answer(0, false));
    }
    let pushed = Pushed { sources: sources.clone(), snapshot, note, if_version, plan };
    let mut number = 0;
    let changed = aegis.change_policy(|store, now| {
        let (given, prepared) = store.push(pushed, who, now)?;
        number = given;
        Ok(prepared)
    });
    Ok(answer(number, changed.map_err(refused)?))
}

/// The policy as it would be kept: from what a bundle makes of the files' names.
fn compiled(files: Vec<Source>) -> Result<(Vec<Source>, Snapshot), Problem> {
    let broken = |error: BundleError| match error {
        BundleError::Policy(problems) => refused(PolicyError::Broken(problems).into()),
        other => Problem::unprocessable(format!("this is no policy that can be kept: {other}")),
    };
    if files.is_empty() {
        return Err(Problem::bad_request("no policy file was given"));
    }
    let Bundle { sources, snapshot, .. } = Bundle::build(files, None, 0).map_err(broken)?;
    Ok((sources, snapshot))
}

fn plan(canary: Canary) -> Result<Plan, String> {
    let Canary { percent, auto_promote_after_s, max_deny_delta, min_decisions } = canary;
    let percent = Percent::try_from(percent).map_err(|why| format!("canary: {why}"))?;
    if f64::from(percent) <= 0.0 {
        return Err("canary: more than 0 % of the agents are needed to learn anything".to_owned());
    }
    if !(1..=MAX_DECISIONS).contains(&min_decisions) {
        return Err(format!("min_decisions must be 1 to {MAX_DECISIONS}"));
    }
    if auto_promote_after_s.is_some_and(|seconds| !(1..=MAX_PHASE).contains(&seconds)) {
        return Err(format!("auto_promote_after_s must be 1 to {MAX_PHASE}"));
    }
    Ok(Plan {
        percent,
        auto_promote_after: auto_promote_after_s.map(Duration::from_secs),
        max_deny_delta: Percent::try_from(max_deny_delta).map_err(|why| format!("max_deny_delta: {why}"))?,
        min_decisions,
    })
}

/// Two versions; without numbers the one that was live before, and the live one.
fn diff(aegis: &Aegis, from: Option<u64>, to: Option<u64>, text: bool) -> Result<PolicyDiff, Problem> {
    let (index, _, _) = aegis.policy.look();
    let to = to.unwrap_or(index.live);
    // One number alone is compared with what is live, whichever is newer.
    let from = match from {
        Some(from) => from,
        None => index.previous.ok_or_else(|| refused(ChangeError::NoPrevious))?,
    };
    let sources = |number| aegis.policy.sources(number).map_err(refused);
    Ok(difference((from, &sources(from)?), (to, &sources(to)?), text))
}

fn difference(from: (u64, &[Source]), to: (u64, &[Source]), text: bool) -> PolicyDiff {
    let Difference { added, removed, changed, reordered } = Difference::between(from.1, to.1);
    let key = |key: aegis_policy::ChangedKey| KeyChange { key: key.key, before: key.before, after: key.after };
    let change = |change: aegis_policy::Changed| PolicyChange {
        name: change.name,
        keys: change.keys.into_iter().map(key).collect(),
    };
    PolicyDiff {
        from: from.0,
        to: to.0,
        added,
        removed,
        changed: changed.into_iter().map(change).collect(),
        reordered,
        text: text.then(|| unified(from.1, to.1)),
    }
}

fn rollback(aegis: &Aegis, version: Option<u64>, note: Option<&str>, who: Who) -> Result<PolicyVersion, Problem> {
    aegis.change_policy(|store, now| store.rollback(version, note, who, now).map(Some)).map_err(refused)?;
    let (index, _, _) = aegis.policy.look();
    let live = index.get(index.live).map(|version| described(version, &index));
    live.ok_or_else(|| Problem::internal("the live version is not in the list"))
}

fn promote(aegis: &Aegis, percent: Option<f64>, who: Who) -> Result<Option<RolloutStatus>, Problem> {
    let percent = percent.map(Percent::try_from).transpose().map_err(Problem::bad_request)?;
    if percent.is_some_and(|percent| f64::from(percent) <= 0.0) {
        return Err(Problem::bad_request("0 % of the agents is no step").next("aegisctl policy rollout abort"));
    }
    aegis.change_policy(|store, now| store.promote(percent, who, now).map(Some)).map_err(refused)?;
    Ok(rollout(aegis))
}

fn abort(aegis: &Aegis, who: Who) -> Result<RolloutStatus, Problem> {
    let stood = rollout(aegis).ok_or_else(|| refused(ChangeError::NoRollout))?;
    aegis.change_policy(|store, now| store.abort(who, now).map(Some)).map_err(refused)?;
    Ok(stood)
}

/// The rollout that is under way.
pub fn rollout(aegis: &Aegis) -> Option<RolloutStatus> {
    let (index, found, _) = aegis.policy.look();
    let number = index.candidate.as_ref()?.number;
    let Found { rollout, ways, recent, .. } = found.as_ref()?;
    let covered = |enrolled: &std::sync::Arc<crate::identity::Enrolled>| {
        aegis.policy.for_agent(&enrolled.agent).beside().is_some().then(|| enrolled.agent.name.clone())
    };
    let differences = ways.iter().map(|(way, count)| RolloutDifference {
        agent: way.agent.clone(),
        live: side(&way.live),
        candidate: side(&way.candidate),
        count: *count,
    });
    let examples = recent.iter().map(|differing| RolloutExample {
        at: rfc3339(differing.at),
        about: differing.about.clone(),
        agent: differing.way.agent.clone(),
        live: side(&differing.way.live),
        candidate: side(&differing.way.candidate),
    });
    let found = found.as_ref()?;
    Some(RolloutStatus {
        candidate: number,
        revision: index.get(number).map(|version| version.revision.clone()).unwrap_or_default(),
        live: index.live,
        phase: rollout.phase.name().to_owned(),
        percent: rollout.percent.into(),
        agents: aegis.registry.list().iter().filter_map(covered).collect(),
        since: rfc3339(rollout.since),
        auto_promote_after_s: rollout.plan.auto_promote_after.map(|after| after.as_secs()),
        max_deny_delta: rollout.plan.max_deny_delta.into(),
        min_decisions: rollout.plan.min_decisions,
        compared: rollout.counts.compared,
        live_denied: rollout.counts.live_denied,
        candidate_denied: rollout.counts.candidate_denied,
        deny_delta: rollout.counts.delta(),
        decisions_changed: found.decisions_changed,
        rules_changed: found.rules_changed,
        dropped: found.dropped,
        unanswerable: found.unanswerable,
        differences: differences.collect(),
        recent: examples.collect(),
    })
}

fn side(side: &Side) -> RolloutSide {
    RolloutSide { decision: side.decision.to_owned(), mode: side.mode.to_owned(), rule: side.rule.clone() }
}

/// What the API answers where nothing was changed.
pub fn refused(error: ChangeError) -> Problem {
    let says = error.to_string();
    match error {
        ChangeError::Policy(_) => {
            Problem::unprocessable(says).next("The policy in force stays; mend the file and try again.")
        }
        ChangeError::NoVersion { .. } => Problem::not_found(says),
        ChangeError::NoPrevious
        | ChangeError::Moved { .. }
        | ChangeError::Live { .. }
        | ChangeError::UnderWay { .. }
        | ChangeError::NoRollout => Problem::conflict(says),
        ChangeError::Versions { .. } | ChangeError::Thread(_) => Problem::internal(says),
        ChangeError::Unrecordable(_) => Problem::unavailable(says).next("aegisctl status shows why"),
    }
}
