//! What is decided goes out by here: past what is found in content that stands encoded within this one.

use super::apply::joined;
use super::weave::{Weave, Woven};
use super::{Flow, Scanner};
use crate::finding::{Finding, MAX_FINDINGS, Place};
use crate::nested::{Ahead, Judged, Layer, Run, Unread};
use crate::opening::Opening;
use crate::place::Followed;
use crate::stream::{Deed, Opaque, Reason, Remark, Why};
use crate::view::{Charset, Encoding};
use crate::{Action, Format, Unreadable};

impl Scanner {
    /// Begins to read a body of which is known how it is written.
    pub(super) fn open(&mut self, opening: Opening, encoding: Encoding) {
        if opening.utf32 {
            self.cannot_read(Reason::Unreadable("text in UTF-32"));
        }
        self.window = opening.into_window(encoding);
        if self.is_strict() {
            self.window.be_strict();
        }
        self.place_in = Followed::new(encoding);
        self.column = (encoding == Encoding::Csv).then(|| Followed::new(encoding));
        self.weave = if self.profile.enforces() { Weave::of(encoding) } else { None };
    }

    /// Whether what cannot be read is refused.
    pub(super) fn is_strict(&self) -> bool {
        self.profile.enforces() && self.profile.content().unreadable != Unreadable::Pass
    }

    /// Lets the view up to `to` out; with `flush` all of it, though encoded content may go on.
    pub(super) fn put_out(&mut self, to: usize, flush: bool, out: &mut Vec<u8>) {
        self.let_out(to, flush, out);
        self.read_as_bytes(out);
        self.weave();
    }

    /// Reads what was put out in UTF-16 as the single bytes that it may be as well: a mark in front of ASCII makes other
    /// characters of it, but not for who keeps the bytes. What it cannot judge yet it holds back.
    pub(super) fn read_as_bytes(&mut self, out: &mut Vec<u8>) {
        let charset = self.opening.as_ref().map_or(self.window.charset(), Opening::charset);
        if charset == Charset::Utf8 || out.len() <= self.base {
            return;
        }
        let bytes = out.split_off(self.base);
        self.before += bytes.len() as u64;
        let depth = self.nested.depth();
        let twin = self.nested.twin.get_or_insert_with(|| {
            Box::new(Scanner::with(self.profile.stop_or_report(), Encoding::Plain, None).with_depth(depth))
        });
        let flow = twin.push(&bytes, out);
        let found = twin.take_findings();
        self.base = out.len();
        self.found_as_bytes(found, flow);
    }

    /// Notes what was found in UTF-16 read as single bytes, and whether it stops the stream.
    fn found_as_bytes(&mut self, found: Vec<Finding>, flow: Flow) {
        // None of it was replaced.
        found.into_iter().for_each(|found| self.findings.merge(Finding { action: Action::Report, ..found }));
        if flow != Flow::Continue && self.stopped.is_none() {
            self.refuse(Reason::Ambiguous("UTF-16 text"));
        }
    }

    /// Ends the reading as single bytes, with the stream or where that stops: a match may end there.
    pub(super) fn end_as_bytes(&mut self, out: &mut Vec<u8>) {
        self.read_as_bytes(out);
        let Some(mut twin) = self.nested.twin.take() else { return };
        let flow = twin.finish(out);
        self.base = out.len();
        self.found_as_bytes(twin.take_findings(), flow);
    }

    /// Ends what reads the content in another way besides: a match may end with it.
    pub(super) fn end_other_readings(&mut self, out: &mut Vec<u8>) {
        self.end_as_bytes(out);
        self.weave();
        if let Some(weave) = self.weave.take().filter(|_| self.stopped.is_none()) {
            let found = weave.finish();
            self.cut(found);
        }
    }

