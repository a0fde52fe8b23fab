//! What becomes of a match: it is noted, and replaced or the end of the stream.

use std::borrow::Cow;

use super::{Flow, Scanner};
use crate::detect::Match;
use crate::finding::Place;
use crate::stream::Reason;
use crate::view::{DEEP_QUOTE, Encoding};
use crate::{Action, Detector, Profile, masked};

impl Scanner {
    pub(super) fn apply(&mut self, first: Match, others: &[Match], end: bool, out: &mut Vec<u8>) {
        let Some(action) = self.profile.action(first.detector) else {
            return;
        };
        let start = first.start.max(self.done);
        let signed = self.signed(start, first.end);
        if action != Action::Report {
            self.put_out(start - usize::from(signed), true, out);
        }
        if self.stopped.is_some() {
            return;
        }
        self.place_in.reach(self.window.bytes(), start);
        let Some(first) = self.within_markup(start, first, action) else { return };
        for found in std::iter::once(&first).chain(others) {
            if !self.findings.count(found.detector, action, 1) {
                let place = self.place_of(found.start.max(self.done), found.detector, action);
                self.findings.add(found.detector, action, found.confidence, place);
            }
        }
        match action {
            Action::Report => {}
            Action::Deny => self.stopped = Some(Flow::Deny(first.detector)),
            Action::Approve => self.stopped = Some(Flow::Approve(first.detector)),
            Action::Redact => {
                self.redact(start, signed, first, out);
                self.follow(end);
            }
        }
    }

    /// Whether what stands before a match may as well go out when that is dealt with, and at once: nothing there depends on what
    /// was put out before, as a sign does that is put out alone, or markup that stops the stream.
    pub(super) fn goes_out_with(&self, found: &Match) -> bool {
        let signed = self.view(false).before(found.start) == Some(b'-');
        let before = self.view(false).slice(self.sent, found.start);
        let plain = self.weave.as_ref().is_none_or(|weave| weave.is_plain(before));
        !signed && plain && self.profile.action(found.detector) != Some(Action::Report)
    }

    /// A match to be replaced as far as it is in the text or the attribute of XML that it begins in: what is found by quotes may
    /// take tags for a value. `None` where nothing of it is; where it is in the tag itself, which no mask fits into, that stops.
    fn within_markup(&mut self, start: usize, found: Match, action: Action) -> Option<Match> {
        if action != Action::Redact {
            return Some(found);
        }
        let text = self.view(false).slice(start, found.end);
        let length = self.place_in.tracker.text_length(text);
        match length {
            None => Some(found),
            Some(0) if self.place_in.tracker.in_markup() => {
                let place = self.place_of(start, found.detector, action);
                self.findings.add(found.detector, action, found.confidence, place);
                self.refuse(Reason::Ambiguous("a document with a value in a tag"));
                None
            }
            Some(0) => None,
            Some(length) => Some(Match { end: start + length, tail: None, ..found }),
        }
    }

    /// Where the tracker is, of a match that begins at this position.
    fn place_of(&self, position: usize, detector: Detector, action: Action) -> Place {
        if let Some(place) = &self.place {
            return place.clone();
        }
        if self.findings.is_counted(detector, action) {
            return Place::at(self.window.offset(position));
        }
        let path = joined([self.prefix.as_deref().unwrap_or_default(), &self.path(detector.mask())]);
        Place::Body { offset: self.window.offset(position), path }
    }

    /// The path of where the tracker is; names in it are told without what the detectors find in them.
    pub(super) fn path(&self, found: &str) -> String {
        self.place_in.tracker.path(found, &|name| {
            let profile = Profile::redacting(self.wanted.union(crate::DetectorSet::ALL));
            masked(&profile, name).into_owned()
        })
    }

    /// Whether a match is a number behind a sign, which goes with it: `-"[CARD]"` would not be JSON.
    fn signed(&self, start: usize, end: usize) -> bool {
        let view = self.view(false);
        start > self.done && view.before(start) == Some(b'-') && is_number(view.slice(start, end))
    }

