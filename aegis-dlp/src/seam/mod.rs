//! Values that go over the end of one message into the next: a WebSocket's messages, server-sent events, the deltas of a model's answer.
//!
//! Messages are looked through one by one, and each goes on at once. So what has gone cannot be taken back; but where a message
//! goes on with what an earlier one began, the two together are looked at before the later one goes on. Text is joined with text; of
//! a JSON message each string with those that stood at the same place in the messages before it.
//!
//! The same of records: lines of JSON, and messages of gRPC. They are no text that was cut up, so of them only that is a value which
//! begins in one and ends in another, and numbers are not joined: columns are full of them.

mod leaves;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use self::leaves::{Leaf, leaves};
use crate::prefilter::{Anchor, Clue, Prefilter, Sign};
use crate::stream::{Reason, Why};
use crate::text::has_clue;
use crate::{Action, Finding, Format, Place, Profile, Scanner};

/// Bytes of a text that are kept, and bytes of the next that they are joined with: longer values are found in part or not.
pub const SEAM: usize = 256;
/// Places of one stream of messages that are followed. Beyond it the one that was silent for longest is given up.
const PLACES: usize = 64;
/// The same of records, which are many.
const RECORD: usize = 128;
/// Bytes on either side of where two records meet in which something has to stand that may be part of a value.
const NEAR: usize = 64;
/// The shortest identifiers of one length that are told by having nothing but hexadecimal digits and hyphens.
const IDENTIFIER: usize = 16;
/// Texts that begin with the same bytes are values of one kind (times, numbers of orders), and no parts of one.
const SAME: usize = 6;

/// The ends of the messages that went one way.
pub struct Seam {
    profile: Profile,
    records: bool,
    /// Those that were heard of last stand last.
    tails: VecDeque<Tail>,
    /// The two texts that are looked at.
    both: String,
}

/// What the texts at one place ended with.
struct Tail {
    place: Box<str>,
    text: String,
    /// The first text; `None` once there was another one.
    constant: Option<String>,
    /// What the last text began with, and how long it was.
    begin: [u8; SAME],
    length: usize,
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

impl Seam {
    /// For messages that are looked through with this profile.
    #[must_use]
    pub fn new(profile: &Profile) -> Seam {
        Seam { profile: profile.clone(), records: false, tails: VecDeque::new(), both: String::new() }
    }

    /// For records of one body.
    pub(crate) fn of_records(profile: &Profile) -> Seam {
        Seam { records: true, ..Seam::new(profile) }
    }

    /// Takes the next text at a place, as it would go on by itself.
    pub(crate) fn text(&mut self, place: &str, text: &str) -> Joined {
        let mut joined = Joined::default();
        if !self.profile.detectors().is_empty() {
            joined.changed = self.leaf(place, text, &mut joined).map(String::into_bytes);
        }
        joined
    }

    /// Bytes of memory that it holds.
    pub(crate) fn held(&self) -> usize {
        let texts =
            |tail: &Tail| tail.place.len() + tail.text.capacity() + tail.constant.as_ref().map_or(0, String::capacity);
        self.both.capacity() + self.tails.capacity() * size_of::<Tail>() + self.tails.iter().map(texts).sum::<usize>()
    }

    /// Takes the next message, as it would go on by itself. One that is no text is joined with nothing.
    pub fn message(&mut self, message: &[u8]) -> Joined {
        let mut joined = Joined::default();
        let Ok(text) = std::str::from_utf8(message) else { return joined };
        if self.profile.detectors().is_empty() {
            return joined;
        }
        let mut edits: Vec<(Range<usize>, String)> = Vec::new();
        let found = leaves(text);
        let in_json = found.is_some();
        for Leaf { place, text, at } in found.unwrap_or_else(|| vec![Leaf::whole(text)]) {
            let new = self.leaf(&place, &text, &mut joined);
            if joined.stopped.is_some() {
                return joined;
            }
            if let Some(new) = new {
                // Strings are always JSON.
                let written = if in_json { serde_json::to_string(&new).unwrap_or_default() } else { new };
                edits.push((at, written));
            }
        }
        if !edits.is_empty() {
            joined.changed = Some(edited(text, &edits).into_bytes());
        }
        joined
    }

