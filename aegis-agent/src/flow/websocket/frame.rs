//! WebSocket frames (RFC 6455, section 5.2), read strictly: every frame has one reading, or the connection ends.

use bytes::{Buf, BytesMut};

use super::close::{self, Violation};

/// The most bytes of a control frame's payload (RFC 6455, section 5.5).
pub const MAX_CONTROL: usize = 125;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn of(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    /// Close, ping or pong: short, never in fragments, and allowed between those of a message.
    #[must_use]
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// A frame's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last frame of its message.
    pub last: bool,
    /// The message is compressed (RFC 7692, section 6): on its first frame only.
    pub compressed: bool,
    pub opcode: Opcode,
    /// Payload bytes.
    pub length: u64,
    pub mask: Option<[u8; 4]>,
}

impl Head {
    /// Takes a head off the front of `buffer`; `None` until all of it is there. `masked` is what this side has to do
    /// (clients mask, servers do not), `may_compress` whether compression was agreed with it.
    ///
    /// # Errors
    /// What makes the frame invalid.
    pub fn take(buffer: &mut BytesMut, masked: bool, may_compress: bool) -> Result<Option<Self>, Violation> {
        let &[first, second, ref rest @ ..] = &buffer[..] else { return Ok(None) };
        let opcode = Opcode::of(first & 0x0F).ok_or(close::protocol("a reserved opcode"))?;
        let (last, compressed) = (first & 0x80 != 0, first & 0x40 != 0);
        if first & 0x30 != 0 || (compressed && (!may_compress || !matches!(opcode, Opcode::Text | Opcode::Binary))) {
            return Err(close::protocol("a reserved bit that nothing was agreed on"));
        }
        if (second & 0x80 != 0) != masked {
            return Err(close::protocol(if masked { "an unmasked frame" } else { "a masked frame" }));
        }
        let Some((length, width)) = length(second & 0x7F, rest)? else { return Ok(None) };
        if opcode.is_control() && (!last || length > MAX_CONTROL as u64) {
            return Err(close::protocol("a control frame that is long or in fragments"));
        }
        let mask = match (masked, rest.get(width..width + 4)) {
            (false, _) => None,
            (true, Some(key)) => key.try_into().ok(),
            (true, None) => return Ok(None),
        };
        buffer.advance(2 + width + if masked { 4 } else { 0 });
        Ok(Some(Self { last, compressed, opcode, length, mask }))
    }

    /// Writes the head; the payload has to follow, masked where `mask` says so.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.last) << 7 | u8::from(self.compressed) << 6 | self.opcode.bits());
        let masked = u8::from(self.mask.is_some()) << 7;
        match (u8::try_from(self.length), u16::try_from(self.length)) {
            (Ok(short @ 0..=125), _) => out.push(masked | short),
            (_, Ok(medium)) => {
                out.push(masked | 126);
                out.extend_from_slice(&medium.to_be_bytes());
            }
            _ => {
                out.push(masked | 127);
                out.extend_from_slice(&self.length.to_be_bytes());
            }
        }
        out.extend_from_slice(self.mask.as_ref().map_or(&[], <[u8; 4]>::as_slice));
    }
}

/// The payload's length and how many bytes say so beyond the first: the fewest that can (RFC 6455, section 5.2).
fn length(short: u8, rest: &[u8]) -> Result<Option<(u64, usize)>, Violation> {
    let (length, width, least) = match short {
        126 => match rest.first_chunk() {
            Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2, 126),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(bytes) => (u64::from_be_bytes(*bytes), 8, 1 << 16),
            None => return Ok(None),
        },
        short => (u64::from(short), 0, 0),
    };
    if length < least || length >> 63 != 0 {
        return Err(close::protocol("a length that is not written as it must be"));
    }
    Ok(Some((length, width)))
}

