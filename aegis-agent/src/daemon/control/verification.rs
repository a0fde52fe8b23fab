//! What `aegisctl verify` found: kept for each agent, recorded, shown, and asked about by readiness.
//!
//! It is kept in memory only: each start of the daemon puts new programs into the hooks, for which an earlier run says
//! nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aegis_api::{Problem, Verdict, Verification, VerificationStatus};
use aegis_audit::{Decision, Draft};
use uuid::Uuid;

use super::status::rfc3339;
use crate::config::Verify;
use crate::daemon::Aegis;
use crate::identity::Enrolled;

/// The last run of each agent.
#[derive(Default)]
pub struct Verifications(Mutex<BTreeMap<String, Kept>>);

struct Kept {
    at: SystemTime,
    programs: Vec<u32>,
    report: Verification,
}

impl Kept {
    fn described(&self, programs: &[u32]) -> VerificationStatus {
        let count = |verdict| self.report.count(verdict) as u64;
        VerificationStatus {
            agent: self.report.agent.clone(),
            at: rfc3339(self.at),
            private: self.report.private,
            held: count(Verdict::Held),
            deployment: count(Verdict::Deployment),
            na: count(Verdict::Na),
            leaked: self.report.leaked(),
            current: self.programs == programs,
        }
    }

    /// Whether it speaks for the hooks as they are: of those programs, by the way through the proxy, not too old. A clock
    /// that was set back proves nothing.
    fn holds(&self, programs: &[u32], max_age: Duration, now: SystemTime) -> bool {
        let young = now.duration_since(self.at).is_ok_and(|age| age < max_age);
        young && self.programs == programs && !self.report.private && self.report.passed()
    }
}

impl Verifications {
    fn keep(&self, kept: Kept, enrolled: impl Fn(&str) -> bool) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|agent, _| enrolled(agent));
        all.insert(kept.report.agent.clone(), kept);
    }

    /// The last run of each agent that is enrolled.
    pub fn list(&self, programs: &[u32], enrolled: impl Fn(&str) -> bool) -> Vec<VerificationStatus> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().filter(|kept| enrolled(&kept.report.agent)).map(|kept| kept.described(programs)).collect()
    }

    /// Why the daemon is not ready, where that is asked for: nobody has verified it, or something leaked. A leak counts
    /// until another run of the same agent, however old it is.
    pub fn not_ready(
        &self,
        settings: &Verify,
        programs: &[u32],
        enrolled: impl Fn(&str) -> bool,
        now: SystemTime,
    ) -> Option<String> {
        if !settings.gate_readiness {
            return None;
        }
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut runs = all.values().filter(|kept| enrolled(&kept.report.agent));
        if let Some(kept) = runs.clone().find(|kept| kept.report.count(Verdict::Leaked) > 0) {
            let (agent, leaked) = (&kept.report.agent, kept.report.leaked().join(", "));
            return Some(format!("the verification of {agent} leaked ({leaked}); mend that and run: aegisctl verify"));
        }
        if runs.any(|kept| kept.holds(programs, settings.max_age, now)) {
            return None;
        }
        let hours = settings.max_age.as_secs() / 3600;
        Some(format!(
            "these kernel programs have not been verified within {hours} h (verify.gate_readiness); run: aegisctl verify"
        ))
    }
}

/// Takes a report: it is kept only when it has been recorded.
pub fn take(aegis: &Aegis, report: Verification) -> Result<VerificationStatus, Problem> {
    report.check().map_err(Problem::bad_request)?;
    let Some(enrolled) = aegis.registry.by_name(&report.agent) else {
        return Err(Problem::not_found(format!("there is no agent {:?}", report.agent)));
    };
    let slot = aegis.audit.reserve().map_err(|_| {
        Problem::unavailable("the verification cannot be recorded in the audit log").next("aegisctl status shows why")
    })?;
    let at = SystemTime::now();
    slot.commit(record(aegis, &enrolled, &report, at));
    let (leaked, kept) = (report.leaked(), Kept { at, programs: aegis.kernel.programs(), report });
    let status = kept.described(&kept.programs);
    if leaked.is_empty() {
        tracing::info!(agent = status.agent, held = status.held, "verified");
    } else {
        tracing::error!(agent = status.agent, leaked = leaked.join(", "), "a verification LEAKED");
    }
    aegis.verifications.keep(kept, |agent| aegis.registry.by_name(agent).is_some());
    aegis.metrics.verified(&list(aegis), leaked.len() as u64, at);
    Ok(status)
}

/// For `status`.
pub fn list(aegis: &Aegis) -> Vec<VerificationStatus> {
    aegis.verifications.list(&aegis.kernel.programs(), |agent| aegis.registry.by_name(agent).is_some())
}