    /// Joins one text with those before it at its place; gives it as it goes on, where it changes.
    fn leaf(&mut self, place: &str, text: &str, joined: &mut Joined) -> Option<String> {
        if text.is_empty() {
            return None;
        }
        let known = self.tails.iter().position(|tail| *tail.place == *place).and_then(|at| self.tails.remove(at));
        let Some(mut tail) = known else {
            if self.tails.len() == PLACES {
                self.tails.pop_front();
            }
            let constant = (text.len() <= SEAM).then(|| text.to_owned());
            self.tails.push_back(Tail {
                place: place.into(),
                text: end_of(text).to_owned(),
                constant,
                begin: begin(text),
                length: text.len(),
            });
            return None;
        };
        if tail.constant.as_deref() != Some(text) {
            // What never changes is a name, and no part of anything.
            tail.constant = None;
        }
        let apart = tail.constant.is_some() || self.records && are_apart(&tail, text);
        let new = if apart { None } else { self.join(&tail.text, text, joined) };
        let text = new.as_deref().unwrap_or(text);
        (tail.begin, tail.length) = (begin(text), text.len());
        tail.text.push_str(end_of(text));
        tail.text.drain(..tail.text.len() - end_of(&tail.text).len());
        self.tails.push_back(tail);
        new
    }

    /// What is in `before` and `text` together and in neither alone; gives the text as it goes on, where it changes.
    fn join(&mut self, before: &str, text: &str, joined: &mut Joined) -> Option<String> {
        let profile = &self.profile;
        let reach = if self.records { RECORD } else { SEAM };
        let before = before.get(before.ceil_char_boundary(before.len().saturating_sub(reach))..).unwrap_or_default();
        let begin = text.get(..text.floor_char_boundary(reach)).unwrap_or_default();
        self.both.clear();
        self.both.push_str(before);
        self.both.push_str(begin);
        let both = &*self.both;
        let near = if self.records { NEAR } else { SEAM };
        let from = both.floor_char_boundary(before.len().saturating_sub(near));
        let to = both.ceil_char_boundary((before.len() + near).min(both.len()));
        let near = both.get(from..to).unwrap_or_default();
        let words = self.records && profile.own().is_empty() && are_words(near);
        if !(if words { has_key(profile, near) } else { has_clue(profile, near) }) {
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
            !self.records || !alone && at(&one.place).is_some_and(|offset| offset < before.len() as u64)
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

/// The first bytes of a text.
fn begin(text: &str) -> [u8; SAME] {
    let mut begin = [0; SAME];
    begin.iter_mut().zip(text.bytes()).for_each(|(slot, byte)| *slot = byte);
    begin
}

/// Whether the text of a record is no part of what those before it began.
fn are_apart(tail: &Tail, text: &str) -> bool {
    let number = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b',' | b':' | b'/' | b' '));
    let identifier = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let last = tail.text.get(tail.text.len().saturating_sub(tail.length)..).unwrap_or_default();
    tail.begin == begin(text) && text.len() >= SAME
        || number(text) && number(&tail.text)
        || text.len() >= IDENTIFIER && text.len() == tail.length && identifier(text) && identifier(last)
}

/// Whether a text is words and nothing else.
fn are_words(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphabetic() || b" .,:;!?'\"()-/".contains(&byte))
}

/// Whether in words, without a digit or other sign, there is what a key begins with.
fn has_key(profile: &Profile, words: &str) -> bool {
    let mut anchors = Vec::new();
    Prefilter::new(profile.detectors()).list(words.as_bytes(), 0, true, &mut anchors);
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

/// The last bytes of a text.
fn end_of(text: &str) -> &str {
    text.get(text.ceil_char_boundary(text.len().saturating_sub(SEAM))..).unwrap_or_default()
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

impl<'a> Leaf<'a> {
    fn whole(text: &'a str) -> Leaf<'a> {
        Leaf { place: String::new(), text: Cow::Borrowed(text), at: 0..text.len() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