    fn redact(&mut self, start: usize, signed: bool, found: Match, out: &mut Vec<u8>) {
        let number = is_number(self.view(false).slice(start, found.end));
        let quote = self.quote(start - usize::from(signed), number);
        let start = start - usize::from(signed && quote.is_some());
        let mask = self.mask(start, &found);
        let (sent, seen) = quote.unwrap_or_default();
        self.window.put_out_to(start, out);
        self.alter(out.len());
        if seen.is_empty() {
            self.window.put_out_text(mask.as_bytes(), out);
        } else {
            for part in [sent, &mask, sent] {
                self.window.put_out_text(part.as_bytes(), out);
            }
        }
        let seen = if seen.is_empty() { mask } else { format!("{seen}{mask}{seen}").into() };
        self.window.replace(start, found.end, seen.as_bytes());
        for followed in std::iter::once(&mut self.place_in).chain(&mut self.column) {
            followed.at = followed.at.min(start);
        }
        self.done = start + seen.len();
        (self.sent, self.decided) = (self.done, self.done);
        self.tail = found.tail;
    }

    /// The text for a match, fit for where it stands.
    fn mask(&self, start: usize, found: &Match) -> Cow<'static, str> {
        let view = self.view(false);
        let mut mask = self.profile.replacement(found.detector, view.slice(start, found.end));
        let name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:".contains(byte) || !byte.is_ascii();
        let tracker = &self.place_in.tracker;
        // Of an instruction's name readers take what they know for a name, and the rest for what comes behind it.
        let named = tracker.in_markup() && view.slice(start, found.end).iter().all(name) || tracker.in_target();
        if named {
            // A name may have no brackets; dots keep what stands around it apart as those would.
            let mask = mask.to_mut();
            mask.retain(|char| char.is_ascii_alphanumeric() || char == '_');
            mask.push('.');
            if view.before(start).is_some_and(|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'<' | b'/' | b'?'))
            {
                mask.insert_str(0, "._");
            }
        } else if self.window.encoding() == Encoding::Xml && view.seen(found.end) == Some(b']') && mask.ends_with(']') {
            // Lest it be `]]>`.
            let mask = mask.to_mut();
            mask.pop();
            mask.push(')');
        }
        mask
    }

    /// The quotes that a mask needs at this position, as they are written and as they are seen: where JSON has a bare value, also
    /// the number that stands behind a key in JSON that stands in text.
    fn quote(&self, start: usize, number: bool) -> Option<(&'static str, &'static str)> {
        let json = self.window.encoding().is_json();
        // Behind a backslash a quote would be none.
        if json && !self.place_in.tracker.in_string() && self.view(false).before(start) != Some(b'\\') {
            return Some(("\"", "\""));
        }
        let view = self.view(false);
        let colon = view.run_back(start, 4, |byte| byte == b' ');
        if !number || view.before(colon) != Some(b':') {
            return None;
        }
        match view.before(colon - 1)? {
            // There a quote delimits a cell or an attribute.
            b'"' if json || self.window.encoding() == Encoding::Csv || self.place_in.tracker.in_attribute() => None,
            b'"' => Some(("\"", "\"")),
            b'\'' if json => Some(("\\\"", "'")),
            b'\'' if self.window.encoding() == Encoding::Xml => Some(("&quot;", "'")),
            DEEP_QUOTE if json => Some(("\\\\\\\"", "`")),
            _ => None,
        }
    }

    /// Drops the rest of a redacted match as far as it has arrived.
    pub(super) fn follow(&mut self, end: bool) {
        let Some(tail) = self.tail.take() else { return };
        let reached = match tail.follow(&self.view(end), self.done) {
            Ok(reached) => reached,
            Err((reached, rest)) => {
                self.tail = Some(rest);
                reached
            }
        };
        self.window.replace(self.done, reached, &[]);
    }
}

/// Whether a match is a number as JSON has it, without a sign.
fn is_number(text: &[u8]) -> bool {
    let part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    let signed = |pair: &[u8]| matches!(pair, [before, b'-'] if !matches!(before, b'e' | b'E'));
    text.first().is_some_and(u8::is_ascii_digit)
        && text.iter().all(part)
        && !text.windows(2).any(signed)
        && text.iter().filter(|byte| **byte == b'.').count() < 2
}

/// Parts of a path, without those that are empty.
pub(super) fn joined<const N: usize>(parts: [&str; N]) -> Option<Box<str>> {
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join("!").into())
}
