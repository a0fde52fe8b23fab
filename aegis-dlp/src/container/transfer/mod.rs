//! Content-Transfer-Encoding (RFC 2045): base64 and quoted-printable, undone for reading.
//!
//! As long as what is read leaves as it came, its encoded form does, too, byte for byte. From the first byte that
//! is another on, the rest is encoded anew, in lines as long as those before.

mod base64;
mod quoted;

use std::collections::VecDeque;

use crate::stream::{Content, Reason, Step, Why};

use self::base64::Base64;
use self::quoted::Quoted;
use super::{Reader, Within};

/// Encoded bytes in a row that decode to nothing: blanks, line ends.
const BLANK: usize = 4 * 1024;
/// Bytes decoded at once.
const PIECE: usize = 4 * 1024;

/// How content is encoded.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Encoding {
    None,
    Base64,
    Quoted,
    /// base64 in segments that are padded one by one, as gRPC-Web's text form is.
    Segments,
}

impl Encoding {
    /// # Errors
    /// There is none of this name.
    pub(crate) fn named(name: &str) -> Result<Encoding, Reason> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "7bit" | "8bit" | "binary" => Ok(Encoding::None),
            "base64" => Ok(Encoding::Base64),
            "quoted-printable" => Ok(Encoding::Quoted),
            other => Err(Reason::UnknownCoding(other.chars().filter(char::is_ascii_graphic).take(32).collect())),
        }
    }

    /// About how many bytes so many encoded ones are.
    pub(crate) fn decoded_size(self, encoded: u64) -> u64 {
        match self {
            Encoding::None | Encoding::Quoted => encoded,
            Encoding::Base64 | Encoding::Segments => encoded / 4 * 3,
        }
    }
}

/// Undoes and redoes an encoding.
enum Codec {
    Base64(Base64),
    Quoted(Quoted),
}

/// A stretch that decodes as a whole: encoded bytes, and how many they decode to.
type Unit = (u16, u8);

/// What was decoded, in its encoded and its decoded form.
#[derive(Default)]
pub(crate) struct Decoded {
    encoded: VecDeque<u8>,
    bytes: VecDeque<u8>,
    units: VecDeque<Unit>,
    /// Encoded bytes since the last that decoded to something.
    blank: usize,
}

impl Decoded {
    /// Adds a unit.
    ///
    /// # Errors
    /// There are more that decode to nothing than anybody writes.
    fn add(&mut self, encoded: &[u8], decoded: &[u8]) -> Result<(), Reason> {
        self.blank = if decoded.is_empty() { self.blank + encoded.len() } else { 0 };
        if self.blank > BLANK {
            return Err(Reason::TooLarge("blanks within encoded content"));
        }
        self.encoded.extend(encoded);
        self.bytes.extend(decoded);
        let lengths = (u16::try_from(encoded.len()), u8::try_from(decoded.len()));
        if let (Ok(encoded), Ok(decoded)) = lengths {
            self.units.push_back((encoded, decoded));
        }
        Ok(())
    }
}

pub(crate) struct Transfer {
    codec: Codec,
    inner: Reader,
    path: Box<str>,
    /// Handed to the reader and not put out by it.
    decoded: Decoded,
    /// How many of these bytes it has put out as they came.
    same: usize,
    /// Something differs: what the reader puts out is encoded anew.
    changed: bool,
    next: Decoded,
    read: Vec<u8>,
}

