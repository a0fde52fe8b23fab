//! The streaming scanner: chunks in, the same stream with matches replaced out.

mod apply;
mod inside;
mod layer;
mod lead;
mod queue;
mod weave;

use crate::context::LOOK_BEHIND;
use crate::detect::{self, Tail};
use crate::finding::{Finding, Findings, Place};
use crate::nested::{Nested, Packed, Unread};
use crate::opening::Opening;
use crate::own::Candidate;
use crate::place::Followed;
use crate::prefilter::{Anchor, Prefilter};
use crate::stream::Reason;
use crate::view::{Charset, Encoding, Transcoder, View, Window};
use crate::{Detector, DetectorSet, Format, Profile};
use lead::Lead;
use queue::Queue;
use weave::Weave;

/// The most bytes that a [`Scanner`] holds back after a chunk, whatever the input. Normally it is the
/// token that the chunk ends in, and nothing where it ends between words.
pub const HOLD_BACK: usize = 16 * 1024;

/// Bytes examined at once: enough to amortise, little enough to stay in the first-level cache.
const PIECE: usize = 8 * 1024;
/// Decided bytes that pile up in the window before they are dropped, so that tiny chunks cost little.
const SLACK: usize = 2048;
/// The same among matches, each of which moves what is kept before it.
const BUSY_SLACK: usize = 512;

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
    /// Stop: a file that stands encoded within cannot be read, or not be let out. Only a stream looks for such.
    Opaque,
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
    /// What encloses the body.
    prefix: Option<Box<str>>,
    /// What the body is the value of.
    heading: Box<[u8]>,
    findings: Findings,
    /// What of the files within was not read.
    unread: Unread,
    /// Why the stream stopped, where it did.
    stopped: Option<Flow>,
    /// The rest of a redacted match, still arriving.
    tail: Option<Tail>,
    /// The view before this was put out or redacted, as far as the detectors are concerned.
    done: usize,
    /// The view before this was put out or redacted.
    sent: usize,
    /// Clues before this were examined.
    decided: usize,
    /// Where in the document what goes out is.
    place_in: Followed,
    /// In a table: which column what is examined is in.
    column: Option<Followed>,
    anchors: Vec<Anchor>,
    candidates: Vec<Candidate>,
    leads: Vec<Lead>,
    nested: Nested,
    /// In XML and JSON: text as it is shown, without the markup that cuts it.
    weave: Option<Weave>,
    /// Bytes put out before this push, the length of `out` when it began, and how many were put out before the first that
    /// differs from what came in. What is read as single bytes besides counts as put out once it is given to that.
    before: u64,
    base: usize,
    altered: Option<u64>,
}

impl Scanner {
    /// A scanner for a body of this format.
    pub fn new(profile: Profile, format: Format) -> Self {
        let mut scanner = Scanner::with(profile, Encoding::Plain, None);
        scanner.opening = Some(Opening::of(format));
        scanner
    }

    /// Reads the body in this charset unless how it begins says otherwise: a byte order mark, or a NUL in every second byte.
    #[must_use]
    pub fn with_charset(mut self, charset: Charset) -> Self {
        self.declare(charset);
        self
    }

    /// The same, of a scanner that stays where it is.
    pub(crate) fn declare(&mut self, charset: Charset) {
        if let Some(opening) = &mut self.opening {
            opening.declare(charset);
        }
    }

    /// Names what encloses the body: the path of each finding begins with it.
    #[must_use]
    pub fn with_place_prefix(mut self, prefix: &str) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Names what the body is the value of: context for the detectors, as the key of a value is.
    pub(crate) fn set_heading(&mut self, heading: &str) {
        self.heading = heading.as_bytes().into();
    }

    /// How many levels of base64 and hexadecimal digits are undone, in place of what the profile says.
    #[must_use]
    pub fn with_depth(mut self, depth: u8) -> Self {
        self.nested.limit(depth);
        self
    }

    /// Who is asked what reads content that was found encoded within this one.
    pub(crate) fn set_packed(&mut self, packed: Packed) {
        self.nested.packed = Some(packed);
    }

    /// Reads the body as UTF-8 however it begins: it was put together here.
    pub(crate) fn be_utf8(&mut self) {
        if let Some(opening) = &mut self.opening {
            opening.settle();
        }
    }

