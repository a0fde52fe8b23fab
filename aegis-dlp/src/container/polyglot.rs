//! Files that are two things: an archive or a document behind something else.
//!
//! Readers of zip archives look for their end and go back from there, readers of PDF take a header within the first
//! kilobyte. What is read as text or as a picture must not be such a file besides.

use memchr::memchr_iter;

use crate::stream::Reason;

const ENTRY: &[u8] = b"PK\x03\x04";
const PDF: &[u8] = b"%PDF-";
/// Where readers look for the header of a PDF.
const HEAD: usize = 1024 + 16;

/// Watches content go by.
#[derive(Default)]
pub(crate) struct Polyglot {
    /// The first bytes, in which a PDF may begin.
    head: Vec<u8>,
    /// The last bytes, in which an entry may have begun.
    tail: Vec<u8>,
    /// It was told, and passes.
    off: bool,
}

impl Polyglot {
    /// Looks at the next bytes: how many of them come before the other file, and what that is.
    pub(crate) fn watch(&mut self, bytes: &[u8]) -> Option<(usize, Reason)> {
        if self.off {
            return None;
        }
        let found = self.entry(bytes).or_else(|| self.pdf(bytes))?;
        self.off = true;
        Some((found, Reason::Ambiguous("a file with another one in it")))
    }

    fn entry(&mut self, bytes: &[u8]) -> Option<usize> {
        let before = self.tail.len();
        let reach = ENTRY.len() - 1;
        self.tail.extend_from_slice(bytes.get(..reach).unwrap_or(bytes));
        let over = entry_in(&self.tail);
        self.tail.truncate(before);
        self.tail.extend_from_slice(bytes.get(bytes.len().saturating_sub(reach)..).unwrap_or_default());
        self.tail.drain(..self.tail.len().saturating_sub(reach));
        match over {
            Some(at) => Some(at.saturating_sub(before)),
            None => entry_in(bytes),
        }
    }

    /// A header of a PDF: its version, and the end of the line.
    fn pdf(&mut self, bytes: &[u8]) -> Option<usize> {
        let before = self.head.len();
        let room = HEAD.saturating_sub(before);
        if room == 0 {
            return None;
        }
        self.head.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        let header = |at: usize| {
            let rest = self.head.get(at..).and_then(|rest| rest.strip_prefix(PDF)).and_then(|rest| rest.get(..4));
            matches!(rest, Some([b'0'..=b'9', b'.', b'0'..=b'9', b'\r' | b'\n']))
        };
        memchr_iter(b'%', &self.head).find(|at| header(*at)).map(|at| at.saturating_sub(before))
    }

    pub(crate) fn held(&self) -> usize {
        self.head.capacity() + self.tail.capacity()
    }
}

/// Where an entry begins. Of its bytes the last one is hardly ever in text.
fn entry_in(bytes: &[u8]) -> Option<usize> {
    let (last, first) = ENTRY.split_last()?;
    let ends = memchr_iter(*last, bytes).find(|at| bytes.get(..*at).is_some_and(|before| before.ends_with(first)));
    ends.map(|at| at - first.len())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    /// Where the other file was told, of chunks of this size.
    fn told(bytes: &[u8], size: usize) -> Option<usize> {
        let mut polyglot = Polyglot::default();
        bytes
            .chunks(size)
            .enumerate()
            .find_map(|(number, chunk)| polyglot.watch(chunk).map(|(at, _)| number * size + at))
    }

    #[test]
    fn files_behind_others() {
        let far = [vec![b'x'; 2000], b"%PDF-1.7\n".to_vec()].concat();
        for (bytes, at) in [
            (&b"x PK\x03\x04\x14"[..], Some(2)),
            (b"PPK\x03\x04", Some(1)),
            (b"PKPK\x03\x03\x04PK\x03\x04", Some(7)),
            (b"\n%PDF-1.7\n", Some(1)),
            (b"a text about %PDF-1.7 headers", None),
            (&far, None),
            (b"PK\x05\x06 PK", None),
        ] {
            assert_eq!(told(bytes, bytes.len()), at, "{bytes:?}");
            for size in 1..8 {
                let cut = told(bytes, size);
                assert_eq!(cut.is_some(), at.is_some(), "{bytes:?} {size}");
                assert!(cut <= at.map(|at| at + 12), "{bytes:?} {size} {cut:?}");
            }
        }
    }
}