/// Masks or unmasks bytes that begin `offset` bytes into a payload (RFC 6455, section 5.3).
pub fn mask(key: [u8; 4], offset: u64, bytes: &mut [u8]) {
    let turned = u32::from_le_bytes(key).rotate_right(8 * (offset % 4) as u32);
    let wide = u64::from(turned) << 32 | u64::from(turned);
    let (eights, rest) = bytes.as_chunks_mut::<8>();
    for eight in eights {
        *eight = (u64::from_le_bytes(*eight) ^ wide).to_le_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(wide.to_le_bytes()) {
        *byte ^= key;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn take(bytes: &[u8], masked: bool) -> Result<Option<Head>, Violation> {
        Head::take(&mut BytesMut::from(bytes), masked, false)
    }

    #[test]
    fn the_frames_of_the_standard_are_read() {
        // RFC 6455, section 5.7.
        let head = take(&[0x81, 0x05, b'H'], false).unwrap().unwrap();
        assert_eq!((head.last, head.opcode, head.length, head.mask), (true, Opcode::Text, 5, None));
        let mut hello = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let head = take(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f], true).unwrap().unwrap();
        mask(head.mask.unwrap(), 0, &mut hello);
        assert_eq!(&hello, b"Hello");
        assert_eq!(take(&[0x82, 0x7E, 0x01, 0x00], false).unwrap().unwrap().length, 256);
        assert_eq!(take(&[0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0], false).unwrap().unwrap().length, 65_536);
    }

    #[test]
    fn what_has_two_readings_or_none_is_refused() {
        for (bytes, masked, why) in [
            (&[0x83, 0x00][..], false, "a reserved opcode"),
            (&[0x8B, 0x00], false, "a reserved control opcode"),
            (&[0xC1, 0x00], false, "compression that was not agreed on"),
            (&[0xA1, 0x00], false, "a second reserved bit"),
            (&[0x91, 0x00], false, "a third reserved bit"),
            (&[0x81, 0x80, 0, 0, 0, 0], false, "a server that masks"),
            (&[0x81, 0x00], true, "a client that does not"),
            (&[0x09, 0x00], false, "a ping in fragments"),
            (&[0x89, 0x7E, 0x00, 0x7E], false, "a long ping"),
            (&[0x81, 0x7E, 0x00, 0x7D], false, "a long way to write 125"),
            (&[0x81, 0x7F, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], false, "a long way to write 65535"),
            (&[0x81, 0x7F, 0x80, 0, 0, 0, 0, 0, 0, 0], false, "a negative length"),
        ] {
            assert!(take(bytes, masked).is_err(), "{why}");
        }
        let compressed = |bytes: &[u8]| Head::take(&mut BytesMut::from(bytes), false, true);
        assert!(compressed(&[0xC1, 0x00]).unwrap().unwrap().compressed);
        assert!(compressed(&[0xC0, 0x00]).is_err(), "a continuation is not compressed by itself");
        assert!(compressed(&[0xC9, 0x00]).is_err(), "nor is a ping");
    }

    proptest! {
        #[test]
        fn a_head_comes_back_as_it_was_written(
            last: bool, binary: bool, length in prop_oneof![0_u64..70_000, any::<u64>().prop_map(|n| n >> 1)], key: Option<[u8; 4]>
        ) {
            let opcode = if binary { Opcode::Binary } else { Opcode::Text };
            let head = Head { last, compressed: false, opcode, length, mask: key };
            let mut out = Vec::new();
            head.put(&mut out);
            for cut in 0..out.len() {
                let part = Head::take(&mut BytesMut::from(&out[..cut]), key.is_some(), false);
                prop_assert!(matches!(part, Ok(None)), "{cut}");
            }
            let mut buffer = BytesMut::from(&out[..]);
            let read = Head::take(&mut buffer, key.is_some(), false);
            prop_assert!(matches!(read, Ok(Some(read)) if read == head) && buffer.is_empty());
        }

        #[test]
        fn masking_in_pieces_is_masking_at_once(key: [u8; 4], bytes: Vec<u8>, cut in 0_usize..200) {
            let plain: Vec<u8> = bytes.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect();
            let mut pieces = bytes.clone();
            let cut = cut.min(bytes.len());
            mask(key, 0, &mut pieces[..cut]);
            mask(key, cut as u64, &mut pieces[cut..]);
            prop_assert_eq!(pieces, plain);
        }
    }
}