    pub(crate) fn with(profile: Profile, encoding: Encoding, place: Option<Place>) -> Self {
        let wanted = profile.detectors();
        let nested = Nested::new(profile.content().nesting);
        let mut scanner = Scanner {
            profile,
            wanted,
            prefilter: Prefilter::new(wanted),
            opening: None,
            window: Window::new(encoding, Transcoder::default(), Vec::new(), 0),
            place,
            prefix: None,
            heading: Box::default(),
            findings: Findings::default(),
            unread: Unread::default(),
            stopped: None,
            tail: None,
            done: 0,
            sent: 0,
            decided: 0,
            place_in: Followed::new(encoding),
            column: None,
            anchors: Vec::new(),
            candidates: Vec::new(),
            leads: Vec::new(),
            nested,
            weave: None,
            before: 0,
            base: 0,
            altered: None,
        };
        if scanner.place.is_some() && scanner.is_strict() {
            scanner.window.be_strict();
        }
        scanner
    }

    /// Takes the next bytes of the stream and appends to `out` what is decided.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Flow {
        if self.wanted.is_empty() {
            out.extend_from_slice(chunk);
            return Flow::Continue;
        }
        self.base = out.len();
        for piece in chunk.chunks(PIECE) {
            if self.stopped.is_some() {
                break;
            }
            self.take(piece, false, out);
        }
        self.count(out)
    }

    /// Ends the stream and appends the rest to `out`.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Flow {
        self.base = out.len();
        if self.stopped.is_none() && !self.wanted.is_empty() {
            self.take(&[], true, out);
        }
        self.count(out)
    }

    /// What was found so far, in order; see [`MAX_FINDINGS`](crate::MAX_FINDINGS).
    pub fn findings(&self) -> &[Finding] {
        self.findings.as_slice()
    }

    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.findings.into_vec()
    }

    /// What was found since this was asked last, for who counts what is too much to be listed as it is counted here.
    pub(crate) fn hand_over(&mut self) -> Vec<Finding> {
        self.findings.hand_over()
    }

    /// What was found since this was asked last.
    pub(crate) fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings).into_vec()
    }

    /// What was not read since this was asked last.
    pub(crate) fn take_unread(&mut self) -> Unread {
        std::mem::take(&mut self.unread)
    }

    /// Bytes of memory that it holds.
    pub(crate) fn held(&self) -> usize {
        let opening = self.opening.as_ref().map_or(0, Opening::held);
        let anchors = self.anchors.capacity() * size_of::<Anchor>()
            + self.candidates.capacity() * size_of::<Candidate>()
            + self.leads.capacity() * size_of::<Lead>();
        let weave = self.weave.as_ref().map_or(0, Weave::held);
        size_of::<Scanner>() + opening + self.window.held() + anchors + self.nested.held() + weave
    }

    fn count(&mut self, out: &mut Vec<u8>) -> Flow {
        match self.stopped {
            None => self.read_as_bytes(out),
            Some(_) => self.end_as_bytes(out),
        }
        self.before += (out.len() - self.base) as u64;
        self.stopped.unwrap_or(Flow::Continue)
    }

    /// Notes that what is put out after so many bytes in the output differs from what came in.
    fn alter(&mut self, length: usize) {
        let put_out = self.before + (length - self.base) as u64;
        self.altered.get_or_insert(put_out);
    }

    fn take(&mut self, bytes: &[u8], end: bool, out: &mut Vec<u8>) {
        let Some(mut opening) = self.opening.take() else {
            self.window.append(bytes, end);
            return self.advance(end, out);
        };
        opening.take(bytes, end, out);
        let Some(encoding) = opening.encoding(end) else {
            self.opening = Some(opening);
            return;
        };
        self.open(opening, encoding);
        self.window.append(&[], end);
        if self.stopped.is_none() {
            self.advance(end, out);
        }
    }

    /// Examines what is in the window and puts out what is decided.
    fn advance(&mut self, end: bool, out: &mut Vec<u8>) {
        self.follow(end);
        if self.tail.is_none() {
            let leads = self.list(end);
            let open = self.examine(&leads, end, out);
            self.leads = leads;
            if self.tail.is_none() && self.stopped.is_none() {
                let length = self.window.bytes().len();
                let keep = match open {
                    None if end => length,
                    open => {
                        let (view, to) = (self.view(end), open.unwrap_or(length));
                        detect::earliest(&view, self.profile.own().earliest(&view, to))
                    }
                };
                self.put_out(keep, end && open.is_none(), out);
                self.decided = self.decided.max(open.unwrap_or(keep));
            }
        }
        if self.window.is_over() && self.stopped.is_none() {
            self.cannot_read(Reason::TooLarge("what nobody sees within a value"));
        }
        if end && self.stopped.is_none() {
            self.window.put_out_rest(out);
            self.end_other_readings(out);
        }
        self.compact(SLACK);
    }

    /// Lists the places to be examined, in order.
    fn list(&mut self, end: bool) -> Vec<Lead> {
        let mut leads = std::mem::take(&mut self.leads);
        let (mut anchors, mut candidates) = (std::mem::take(&mut self.anchors), std::mem::take(&mut self.candidates));
        let prefilter = self.prefilter.headed(self.column.is_some() || !self.heading.is_empty());
        prefilter.list(self.window.bytes(), self.done, end, &mut anchors);
        self.profile.own().list(&self.view(end), self.done, self.wanted, &mut candidates);
        leads.clear();
        leads.extend(anchors.iter().copied().map(Lead::BuiltIn));
        if !candidates.is_empty() {
            leads.extend(candidates.iter().copied().map(Lead::Own));
            leads.sort_by_key(|lead| lead.at());
        }
        (self.anchors, self.candidates) = (anchors, candidates);
        leads
    }

    /// Examines the leads in order, those at one place together, up to one that needs more bytes: its position.
    fn examine(&mut self, leads: &[Lead], end: bool, out: &mut Vec<u8>) -> Option<usize> {
        let mut queue = Queue::new(leads);
        let mut begun = self.begun(end);
        while let Some(lead) = queue.next() {
            let at = lead.at();
            if at < self.decided {
                continue;
            }
            if at > begun {
                return Some(begun);
            }
            if let Some(column) = &mut self.column {
                column.reach(self.window.bytes(), at);
            }
            let Ok(found) = self.matches_at(lead, &queue, end) else {
                return Some(at);
            };
            self.decided = at + 1;
            if let Some((first, others)) = found {
                if !self.goes_out_with(&first) {
                    // What is found inside of what stands before comes first.
                    self.put_out(detect::earliest(&self.view(end), at).min(first.start), false, out);
                    if self.stopped.is_some() {
                        break;
                    }
                }
                let length = self.window.bytes().len();
                self.apply(first, &others, end, out);
                self.compact(BUSY_SLACK);
                let moved = self.window.bytes().len().wrapping_sub(length).cast_signed();
                let asked = (self.prefilter, self.wanted, &self.profile);
                queue.replaced(moved, asked, &self.view(end), self.done.max(self.decided));
                begun = self.begun(end);
            }
            if self.stopped.is_some() || self.tail.is_some() {
                break;
            }
        }
        None
    }

    /// Where the literal of an own detector may have begun that has not come as a whole: what begins behind it waits, or
    /// it would be decided first and the match that begins there never looked at.
    fn begun(&self, end: bool) -> usize {
        self.profile.own().earliest(&self.view(end), self.window.bytes().len())
    }

    fn view(&self, end: bool) -> View<'_> {
        let json = self.window.encoding().is_json();
        let heading = self.column.as_ref().map_or(&*self.heading, |column| column.tracker.heading());
        let rows = self.window.encoding() == Encoding::Csv;
        View { bytes: self.window.bytes(), end, json, rows, heading }
    }

    /// Drops what is decided and out of sight, where it is so much.
    fn compact(&mut self, slack: usize) {
        let gone = self.done.saturating_sub(LOOK_BEHIND).min(self.sent);
        if gone < slack {
            return;
        }
        for followed in std::iter::once(&mut self.place_in).chain(&mut self.column) {
            followed.reach(self.window.bytes(), gone);
            followed.at -= gone;
        }
        self.weave();
        self.window.drop_before(gone);
        self.nested.dropped(gone);
        if let Some(weave) = &mut self.weave {
            weave.at = weave.at.saturating_sub(gone);
        }
        for position in [&mut self.done, &mut self.sent, &mut self.decided] {
            *position = position.saturating_sub(gone);
        }
    }
}
