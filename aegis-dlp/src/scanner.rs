//! The streaming scanner: chunks in, the same stream with matches replaced out.

use std::borrow::Cow;

use crate::context::LOOK_BEHIND;
use crate::detect::{self, LONGEST_LITERAL, Match, Tail};
use crate::finding::{Confidence, Finding, Findings, Place};
use crate::opening::Opening;
use crate::prefilter::{Anchor, Prefilter};
use crate::view::{Encoding, Eval, View, Window};
use crate::{Action, Detector, DetectorSet, Format, Profile};

/// The most bytes that a [`Scanner`] holds back after a chunk, whatever the input. Normally it is the
/// token that the chunk ends in, and nothing where it ends between words.
pub const HOLD_BACK: usize = 4096;

/// Bytes examined at once: enough to amortise, little enough to stay in the first-level cache and to be
/// moved where a mask is longer or shorter than what it replaces.
const PIECE: usize = 8 * 1024;
/// Decided bytes that pile up in the window before they are dropped, so that tiny chunks cost no moves.
const SLACK: usize = 2048;

/// What the stream may do next.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[must_use = "a denied stream must not go on"]
pub enum Flow {
    /// Send what was put out and go on.
    Continue,
    /// Stop: a detector whose action is deny has matched. Nothing of the match has been put out.
    Deny(Detector),
    /// Stop in the same way: a detector has matched whose action is to have a human approve it.
    Approve(Detector),
}

/// Scans a stream in chunks of any size, in memory bounded by [`HOLD_BACK`] and a fixed window.
///
/// Output and findings depend on the bytes of the stream only, not on how they were cut.
pub struct Scanner {
    profile: Profile,
    wanted: DetectorSet,
    prefilter: Prefilter,
    /// The start of the body, while it is undecided how to read it.
    opening: Option<Opening>,
    window: Window,
    /// Where matches are; `None` for a body, where each has its offset.
    place: Option<Place>,
    findings: Findings,
    /// Why the stream stopped, where it did.
    stopped: Option<Flow>,
    /// The rest of a redacted match, still arriving.
    tail: Option<Tail>,
    /// The view before this was put out or redacted.
    done: usize,
    /// Clues before this were examined.
    decided: usize,
    /// Whether `counted` is inside a JSON string.
    in_string: bool,
    counted: usize,
    anchors: Vec<Anchor>,
}

impl Scanner {
    /// A scanner for a body of this format.
    pub fn new(profile: Profile, format: Format) -> Self {
        let encoding = match format {
            Format::Json => Encoding::Json,
            Format::Form => Encoding::Form,
            Format::Text | Format::Unknown => Encoding::Plain,
        };
        Scanner { opening: Opening::of(format), ..Scanner::with(profile, encoding, None) }
    }

    pub(crate) fn with(profile: Profile, encoding: Encoding, place: Option<Place>) -> Self {
        let wanted = profile.detectors();
        Scanner {
            profile,
            wanted,
            prefilter: Prefilter::new(wanted),
            opening: None,
            window: Window::new(encoding, 0),
            place,
            findings: Findings::default(),
            stopped: None,
            tail: None,
            done: 0,
            decided: 0,
            in_string: false,
            counted: 0,
            anchors: Vec::new(),
        }
    }

