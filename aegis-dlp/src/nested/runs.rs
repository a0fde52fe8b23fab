//! Where runs of the characters of base64 are.

use wide::u8x16;

use super::codec::in_alphabet;
use super::judge::SHORTEST;
use crate::lanes::{BLOCK, Lanes, blocks, is, run_ends, within};

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

/// Looks for the first run of at least [`SHORTEST`] characters.
pub(super) fn find(bytes: &[u8]) -> Next {
    let mut before = 0;
    for (number, block) in blocks(bytes).enumerate() {
        let here = characters(&block);
        let ends = run_ends(before, here, SHORTEST as u32);
        if ends != 0 {
            // It is the last of the shortest run that there is: none ended before.
            let end = number * BLOCK + ends.trailing_zeros() as usize + 1;
            let more = bytes.get(end..).map_or(0, length);
            return Next::Run(end - SHORTEST, end + more);
        }
        before = here;
    }
    let begins = bytes.iter().rposition(|byte| !in_alphabet(*byte)).map_or(0, |last| last + 1);
    if begins < bytes.len() { Next::Begins(begins) } else { Next::None }
}

/// The length of the run at the start of a stretch.
fn length(bytes: &[u8]) -> usize {
    let mut length = 0;
    for block in blocks(bytes) {
        let run = characters(&block).trailing_ones() as usize;
        length += run;
        if run < BLOCK {
            break;
        }
    }
    length
}

/// Which bytes are of either alphabet of base64.
#[inline]
fn characters(block: &[u8; BLOCK]) -> u64 {
    Lanes::new(block).which(|lane| {
        let letter = within(lane | u8x16::splat(0x20), b'a', 26);
        letter | within(lane, b'/', 11) | is(lane, b'+') | is(lane, b'-') | is(lane, b'_')
    })
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
    fn characters_are_those_of_the_alphabets() {
        for byte in 0..=255 {
            assert_eq!(characters(&[byte; BLOCK]) == u64::MAX, in_alphabet(byte), "{byte}");
        }
    }
}
