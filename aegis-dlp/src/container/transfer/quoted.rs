//! Quoted-printable (RFC 2045, section 6.7).

use super::{Decoded, Line};
use crate::stream::Reason;

const BROKEN: Reason = Reason::Broken("quoted-printable text");
const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

#[derive(Default)]
pub(super) struct Quoted {
    pub(super) line: Line,
    /// An escape that is not whole.
    escape: Vec<u8>,
    /// A blank, which may not end a line as it is.
    blank: Option<u8>,
}

impl Quoted {
    pub(super) fn decode(&mut self, bytes: &[u8], decoded: &mut Decoded) -> Result<(), Reason> {
        for byte in bytes {
            if self.escape.is_empty() && *byte != b'=' {
                decoded.add(&[*byte], &[*byte])?;
                continue;
            }
            self.escape.push(*byte);
            let whole: Option<&[u8]> = match *self.escape.as_slice() {
                [_, b'\n'] | [_, b'\r', b'\n'] => Some(&[]),
                [_] | [_, b'\r'] => None,
                [_, high] if high.is_ascii_hexdigit() => None,
                [_, high, low] => match (char::from(high).to_digit(16), char::from(low).to_digit(16)) {
                    (Some(high), Some(low)) => Some(&[u8::try_from(high * 16 + low).unwrap_or(0)]),
                    _ => return Err(BROKEN),
                },
                _ => return Err(BROKEN),
            };
            if let Some(whole) = whole {
                decoded.add(&self.escape, whole)?;
                self.escape.clear();
            }
        }
        Ok(())
    }

    pub(super) fn end(&mut self, decoded: &mut Decoded) -> Result<(), Reason> {
        match self.escape.as_slice() {
            [] => Ok(()),
            // A line that goes on where nothing follows.
            [b'='] => {
                decoded.add(b"=", &[])?;
                self.escape.clear();
                Ok(())
            }
            _ => Err(BROKEN),
        }
    }

    pub(super) fn encode(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            if let Some(blank) = self.blank.take() {
                self.put(blank, matches!(byte, b'\r' | b'\n'), out);
            }
            match byte {
                b' ' | b'\t' => self.blank = Some(*byte),
                b'\r' | b'\n' => {
                    out.push(*byte);
                    self.line.column = 0;
                }
                b'!'..=b'<' | b'>'..=b'~' => self.put(*byte, false, out),
                _ => self.put(*byte, true, out),
            }
        }
    }

    pub(super) fn encode_end(&mut self, out: &mut Vec<u8>) {
        if let Some(blank) = self.blank.take() {
            self.put(blank, true, out);
        }
    }

    fn put(&mut self, byte: u8, escaped: bool, out: &mut Vec<u8>) {
        let width = if escaped { 3 } else { 1 };
        if self.line.column + width >= Line::MOST {
            out.push(b'=');
            out.extend_from_slice(self.line.newline());
            self.line.column = 0;
        }
        if escaped {
            let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
            out.extend([b'=', digit(byte >> 4), digit(byte & 15)]);
        } else {
            out.push(byte);
        }
        self.line.column += width;
    }
}
