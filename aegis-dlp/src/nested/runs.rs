//! Where runs of the characters of base64 are.

use super::codec::in_alphabet;
use super::judge::SHORTEST;

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
    let mut start = 0;
    // The last byte of where a run would be is looked at first: mostly it tells that there is none.
    while let Some(window) = bytes.get(start..start + SHORTEST) {
        match window.iter().rposition(|byte| !in_alphabet(*byte)) {
            Some(last) => start += last + 1,
            None => {
                let rest = bytes.get(start + SHORTEST..).unwrap_or_default();
                let more = rest.iter().position(|byte| !in_alphabet(*byte)).unwrap_or(rest.len());
                return Next::Run(start, start + SHORTEST + more);
            }
        }
    }
    let rest = bytes.get(start..).unwrap_or_default();
    let begins = start + rest.iter().rposition(|byte| !in_alphabet(*byte)).map_or(0, |last| last + 1);
    if begins < bytes.len() { Next::Begins(begins) } else { Next::None }
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
}