    /// Reads what was put out of XML, and of markup in JSON, as it is shown: what markup cuts is a value all the same.
    pub(super) fn weave(&mut self) {
        let Some(weave) = self.weave.as_mut().filter(|_| self.stopped.is_none()) else { return };
        match weave.read(&self.window, self.sent, &self.profile) {
            Woven::Nothing => {}
            Woven::Found(found) => self.cut(found),
            Woven::Unreadable(reason) => self.cannot_read(reason),
        }
    }

    /// Stops because of what was found in the text that markup cuts: it cannot be replaced as one.
    fn cut(&mut self, found: Vec<Finding>) {
        // How many more were read by now depends on the chunks.
        let Some(first) = found.into_iter().next() else { return };
        self.note_here(first);
        self.refuse(Reason::Ambiguous("text with a value that markup cuts"));
    }

    fn note_here(&mut self, mut found: Finding) {
        if let Place::Body { path, .. } = &mut found.place {
            *path = self.prefix.clone();
        }
        self.findings.merge(found);
    }

    /// Content that nobody can read: it passes as the rule says, and the record tells.
    pub(super) fn cannot_read(&mut self, reason: Reason) {
        if self.is_strict() {
            return self.refuse(reason);
        }
        let path = self.prefix.clone().unwrap_or_default();
        if self.unread.remarks.len() < MAX_FINDINGS {
            self.unread.remarks.push(Remark { deed: Deed::Unread, reason, path });
        }
    }

    /// Stops because of what the content is.
    pub(super) fn refuse(&mut self, reason: Reason) {
        let approvable = self.profile.content().unreadable == Unreadable::Approve;
        self.unread.refused = Some(Opaque { reason, approvable, path: self.prefix.clone().unwrap_or_default() });
        self.stopped = Some(Flow::Opaque);
    }

    /// Why the stream stops, where it does.
    pub(crate) fn why(&mut self, flow: Flow) -> Option<Why> {
        match flow {
            Flow::Continue => None,
            Flow::Deny(detector) => Some(Why::Detector(detector)),
            Flow::Approve(detector) => Some(Why::Approval(detector)),
            Flow::Opaque => {
                let reason = Reason::Unreadable("a file within text");
                let unknown = Opaque { reason, approvable: false, path: Box::default() };
                Some(Why::Opaque(self.unread.refused.take().unwrap_or(unknown)))
            }
        }
    }

    fn let_out(&mut self, to: usize, flush: bool, out: &mut Vec<u8>) {
        self.done = self.done.max(to);
        if self.nested.is_off() && !(self.nested.strict && self.is_strict()) {
            return self.pass(self.done, out);
        }
        // Words are passed together.
        let mut from = self.sent;
        while self.stopped.is_none() {
            if let Some(run) = self.nested.run.take() {
                match self.follow_run(run, flush, out) {
                    Some(run) => return self.nested.run = Some(run),
                    None => continue,
                }
            }
            let view = self.window.bytes().get(..self.done).unwrap_or_default();
            from = from.max(self.sent);
            match self.nested.ahead(view, from, flush) {
                Ahead::Nothing(to) => return self.pass(to, out),
                Ahead::Passed(to) => from = to,
                Ahead::Content(start, judged) if self.nested.is_off() => {
                    self.pass(start, out);
                    self.nested.skip_run();
                    if judged.is_plain() {
                        self.refuse(Reason::TooLarge("levels of encoding"));
                    }
                }
                Ahead::Content(start, judged) => {
                    self.pass(start, out);
                    self.place_in.reach(self.window.bytes(), start);
                    let inner = self.inner(&judged);
                    let path = if self.place.is_none() { self.path("") } else { String::new() };
                    self.nested.begin(start, &judged, inner, path);
                }
            }
        }
    }

    fn pass(&mut self, to: usize, out: &mut Vec<u8>) {
        self.window.put_out(to, out);
        self.sent = self.sent.max(to);
    }

    /// What reads content that begins so.
    fn inner(&self, judged: &Judged) -> Box<dyn Layer> {
        let depth = self.nested.inner_depth();
        let packed = self.nested.packed;
        if let Some(layer) = packed.and_then(|packed| packed(&self.profile, &judged.opening, depth)) {
            return layer;
        }
        let mut scanner = Scanner::new(self.profile.clone(), Format::Unknown).with_depth(depth);
        scanner.nested.packed = packed;
        scanner.nested.strict = true;
        Box::new(scanner)
    }

