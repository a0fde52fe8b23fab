//! Values that go over the end of one message into the next: a WebSocket's messages, server-sent events, the deltas of a model's answer.
//!
//! Messages are looked through one by one, and each goes on at once. So what has gone cannot be taken back; but where a message
//! goes on with what an earlier one began, the two together are looked at before the later one goes on. Text is joined with text; of
//! a JSON message each string with those that stood at the same place in the messages before it.
//!
//! The same of records: lines of JSON, and messages of gRPC. They are no text that was cut up, so of them only that is a value which
//! begins in one and ends in another, and numbers are not joined: columns are full of them.

mod json;
mod leaves;
mod near;
mod tail;

use std::ops::Range;

use self::leaves::Leaves;
use self::near::{Near, near};
pub use self::tail::SEAM;
use self::tail::Tails;
use crate::lanes::BLOCK;
use crate::prefilter::{Anchor, Clue, Prefilter, Sign};
use crate::stream::{Reason, Why};
use crate::text::has_clue;
use crate::{Action, Finding, Format, Place, Profile, Scanner};

/// As [`SEAM`], of records, which are many.
const RECORD: usize = 128;
/// Bytes on either side of where two records meet in which something has to stand that may be part of a value.
const NEAR: usize = BLOCK;

/// The ends of the messages that went one way.
pub struct Seam {
    profile: Profile,
    /// Something is looked for.
    wanted: bool,
    records: bool,
    tails: Tails,
    leaves: Leaves,
    joint: Joint,
}

/// The two texts that are looked at together.
#[derive(Default)]
struct Joint {
    both: String,
    anchors: Vec<Anchor>,
}

/// What joining came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// The message as it goes on, where it changes: the rest of what an earlier message began is masked.
    pub changed: Option<Vec<u8>>,
    /// What was found in both messages together, and in neither alone.
    pub findings: Vec<Finding>,
    /// Why the message must not go on, or not without a human's approval.
    pub stopped: Option<Why>,
}

impl Joined {
    /// Whether there was nothing.
    pub(crate) fn is_nothing(&self) -> bool {
        self.changed.is_none() && self.stopped.is_none() && self.findings.is_empty()
    }
}

impl Seam {
    /// For messages that are looked through with this profile.
    #[must_use]
    pub fn new(profile: &Profile) -> Seam {
        Seam {
            profile: profile.clone(),
            wanted: !profile.detectors().is_empty(),
            records: false,
            tails: Tails::default(),
            leaves: Leaves::default(),
            joint: Joint::default(),
        }
    }

    /// For records of one body.
    pub(crate) fn of_records(profile: &Profile) -> Seam {
        Seam { records: true, ..Seam::new(profile) }
    }

    /// Takes the next text at a place, as it would go on by itself.
    pub(crate) fn text(&mut self, place: &str, text: &str) -> Joined {
        let mut joined = Joined::default();
        if self.wanted {
            joined.changed = self.leaf(place, text, &mut joined).map(String::into_bytes);
        }
        joined
    }

    /// Bytes of memory that it holds.
    pub(crate) fn held(&self) -> usize {
        let joint = self.joint.both.capacity() + self.joint.anchors.capacity() * size_of::<Anchor>();
        self.tails.held() + self.leaves.held() + joint
    }

    /// Takes the next message, as it would go on by itself. One that is no text is joined with nothing.
    pub fn message(&mut self, message: &[u8]) -> Joined {
        let mut joined = Joined::default();
        let Ok(text) = std::str::from_utf8(message) else { return joined };
        if !self.wanted {
            return joined;
        }
        let mut leaves = std::mem::take(&mut self.leaves);
        if leaves.read(text) {
            self.strings(text, &leaves, &mut joined);
        } else {
            joined.changed = self.leaf("", text, &mut joined).map(String::into_bytes);
        }
        self.leaves = leaves;
        joined
    }

    /// Takes the strings of a JSON message.
    fn strings(&mut self, message: &str, leaves: &Leaves, joined: &mut Joined) {
        let mut edits: Vec<(Range<usize>, String)> = Vec::new();
        for (place, text, at) in (0..leaves.len()).filter_map(|number| leaves.get(number, message)) {
            let new = self.leaf(place, &text, joined);
            if joined.stopped.is_some() {
                return;
            }
            if let Some(new) = new {
                // Strings are always JSON.
                edits.push((at, serde_json::to_string(&new).unwrap_or_default()));
            }
        }
        if !edits.is_empty() {
            joined.changed = Some(edited(message, &edits).into_bytes());
        }
    }

    /// Joins one text with those before it at its place; gives it as it goes on, where it changes.
    fn leaf(&mut self, place: &str, text: &str, joined: &mut Joined) -> Option<String> {
        if text.is_empty() {
            return None;
        }
        let tail = self.tails.of(place, text)?;
        let apart = tail.is_constant(text) || self.records && tail.is_apart(text);
        let new = if apart { None } else { self.joint.join(&self.profile, self.records, tail.text(), text, joined) };
        tail.add(new.as_deref().unwrap_or(text));
        new
    }
}

