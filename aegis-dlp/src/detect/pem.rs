//! PEM blocks (RFC 7468; OpenSSH and OpenPGP armour look alike) that hold a private key.

use super::{Match, Tail};
use crate::Detector;
use crate::finding::Confidence;
use crate::view::{Eval, More, View};

/// In every header.
pub(super) const CLUE: &str = "BEGIN ";
const DASHES: &[u8] = b"-----";
const END: &[u8] = b"-----END ";
/// The longest label looked for: `PGP PRIVATE KEY BLOCK` and some.
const LABEL: usize = 40;
/// A block is at most so long: several times the largest RSA key. After that, text is text again, lest a
/// header alone swallow all that follows it.
const LONGEST: usize = 64 * 1024;

/// The block whose header contains the [`CLUE`] that ends at `at`. The header is decided at once, the rest follows.
pub(super) fn examine(view: &View<'_>, at: usize) -> Eval<Option<Match>> {
    let at = at + 1 - CLUE.len();
    let Some(start) = at.checked_sub(DASHES.len()) else {
        return Ok(None);
    };
    if view.slice(start, at) != DASHES {
        return Ok(None);
    }
    let label = at + CLUE.len();
    let Some(end) = label_end(view, label)? else {
        return Ok(None);
    };
    let label = view.slice(label, end - DASHES.len());
    let private = label.windows(b"PRIVATE KEY".len()).any(|words| words == b"PRIVATE KEY");
    let tail = Some(Tail::Pem(LONGEST));
    Ok(private.then_some(Match { start, end, detector: Detector::PrivateKey, confidence: Confidence::High, tail }))
}

/// The end of the dashes that close the label at `from`.
fn label_end(view: &View<'_>, from: usize) -> Eval<Option<usize>> {
    let label = view.run(from, LABEL, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ')?;
    for (position, dash) in (label..).zip(DASHES) {
        if view.at(position)? != Some(*dash) {
            return Ok(None);
        }
    }
    Ok(Some(label + DASHES.len()))
}

/// Follows a block to its end: after its END line, or before the first byte that no block contains.
/// `Err`: how far that can be said yet, and the budget left.
pub(super) fn follow(view: &View<'_>, from: usize, budget: usize) -> Result<usize, (usize, usize)> {
    let stop = from.saturating_add(budget);
    let mut position = from;
    while position < stop {
        let More = match block_byte(view, position) {
            Ok(Step::Inside) => {
                position += 1;
                continue;
            }
            Ok(Step::Ended(end)) => return Ok(end),
            Err(more) => more,
        };
        return Err((position, stop - position));
    }
    Ok(position)
}

enum Step {
    Inside,
    Ended(usize),
}

fn block_byte(view: &View<'_>, position: usize) -> Eval<Step> {
    match view.at(position)? {
        Some(b'-') => match end_line(view, position)? {
            Some(end) => Ok(Step::Ended(end)),
            None => Ok(Step::Inside),
        },
        Some(byte) if in_block(byte) => Ok(Step::Inside),
        _ => Ok(Step::Ended(position)),
    }
}

fn end_line(view: &View<'_>, from: usize) -> Eval<Option<usize>> {
    for (position, byte) in (from..).zip(END) {
        if view.at(position)? != Some(*byte) {
            return Ok(None);
        }
    }
    label_end(view, from + END.len())
}

/// Base64, line ends (also those escaped twice, as in JSON within JSON) and header lines.
fn in_block(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/= \r\n\t\\:,.()".contains(&byte)
}
