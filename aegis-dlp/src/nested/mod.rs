//! Content in content: runs of base64 and of hexadecimal digits are decoded and scanned by a scanner of their own, and what that
//! changes is encoded again.
//!
//! A run of at least [`LONG`] characters is content, and a shorter one where what it decodes to is mostly text or begins as
//! packed content does. What is not changed leaves as it came; from the first change on a run is written anew.

mod codec;
mod judge;
mod run;
mod runs;

use crate::finding::Finding;
use crate::stream::{Opaque, Remark};
use crate::{Flow, Profile, Scanner};
use codec::in_alphabet;
use judge::{AHEAD, LONG, judge};
use run::in_lines;
use runs::Next;

pub(crate) use judge::Judged;
pub(crate) use run::Run;

/// How often encodings within encodings are undone at most, whatever a rule says.
const DEEPEST: u8 = 8;

/// What reads content that was found within other content.
pub(crate) trait Layer: Send {
    /// Takes the next bytes and appends what is decided.
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Flow;
    /// Ends the content and appends the rest.
    fn finish(&mut self, out: &mut Vec<u8>) -> Flow;
    /// What was found since this was asked last; offsets are of the content.
    fn take_findings(&mut self) -> Vec<Finding>;
    /// How many bytes were put out before the first that differs from what came in; `None` while all is as it came.
    fn altered_at(&self) -> Option<u64>;
    /// What was not read since this was asked last; paths are of the content.
    fn take_unread(&mut self) -> Unread;
    /// Bytes of memory that it holds.
    fn held(&self) -> usize;
}

/// What could not be read of files in content.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    /// It passed all the same.
    pub(crate) remarks: Vec<Remark>,
    /// Why it may not pass.
    pub(crate) refused: Option<Opaque>,
}

/// Asked with the first bytes of encoded content (at most 96) and the levels that are left: what reads it where it is packed
/// in a way that no text scanner undoes.
pub(crate) type Packed = fn(&Profile, &[u8], u8) -> Option<Box<dyn Layer>>;

/// Whether there may be content within this text.
pub(crate) fn has_run(text: &[u8]) -> bool {
    matches!(runs::find(text), Next::Run(..))
}

/// The state of looking for content in content.
#[derive(Default)]
pub(crate) struct Nested {
    /// Levels that are left.
    depth: u8,
    pub(crate) packed: Option<Packed>,
    /// This is within encoded content: what is deeper than may be undone is refused.
    pub(crate) strict: bool,
    /// What reads UTF-16 as single bytes.
    pub(crate) twin: Option<Box<Scanner>>,
    /// The run under way.
    pub(crate) run: Option<Run>,
    /// Within a run that is none.
    skipping: bool,
    /// Decoded bytes, and what the layer makes of them.
    pub(crate) bytes: Vec<u8>,
    pub(crate) put: Vec<u8>,
}

/// What the next bytes of a stretch are.
pub(crate) enum Ahead {
    /// Not content up to this position, and nothing to be said of what follows.
    Nothing(usize),
    /// Not content up to this position.
    Passed(usize),
    /// Content from this position on.
    Content(usize, Judged),
}

impl Nested {
    pub(crate) fn new(depth: u8) -> Self {
        let mut nested = Nested::default();
        nested.limit(depth);
        nested
    }

    /// Undoes so many levels.
    pub(crate) fn limit(&mut self, depth: u8) {
        self.depth = depth.min(DEEPEST);
    }

    pub(crate) fn is_off(&self) -> bool {
        self.depth == 0
    }

    /// The levels that are left.
    pub(crate) fn depth(&self) -> u8 {
        self.depth
    }

    /// The levels that are left within content that is found here.
    pub(crate) fn inner_depth(&self) -> u8 {
        self.depth.saturating_sub(1)
    }

    /// Leaves the run that begins here as it is.
    pub(crate) fn skip_run(&mut self) {
        self.skipping = true;
    }

    /// Bytes of memory held.
    pub(crate) fn held(&self) -> usize {
        let run = self.run.as_ref().map_or(0, |run| run.inner.held());
        let twin = self.twin.as_ref().map_or(0, |twin| twin.held());
        run + twin + self.bytes.capacity() + self.put.capacity()
    }

    /// Begins a run at `start`, read by `inner`.
    pub(crate) fn begin(&mut self, start: usize, judged: &Judged, inner: Box<dyn Layer>, path: String) {
        self.run = Some(Run::new(start, judged, inner, path));
    }

    /// Positions move: the view before `gone` was dropped.
    pub(crate) fn dropped(&mut self, gone: usize) {
        if let Some(run) = &mut self.run {
            run.dropped(gone);
        }
    }

    /// Looks at the decided bytes of a view from `from` on, where no run is under way. With `flush` the last of them ends a run.
    pub(crate) fn ahead(&mut self, view: &[u8], from: usize, flush: bool) -> Ahead {
        let rest = view.get(from..).unwrap_or_default();
        if self.skipping {
            let more = rest.iter().position(|byte| !in_alphabet(*byte));
            self.skipping = more.is_none() && !flush;
            return more.map_or(Ahead::Nothing(view.len()), |more| Ahead::Passed(from + more));
        }
        let (start, end) = match runs::find(rest) {
            Next::None => return Ahead::Nothing(view.len()),
            Next::Begins(_) if flush => return Ahead::Nothing(view.len()),
            Next::Begins(start) => return Ahead::Nothing(from + start),
            Next::Run(start, end) => (start, end),
        };
        // The letter of an escape that stayed in the content is none of the run.
        let before = (from + start).checked_sub(1).and_then(|at| view.get(at)).copied();
        let escaped = before == Some(b'\\') && matches!(rest.get(start), Some(b'n' | b'r' | b't'));
        let start = start + usize::from(escaped);
        let whole = end < rest.len() || flush;
        if !whole && end - start < AHEAD {
            return Ahead::Nothing(from + start);
        }
        let first = rest.get(start..end.min(start + AHEAD)).unwrap_or_default();
        let lines = match first.len() {
            AHEAD.. => Ok(false),
            length => in_lines(rest, end, length, flush),
        };
        let Ok(lines) = lines else { return Ahead::Nothing(from + start) };
        match judge(first, first.len() >= LONG || lines, before) {
            Some(judged) => Ahead::Content(from + start, judged),
            None => {
                self.skipping = !whole;
                Ahead::Passed(from + end)
            }
        }
    }
}
