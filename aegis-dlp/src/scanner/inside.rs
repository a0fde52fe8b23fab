//! What is decided goes out by here: past what is found in content that stands encoded within this one.

use super::apply::joined;
use super::{Flow, Scanner};
use crate::Format;
use crate::finding::{Finding, MAX_FINDINGS, Place};
use crate::nested::{Ahead, Judged, Layer, Run, Unread};
use crate::stream::{Opaque, Remark};

impl Scanner {
    /// Lets the view up to `to` out; with `flush` all of it, though encoded content may go on.
    pub(super) fn put_out(&mut self, to: usize, flush: bool, out: &mut Vec<u8>) {
        self.done = self.done.max(to);
        if self.nested.is_off() {
            return self.pass(self.done, out);
        }
        while self.stopped.is_none() {
            if let Some(run) = self.nested.run.take() {
                match self.follow_run(run, flush, out) {
                    Some(run) => return self.nested.run = Some(run),
                    None => continue,
                }
            }
            let view = self.window.bytes().get(..self.done).unwrap_or_default();
            match self.nested.ahead(view, self.sent, flush) {
                Ahead::Nothing(to) => return self.pass(to, out),
                Ahead::Passed(to) => self.pass(to, out),
                Ahead::Content(start, judged, line) => {
                    self.pass(start, out);
                    self.place_in.reach(self.window.bytes(), start);
                    let inner = self.inner(&judged);
                    let path = if self.place.is_none() { self.path("") } else { String::new() };
                    self.nested.begin((start, &judged), line, inner, path, &self.window);
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
        Box::new(scanner)
    }

    /// Goes on with a run; gives it back unless it has ended.
    fn follow_run(&mut self, mut run: Run, flush: bool, out: &mut Vec<u8>) -> Option<Run> {
        let mut bytes = std::mem::take(&mut self.nested.bytes);
        let mut put = std::mem::take(&mut self.nested.put);
        bytes.clear();
        put.clear();
        let end = run.feed(self.window.bytes().get(..self.done).unwrap_or_default(), flush, &mut bytes);
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
            assert!(held < 128 * 1024, "{unit}: {held}");
        }
    }
}
