//! Keys and tokens that their issuer marks by a prefix: a table of formats, one way to examine.

mod chat;
mod cloud;
mod infrastructure;
mod llm;
mod minor;
mod payment;
mod service;
pub(super) mod shape;
mod source;

use std::sync::LazyLock;

use shape::{Check, Class};

use super::{Match, Tail, mask_at};
use crate::finding::Confidence;
use crate::view::{Eval, View};
use crate::{Detector, DetectorSet};

/// Bytes of a key that are looked at before it is decided; what goes on after that belongs to it too.
const DECIDED: usize = 256;

/// A key format: what every key begins with, and what comes then.
struct Format {
    detector: Detector,
    prefix: &'static str,
    /// The bytes that go on after the prefix.
    body: Class,
    /// How many of them at least, and at most.
    least: usize,
    most: usize,
    /// What else they must be.
    check: Check,
    confidence: Confidence,
}

/// A format whose body has between `least` and `most` bytes.
const fn key(
    detector: Detector,
    prefix: &'static str,
    body: Class,
    (least, most): (usize, usize),
    check: Check,
) -> Format {
    Format { detector, prefix, body, least, most, check, confidence: Confidence::High }
}

/// No upper bound.
const OPEN: usize = usize::MAX;

impl Format {
    /// The prefix is one that names of other things have, too.
    const fn unsure(self) -> Format {
        Format { confidence: Confidence::Medium, ..self }
    }
}

const TABLES: [&[Format]; 8] = [
    cloud::FORMATS,
    source::FORMATS,
    chat::FORMATS,
    payment::FORMATS,
    llm::FORMATS,
    service::FORMATS,
    infrastructure::FORMATS,
    minor::FORMATS,
];

/// Formats by the first bytes of their prefix.
struct Index {
    /// A bit for each hash of three bytes that a prefix begins with.
    heads: Vec<u64>,
    /// By prefix, of which the longer one comes first where one begins like the other.
    formats: Vec<&'static Format>,
    /// Where the formats are whose prefix begins with a byte.
    first: [(u16, u16); 128],
}

/// Bytes of a prefix that are hashed.
const HEAD: usize = 3;
const HASHES: usize = 1 << 15;

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut formats: Vec<&'static Format> = TABLES.into_iter().flatten().collect();
    formats.sort_by(|one, other| {
        let first = |format: &Format| format.prefix.bytes().next();
        (first(one), other.prefix.len()).cmp(&(first(other), one.prefix.len()))
    });
    let mut heads = vec![0_u64; HASHES / 64];
    let mut first = [(0, 0); 128];
    for (number, format) in (0_u16..).zip(&formats) {
        if let Some(slot) =
            hash(format.prefix.as_bytes()).and_then(|hash| heads.get_mut(hash / 64).zip(Some(hash % 64)))
        {
            *slot.0 |= 1 << slot.1;
        }
        let range = format.prefix.bytes().next().and_then(|byte| first.get_mut(usize::from(byte)));
        if let Some((from, to)) = range {
            *from = if *to == 0 { number } else { *from };
            *to = number + 1;
        }
    }
    Index { heads, formats, first }
});

/// Different for letters that differ but in case, as far as may be.
fn hash(bytes: &[u8]) -> Option<usize> {
    let [one, two, three, ..] = bytes else { return None };
    let part = |byte: &u8| usize::from(byte & 31);
    Some(part(one) << 10 | part(two) << 5 | part(three))
}

/// Whether a prefix may begin where `rest` does. It is asked of the start of every long word.
pub(crate) fn may_begin_key(rest: &[u8], end: bool) -> bool {
    match hash(rest) {
        Some(hash) => INDEX.heads.get(hash / 64).is_some_and(|bits| bits >> (hash % 64) & 1 == 1),
        None => !end && rest.len() < HEAD,
    }
}

/// The key at `start`.
pub(super) fn examine(view: &View<'_>, start: usize, wanted: DetectorSet) -> Eval<Option<Match>> {
    let Some(byte) = view.at(start)?.filter(|_| view.opens(start)) else {
        return Ok(None);
    };
    let (from, to) = INDEX.first.get(usize::from(byte)).copied().unwrap_or_default();
    for format in INDEX.formats.get(usize::from(from)..usize::from(to)).unwrap_or_default() {
        if wanted.contains(format.detector)
            && begins(view, start, format.prefix.as_bytes())?
            && let Some(found) = format.examine(view, start)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Whether the bytes at `start` are these.
fn begins(view: &View<'_>, start: usize, prefix: &[u8]) -> Eval<bool> {
    for (position, expected) in (start..).zip(prefix) {
        if view.at(position)? != Some(*expected) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Format {
    fn examine(&self, view: &View<'_>, start: usize) -> Eval<Option<Match>> {
        let from = start + self.prefix.len();
        let end = view.run(from, DECIDED, self.body)?;
        let length = end - from;
        if length < self.least || length > self.most || !(self.check)(view.slice(from, end)) {
            return Ok(None);
        }
        // Of a fixed length: what goes on is something else.
        if self.most < OPEN && (view.at(end)?.is_some_and(|byte| byte.is_ascii_alphanumeric()) || mask_at(view, end)?) {
            return Ok(None);
        }
        let tail = (length == DECIDED).then_some(Tail::Run(self.body));
        Ok(Some(Match { start, end, detector: self.detector, confidence: self.confidence, tail }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::prefilter::{WORD, in_word};

    #[test]
    fn every_format_can_be_found() {
        for format in &INDEX.formats {
            let prefix = format.prefix;
            assert!(prefix.len() >= HEAD || prefix == "SK", "{prefix}");
            assert!(prefix.len() + format.least >= WORD, "{prefix}: shorter than a word the prefilter sees");
            assert!(prefix.bytes().all(in_word) && prefix.as_bytes()[0].is_ascii_alphanumeric(), "{prefix}");
            assert!(format.most >= format.least && (format.most == OPEN || format.most < DECIDED), "{prefix}");
        }
    }

    #[test]
    fn of_two_prefixes_the_longer_is_tried_first() {
        for (number, one) in INDEX.formats.iter().enumerate() {
            let hidden = INDEX.formats[number + 1..]
                .iter()
                .find(|other| other.prefix.len() > one.prefix.len() && other.prefix.starts_with(one.prefix));
            assert!(hidden.is_none(), "{} hides {}", one.prefix, hidden.unwrap().prefix);
            let (from, to) = INDEX.first[usize::from(one.prefix.as_bytes()[0])];
            assert!((usize::from(from)..usize::from(to)).contains(&number), "{}", one.prefix);
        }
    }
}
