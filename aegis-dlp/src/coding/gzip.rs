//! gzip (RFC 1952): one member or several.

use flate2::Crc;

use super::{BROKEN, Inflate, Sink, Stop, Wrap};
use crate::stream::Reason;

/// The longest header of a member: a file name and a comment fit.
const HEADER: usize = 4 * 1024;
/// Members of one stream.
const MEMBERS: usize = 100_000;
const FIXED: usize = 10;
const TRAILER: usize = 8;

/// Decodes members one after the other.
#[derive(Default)]
pub(crate) struct Gzip {
    /// A header or a trailer that is not whole yet.
    held: Vec<u8>,
    field: Field,
    member: Option<Member>,
    members: usize,
    /// Names and comments of members, which no decoder puts out, since they were asked for last.
    fields: Vec<u8>,
    hides: bool,
}

struct Member {
    inflate: Inflate,
    crc: Crc,
}

/// What of a header is being read.
#[derive(Copy, Clone, Default)]
enum Field {
    #[default]
    Fixed,
    ExtraLength,
    Extra(usize),
    Name,
    Comment,
    Checksum(usize),
    End,
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
            let before = std::mem::discriminant(&self.field);
            self.read_header(*byte)?;
            if self.held.len() > FIXED {
                self.fields.push(*byte);
                // What stands in one field is no part of the next.
                let same = std::mem::discriminant(&self.field) == before;
                self.fields.extend((!same).then_some(b'\n'));
            }
            if let Field::End = self.field {
                self.members += 1;
                if self.members > MEMBERS {
                    return Err(Reason::TooLarge("members of gzip data"));
                }
                self.hides |= self.held.len() > FIXED;
                self.held.clear();
                self.field = Field::Fixed;
                self.member = Some(Member { inflate: Inflate::new(Wrap::Bare), crc: Crc::new() });
                return Ok(number + 1);
            }
        }
        Ok(bytes.len())
    }

    /// Goes on in the header with the byte that was added to it.
    fn read_header(&mut self, byte: u8) -> Result<(), Reason> {
        let magic = [0x1f, 0x8b, 8];
        let flags = self.held.get(3).copied().unwrap_or(0);
        if self.held.len() <= magic.len() && !magic.starts_with(&self.held) || flags & 0xe0 != 0 {
            return Err(BROKEN);
        }
        if self.held.len() > HEADER {
            return Err(Reason::TooLarge("a header of gzip data"));
        }
        let done = match self.field {
            Field::Fixed => self.held.len() == FIXED,
            Field::ExtraLength if self.held.len() == FIXED + 2 => {
                let length = self.held.last_chunk().copied().map_or(0, u16::from_le_bytes);
                self.field = Field::Extra(usize::from(length));
                length == 0
            }
            Field::Extra(left) | Field::Checksum(left) => {
                let left = left.saturating_sub(1);
                self.field = if let Field::Extra(_) = self.field { Field::Extra(left) } else { Field::Checksum(left) };
                left == 0
            }
            Field::Name | Field::Comment => byte == 0,
            Field::ExtraLength | Field::End => false,
        };
        if done {
            self.field = self.field.next(flags);
        }
        Ok(())
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

    /// Whether a header is being read, of which nothing is known yet.
    pub(crate) fn in_header(&self) -> bool {
        self.member.is_none() && !self.held.is_empty()
    }

    /// Names and comments that were read since this was asked last.
    pub(crate) fn take_fields(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.fields)
    }

    /// Whether it held something that is not in what it decodes to.
    pub(crate) fn hides(&self) -> bool {
        self.hides
    }

    /// Members so far.
    pub(crate) fn members(&self) -> usize {
        self.members
    }

    pub(crate) fn held(&self) -> usize {
        let member = if self.member.is_some() { Inflate::HELD } else { 0 };
        self.held.capacity() + self.fields.capacity() + member
    }
}

impl Field {
    /// The field after this one, in a header with these flags.
    fn next(self, flags: u8) -> Field {
        let after = match self {
            Field::Fixed => 0,
            Field::ExtraLength | Field::Extra(_) => 1,
            Field::Name => 2,
            Field::Comment => 3,
            Field::Checksum(_) | Field::End => 4,
        };
        let fields = [(4, Field::ExtraLength), (8, Field::Name), (16, Field::Comment), (2, Field::Checksum(2))];
        let rest = fields.into_iter().skip(after);
        rest.filter(|(flag, _)| flags & flag != 0).map(|(_, field)| field).next().unwrap_or(Field::End)
    }
}
