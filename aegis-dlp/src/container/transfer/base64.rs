//! base64 (RFC 4648), in lines.

use super::{Decoded, Line};
use crate::stream::Reason;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BROKEN: Reason = Reason::Broken("base64");

#[derive(Default)]
pub(super) struct Base64 {
    pub(super) line: Line,
    /// More may follow on padding.
    segments: bool,
    padded: bool,
    /// Encoded bytes of the unit under way, and the values in it.
    encoded: Vec<u8>,
    values: Vec<u8>,
    /// Bytes to be encoded that do not fill a group yet.
    group: Vec<u8>,
}

impl Base64 {
    pub(super) fn in_segments() -> Self {
        Base64 { segments: true, ..Base64::default() }
    }

    pub(super) fn decode(&mut self, bytes: &[u8], decoded: &mut Decoded) -> Result<(), Reason> {
        for byte in bytes {
            self.encoded.push(*byte);
            match byte {
                b'\r' | b'\n' | b' ' | b'\t' => {}
                byte => self.character(*byte, decoded)?,
            }
            // Blanks without end are no unit.
            if self.values.is_empty() && self.encoded.len() >= 128 {
                decoded.add(&self.encoded, &[])?;
                self.encoded.clear();
            } else if self.encoded.len() >= 1024 {
                return Err(BROKEN);
            }
        }
        Ok(())
    }

    fn character(&mut self, byte: u8, decoded: &mut Decoded) -> Result<(), Reason> {
        if self.padded && self.values.is_empty() {
            if !self.segments {
                return Err(BROKEN);
            }
            self.padded = false;
        }
        let padding = byte == b'=';
        if padding && self.values.len() < 2 || self.padded && !padding {
            return Err(BROKEN);
        }
        self.padded |= padding;
        self.values.push(if padding { 64 } else { value(byte)? });
        if let &[a, b, c, d] = self.values.as_slice() {
            let whole = [a << 2 | b >> 4, b << 4 | (c & 63) >> 2, c << 6 | d & 63];
            let length = 3 - usize::from(c == 64) - usize::from(d == 64);
            decoded.add(&self.encoded, whole.get(..length).unwrap_or_default())?;
            self.values.clear();
            self.encoded.clear();
        }
        Ok(())
    }

    pub(super) fn end(&mut self, decoded: &mut Decoded) -> Result<(), Reason> {
        // Some leave the padding away.
        let mut bytes = Vec::new();
        match *self.values.as_slice() {
            [] => {}
            [a, b] => bytes.push(a << 2 | b >> 4),
            [a, b, c] if c < 64 => bytes.extend([a << 2 | b >> 4, b << 4 | c >> 2]),
            _ => return Err(BROKEN),
        }
        decoded.add(&self.encoded, &bytes)?;
        self.values.clear();
        self.encoded.clear();
        Ok(())
    }

    pub(super) fn encode(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            self.group.push(*byte);
            if self.group.len() == 3 {
                self.put_group(out);
            }
        }
    }

    pub(super) fn encode_end(&mut self, out: &mut Vec<u8>) {
        if !self.group.is_empty() {
            self.put_group(out);
        }
    }

    fn put_group(&mut self, out: &mut Vec<u8>) {
        let limit = self.line.length.unwrap_or(if self.line.column > Line::MOST { usize::MAX } else { Line::MOST });
        let at = |number: usize| self.group.get(number).copied().unwrap_or(0);
        let [a, b, c] = [at(0), at(1), at(2)];
        let values = [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63];
        for (number, value) in values.into_iter().enumerate() {
            if self.line.column >= limit && !self.segments {
                out.extend_from_slice(self.line.newline());
                self.line.column = 0;
            }
            let character = ALPHABET.get(usize::from(value)).copied().unwrap_or(b'A');
            out.push(if number > self.group.len() { b'=' } else { character });
            self.line.column += 1;
        }
        self.group.clear();
    }
}

fn value(byte: u8) -> Result<u8, Reason> {
    match byte {
        b'A'..=b'Z' => Ok(byte - b'A'),
        b'a'..=b'z' => Ok(byte - b'a' + 26),
        b'0'..=b'9' => Ok(byte - b'0' + 52),
        b'+' => Ok(62),
        b'/' => Ok(63),
        _ => Err(BROKEN),
    }
}