    /// Takes the next bytes of the stream and appends to `out` what is decided.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Flow {
        if self.wanted.is_empty() {
            out.extend_from_slice(chunk);
            return Flow::Continue;
        }
        for piece in chunk.chunks(PIECE) {
            if self.stopped.is_some() {
                break;
            }
            self.take(piece, false, out);
        }
        self.flow()
    }

    /// Ends the stream and appends the rest to `out`.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Flow {
        if self.stopped.is_none() && !self.wanted.is_empty() {
            self.take(&[], true, out);
        }
        self.flow()
    }

    /// What was found so far, in order; see [`MAX_FINDINGS`](crate::MAX_FINDINGS).
    pub fn findings(&self) -> &[Finding] {
        self.findings.as_slice()
    }

    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.findings.into_vec()
    }

    fn flow(&self) -> Flow {
        self.stopped.unwrap_or(Flow::Continue)
    }

    fn take(&mut self, bytes: &[u8], end: bool, out: &mut Vec<u8>) {
        let Some(mut opening) = self.opening.take() else {
            self.window.append(bytes, end);
            return self.advance(end, out);
        };
        opening.take(bytes, out);
        let Some(encoding) = opening.encoding(end) else {
            self.opening = Some(opening);
            return;
        };
        let (held, passed) = opening.into_held();
        self.window = Window::new(encoding, passed);
        self.window.append(&held, end);
        self.advance(end, out);
    }

    /// Examines what is in the window and puts out what is decided.
    fn advance(&mut self, end: bool, out: &mut Vec<u8>) {
        self.follow(end);
        if self.tail.is_none() {
            let mut anchors = std::mem::take(&mut self.anchors);
            self.prefilter.list(self.window.bytes(), self.done, &mut anchors);
            let open = self.examine(&anchors, end, out);
            self.anchors = anchors;
            if self.tail.is_none() && self.stopped.is_none() {
                let length = self.window.bytes().len();
                let keep = match open {
                    None if end => length,
                    open => detect::earliest(&self.view(end), open.unwrap_or(length)),
                };
                self.put_out(keep, out);
                self.decided = self.decided.max(open.unwrap_or(keep));
            }
        }
        self.compact();
    }

    /// Examines the clues in order, up to one that needs more bytes: its position.
    fn examine(&mut self, anchors: &[Anchor], end: bool, out: &mut Vec<u8>) -> Option<usize> {
        // Masks differ in length from what they replace: what follows moves.
        let mut moved = 0_isize;
        for (number, anchor) in anchors.iter().enumerate() {
            let Some(anchor) = anchor.moved(moved).filter(|anchor| anchor.at >= self.decided) else {
                continue;
            };
            let rest = anchors.get(number + 1..).unwrap_or_default();
            let mut rest = rest.iter().filter_map(|anchor| anchor.moved(moved));
            let Ok(found) = self.matches_at(anchor, &mut rest, end) else {
                return Some(anchor.at);
            };
            self.decided = anchor.at + 1;
            if let Some((first, others)) = found {
                let length = self.window.bytes().len();
                self.apply(first, &others, end, out);
                moved += self.window.bytes().len().wrapping_sub(length).cast_signed();
            }
            if self.stopped.is_some() || self.tail.is_some() {
                break;
            }
        }
        None
    }

    /// The match that a clue points to, with those that begin inside of what it would redact: they make it
    /// longer, or forbid it.
    fn matches_at(
        &self,
        anchor: Anchor,
        rest: &mut dyn Iterator<Item = Anchor>,
        end: bool,
    ) -> Eval<Option<(Match, Vec<Match>)>> {
        let view = self.view(end);
        let Some(mut first) = detect::examine(&view, anchor, self.wanted)? else {
            return Ok(None);
        };
        let mut others = Vec::new();
        if self.profile.action(first.detector) == Some(Action::Redact) {
            settled(&view, first.end)?;
            while let Some(anchor) = rest.next().filter(|anchor| anchor.at < first.end) {
                let Some(other) = detect::examine(&view, anchor, self.wanted)? else {
                    continue;
                };
                match self.profile.action(other.detector) {
                    stricter @ Some(Action::Deny | Action::Approve) => {
                        if stricter > self.profile.action(first.detector) {
                            first.detector = other.detector;
                        }
                    }
                    Some(Action::Redact) if other.end > first.end => {
                        (first.end, first.tail) = (other.end, other.tail);
                        others.push(other);
                        settled(&view, first.end)?;
                    }
                    _ => {}
                }
            }
        }
        Ok(Some((first, others)))
    }

    fn apply(&mut self, first: Match, others: &[Match], end: bool, out: &mut Vec<u8>) {
        let Some(action) = self.profile.action(first.detector) else {
            return;
        };
        let start = first.start.max(self.done);
        for found in std::iter::once(&first).chain(others) {
            let offset = self.window.offset(found.start.max(self.done));
            let place = self.place.clone().unwrap_or(Place::at(offset));
            self.findings.add(found.detector, action, Confidence::High, place);
        }
        match action {
            Action::Report => {}
            Action::Deny | Action::Approve => {
                self.put_out(start, out);
                let stop = if action == Action::Deny { Flow::Deny } else { Flow::Approve };
                self.stopped = Some(stop(first.detector));
            }
            Action::Redact => {
                self.redact(start, first, out);
                self.follow(end);
            }
        }
    }

    fn redact(&mut self, start: usize, found: Match, out: &mut Vec<u8>) {
        let bare = self.window.encoding().is_json() && !self.inside_string(start);
        // The sign of a bare number goes with it: `-"[CARD]"` would not be JSON.
        let number = self.view(false).slice(start, found.end).iter().all(u8::is_ascii_digit);
        let signed = bare && number && start > self.done && self.view(false).before(start) == Some(b'-');
        let start = start - usize::from(signed);
        self.put_out(start, out);
        let mask = self.profile.replacement(found.detector, self.view(false).slice(start, found.end));
        let mask = if bare { Cow::Owned(format!("\"{mask}\"")) } else { mask };
        match self.window.encoding() {
            Encoding::Plain | Encoding::Json | Encoding::JsonForm => out.extend_from_slice(mask.as_bytes()),
            Encoding::Form | Encoding::Percent => {
                out.extend_from_slice(mask.replace('[', "%5B").replace(']', "%5D").replace(':', "%3A").as_bytes());
            }
        }
        self.window.replace(start, found.end, mask.as_bytes());
        self.counted = self.counted.min(start);
        self.done = start + mask.len();
        self.decided = self.done;
        self.tail = found.tail;
    }

    /// Drops the rest of a redacted match as far as it has arrived.
    fn follow(&mut self, end: bool) {
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

    fn view(&self, end: bool) -> View<'_> {
        View { bytes: self.window.bytes(), end, json: self.window.encoding().is_json() }
    }

    fn put_out(&mut self, to: usize, out: &mut Vec<u8>) {
        if to > self.done {
            out.extend_from_slice(self.window.raw(self.done, to));
            self.done = to;
        }
    }

    /// Whether a position, not before the last one asked for, is inside a JSON string.
    fn inside_string(&mut self, position: usize) -> bool {
        self.in_string ^= self.window.odd_quotes(self.counted, position);
        self.counted = position;
        self.in_string
    }

    fn compact(&mut self) {
        let gone = self.done.saturating_sub(LOOK_BEHIND);
        if gone < SLACK {
            return;
        }
        if self.window.encoding().is_json() && self.counted < gone {
            self.inside_string(gone);
        }
        self.window.drop_before(gone);
        for position in [&mut self.done, &mut self.decided, &mut self.counted] {
            *position = position.saturating_sub(gone);
        }
    }
}

/// Waits for the bytes after a match that could complete a literal begun inside of it.
fn settled(view: &View<'_>, end: usize) -> Eval<()> {
    view.run(end, LONGEST_LITERAL, |byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b' '))?;
    Ok(())
}
