//! The records of a zip archive that are no data.

use super::{AMBIGUOUS, BROKEN};
use crate::stream::Reason;

const LOCAL: u32 = 0x0403_4b50;
const LISTED: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;

/// The longest record: fields of 64 KiB are for nothing that is known.
const RECORD: usize = 16 * 1024;
/// Entries of one archive.
const ENTRIES: usize = 10_000;

/// A record.
pub(super) enum Record {
    Local(Header),
    Listed(Listed),
    End(End),
}

/// What a local header says of its entry.
pub(super) struct Header {
    pub(super) name: String,
    pub(super) method: u16,
    /// Bytes of its data; `None` where they are told behind it.
    pub(super) compressed: Option<u64>,
}

/// What the directory says of an entry.
pub(super) struct Listed {
    offset: u64,
    compressed: u64,
    method: u16,
}

/// What the end of an archive says of its directory.
pub(super) struct End {
    /// Entries in it, bytes of it, and where it begins.
    entries: usize,
    size: u64,
    offset: u64,
}

/// The length of the record that begins with `held`, as far as it can be told.
pub(super) fn length(held: &[u8]) -> Result<usize, Reason> {
    let Some(signature) = u32_at(held, 0) else { return Ok(4) };
    let (fixed, fields): (usize, &[usize]) = match signature {
        LOCAL => (30, &[26, 28]),
        LISTED => (46, &[28, 30, 32]),
        END => (22, &[20]),
        END_64 => return Err(Reason::TooLarge("zip archives of 4 GiB")),
        _ => return Err(BROKEN),
    };
    if held.len() < fixed {
        return Ok(fixed);
    }
    let variable: usize = fields.iter().filter_map(|at| u16_at(held, *at)).map(usize::from).sum();
    if fixed + variable > RECORD { Err(Reason::TooLarge("a record of a zip archive")) } else { Ok(fixed + variable) }
}

/// The length of the descriptor behind the data of an entry of so many bytes, with or without a signature.
pub(super) fn descriptor_length(held: &[u8], compressed: u64) -> Result<usize, Reason> {
    if held.len() < 12 {
        return Ok(12);
    }
    let length = |at| u32_at(held, at).map(u64::from);
    match (u32_at(held, 0) == Some(DESCRIPTOR), length(8), length(4)) {
        (true, Some(told), _) if told == compressed => Ok(16),
        (_, _, Some(told)) if told == compressed => Ok(12),
        _ => Err(AMBIGUOUS),
    }
}

pub(super) fn parse(held: &[u8]) -> Result<Record, Reason> {
    match u32_at(held, 0).ok_or(BROKEN)? {
        LOCAL => local(held).map(Record::Local),
        LISTED => Ok(Record::Listed(Listed {
            method: u16_at(held, 10).ok_or(BROKEN)?,
            compressed: u32_at(held, 20).map(u64::from).ok_or(BROKEN)?,
            offset: u32_at(held, 42).map(u64::from).ok_or(BROKEN)?,
        })),
        END => end(held).map(Record::End),
        _ => Err(BROKEN),
    }
}

fn end(held: &[u8]) -> Result<End, Reason> {
    let number = |at| u16_at(held, at).ok_or(BROKEN);
    // Readers look for the last end: one in its own comment would be that. And nobody splits archives over disks.
    let comment = held.get(22..).unwrap_or_default();
    let one_disk = number(4)? == 0 && number(6)? == 0 && number(8)? == number(10)?;
    if !one_disk || memchr::memmem::find(comment, &END.to_le_bytes()).is_some() {
        return Err(AMBIGUOUS);
    }
    Ok(End {
        entries: usize::from(number(10)?),
        size: u32_at(held, 12).map(u64::from).ok_or(BROKEN)?,
        offset: u32_at(held, 16).map(u64::from).ok_or(BROKEN)?,
    })
}

fn local(held: &[u8]) -> Result<Header, Reason> {
    let flags = u16_at(held, 6).ok_or(BROKEN)?;
    let method = u16_at(held, 8).ok_or(BROKEN)?;
    let compressed = u32_at(held, 18).ok_or(BROKEN)?;
    let name_length = usize::from(u16_at(held, 26).ok_or(BROKEN)?);
    let name = held.get(30..30 + name_length).ok_or(BROKEN)?;
    // Encrypted, by the old way or the new.
    if flags & 1 != 0 || flags & 1 << 13 != 0 {
        return Err(Reason::Encrypted);
    }
    let later = flags & 1 << 3 != 0 && compressed == 0;
    // Only compressed data says itself where it ends.
    if later && method == 0 && !name.ends_with(b"/") {
        return Err(AMBIGUOUS);
    }
    if compressed == u32::MAX {
        return Err(Reason::TooLarge("zip archives of 4 GiB"));
    }
    let compressed = (!(later && method != 0)).then_some(u64::from(compressed));
    Ok(Header { name: String::from_utf8_lossy(name).into_owned(), method, compressed })
}

/// What was walked over, to compare with what is listed.
#[derive(Default)]
pub(super) struct Directory {
    /// Ascending by offset: offset, bytes of data, method.
    walked: Vec<(u64, u64, u16)>,
    /// Where the listing began, and how many entries it has.
    begun: Option<u64>,
    listed: usize,
}

impl Directory {
    pub(super) fn walked(&mut self, offset: u64, compressed: u64, method: u16) -> Result<(), Reason> {
        if self.begun.is_some() {
            return Err(AMBIGUOUS);
        }
        if self.walked.len() == ENTRIES {
            return Err(Reason::TooLarge("entries of a zip archive"));
        }
        self.walked.push((offset, compressed, method));
        Ok(())
    }

    /// Compares a record of the listing, which is at `at`.
    pub(super) fn listed(&mut self, listed: &Listed, at: u64) -> Result<(), Reason> {
        self.begun.get_or_insert(at);
        self.listed += 1;
        let entry = (listed.offset, listed.compressed, listed.method);
        self.walked.binary_search(&entry).map(|_| ()).map_err(|_| AMBIGUOUS)
    }

    /// Compares the end, which is at `at`: who goes by it must come to the same listing.
    pub(super) fn ended(&self, end: &End, at: u64) -> Result<(), Reason> {
        let begun = self.begun.unwrap_or(at);
        let same = (end.entries, end.offset, end.size) == (self.listed, begun, at - begun);
        if same { Ok(()) } else { Err(AMBIGUOUS) }
    }

    pub(super) fn held(&self) -> usize {
        self.walked.capacity() * size_of::<(u64, u64, u16)>()
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}