/// For readiness.
pub fn not_ready(aegis: &Aegis) -> Option<String> {
    let enrolled = |agent: &str| aegis.registry.by_name(agent).is_some();
    let programs = aegis.kernel.programs();
    aegis.verifications.not_ready(&aegis.config.verify, &programs, enrolled, SystemTime::now())
}

/// A record of no decision: the refusals of the attempts have records of their own.
fn record(aegis: &Aegis, enrolled: &Enrolled, report: &Verification, at: SystemTime) -> Draft {
    let count = |verdict| report.count(verdict);
    let leaked = report.leaked();
    let error = (!leaked.is_empty()).then(|| format!("leaked: {}", leaked.join(", ")));
    Draft {
        ts: at,
        decision_id: Uuid::now_v7().to_string(),
        trace_id: Uuid::new_v4().simple().to_string(),
        org: enrolled.agent.org.clone(),
        tenant: enrolled.agent.tenant.clone(),
        agent_id: enrolled.agent.name.clone(),
        parent_agent_id: enrolled.agent.parent.clone(),
        decision: Decision::None,
        reason: format!(
            "verification: {} held, {} leaked, {} left to the deployment, {} not applicable",
            count(Verdict::Held),
            leaked.len(),
            count(Verdict::Deployment),
            count(Verdict::Na)
        ),
        policy_version: aegis.policy.version_for(Some(&enrolled.agent)),
        cgroup: enrolled.cgroup.display().to_string(),
        duration_ms: report.duration_ms as f64,
        error,
        ..Draft::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use aegis_api::{Actor, VectorResult};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const GATE: Verify = Verify { gate_readiness: true, max_age: HOUR };

    fn run(agent: &str, verdict: Verdict, private: bool, at: SystemTime) -> Kept {
        let vector = VectorResult { name: "udp4".to_owned(), actor: Actor::User, verdict, detail: String::new() };
        let report = Verification { agent: agent.to_owned(), private, duration_ms: 1, vectors: vec![vector] };
        Kept { at, programs: vec![1, 2], report }
    }

    #[test]
    fn readiness_wants_a_young_run_of_these_programs_that_held() {
        let now = SystemTime::now();
        let ready = |kept: Option<Kept>, programs: &[u32], later: Duration| {
            let verifications = Verifications::default();
            kept.into_iter().for_each(|kept| verifications.keep(kept, |_| true));
            verifications.not_ready(&GATE, programs, |_| true, now + later).is_none()
        };
        let held = || Some(run("a", Verdict::Held, false, now));
        assert!(ready(held(), &[1, 2], Duration::ZERO));
        assert!(!ready(None, &[1, 2], Duration::ZERO));
        assert!(!ready(held(), &[1, 3], Duration::ZERO), "other programs");
        assert!(!ready(held(), &[1, 2], HOUR), "too old");
        assert!(!ready(Some(run("a", Verdict::Held, false, now + HOUR)), &[1, 2], Duration::ZERO), "from the future");
        assert!(!ready(Some(run("a", Verdict::Held, true, now)), &[1, 2], Duration::ZERO), "private");
        assert!(!ready(Some(run("a", Verdict::Na, false, now)), &[1, 2], Duration::ZERO), "nothing held");
        assert!(!ready(Some(run("a", Verdict::Leaked, false, now)), &[1, 2], Duration::ZERO));
    }

    #[test]
    fn a_leak_counts_until_its_own_agent_is_verified_again_or_gone() {
        let now = SystemTime::now();
        let verifications = Verifications::default();
        verifications.keep(run("a", Verdict::Leaked, false, now - 2 * HOUR), |_| true);
        verifications.keep(run("b", Verdict::Held, false, now), |_| true);
        let reason = verifications.not_ready(&GATE, &[1, 2], |_| true, now).unwrap();
        assert!(reason.contains("of a leaked (udp4)"), "{reason}");
        assert_eq!(verifications.not_ready(&GATE, &[1, 2], |agent| agent == "b", now), None);
        verifications.keep(run("a", Verdict::Held, false, now), |_| true);
        assert_eq!(verifications.not_ready(&GATE, &[1, 2], |_| true, now), None);
    }

    #[test]
    fn readiness_does_not_mind_unless_it_is_asked_to() {
        let settings = Verify { gate_readiness: false, ..GATE };
        let verifications = Verifications::default();
        verifications.keep(run("a", Verdict::Leaked, false, SystemTime::now()), |_| true);
        assert_eq!(verifications.not_ready(&settings, &[], |_| true, SystemTime::now()), None);
    }
}
