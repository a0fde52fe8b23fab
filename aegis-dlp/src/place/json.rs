//! The JSON pointer (RFC 6901) of a place in a JSON document, or in a row of them.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch};

use super::DEPTH;
use super::name::{Name, Path};
use crate::lanes::{BLOCK, inside, is, lanes};

/// The containers that the place is in.
#[derive(Default)]
pub(crate) struct Pointer {
    /// So many are in use; those behind them were.
    frames: Vec<Frame>,
    depth: usize,
    /// Containers beyond those.
    deeper: u64,
    in_string: bool,
}

#[derive(Default)]
struct Frame {
    array: bool,
    /// The element of the array.
    index: u64,
    /// The member of the object.
    key: Name,
    /// The key is over and its value comes.
    value: bool,
}

/// Bytes that the pointer goes past, and what is known of them.
struct Stretch<'a> {
    bytes: &'a [u8],
    /// The last quote, and the one before it.
    quotes: [Option<usize>; 2],
    /// After the last bracket, comma or colon.
    since: usize,
    /// Where the key of the innermost object is, which nobody needs while its value is none.
    key: Option<(usize, usize)>,
}

impl Stretch<'_> {
    /// The quotes with those of a block at `at`.
    #[inline]
    fn with(&self, quotes: u64, at: usize) -> [Option<usize>; 2] {
        let Some(last) = highest(quotes) else { return self.quotes };
        let other = highest(quotes & !(1 << last)).map(|bit| at + bit as usize);
        [Some(at + last as usize), other.or(self.quotes[0])]
    }
}

/// The bits of a block at a position.
struct Marks {
    at: usize,
    quotes: u64,
    /// What is outside of strings.
    brackets: u64,
    commas: u64,
    colons: u64,
}

/// The number of the highest bit.
#[inline]
fn highest(bits: u64) -> Option<u32> {
    bits.checked_ilog2()
}

/// All bits below this one.
#[inline]
fn below(bit: u32) -> u64 {
    (1 << bit) - 1
}

impl Pointer {
    pub(super) fn in_string(&self) -> bool {
        self.in_string
    }

    pub(super) fn advance(&mut self, bytes: &[u8]) {
        dispatch!(Level::new(), simd => self.pass(simd, bytes));
    }

    #[inline(always)]
    fn pass<S: Simd>(&mut self, simd: S, bytes: &[u8]) {
        let mut stretch = Stretch { bytes, quotes: [None; 2], since: 0, key: None };
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        for (number, block) in blocks.iter().enumerate() {
            self.block(simd, block, number * BLOCK, &mut stretch);
        }
        if !rest.is_empty() {
            let mut block = [0; BLOCK];
            if let Some(start) = block.get_mut(..rest.len()) {
                start.copy_from_slice(rest);
            }
            self.block(simd, &block, blocks.len() * BLOCK, &mut stretch);
        }
        // The bytes go: what of them is a key, or may be one, is kept.
        self.keep_key(&mut stretch);
        self.note_key(self.in_string, &mut stretch);
        self.keep_key(&mut stretch);
    }

    /// Goes past the block at `at`.
    #[inline(always)]
    fn block<S: Simd>(&mut self, simd: S, block: &[u8; BLOCK], at: usize, stretch: &mut Stretch<'_>) {
        let lane = lanes(simd, block);
        let quotes = is(lane, b'"').to_bitmask();
        if quotes == 0 && self.in_string {
            return;
        }
        let inside = inside(quotes, self.in_string);
        self.in_string = inside >> (BLOCK - 1) == 1;
        let outside = |bits: u64| bits & !inside;
        let mut marks = Marks {
            at,
            quotes,
            // The brackets of arrays are those of objects but for one bit.
            brackets: outside((is(lane | 0x20, b'{') | is(lane | 0x20, b'}')).to_bitmask()),
            commas: outside(is(lane, b',').to_bitmask()),
            colons: outside(is(lane, b':').to_bitmask()),
        };
        while marks.brackets != 0 {
            let bit = marks.brackets.trailing_zeros();
            let before = below(bit);
            self.between(&marks, before, stretch);
            (marks.commas, marks.colons) = (marks.commas & !before, marks.colons & !before);
            marks.brackets &= marks.brackets - 1;
            self.bracket(block.get(bit as usize).copied().unwrap_or_default(), stretch);
            stretch.since = at + bit as usize + 1;
        }
        self.between(&marks, u64::MAX, stretch);
        stretch.quotes = stretch.with(quotes, at);
    }

