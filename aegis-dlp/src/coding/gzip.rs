//! gzip (RFC 1952): one member or several.

use flate2::Crc;

use super::{BROKEN, Inflate, Sink, Stop, Wrap};
use crate::stream::Reason;

/// The longest header of a member: a file name and a comment fit.
const HEADER: usize = 64 * 1024;
const FIXED: usize = 10;
const TRAILER: usize = 8;

/// Decodes members one after the other.
#[derive(Default)]
pub(crate) struct Gzip {
    /// A header or a trailer that is not whole yet.
    held: Vec<u8>,
    member: Option<Member>,
}

struct Member {
    inflate: Inflate,
    crc: Crc,
}

impl Gzip {
    pub(crate) fn push(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), Stop> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match &mut self.member {
                None => self.header(rest)?,
                Some(member) if !member.inflate.has_ended() => {
                    let Member { inflate, crc } = member;
                    inflate.push(rest, &mut |piece| {
                        crc.update(piece);
                        sink(piece)
                    })?
                }
                Some(_) => self.trailer(rest)?,
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Takes bytes of a header up to its end.
    fn header(&mut self, bytes: &[u8]) -> Result<usize, Reason> {
        for (number, byte) in bytes.iter().enumerate() {
            self.held.push(*byte);
            if header_ends(&self.held)? {
                self.held.clear();
                self.member = Some(Member { inflate: Inflate::new(Wrap::Bare), crc: Crc::new() });
                return Ok(number + 1);
            }
        }
        Ok(bytes.len())
    }

    fn trailer(&mut self, bytes: &[u8]) -> Result<usize, Reason> {
        let taken = bytes.len().min(TRAILER - self.held.len());
        self.held.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        if let (Some(member), &[a, b, c, d, e, f, g, h]) = (&self.member, self.held.as_slice()) {
            let right = member.crc.sum() == u32::from_le_bytes([a, b, c, d])
                && member.crc.amount() == u32::from_le_bytes([e, f, g, h]);
            if !right {
                return Err(BROKEN);
            }
            self.held.clear();
            self.member = None;
        }
        Ok(taken)
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.member.is_none() && self.held.is_empty()
    }

    pub(crate) fn held(&self) -> usize {
        self.held.capacity() + if self.member.is_some() { Inflate::HELD } else { 0 }
    }
}

/// Whether a header ends behind these bytes. Asked after each byte: what is fixed is looked at once, the
/// variable fields where one may end.
fn header_ends(held: &[u8]) -> Result<bool, Reason> {
    let magic = [0x1f, 0x8b, 8];
    if !magic.starts_with(held.get(..3).unwrap_or(held)) || held.len() > HEADER {
        return Err(BROKEN);
    }
    let Some(flags) = held.get(3).copied().filter(|_| held.len() >= FIXED) else { return Ok(false) };
    if flags & 0xe0 != 0 {
        return Err(BROKEN);
    }
    let mut at = FIXED;
    if flags & 4 != 0 {
        let Some(&[low, high]) = held.get(at..at + 2) else { return Ok(false) };
        at += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    for text in [8, 16] {
        if flags & text != 0 {
            let Some(end) = held.get(at..).and_then(|rest| memchr::memchr(0, rest)) else { return Ok(false) };
            at += end + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    Ok(held.len() >= at)
}
