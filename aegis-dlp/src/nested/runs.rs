//! Where runs of the characters of base64 are.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch};

use super::codec::in_alphabet;
use super::judge::{SHORTEST, SHORTEST_HEX};
use crate::lanes::{BLOCK, Lanes, is, lanes_at, run_ends, within};

/// What comes next in a stretch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// No run.
    None,
    /// A run between two positions; where the second is the end of the stretch it may go on.
    Run(usize, usize),
    /// What may become a run begins here, at the end of the stretch.
    Begins(usize),
}

/// Looks for the first run of at least [`SHORTEST`] characters that may be content.
pub(super) fn find(bytes: &[u8]) -> Next {
    if let Some((start, end)) = dispatch!(Level::new(), simd => first(simd, bytes)) {
        return Next::Run(start, end);
    }
    let begins = bytes.iter().rposition(|byte| !in_alphabet(*byte)).map_or(0, |last| last + 1);
    if begins < bytes.len() { Next::Begins(begins) } else { Next::None }
}

/// The bounds of the first run that is long enough.
#[inline(always)]
fn first<S: Simd>(simd: S, bytes: &[u8]) -> Option<(usize, usize)> {
    let (mut at, mut before) = (0, 0);
    while at < bytes.len() {
        let here = characters(lanes_at(simd, bytes, at));
        let (mut ends, mut next) = (run_ends(before, here, SHORTEST as u32), at + BLOCK);
        if ends == 0 {
            (at, before) = (next, here);
            continue;
        }
        while ends != 0 {
            // It is the last of the shortest run that there is: none ended before.
            let last = ends.trailing_zeros() as usize;
            let goes_on = last + (here >> last).trailing_ones() as usize;
            let end = if goes_on < BLOCK { at + goes_on } else { run_end(simd, bytes, at + BLOCK) };
            let start = at + last + 1 - SHORTEST;
            if !is_number(bytes, start, end) {
                return Some((start, end));
            }
            next = next.max(end);
            ends &= u64::MAX.checked_shl((end - at) as u32).unwrap_or(0);
        }
        before = if next > at + BLOCK { 0 } else { here };
        at = next;
    }
    None
}

/// Whether a run is a number within a line, of which no content has so few digits: of such there are many in every vector.
fn is_number(bytes: &[u8], start: usize, end: usize) -> bool {
    let within = !matches!(bytes.get(end), None | Some(b'\r' | b'\n' | b'\\'));
    let digits = bytes.get(start..end).unwrap_or_default();
    // All of them are looked at, together.
    within && digits.len() < SHORTEST_HEX && digits.iter().fold(true, |all, byte| all & byte.is_ascii_digit())
}

/// The end of the run that goes on at a position.
#[inline(always)]
fn run_end<S: Simd>(simd: S, bytes: &[u8], from: usize) -> usize {
    for at in (from..bytes.len()).step_by(BLOCK) {
        let run = characters(lanes_at(simd, bytes, at)).trailing_ones() as usize;
        if run < BLOCK {
            return at + run;
        }
    }
    bytes.len()
}

/// Which bytes are of either alphabet of base64.
#[inline(always)]
fn characters<S: Simd>(lane: Lanes<S>) -> u64 {
    let letter = within(lane | 0x20, b'a', 26);
    (letter | within(lane, b'/', 11) | is(lane, b'+') | is(lane, b'-') | is(lane, b'_')).to_bitmask()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn runs() {
        for (text, next) in [
            ("", Next::None),
            ("two words.", Next::None),
            ("two words", Next::Begins(4)),
            ("aaaaaaaaaaaaa ", Next::None),
            ("aaaaaaaaaaaaaa ", Next::Run(0, 14)),
            ("a bbb aaaaaaaaaaaaaaaaaaaa", Next::Run(6, 26)),
            ("a bbb aaaaaaaaaaaaaaaaaaaa=", Next::Run(6, 26)),
            ("0.4929401929401923,aaaaaaaaaaaaaaaa,", Next::Run(19, 35)),
            ("0.4929401929401923", Next::Run(2, 18)),
            ("0.4929401929401923\n", Next::Run(2, 18)),
            ("0.492940192940192317,", Next::Run(2, 20)),
        ] {
            assert_eq!(find(text.as_bytes()), next, "{text}");
        }
    }

    #[test]
    fn runs_are_found_wherever_they_are() {
        for from in 0..140 {
            for length in 0..80 {
                let text = [vec![b' '; from], vec![b'a'; length], vec![b'.'; 70]].concat();
                let run = if length < SHORTEST { Next::None } else { Next::Run(from, from + length) };
                assert_eq!(find(&text), run, "{length} from {from}");
            }
        }
    }

    #[test]
    fn numbers_are_passed_wherever_they_are() {
        for before in 0..140 {
            for number in ["49294019294019", "492940192940192", "49294019294019231"] {
                let text = format!("{}0.{number},{number},{}.", ".".repeat(before), "a".repeat(before % 40));
                let run = text.len() - 1 - before % 40;
                let next = if before % 40 < SHORTEST { Next::None } else { Next::Run(run, text.len() - 1) };
                assert_eq!(find(text.as_bytes()), next, "{text}");
            }
        }
    }

    #[test]
    fn characters_are_those_of_the_alphabets() {
        for byte in 0..=255 {
            let bits = dispatch!(Level::new(), simd => characters(crate::lanes::lanes(simd, &[byte; BLOCK])));
            assert_eq!(bits == u64::MAX, in_alphabet(byte), "{byte}");
        }
    }
}
