//! A tenant's own detector as a list of exact values, kept as keyed hashes.

use std::fmt;

use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher24;

use super::words::{
    CHAR, Class, GAP, LONGEST, SHORTEST, Same, WORDS, class, class_before, is_continuation, is_gap, may_be_word, word,
};
use crate::view::{Eval, More, View};

/// Values of one dictionary.
pub(super) const MOST: usize = 1_000_000;
/// Bits that tell with which letters values begin.
pub(super) const BEGINNINGS: usize = 1 << 16;
/// Hashes that share an entry of the index, on average.
const SHARE: usize = 4;

/// Up to 1,000,000 values, each as 64 bits of a keyed hash (SipHash-2-4). Two values are taken for one by chance once in
/// 2^64 / 1,000,000 words that are looked up.
#[derive(Clone)]
pub struct Dictionary {
    pub(super) key: [u8; 16],
    /// Ascending, each once.
    pub(super) hashes: Vec<u64>,
    /// Bit n is set where there is a value of n + 1 bytes.
    pub(super) lengths: u64,
    /// Bits for the first four bytes of values.
    pub(super) beginnings: Vec<u64>,
    /// Where hashes with the same first bits begin.
    index: Vec<u32>,
    shift: u32,
}

/// Why a list of values is no dictionary.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DictionaryError {
    /// A value that none may be. The value itself is not told.
    #[error("line {line}: no value of a dictionary: {why}")]
    Value {
        /// Of the file, from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is none.
    #[error("there is no value in it: write one value a line (lines that begin with # are comments)")]
    Empty,
    /// There are too many.
    #[error("there are more than {MOST} values in it: divide it into several dictionaries")]
    Full,
    /// A file of hashes that `aegisctl dlp hash` did not write, or that was changed.
    #[error("line {line}: not as `aegisctl dlp hash` writes it: {why}")]
    Malformed {
        /// Of the file, from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// A dictionary that is being made: values are hashed as they come, and not kept.
#[derive(Debug)]
pub struct DictionaryBuilder(Dictionary);

impl DictionaryBuilder {
    /// Adds the value of a line.
    ///
    /// # Errors
    /// It cannot be looked for, and is left out; or there are too many.
    pub fn add(&mut self, line: usize, value: &str) -> Result<(), DictionaryError> {
        let same = Same::of_value(value).map_err(|why| DictionaryError::Value { line, why })?;
        // Before they are sorted the same one may stand twice.
        if self.0.hashes.len() >= 2 * MOST {
            return Err(DictionaryError::Full);
        }
        self.0.insert(&same);
        Ok(())
    }

    /// The dictionary.
    ///
    /// # Errors
    /// There are no values, or too many.
    pub fn finish(self) -> Result<Dictionary, DictionaryError> {
        self.0.finish()
    }
}

impl Dictionary {
    /// Values, each with its line, hashed under `key`.
    ///
    /// # Errors
    /// One of them cannot be looked for, or there are none or too many.
    pub fn of_values<'v>(
        key: [u8; 16],
        values: impl IntoIterator<Item = (usize, &'v str)>,
    ) -> Result<Dictionary, DictionaryError> {
        let mut builder = Dictionary::builder(key);
        for (line, value) in values {
            builder.add(line, value)?;
        }
        builder.finish()
    }

    /// A dictionary that is made value by value, hashed under `key`.
    pub fn builder(key: [u8; 16]) -> DictionaryBuilder {
        DictionaryBuilder(Dictionary::empty(key))
    }

    pub(super) fn empty(key: [u8; 16]) -> Dictionary {
        let beginnings = vec![0; BEGINNINGS / 64];
        Dictionary { key, hashes: Vec::new(), lengths: 0, beginnings, index: Vec::new(), shift: 0 }
    }

    fn insert(&mut self, same: &Same) {
        let bytes = same.bytes();
        self.hashes.push(self.hash(bytes));
        self.lengths |= length_bit(bytes.len());
        let bit = self.beginning(bytes);
        if let Some(word) = self.beginnings.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }

    /// Puts the hashes in order and makes the index.
    pub(super) fn finish(mut self) -> Result<Dictionary, DictionaryError> {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        self.hashes.shrink_to_fit();
        match self.hashes.len() {
            0 => return Err(DictionaryError::Empty),
            1..=MOST => {}
            _ => return Err(DictionaryError::Full),
        }
        let bits = (self.hashes.len() / SHARE).max(2).next_power_of_two().trailing_zeros();
        self.shift = u64::BITS - bits;
        let mut at = 0;
        self.index = (0..=1_u64 << bits)
            .map(|first| {
                while self.hashes.get(at).is_some_and(|hash| hash >> self.shift < first) {
                    at += 1;
                }
                u32::try_from(at).unwrap_or(u32::MAX)
            })
            .collect();
        Ok(self)
    }

    /// How many values it has.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether it has none: never so once it is made.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        8 * (self.hashes.capacity() + self.beginnings.capacity()) + 4 * self.index.capacity()
    }

    /// Whether a text is one of the values.
    pub fn has(&self, value: &str) -> bool {
        Same::of_value(value).is_ok_and(|same| self.holds(same.bytes()))
    }

    fn hash(&self, bytes: &[u8]) -> u64 {
        SipHasher24::new_with_key(&self.key).hash(bytes)
    }

    /// Which of the bits for beginnings the first four bytes have.
    fn beginning(&self, bytes: &[u8]) -> usize {
        let first = bytes.first_chunk::<4>().map_or(0, |four| u32::from_le_bytes(*four));
        let [a, b, c, d, ..] = self.key;
        // Odd, so that no two beginnings fall together more often than chance has it.
        let spread = first.wrapping_mul(u32::from_le_bytes([a | 1, b, c, d]) | 1);
        (spread >> 16) as usize % BEGINNINGS
    }

    fn may_begin(&self, bytes: &[u8]) -> bool {
        let bit = self.beginning(bytes);
        self.beginnings.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    fn holds(&self, bytes: &[u8]) -> bool {
        if self.lengths & length_bit(bytes.len()) == 0 {
            return false;
        }
        let hash = self.hash(bytes);
        let first = usize::try_from(hash >> self.shift).unwrap_or(usize::MAX);
        let place = |at: usize| self.index.get(at).map_or(0, |place| *place as usize);
        self.hashes.get(place(first)..place(first.saturating_add(1))).is_some_and(|few| few.contains(&hash))
    }

    /// The end of the longest value that begins at `at`, in whole words.
    pub(super) fn examine(&self, view: &View<'_>, at: usize) -> Eval<Option<usize>> {
        let mut same = Same::EMPTY;
        let (mut found, mut from) = (None, at);
        for _ in 0..WORDS {
            let end = match word_at(view, from) {
                Ok(end) => end,
                Err(More) => {
                    let begun = view.slice(from, view.bytes.len());
                    // Half a character has no small letter.
                    let open = !begun.is_ascii() || same.add(begun) && self.may_go_on(&same);
                    return if open { Err(More) } else { Ok(found) };
                }
            };
            if end == from || !same.add(view.slice(from, end)) || !self.may_go_on(&same) {
                break;
            }
            if same.bytes().len() >= SHORTEST && self.holds(same.bytes()) {
                found = Some(end);
            }
            if self.lengths >> same.bytes().len().min(63) == 0 {
                break;
            }
            let Some(next) = gap_at(view, end)? else { break };
            from = next;
        }
        Ok(found)
    }

    /// Whether a value may begin with these words.
    fn may_go_on(&self, same: &Same) -> bool {
        same.bytes().len() < SHORTEST || self.may_begin(same.bytes())
    }

    /// Lists where values begin, and where one may have begun whose end has not arrived.
    pub(super) fn list(&self, view: &View<'_>, from: usize, mut add: impl FnMut(usize)) {
        let mut previous = view.before(from).unwrap_or_default();
        for (at, byte) in (from..).zip(view.slice(from, view.bytes.len()).iter().copied()) {
            let before = std::mem::replace(&mut previous, byte);
            if may_be_word(byte) && is_first(view, at, before) && self.begins(view.slice(at, at + SHORTEST)) {
                match self.examine(view, at) {
                    Ok(None) => {}
                    Ok(Some(_)) | Err(More) => add(at),
                }
            }
        }
    }

    /// A quick look at four bytes: false where no value begins with them.
    pub(super) fn begins(&self, bytes: &[u8]) -> bool {
        match bytes.first_chunk::<4>() {
            Some(four) if four.iter().all(u8::is_ascii_alphanumeric) => {
                // Sets the bit that makes letters small and that digits have.
                self.may_begin(&four.map(|byte| byte | 0x20))
            }
            _ => true,
        }
    }
}

/// Whether the character at `at`, behind the byte `before`, may begin a word.
fn is_first(view: &View<'_>, at: usize, before: u8) -> bool {
    let here = view.slice(at, at + CHAR);
    let ascii = here.first().is_some_and(u8::is_ascii);
    if ascii && before.is_ascii() {
        // After the letter of an escape that stayed in the text a word begins: `\nACME`.
        return !before.is_ascii_alphanumeric() || matches!(before, b'n' | b'r' | b't') && view.opens(at);
    }
    if here.first().copied().is_some_and(is_continuation) && !before.is_ascii() {
        return false;
    }
    match class(here) {
        // The rest of it has not arrived.
        None => true,
        Some((Class::Edge, _)) => false,
        Some((class, _)) => class_before(view.slice(at.saturating_sub(CHAR), at)) != class,
    }
}

/// The end of the word that begins at `at`; `at` where none does.
fn word_at(view: &View<'_>, at: usize) -> Eval<usize> {
    let run = view.run(at, LONGEST + 1, may_be_word);
    let bytes = view.slice(at, *run.as_ref().unwrap_or(&view.bytes.len()));
    if bytes.is_ascii() {
        return run;
    }
    let end = at + word(bytes);
    // What ended before the end of what has arrived has ended for good.
    if end < at + bytes.len() { Ok(end) } else { run }
}

/// Where the next word of a value may begin, behind what stands between words; `None` where that is too much.
fn gap_at(view: &View<'_>, at: usize) -> Eval<Option<usize>> {
    let run = view.run(at, CHAR * (GAP + 1), |byte| is_gap(byte) || !byte.is_ascii());
    let bytes = view.slice(at, *run.as_ref().unwrap_or(&view.bytes.len()));
    let (mut end, mut count) = (0, 0);
    while let Some((class, length)) = class(bytes.get(end..).unwrap_or_default()) {
        if class != Class::Edge {
            return Ok(Some(at + end));
        }
        (end, count) = (end + length, count + 1);
        if count > GAP {
            return Ok(None);
        }
    }
    run.map(|_| Some(at + end))
}

/// A key for values that are in memory only: no two lists share one.
pub(super) fn key_of(text: &str) -> [u8; 16] {
    let hash = Sha256::new().chain_update(b"aegis dictionary").chain_update(text.as_bytes()).finalize();
    hash.first_chunk::<16>().copied().unwrap_or_default()
}

fn length_bit(length: usize) -> u64 {
    length.checked_sub(1).and_then(|bit| 1_u64.checked_shl(u32::try_from(bit).ok()?)).unwrap_or(0)
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dictionary of {}", self.len())
    }
}
