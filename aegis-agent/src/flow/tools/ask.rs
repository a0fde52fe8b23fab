//! The policy, asked for every name that one message has.

use aegis_policy::decision_log::Seen;
use aegis_policy::{Content, Denial, DenialKind, Intent, Permit, Snapshot, Verdict};

use super::reading::Called;

/// Asks for each name; the first refusal counts. A message of several calls can be sent only as a whole, so what permits them has
/// to permit them on the same terms.
pub fn ask_noting(snapshot: &Snapshot, intent: &Intent<'_>, called: &Called, content: &Content<'_>) -> (Verdict, Seen) {
    let with = |tool| Intent { tool, tool_in_doubt: called.in_doubt, ..intent.clone() };
    let mut names = called.names.iter().map(String::as_str);
    let (first, seen) = snapshot.decide_noting(&with(names.next()), content);
    let verdict = names.fold(first, |so_far, name| match so_far {
        Verdict::Permit(permit) => both(permit, snapshot.decide(&with(Some(name)), content), snapshot),
        denial => denial,
    });
    (verdict, seen)
}

/// As [`ask_noting`].
pub fn ask(snapshot: &Snapshot, intent: &Intent<'_>, called: &Called, content: &Content<'_>) -> Verdict {
    ask_noting(snapshot, intent, called, content).0
}

fn both(permit: Permit, other: Verdict, snapshot: &Snapshot) -> Verdict {
    match other {
        // In shadow: what would have been refused is what is told.
        Verdict::Permit(other) if same_terms(&permit, &other) && other.decision().permits() => Verdict::Permit(permit),
        Verdict::Permit(other) if same_terms(&permit, &other) => Verdict::Permit(other),
        Verdict::Permit(_) => Verdict::Denial(apart(snapshot)),
        denial => denial,
    }
}

fn apart(snapshot: &Snapshot) -> Denial {
    let why = "the message makes several calls, which different rules allow on different terms";
    Denial::new(DenialKind::Policy, why, snapshot.version()).next("Send each call in a request of its own.")
}

/// Whether two permits let pass on the same terms.
#[must_use]
pub fn same_terms(one: &Permit, other: &Permit) -> bool {
    let same = one.profile() == other.profile()
        && one.private_ok() == other.private_ok()
        && one.fail_mode() == other.fail_mode()
        && one.handling() == other.handling();
    same && one.mode() == other.mode() && (one.host(), one.port()) == (other.host(), other.port())
}
