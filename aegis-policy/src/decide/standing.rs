//! Whether a request that was let through may go on when another policy holds and its body is gone.

use aegis_dlp::Profile;

use crate::decide::{Target, find, refusal};
use crate::path::normalise;
use crate::rule::{Rule, Transport};
use crate::snapshot::Snapshot;
use crate::{Agent, Denial, Handling, Intent, Mode};

/// Whether what flows may go on where a rule asks for these terms: private addresses, profile, handling.
pub type Covers<'a> = dyn Fn(bool, &Profile, &Handling) -> Result<(), Box<Denial>> + 'a;

/// Asks the rules that the request's head may meet. What a rule says of the values of the body had been looked at when it was
/// sent, so a rule that permits stands for itself; one that refuses whatever the body says refuses. `by` is the rule that had let it
/// through, and `covers` says whether it went on the terms of another: where that very rule asks for others now, or none for the
/// same, it must not go on.
///
/// # Errors
/// The denial.
pub(crate) fn stands(
    snapshot: &Snapshot,
    intent: &Intent<'_>,
    by: Option<&str>,
    covers: &Covers<'_>,
) -> Result<(), Box<Denial>> {
    let found = find(snapshot, intent)?;
    let agent = intent.agent;
    if agent.mode == Mode::Shadow {
        return Ok(());
    }
    let target = Target { snapshot, agent, host: &found.host, port: intent.port, tool: None };
    let covered = |rule: &Rule| {
        let profile = rule.profile.clone().keyed(|| snapshot.mask_key(agent));
        covers(rule.private, &profile, &rule.handling)
    };
    let path = normalise(intent.path);
    let (mut tried, mut refused) = (None, None);
    for (_, rule) in snapshot.catalog.numbered(&found.rules.requests.rules) {
        if !rule.head_may_match(intent.port, intent.method, path.as_deref()) || !rule.may_be_of(agent) {
            continue;
        }
        match (rule.mode, rule.decision.permits()) {
            // It is looked through, and passes where nothing enforced is behind it.
            (Mode::Shadow, _) => tried = tried.or(Some(rule)),
            (Mode::Enforce, true) => match covered(rule) {
                Ok(()) => return Ok(()),
                Err(denial) if rule.reads_only_head() || by == Some(&*rule.id) => return Err(denial),
                Err(denial) => refused = Some(denial),
            },
            (Mode::Enforce, false) if rule.reads_only_head() => return Err(refusal::by_rule(&target, rule).into()),
            (Mode::Enforce, false) => {}
        }
    }
    match (refused, tried) {
        (Some(denial), _) => Err(denial),
        // Nothing of it is enforced.
        (None, Some(rule)) => covers(rule.private, &Profile::NONE, &Handling::default()),
        (None, None) if found.table.shadow_default => Ok(()),
        (None, None) => Err(refusal::no_rule_for_request(&target, intent, &found.rules).into()),
    }
}

impl Rule {
    /// Whether port, method and path leave it open that the rule holds. Never wrong in saying no.
    pub(super) fn head_may_match(&self, port: u16, method: &str, path: Option<&str>) -> bool {
        self.transport == Transport::Http
            && self.ports.contains(&port)
            && (self.methods.is_empty() || self.methods.iter().any(|known| known == method))
            && match path {
                Some(path) => self.paths.is_empty() || self.paths.iter().any(|glob| glob.matches(path)),
                None => self.paths.is_empty() || self.doubt_meets(),
            }
    }

    /// Whether what the rule says of the caller holds.
    fn may_be_of(&self, agent: &Agent) -> bool {
        let has = |scope: &String| agent.scopes.contains(scope);
        let acts = |actor: &String| self.actors.iter().any(|glob| glob.matches(actor));
        self.scopes.iter().all(has)
            && (self.any_scope.is_empty() || self.any_scope.iter().any(has))
            && (self.actors.is_empty() || agent.actor.as_ref().is_some_and(acts))
    }
}