    /// Goes past the commas and colons among some bytes of a block, between which there is no bracket: of an array they count,
    /// of an object only the last one matters.
    #[inline]
    fn between(&mut self, marks: &Marks, range: u64, stretch: &mut Stretch<'_>) {
        let (commas, colons) = (marks.commas & range, marks.colons & range);
        let Some(last) = highest(commas | colons) else { return };
        let Some(frame) = self.innermost() else { return };
        if frame.array {
            frame.index += u64::from(commas.count_ones());
        } else {
            if let Some(comma) = highest(commas) {
                frame.value = false;
                frame.key.clear();
                stretch.key = None;
                stretch.since = marks.at + comma as usize + 1;
            }
            // The first behind the last comma: what comes after it is no JSON.
            let colon = colons & !highest(commas).map_or(0, below);
            if colon != 0 && !frame.value {
                let before = stretch.quotes;
                stretch.quotes = stretch.with(marks.quotes & below(colon.trailing_zeros()), marks.at);
                self.note_key(false, stretch);
                stretch.quotes = before;
                if let Some(frame) = self.innermost() {
                    frame.value = true;
                }
            }
        }
        stretch.since = marks.at + last as usize + 1;
    }

    /// Goes past a bracket.
    #[inline]
    fn bracket(&mut self, byte: u8, stretch: &mut Stretch<'_>) {
        match byte {
            b'{' | b'[' => {
                self.keep_key(stretch);
                if self.depth == DEPTH {
                    self.deeper += 1;
                    return;
                }
                if self.depth == self.frames.len() {
                    self.frames.push(Frame::default());
                }
                self.depth += 1;
                if let Some(frame) = self.innermost() {
                    (frame.array, frame.index, frame.value) = (byte == b'[', 0, false);
                    frame.key.clear();
                }
            }
            _ => {
                stretch.key = None;
                if self.deeper > 0 {
                    self.deeper -= 1;
                } else {
                    self.depth = self.depth.saturating_sub(1);
                }
            }
        }
    }

    /// Notes what of the last string is here, where it may be a key.
    #[inline]
    fn note_key(&mut self, in_string: bool, stretch: &mut Stretch<'_>) {
        let Some(frame) = self.innermost().filter(|frame| !frame.array && !frame.value) else { return };
        let (open, close) = match stretch.quotes {
            [open, _] if in_string => (open, stretch.bytes.len()),
            [Some(close), open] if close >= stretch.since => (open, close),
            _ => return,
        };
        match open {
            Some(open) => stretch.key = Some((open + 1, close)),
            // It began earlier.
            None => frame.key.push(stretch.bytes.get(..close).unwrap_or_default()),
        }
    }

    /// Keeps the key that was noted.
    fn keep_key(&mut self, stretch: &mut Stretch<'_>) {
        if let Some((frame, (from, to))) = self.innermost().zip(stretch.key.take()) {
            frame.key.clear();
            frame.key.push(stretch.bytes.get(from..to).unwrap_or_default());
        }
    }

    fn innermost(&mut self) -> Option<&mut Frame> {
        let last = self.depth.checked_sub(1).filter(|_| self.deeper == 0)?;
        self.frames.get_mut(last)
    }

    pub(super) fn write(&self, found: &str, path: &mut Path<'_>) {
        for (depth, frame) in self.frames.iter().take(self.depth).enumerate() {
            let innermost = depth + 1 == self.depth && self.deeper == 0;
            if frame.array {
                path.index(frame.index);
            } else if !innermost || frame.value {
                path.name("", &frame.key, "");
            } else if self.in_string {
                path.name("", &frame.key, found);
                path.key();
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::{Encoding, Tracker};

    fn path(before: &str) -> String {
        let mut whole = Tracker::of(Encoding::Json);
        whole.advance(before.as_bytes());
        let mut cut = Tracker::of(Encoding::Json);
        before.bytes().for_each(|byte| cut.advance(&[byte]));
        let path = whole.path("[X]", &str::to_owned);
        assert_eq!(cut.path("[X]", &str::to_owned), path);
        path
    }

    #[test]
    fn pointers() {
        for (before, pointer) in [
            (r#"""#, ""),
            (r#"{"a":"#, "/a"),
            (r#"{"a":"x"#, "/a"),
            (r#"{"a":{"b~/c" : ["#, "/a/b~0~1c/0"),
            (r#"{"a":[{},[1,2],"x"#, "/a/2"),
            (r#"{"a":[{"k":1},{"k":"#, "/a/1/k"),
            (r#"{"a":1,"bc"#, "/bc[X]#"),
            (r#"{"a":1,"b":{"c":1}, "#, ""),
            (r#"{"a":",:[{","b":"#, "/b"),
            ("{\"a\":1}\n{\"b\":", "/b"),
            ("}}]]{\"a\":", "/a"),
        ] {
            assert_eq!(path(before), pointer, "{before}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let deep = "{\"key\":".repeat(10_000);
        assert_eq!(path(&deep), "/key".repeat(32));
        assert_eq!(path(&format!("{deep}1{}", "}".repeat(9_999))), "/key");
        let long = format!("{{\"{}\":", "é".repeat(1000));
        assert_eq!(path(&long), format!("/{}", "é".repeat(32)));
        assert!(path(&long.repeat(32)).len() < 700);
    }
}
