//! The literals of all patterns, looked for in one pass.

use aho_corasick::{AhoCorasick, MatchKind};

use super::pattern::LONGEST_LITERAL;
use crate::view::View;

/// Finds where a match of one of the patterns may begin.
#[derive(Debug)]
pub(super) struct Literals {
    searcher: AhoCorasick,
    /// Which detector each literal is of, in the searcher's order.
    owners: Vec<u16>,
    /// In the order of their bytes.
    sorted: Vec<Box<[u8]>>,
}

impl Literals {
    /// `None` where there are no literals, or they are too many for a searcher.
    pub(super) fn new(all: Vec<(u16, Box<[u8]>)>) -> Option<Literals> {
        if all.is_empty() {
            return None;
        }
        let (owners, texts): (Vec<u16>, Vec<Box<[u8]>>) = all.into_iter().unzip();
        let searcher = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&texts).ok()?;
        let mut sorted = texts;
        sorted.sort_unstable();
        sorted.dedup();
        Some(Literals { searcher, owners, sorted })
    }

    /// Tells of each literal from `from` on: where it begins, and whose it is.
    pub(super) fn list(&self, view: &View<'_>, from: usize, mut add: impl FnMut(usize, u16)) {
        for found in self.searcher.find_overlapping_iter(view.slice(from, view.bytes.len())) {
            if let Some(owner) = self.owners.get(found.pattern().as_usize()) {
                add(from + found.start(), *owner);
            }
        }
    }

    /// Where at the end of what has arrived a literal may have begun; at most `to`.
    pub(super) fn begun(&self, view: &View<'_>, to: usize) -> usize {
        if view.end {
            return to;
        }
        let length = view.bytes.len();
        let from = length.saturating_sub(LONGEST_LITERAL - 1);
        (from..length.min(to)).find(|at| self.begins_with(view.slice(*at, length))).unwrap_or(to)
    }

    fn begins_with(&self, text: &[u8]) -> bool {
        let next = self.sorted.partition_point(|literal| **literal < *text);
        self.sorted.get(next).is_some_and(|literal| literal.starts_with(text))
    }
}
