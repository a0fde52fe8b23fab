//! What is examined in the order of the stream: clues to built-in detectors, and where a tenant's own may match.

use super::Scanner;
use super::queue::Queue;
use crate::detect::{self, Match, settled};
use crate::own::Candidate;
use crate::prefilter::Anchor;
use crate::view::{Eval, View};
use crate::{Action, DetectorSet, Profile};

/// How far the token goes on that an own match ends in: what is found of it as a whole counts as well.
const TOKEN: usize = 64;

/// A place that is worth a look.
#[derive(Copy, Clone, Debug)]
pub(super) enum Lead {
    BuiltIn(Anchor),
    Own(Candidate),
}

impl Lead {
    pub(super) fn at(self) -> usize {
        match self {
            Lead::BuiltIn(anchor) => anchor.at,
            Lead::Own(candidate) => candidate.at,
        }
    }

    /// The lead after the bytes before it became so many more or fewer; `None` where it is gone.
    pub(super) fn moved(self, by: isize) -> Option<Lead> {
        match self {
            Lead::BuiltIn(anchor) => anchor.moved(by).map(Lead::BuiltIn),
            Lead::Own(candidate) => candidate.moved(by).map(Lead::Own),
        }
    }

    /// Whether this one says of its place all that the other one does.
    pub(super) fn replaces(self, other: Lead) -> bool {
        match (self, other) {
            (Lead::BuiltIn(one), Lead::BuiltIn(other)) => one.replaces(other),
            (Lead::Own(one), Lead::Own(other)) => one == other,
            _ => false,
        }
    }

    /// The match that it leads to.
    pub(super) fn examine(self, view: &View<'_>, wanted: DetectorSet, profile: &Profile) -> Eval<Option<Match>> {
        match self {
            Lead::BuiltIn(anchor) => detect::examine(view, anchor, wanted),
            Lead::Own(candidate) => profile.own().examine(view, candidate),
        }
    }

    /// Up to where other matches may touch the one that this leads to. An own match may be a part of what a built-in
    /// detector finds by a clue behind it, as a name is of an address.
    pub(super) fn touches(self, view: &View<'_>, end: usize) -> Eval<usize> {
        match self {
            Lead::BuiltIn(_) => Ok(end),
            Lead::Own(_) => view
                .run(end, TOKEN, |byte| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"._%+-/@".contains(&byte)),
        }
    }
}

impl Scanner {
    /// The match that the leads of one place have, with those that begin inside of what it would redact: they make it
    /// longer, or forbid it.
    pub(super) fn matches_at(&self, lead: Lead, rest: &Queue<'_>, end: bool) -> Eval<Option<(Match, Vec<Match>)>> {
        let view = self.view(end);
        let examined = lead.examine(&view, self.wanted, &self.profile);
        if matches!(&examined, Ok(None)) && !rest.goes_on_at(lead.at()) {
            return Ok(None);
        }
        let mut one = examined?;
        // Mostly there is one.
        let (mut found, mut more, mut reach): (Option<Match>, Vec<Match>, usize) = (None, Vec::new(), 0);
        let (mut rest, mut here) = (rest.clone().peekable(), lead);
        loop {
            if let Some(one) = one {
                reach = here.touches(&view, one.end)?.max(reach);
                match found {
                    None => found = Some(one),
                    Some(_) => more.push(one),
                }
            }
            let Some(next) = rest.next_if(|other| other.at() == lead.at()) else { break };
            (here, one) = (next, next.examine(&view, self.wanted, &self.profile)?);
        }
        let Some(found) = found else { return Ok(None) };
        let (mut first, mut others) = strictest(&self.profile, found, &more);
        if self.profile.action(first.detector) == Some(Action::Redact) {
            settled(&view, first.end)?;
            while let Some(lead) = rest.next_if(|lead| lead.at() < reach.max(first.end)) {
                let other = lead.examine(&view, self.wanted, &self.profile)?;
                if let Some(other) = other.filter(|other| other.start < first.end) {
                    let before = first.end;
                    join(&self.profile, &mut first, other, &mut others);
                    if first.end > before {
                        settled(&view, first.end)?;
                    }
                }
            }
            // A mask ends in a bracket: what it must not become the beginning of is seen in the byte after it.
            view.at(first.end)?;
        }
        Ok(Some((first, others)))
    }
}

/// Of two matches that overlap and stop nothing: `first` comes to cover both, and what else it is goes to `others`.
fn join(profile: &Profile, first: &mut Match, other: Match, others: &mut Vec<Match>) {
    let (mine, its) = (profile.action(first.detector), profile.action(other.detector));
    match its {
        Some(Action::Deny | Action::Approve) if its > mine => first.detector = other.detector,
        Some(Action::Redact) if mine == its && (other.end > first.end || other.start < first.start) => {
            if other.end > first.end {
                (first.end, first.tail) = (other.end, other.tail);
            }
            first.start = first.start.min(other.start);
            others.push(other);
        }
        _ => {}
    }
}

/// Of matches that begin at one place the strictest comes first, the longest of equals; others that lead to the same are told too.
fn strictest(profile: &Profile, one: Match, more: &[Match]) -> (Match, Vec<Match>) {
    if more.is_empty() {
        return (one, Vec::new());
    }
    let action = |found: &Match| profile.action(found.detector);
    let found = || std::iter::once(&one).chain(more);
    let first = found().max_by_key(|found| (action(found), found.end)).copied().unwrap_or(one);
    let same = |one: &&Match| action(one) == action(&first) && one.detector != first.detector;
    (first, found().filter(same).copied().collect())
}
