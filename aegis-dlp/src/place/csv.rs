//! The row and column of a place in comma-separated values (RFC 4180), and the heading of its column.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch};
use memchr::memchr3;

use super::name::Name;
use crate::lanes::{BLOCK, inside, is, lanes};

/// Columns whose headings are kept.
const COLUMNS: usize = 256;

/// What stands between cells is the first of these outside of quotes.
const SEPARATORS: &[u8] = b",;\t|";

/// The cell that the place is in.
#[derive(Default)]
pub(crate) struct Cells {
    separator: Option<u8>,
    quoted: bool,
    row: u64,
    column: u64,
    /// The first row; its last element is under way while that is.
    headings: Vec<Name>,
}

impl Cells {
    pub(super) fn advance(&mut self, bytes: &[u8]) {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        dispatch!(Level::new(), simd => self.pass(simd, blocks));
        self.read(rest);
    }

    #[inline(always)]
    fn pass<S: Simd>(&mut self, simd: S, blocks: &[[u8; BLOCK]]) {
        for block in blocks {
            // In the first row headings are read, and up to the first separator which that is.
            let Some(separator) = self.separator.filter(|_| self.row > 0) else {
                self.read(block);
                continue;
            };
            let lane = lanes(simd, block);
            let quoted = inside(is(lane, b'"').to_bitmask(), self.quoted);
            let ends = is(lane, b'\n').to_bitmask() & !quoted;
            let separators = is(lane, separator).to_bitmask() & !quoted;
            self.quoted = quoted >> (BLOCK - 1) == 1;
            let row = match ends.checked_ilog2() {
                Some(last) => {
                    (self.row, self.column) = (self.row + u64::from(ends.count_ones()), 0);
                    (u64::MAX - 1) << last
                }
                None => u64::MAX,
            };
            self.column += u64::from((separators & row).count_ones());
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let next = match self.separator {
                Some(separator) => memchr3(b'"', separator, b'\n', rest),
                None => rest.iter().position(|byte| SEPARATORS.contains(byte) || matches!(byte, b'"' | b'\n')),
            };
            if self.row == 0 {
                self.head(rest.get(..next.unwrap_or(rest.len())).unwrap_or_default());
            }
            let Some(next) = next else { return };
            match rest.get(next) {
                Some(b'"') => self.quoted = !self.quoted,
                _ if self.quoted => {}
                Some(b'\n') => (self.row, self.column) = (self.row + 1, 0),
                byte => {
                    self.separator = self.separator.or(byte.copied());
                    self.column += 1;
                    if self.row == 0 && self.headings.len() < COLUMNS {
                        self.headings.resize_with(self.headings.len().max(1) + 1, Name::default);
                    }
                }
            }
            at += next + 1;
        }
    }

    fn head(&mut self, text: &[u8]) {
        if self.headings.is_empty() {
            self.headings.push(Name::default());
        }
        if let Some(heading) = self.headings.last_mut().filter(|_| self.column < COLUMNS as u64) {
            heading.push(text);
        }
    }

    pub(super) fn heading(&self) -> &[u8] {
        let column = usize::try_from(self.column).ok().filter(|_| self.row > 0);
        column.and_then(|column| self.headings.get(column)).map_or(&[], Name::bytes)
    }

    pub(super) fn path(&self) -> String {
        format!("row:{}/col:{}", self.row + 1, self.column + 1)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn cells() {
        for (before, heading, path) in [
            ("ssn", "", "row:1/col:1"),
            ("name,ssn\nJane,", "ssn", "row:2/col:2"),
            ("name;\"s,sn\"\r\n\"a;\n\"\"b\";", "s,sn\r", "row:2/col:2"),
            ("\na,", "", "row:2/col:2"),
            ("a\tb\tc\n1\t2\n\t", "b", "row:3/col:2"),
            (&format!("a,b\n{}x,", "1,\"2,\n\"\n".repeat(100)), "b", "row:102/col:2"),
            (&format!("a,b\n{}x\n,\"{}\",", "1,2\n".repeat(50), "\n,".repeat(50)), "", "row:53/col:3"),
        ] {
            let (mut whole, mut cut) = (Cells::default(), Cells::default());
            whole.advance(before.as_bytes());
            before.bytes().for_each(|byte| cut.advance(&[byte]));
            for cells in [whole, cut] {
                assert_eq!((cells.heading(), cells.path().as_str()), (heading.as_bytes(), path), "{before:?}");
            }
        }
        let mut wide = Cells::default();
        wide.advance("a,".repeat(10_000).as_bytes());
        assert!(wide.headings.len() <= COLUMNS);
    }
}
