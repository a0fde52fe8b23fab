//! One case against a snapshot.

use super::{Ask, Case};
use crate::{
    Candidate, Connect, ConnectPlan, Denial, Explanation, Mode, NameVerdict, Permit, Sample, SampleError, Snapshot,
    Sniffed, explain_sample,
};

/// What came of a case.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the snapshot answered, in the form of [`Case::expect`].
    pub got: String,
    /// Whether that was expected.
    pub passed: bool,
    /// The rule that decided.
    pub rule: Option<String>,
    /// Why it decided so.
    pub reason: String,
    /// Where something else was expected: what became of the rule that was.
    pub why: Vec<String>,
}

/// Asks `snapshot` what `case` asks.
///
/// # Errors
/// When the case's request is none.
pub fn run(snapshot: &Snapshot, case: &Case) -> Result<Outcome, SampleError> {
    let answer = match &case.ask {
        Ask::Request { method, url } => request(snapshot, case, method, url)?,
        Ask::Tls { host, destination } => connection(snapshot, case, host.as_deref(), *destination, Sniffed::Tls),
        Ask::Tcp { host, destination } => connection(snapshot, case, host.as_deref(), *destination, Sniffed::Other),
        Ask::Name(host) => match snapshot.name(&case.asker(), host) {
            NameVerdict::Resolve => Answer::plain("resolve"),
            NameVerdict::Refuse(denial) => Answer::denied(denial),
        },
    };
    let got = answer.line();
    let passed = got == case.expect.trim();
    let why = if passed { Vec::new() } else { answer.why(&case.expect) };
    Ok(Outcome { got, passed, rule: answer.rule, reason: answer.reason, why })
}

/// What was answered, whatever was asked.
#[derive(Default)]
struct Answer {
    decision: &'static str,
    shadow: bool,
    rule: Option<String>,
    reason: String,
    candidates: Option<Vec<Candidate>>,
}

fn request(snapshot: &Snapshot, case: &Case, method: &str, url: &str) -> Result<Answer, SampleError> {
    let sample = Sample {
        method,
        url,
        headers: &case.headers,
        body: &case.body.0,
        tool: case.tool.as_deref(),
        now: case.now,
        usage: case.usage,
    };
    let explained = explain_sample(snapshot, &case.asker(), &sample)?;
    let Explanation { mode, rule, reason, candidates, .. } = explained.explanation;
    let shadow = mode == Mode::Shadow;
    Ok(Answer { decision: explained.decision.name(), shadow, rule, reason, candidates: Some(candidates) })
}

fn connection(
    snapshot: &Snapshot,
    case: &Case,
    host: Option<&str>,
    destination: std::net::SocketAddr,
    protocol: Sniffed,
) -> Answer {
    match snapshot.connect(&case.asker(), &Connect { host, destination, protocol }) {
        ConnectPlan::Inspect => Answer::plain("inspect"),
        ConnectPlan::Passthrough(permit) | ConnectPlan::Tcp(permit) => Answer::permitted(&permit),
        ConnectPlan::Deny(denial) => Answer::denied(denial),
    }
}

impl Answer {
    fn plain(word: &'static str) -> Self {
        Self { decision: word, ..Self::default() }
    }

    fn permitted(permit: &Permit) -> Self {
        Self {
            decision: permit.decision().name(),
            shadow: permit.mode() == Mode::Shadow,
            rule: permit.rule().map(str::to_owned),
            reason: permit.reason().to_owned(),
            candidates: None,
        }
    }

    fn denied(denial: Denial) -> Self {
        Self { decision: denial.decision.name(), rule: denial.rule, reason: denial.reason, ..Self::default() }
    }

    fn line(&self) -> String {
        let shadow = if self.shadow { "shadow " } else { "" };
        let rule = self.rule.as_ref().map(|rule| format!(" {rule}")).unwrap_or_default();
        format!("{shadow}{}{rule}", self.decision)
    }

    /// What decided instead of what was expected, and why that did not.
    fn why(&self, expected: &str) -> Vec<String> {
        let mut told = match &self.rule {
            Some(rule) => vec![format!("{rule} decided: {}", self.reason)],
            None => vec![format!("no rule decided: {}", self.reason)],
        };
        let Some((wanted, candidates)) =
            expected.split(' ').find(|word| word.contains('/')).zip(self.candidates.as_ref())
        else {
            return told;
        };
        match candidates.iter().find(|candidate| candidate.rule == wanted) {
            _ if self.rule.as_deref() == Some(wanted) => {}
            None => told
                .push(format!("{wanted} was not asked: it is not for this agent and host, or there is no such rule")),
            Some(candidate) if candidate.matches => told.push(format!("{wanted} holds too, but is tried later")),
            Some(candidate) => {
                let failed = candidate.conditions.iter().filter(|condition| !condition.holds);
                told.extend(failed.map(|condition| {
                    let seen = condition.value.as_ref().map_or("nothing", String::as_str);
                    format!("{wanted} does not hold: {} (saw {seen})", condition.condition)
                }));
            }
        }
        told
    }
}