impl Joint {
    /// What is in `before` and `text` together and in neither alone; gives the text as it goes on, where it changes.
    fn join(
        &mut self,
        profile: &Profile,
        records: bool,
        before: &str,
        text: &str,
        joined: &mut Joined,
    ) -> Option<String> {
        let reach = if records { RECORD } else { SEAM };
        let before = before.get(before.ceil_char_boundary(before.len().saturating_sub(reach))..).unwrap_or_default();
        let begin = text.get(..text.floor_char_boundary(reach)).unwrap_or_default();
        let words = records && profile.own().is_empty();
        let kind = if words { near(before, begin) } else { Near::Other };
        if kind == Near::Words {
            return None;
        }
        self.both.clear();
        self.both.push_str(before);
        self.both.push_str(begin);
        let both = &*self.both;
        let close = if records { NEAR } else { SEAM };
        let from = both.floor_char_boundary(before.len().saturating_sub(close));
        let to = both.ceil_char_boundary((before.len() + close).min(both.len()));
        let close = both.get(from..to).unwrap_or_default();
        let worth = match kind {
            Near::Keyed => has_key(profile, close, &mut self.anchors),
            _ => has_clue(profile, close),
        };
        if !worth {
            return None;
        }
        let (mut out, mut found, mut stopped) = scan(profile, both);
        if is_too_deep(&stopped) && [before, begin].iter().all(|alone| !is_too_deep(&scan(profile, alone).2)) {
            joined.stopped = stopped;
            return None;
        }
        if let Some(Why::Opaque(_)) = stopped {
            // What was cut off may read as something that it is not.
            (out, found, stopped) = scan_with(Scanner::new(profile.clone(), Format::Text).with_depth(0), both);
        }
        if found.is_empty() {
            return None;
        }
        let (_, alone_before, _) = scan(profile, before);
        let (_, alone_after, _) = scan(profile, begin);
        let at = |place: &Place| if let Place::Body { offset, .. } = place { Some(*offset) } else { None };
        let known = |one: &Finding, among: &[Finding], by: u64| {
            among.iter().any(|other| {
                other.detector == one.detector && at(&other.place).map(|offset| offset + by) == at(&one.place)
            })
        };
        // Of records what stands in one is no value by what the other says.
        let over = |one: &Finding| {
            let alone = alone_before.iter().chain(&alone_after).any(|other| other.detector == one.detector);
            !records || !alone && at(&one.place).is_some_and(|offset| offset < before.len() as u64)
        };
        let new: Vec<Finding> = found
            .into_iter()
            .filter(|one| over(one) && !known(one, &alone_before, 0) && !known(one, &alone_after, before.len() as u64))
            .map(|one| Finding { place: Place::Body { offset: 0, path: Some("joined".into()) }, ..one })
            .collect();
        if new.is_empty() {
            return None;
        }
        let masks = new.iter().any(|one| one.action == Action::Redact);
        joined.stopped = stopped.filter(|why| match why {
            Why::Detector(detector) | Why::Approval(detector) => new.iter().any(|one| one.detector == *detector),
            Why::Opaque(_) => true,
        });
        joined.findings.extend(new);
        if !masks || joined.stopped.is_some() {
            return None;
        }
        // What has gone is as it was; the match that reaches over the seam begins where the two texts part.
        let same = both.bytes().zip(out.bytes()).take_while(|(one, other)| one == other).count().min(before.len());
        let rest = out.get(out.floor_char_boundary(same)..).unwrap_or_default();
        Some(format!("{rest}{}", text.get(begin.len()..).unwrap_or_default()))
    }
}

/// Whether in words, without a digit or other sign, there is what a key begins with.
fn has_key(profile: &Profile, words: &str, anchors: &mut Vec<Anchor>) -> bool {
    Prefilter::new(profile.detectors()).list(words.as_bytes(), 0, true, anchors);
    anchors.iter().any(|anchor: &Anchor| match anchor.clue {
        Clue::Signs(signs) => signs.has(Sign::KEY),
        Clue::Literal(_) => true,
    })
}

fn is_too_deep(why: &Option<Why>) -> bool {
    matches!(why, Some(Why::Opaque(opaque)) if matches!(opaque.reason, Reason::TooLarge(_)))
}

type Scanned = (String, Vec<Finding>, Option<Why>);

fn scan(profile: &Profile, text: &str) -> Scanned {
    scan_with(Scanner::new(profile.clone(), Format::Text), text)
}

fn scan_with(mut scanner: Scanner, text: &str) -> Scanned {
    let mut out = Vec::with_capacity(text.len());
    let mut flow = scanner.push(text.as_bytes(), &mut out);
    if flow == crate::Flow::Continue {
        flow = scanner.finish(&mut out);
    }
    let stopped = scanner.why(flow);
    (String::from_utf8_lossy(&out).into_owned(), scanner.findings().to_vec(), stopped)
}

fn edited(text: &str, edits: &[(Range<usize>, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, new) in edits {
        out.push_str(text.get(from..at.start).unwrap_or_default());
        out.push_str(new);
        from = at.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
