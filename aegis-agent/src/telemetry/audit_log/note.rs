//! Notes of what is about to leave the host, in a file beside the log: what the next daemon makes records of when this one is killed.
//!
//! A note is the record's draft, written with one `pwrite` before anything is sent, and taken back once the record's line is in the log. It is never
//! forced to disk: the page cache outlives the process, and against a power cut `audit.fsync` stands. The file is a row of slots with holes where
//! nothing was ever noted. A slot is a length, a checksum, and the draft as JSON; a length of zero says that it is free.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::mem;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use aegis_audit::{Draft, MAX_LINE};

/// Bytes of a slot: a draft within the record's bounds is shorter than its line.
const SLOT: u64 = MAX_LINE as u64;

/// Before the draft: its length and its checksum, four bytes each, little-endian.
const HEADER: usize = 8;

/// Says that something may leave, for it is noted. Whatever opens connections for an agent's bytes wants to see one, so that the note cannot be
/// forgotten.
#[derive(Debug)]
#[must_use = "it was noted in order to be sent"]
pub struct Noted(pub(super) ());

/// A slot that holds a note.
#[derive(Debug)]
pub(super) struct Place(u32);

impl Place {
    fn offset(&self) -> u64 {
        u64::from(self.0) * SLOT
    }
}

/// The file of notes.
pub(super) struct Notes {
    file: File,
    /// No more slots than that are ever used.
    limit: u32,
    places: Mutex<Places>,
}

/// The lowest are given out first, so that the file stays small.
struct Places {
    free: Vec<u32>,
    next: u32,
}

/// What the last daemon left.
pub(super) struct Left {
    pub(super) notes: Vec<(Place, Draft)>,
    /// Slots that hold neither a note nor nothing.
    pub(super) unreadable: usize,
}

impl Notes {
    /// Opens the file, with what the last daemon left in it. Only for who holds the log's lock.
    pub(super) fn open(path: &Path, limit: usize) -> io::Result<(Self, Left)> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        file.set_permissions(PermissionsExt::from_mode(0o600))?;
        let left = read(&file)?;
        // What is behind the last note is given back to the disk.
        let next = left.notes.last().map_or(0, |(place, _)| place.0.saturating_add(1));
        file.set_len(u64::from(next) * SLOT)?;
        let taken: HashSet<u32> = left.notes.iter().map(|(place, _)| place.0).collect();
        let free = (0..next).rev().filter(|place| !taken.contains(place)).collect();
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        Ok((Self { file, limit, places: Mutex::new(Places { free, next }) }, left))
    }

    /// Notes a draft; `None` where every slot is taken.
    pub(super) fn set(&self, draft: &Draft) -> io::Result<Option<Place>> {
        let bytes = encoded(draft)?;
        let Some(place) = self.take() else { return Ok(None) };
        match self.file.write_all_at(&bytes, place.offset()) {
            Ok(()) => Ok(Some(place)),
            Err(error) => {
                // Half a note has the wrong checksum, and what is not noted is not sent.
                let _ = self.clear(&place);
                self.give_back(place);
                Err(error)
            }
        }
    }

    /// Takes a note back.
    pub(super) fn clear(&self, place: &Place) -> io::Result<()> {
        self.file.write_all_at(&[0; HEADER], place.offset())
    }

    /// A slot is free again.
    pub(super) fn give_back(&self, place: Place) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).free.push(place.0);
    }

    fn take(&self) -> Option<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.free.pop() {
            return Some(Place(place));
        }
        let fresh = places.next;
        (fresh < self.limit).then(|| {
            places.next = fresh.saturating_add(1);
            Place(fresh)
        })
    }
}

fn encoded(draft: &Draft) -> io::Result<Vec<u8>> {
    // A usual draft is half as long: it is written without being moved while it grows.
    let mut bytes = Vec::with_capacity(2048);
    bytes.extend_from_slice(&[0; HEADER]);
    serde_json::to_writer(&mut bytes, draft)?;
    let text = bytes.get(HEADER..).unwrap_or_default();
    let (length, checksum) = (u32::try_from(text.len()).map_err(io::Error::other)?, crc32fast::hash(text));
    if u64::from(length) + HEADER as u64 > SLOT {
        return Err(io::Error::other(format!("a note of {length} bytes does not fit into its slot")));
    }
    let header = u64::from(length) | u64::from(checksum) << 32;
    if let Some(place) = bytes.first_chunk_mut::<HEADER>() {
        *place = header.to_le_bytes();
    }
    Ok(bytes)
}

fn read(file: &File) -> io::Result<Left> {
    let mut left = Left { notes: Vec::new(), unreadable: 0 };
    let slots = u32::try_from(file.metadata()?.len().div_ceil(SLOT)).map_err(io::Error::other)?;
    for place in (0..slots).map(Place) {
        match read_one(file, place.offset())? {
            Slot::Free => {}
            Slot::Note(draft) => left.notes.push((place, *draft)),
            Slot::Unreadable => {
                file.write_all_at(&[0; HEADER], place.offset())?;
                left.unreadable += 1;
            }
        }
    }
    Ok(left)
}

enum Slot {
    Free,
    Note(Box<Draft>),
    Unreadable,
}

fn read_one(file: &File, offset: u64) -> io::Result<Slot> {
    let mut bytes = [0; MAX_LINE];
    let (header, rest) = bytes.split_at_mut(HEADER);
    read_up_to(file, header, offset)?;
    let header = u64::from_le_bytes(header.try_into().map_err(io::Error::other)?);
    let (length, checksum) = (header & u64::from(u32::MAX), header >> 32);
    if header == 0 {
        return Ok(Slot::Free);
    }
    let Some(text) = usize::try_from(length).ok().and_then(|length| rest.get_mut(..length)) else {
        return Ok(Slot::Unreadable);
    };
    read_up_to(file, text, offset + HEADER as u64)?;
    if u64::from(crc32fast::hash(text)) != checksum {
        return Ok(Slot::Unreadable);
    }
    Ok(serde_json::from_slice(text).map_or(Slot::Unreadable, Slot::Note))
}

/// Reads as much as there is; what is behind the end stays zero.
fn read_up_to(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.read_at(buffer, offset) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                offset += read as u64;
                buffer = mem::take(&mut buffer).get_mut(read..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
