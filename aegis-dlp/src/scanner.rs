//! The streaming scanner: chunks in, the same stream with matches replaced out.

use crate::context::LOOK_BEHIND;
use crate::detect::{self, Match, Tail};
use crate::finding::{Finding, Findings, Place};
use crate::prefilter::{Anchor, Prefilter};
use crate::view::{Encoding, View, Window};
use crate::{Action, Detector, DetectorSet, Format, Profile};

/// The most bytes that a [`Scanner`] holds back after a chunk, whatever the input. Normally it is the
/// token that the chunk ends in, and nothing where it ends between words.
pub const HOLD_BACK: usize = 4096;

/// Bytes examined at once: enough to amortise, little enough to stay in the first-level cache.
const PIECE: usize = 16 * 1024;
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
}

/// Scans a stream in chunks of any size, in memory bounded by [`HOLD_BACK`] and a fixed window.
///
/// Output and findings depend on the bytes of the stream only, not on how they were cut.
pub struct Scanner {
    profile: Profile,
    wanted: DetectorSet,
    prefilter: Prefilter,
    window: Window,
    /// Where matches are; `None` for a body, where each has its offset.
    place: Option<Place>,
    findings: Findings,
    denied: Option<Detector>,
    /// The rest of a redacted match, still arriving.
    tail: Option<Tail>,
    /// The view before this was put out or redacted.
    done: usize,
    /// Clues before this were examined.
    decided: usize,
    /// End of the last redacted match.
    cut: usize,
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
            Format::Text => Encoding::Plain,
        };
        Scanner::with(profile, encoding, None)
    }

    pub(crate) fn with(profile: Profile, encoding: Encoding, place: Option<Place>) -> Self {
        let wanted = profile.detectors();
        Scanner {
            profile,
            wanted,
            prefilter: Prefilter::new(wanted),
            window: Window::new(encoding),
            place,
            findings: Findings::default(),
            denied: None,
            tail: None,
            done: 0,
            decided: 0,
            cut: 0,
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
            if self.denied.is_some() {
                break;
            }
            self.window.append(piece, false);
            self.advance(false, out);
        }
        self.flow()
    }

    /// Ends the stream and appends the rest to `out`.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Flow {
        if self.denied.is_none() && !self.wanted.is_empty() {
            self.window.append(&[], true);
            self.advance(true, out);
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
        self.denied.map_or(Flow::Continue, Flow::Deny)
    }

    /// Examines what is in the window and puts out what is decided.
    fn advance(&mut self, end: bool, out: &mut Vec<u8>) {
        self.follow(end);
        if self.tail.is_none() {
            let mut anchors = std::mem::take(&mut self.anchors);
            self.prefilter.list(self.window.bytes(), self.done, self.cut, &mut anchors);
            let open = self.examine(&anchors, end, out);
            self.anchors = anchors;
            if self.tail.is_none() && self.denied.is_none() {
                let length = self.window.bytes().len();
                let keep = match open {
                    None if end => length,
                    open => detect::earliest(&self.view(end), open.unwrap_or(length)),
                };
                self.put_out(keep, out);
            }
        }
        self.compact();
    }

    /// Examines the clues in order, up to one that needs more bytes: its position.
    fn examine(&mut self, anchors: &[Anchor], end: bool, out: &mut Vec<u8>) -> Option<usize> {
        for anchor in anchors {
            if anchor.at < self.decided {
                continue;
            }
            let Ok(found) = detect::examine(&self.view(end), *anchor, self.wanted) else {
                return Some(anchor.at);
            };
            self.decided = anchor.at + 1;
            if let Some(found) = found {
                self.apply(found, end, out);
            }
            if self.denied.is_some() || self.tail.is_some() {
                break;
            }
        }
        None
    }

    fn apply(&mut self, found: Match, end: bool, out: &mut Vec<u8>) {
        let Some(action) = self.profile.action(found.detector) else { return };
        if found.end <= self.cut && action != Action::Deny {
            return;
        }
        let start = found.start.max(self.cut).max(self.done);
        let place = self.place.clone().unwrap_or_else(|| Place::Body { offset: self.window.offset(start) });
        self.findings.add(found.detector, action, place);
        match action {
            Action::Report => {}
            Action::Deny => {
                self.put_out(start, out);
                self.denied = Some(found.detector);
            }
            Action::Redact => {
                self.put_out(start, out);
                self.put_mask(found.detector, out);
                (self.done, self.cut, self.tail) = (found.end, found.end, found.tail);
                self.follow(end);
            }
        }
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
        (self.done, self.cut, self.decided) = (reached, reached, self.decided.max(reached));
    }

    fn view(&self, end: bool) -> View<'_> {
        let json = self.window.encoding() == Encoding::Json;
        View { bytes: self.window.bytes(), end, json, cut: self.cut }
    }

    fn put_out(&mut self, to: usize, out: &mut Vec<u8>) {
        if to > self.done {
            out.extend_from_slice(self.window.raw(self.done, to));
            self.done = to;
        }
    }

    /// Writes a mask as the place it comes to needs it.
    fn put_mask(&mut self, detector: Detector, out: &mut Vec<u8>) {
        let mask = detector.mask();
        match self.window.encoding() {
            // Outside a string only a number can have matched: the mask becomes a string.
            Encoding::Json if !self.inside_string(self.done) => {
                out.push(b'"');
                out.extend_from_slice(mask.as_bytes());
                out.push(b'"');
            }
            Encoding::Plain | Encoding::Json => out.extend_from_slice(mask.as_bytes()),
            Encoding::Form | Encoding::Percent => {
                out.extend_from_slice(mask.replace('[', "%5B").replace(']', "%5D").as_bytes());
            }
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
        if self.window.encoding() == Encoding::Json && self.counted < gone {
            self.inside_string(gone);
        }
        self.window.drop_before(gone);
        for position in [&mut self.done, &mut self.decided, &mut self.cut, &mut self.counted] {
            *position = position.saturating_sub(gone);
        }
    }
}