impl Transfer {
    pub(crate) fn new(encoding: Encoding, inner: Reader, within: &Within) -> Self {
        let codec = match encoding {
            Encoding::Quoted => Codec::Quoted(Quoted::default()),
            Encoding::Segments => Codec::Base64(Base64::in_segments()),
            Encoding::None | Encoding::Base64 => Codec::Base64(Base64::default()),
        };
        Transfer {
            codec,
            inner,
            path: within.path.clone(),
            decoded: Decoded::default(),
            same: 0,
            changed: false,
            next: Decoded::default(),
            read: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        for piece in bytes.chunks(PIECE) {
            let decoded = self.codec.decode(piece, &mut self.next);
            self.hand_on(content, out)?;
            // What was read before the fault is judged first.
            decoded.map_err(|reason| self.broken(content, reason))?;
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        let decoded = self.codec.end(&mut self.next);
        self.hand_on(content, out)?;
        decoded.map_err(|reason| self.broken(content, reason))?;
        self.inner.finish(content, &mut self.read)?;
        self.put_out(out);
        if !self.changed && self.same < self.decoded.bytes.len() {
            self.change(out);
        }
        if self.changed {
            self.codec.encode_end(out);
        } else {
            out.extend(self.decoded.encoded.drain(..));
        }
        Ok(())
    }

    fn hand_on(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        let Decoded { encoded, bytes, units, .. } = &mut self.next;
        let fresh: Vec<u8> = bytes.iter().copied().collect();
        if self.changed {
            encoded.clear();
            bytes.clear();
            units.clear();
        } else {
            self.decoded.encoded.append(encoded);
            self.decoded.bytes.append(bytes);
            self.decoded.units.append(units);
        }
        let step = self.inner.push(content, &fresh, &mut self.read);
        self.put_out(out);
        step
    }

    /// Sends what the reader has put out: as it came as long as it is the same.
    fn put_out(&mut self, out: &mut Vec<u8>) {
        let read = std::mem::take(&mut self.read);
        let mut rest = read.as_slice();
        if !self.changed {
            let pending = self.decoded.bytes.iter().skip(self.same);
            let same = pending.zip(rest).take_while(|(came, goes)| came == goes).count();
            self.same += same;
            rest = rest.get(same..).unwrap_or_default();
            self.release(out);
            if !rest.is_empty() {
                self.change(out);
            }
        }
        if self.changed {
            self.codec.encode(rest, out);
        }
        self.read = read;
        self.read.clear();
    }

    /// Sends the encoded form of whole units that are the same. What decodes to nothing goes with the unit that
    /// follows it: whether that has arrived is up to the chunks.
    fn release(&mut self, out: &mut Vec<u8>) {
        while let Some(count) = self.releasable() {
            for (encoded, decoded) in self.decoded.units.drain(..count) {
                self.same = self.same.saturating_sub(usize::from(decoded));
                self.decoded.bytes.drain(..usize::from(decoded).min(self.decoded.bytes.len()));
                let from = out.len();
                out.extend(self.decoded.encoded.drain(..usize::from(encoded).min(self.decoded.encoded.len())));
                self.codec.sent(out.get(from..).unwrap_or_default());
            }
        }
    }

    /// How many units may be sent: up to the first that decodes to something, if that is the same.
    fn releasable(&self) -> Option<usize> {
        let at = self.decoded.units.iter().position(|(_, decoded)| *decoded > 0)?;
        let (_, decoded) = self.decoded.units.get(at)?;
        (usize::from(*decoded) <= self.same).then_some(at + 1)
    }

    /// From here on all is encoded anew; the bytes of a unit that are the same come first.
    fn change(&mut self, out: &mut Vec<u8>) {
        self.changed = true;
        let begun: Vec<u8> = self.decoded.bytes.iter().take(self.same).copied().collect();
        self.decoded = Decoded::default();
        self.codec.encode(&begun, out);
    }

    fn broken(&self, content: &Content, reason: Reason) -> Why {
        content.broken(reason, &self.path)
    }

    pub(crate) fn held(&self) -> usize {
        let kept: usize = [&self.decoded, &self.next]
            .iter()
            .map(|one| one.encoded.capacity() + one.bytes.capacity() + one.units.capacity() * size_of::<Unit>())
            .sum();
        size_of::<Transfer>() + kept + self.read.capacity() + self.inner.held()
    }
}

impl Codec {
    fn decode(&mut self, bytes: &[u8], decoded: &mut Decoded) -> Result<(), Reason> {
        match self {
            Codec::Base64(base64) => base64.decode(bytes, decoded),
            Codec::Quoted(quoted) => quoted.decode(bytes, decoded),
        }
    }

    fn end(&mut self, decoded: &mut Decoded) -> Result<(), Reason> {
        match self {
            Codec::Base64(base64) => base64.end(decoded),
            Codec::Quoted(quoted) => quoted.end(decoded),
        }
    }

    /// Takes notice of encoded bytes that were sent as they came.
    fn sent(&mut self, encoded: &[u8]) {
        match self {
            Codec::Base64(base64) => base64.line.sent(encoded),
            Codec::Quoted(quoted) => quoted.line.sent(encoded),
        }
    }

    fn encode(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Codec::Base64(base64) => base64.encode(bytes, out),
            Codec::Quoted(quoted) => quoted.encode(bytes, out),
        }
    }

    fn encode_end(&mut self, out: &mut Vec<u8>) {
        match self {
            Codec::Base64(base64) => base64.encode_end(out),
            Codec::Quoted(quoted) => quoted.encode_end(out),
        }
    }
}

/// How long lines are, and how they end, as seen so far.
#[derive(Default)]
pub(crate) struct Line {
    column: usize,
    /// The length of the first whole line, and whether it ends without a carriage return.
    length: Option<usize>,
    lf: bool,
    returned: bool,
}

impl Line {
    /// The longest line of an encoding (RFC 2045).
    const MOST: usize = 76;

    fn sent(&mut self, encoded: &[u8]) {
        for byte in encoded {
            match byte {
                b'\n' => {
                    if self.column > 0 && self.length.is_none() {
                        self.length = Some(self.column);
                        self.lf = !self.returned;
                    }
                    self.column = 0;
                }
                b'\r' => {}
                _ => self.column += 1,
            }
            self.returned = *byte == b'\r';
        }
    }

    fn newline(&self) -> &'static [u8] {
        if self.lf { b"\n" } else { b"\r\n" }
    }
}

/// The first bytes of content, decoded as far as they are whole.
pub(crate) fn opening(encoding: Encoding, bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Decoded::default();
    // What is broken is found out when it is read.
    let _ = match encoding {
        Encoding::None => return bytes.to_vec(),
        Encoding::Quoted => Quoted::default().decode(bytes, &mut decoded),
        Encoding::Base64 | Encoding::Segments => Base64::default().decode(bytes, &mut decoded),
    };
    decoded.bytes.into()
}