    /// Goes on with a run; gives it back unless it has ended.
    fn follow_run(&mut self, mut run: Run, flush: bool, out: &mut Vec<u8>) -> Option<Run> {
        let mut bytes = std::mem::take(&mut self.nested.bytes);
        let mut put = std::mem::take(&mut self.nested.put);
        bytes.clear();
        put.clear();
        let end = run.feed(&self.window, self.done, flush, &mut bytes);
        let mut flow = run.inner.push(&bytes, &mut put);
        if end.is_some() && flow == Flow::Continue {
            flow = run.inner.finish(&mut put);
        }
        for found in run.inner.take_findings() {
            self.note(&run, found);
        }
        self.note_unread(&mut run);
        let settled = run.settle(&put, &mut self.window, out);
        self.sent = settled.sent;
        if let Some(length) = settled.altered {
            self.alter(length);
        }
        (self.nested.bytes, self.nested.put) = (bytes, put);
        if flow != Flow::Continue {
            self.stopped = Some(flow);
            return None;
        }
        let Some(end) = end else { return Some(run) };
        run.finish(end, &mut self.window, out);
        self.sent = end;
        None
    }

    /// Notes what of a file was not read.
    fn note_unread(&mut self, run: &mut Run) {
        let Unread { remarks, refused } = run.inner.take_unread();
        if remarks.is_empty() && refused.is_none() {
            return;
        }
        let prefix = self.prefix.as_deref().unwrap_or_default();
        let place = |path: &str| joined([prefix, &run.path, run.label(), path]).unwrap_or_default();
        let remarks = remarks.into_iter().map(|remark| Remark { path: place(&remark.path), ..remark });
        self.unread.remarks.extend(remarks.take(MAX_FINDINGS.saturating_sub(self.unread.remarks.len())));
        if let Some(opaque) = refused {
            self.unread.refused = Some(Opaque { path: place(&opaque.path), ..opaque });
        }
    }

    /// Notes what was found inside a run, at the place it has in this content.
    fn note(&mut self, run: &Run, mut found: Finding) {
        found.place = match (&self.place, found.place) {
            (Some(place), _) => place.clone(),
            (None, Place::Body { offset, path }) => {
                let prefix = self.prefix.as_deref().unwrap_or_default();
                let path = joined([prefix, &run.path, run.label(), path.as_deref().unwrap_or_default()]);
                Place::Body { offset: self.window.offset(run.position_of(offset)), path }
            }
            (None, place) => place,
        };
        self.findings.merge(found);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::{DetectorSet, Profile};

    fn held(format: Format, unit: &str) -> usize {
        let mut scanner = Scanner::new(Profile::redacting(DetectorSet::ALL), format);
        let body = unit.repeat(400_000 / unit.len());
        let most = body.as_bytes().chunks(16 * 1024).map(|chunk| {
            let _ = scanner.push(chunk, &mut Vec::new());
            scanner.held()
        });
        most.max().unwrap()
    }

    #[test]
    fn memory_is_bounded_at_every_depth() {
        // Base64 of base64 of base64 of text, in whole groups; escapes, each of which costs an entry of its own.
        let nested = "V1RJNWMxbFlTVDA9V1RJNWMxbFlTVDA9V1RJNWMxbFlTVDA9";
        for (format, unit) in [
            (Format::Text, nested),
            (Format::Json, nested),
            (Format::Text, "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlq"),
            (Format::Json, "\\u0061\\n"),
            (Format::Form, "%41+"),
            (Format::Text, "１\u{200b}"),
            (Format::Text, "4111 1111 1111 1111 a@b.com "),
        ] {
            let held = held(format, unit);
            assert!(held < 160 * 1024, "{unit}: {held}");
        }
    }
}
