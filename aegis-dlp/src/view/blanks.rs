//! Long runs of blanks in JSON, most of which is left out: they must not put a key out of sight of its value.

/// Blanks of a run that are shown, and of those beyond one of so many: what is held back stays small.
const SHOWN: usize = 32;
const STEP: usize = 512;
/// Bytes looked at together. A run that is too long has such a block in it wherever it begins.
const BLOCK: usize = 16;

/// The run of blanks under way.
#[derive(Debug, Default)]
pub(super) struct Blanks {
    length: usize,
}

impl Blanks {
    /// Something else than a blank came.
    pub(super) fn end(&mut self) {
        self.length = 0;
    }

    /// How many of these bytes are shown from the first on, and how many behind those are not.
    pub(super) fn split(&mut self, bytes: &[u8]) -> (usize, usize) {
        let lead = bytes.iter().take_while(|byte| is_blank(byte)).count();
        if lead > 0 && self.length + lead > SHOWN {
            return self.within(lead);
        }
        let rest = bytes.get(lead..).unwrap_or_default();
        if rest.is_empty() {
            self.length += lead;
            return (lead, 0);
        }
        let block = rest.chunks_exact(BLOCK).position(|block| block.iter().all(is_blank));
        let before = rest.get(..block.map_or(rest.len(), |block| block * BLOCK)).unwrap_or_default();
        let trail = before.iter().rev().take_while(|byte| is_blank(byte)).count();
        if block.is_some() {
            self.length = 0;
            return (lead + before.len() - trail, 0);
        }
        self.length = trail;
        (bytes.len(), 0)
    }

    /// Goes on in a run of which so many bytes are here.
    fn within(&mut self, lead: usize) -> (usize, usize) {
        let split = match self.length.checked_sub(SHOWN) {
            None => (SHOWN - self.length, 0),
            Some(beyond) if beyond % STEP == STEP - 1 => (1, 0),
            Some(beyond) => (0, lead.min(STEP - 1 - beyond % STEP)),
        };
        self.length += split.0 + split.1;
        split
    }
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    /// The bytes that are shown, of pieces of this size.
    fn shown(bytes: &[u8], size: usize) -> Vec<u8> {
        let (mut blanks, mut shown) = (Blanks::default(), Vec::new());
        for piece in bytes.chunks(size) {
            let mut rest = piece;
            while !rest.is_empty() {
                let (these, not) = blanks.split(rest);
                shown.extend_from_slice(&rest[..these]);
                rest = &rest[these + not..];
            }
        }
        shown
    }

    #[test]
    fn of_a_long_run_most_is_left_out_whatever_the_cuts() {
        for (length, left) in [(0, 0), (20, 20), (32, 32), (33, 32), (100, 32), (543, 32), (544, 33), (1100, 34)] {
            for before in 0..20 {
                let text = format!("{}{}b  c", "a".repeat(before), " ".repeat(length));
                let expected = format!("{}{}b  c", "a".repeat(before), " ".repeat(left));
                for size in [1, 7, 16, 33, 4096] {
                    let shown = shown(text.as_bytes(), size);
                    assert_eq!(String::from_utf8(shown).unwrap(), expected, "{length} {before} {size}");
                }
            }
        }
    }
}
