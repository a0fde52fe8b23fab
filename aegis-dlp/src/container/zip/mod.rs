//! zip archives (PKWARE APPNOTE 6.3), and so office documents (OOXML, ODF): read, and sent as they came.
//!
//! The walk goes from local header to local header and accounts for every byte: what is in no entry, or listed
//! in the directory as something else than was walked over, others could read, and it is refused.

mod records;

use crate::Format;
use crate::coding::{Inflate, Stop, Wrap};
use crate::stream::{Content, Reason, Step};

use self::records::{Directory, Header, Record};
use super::trail::{PIECE, Trail};
use super::{Opening, Reader, Text, Within, label};

const BROKEN: Reason = Reason::Broken("zip archive");
const AMBIGUOUS: Reason = Reason::Ambiguous("a zip archive");

pub(crate) struct Zip {
    within: Within,
    state: State,
    /// A record that is not whole yet, and where it began.
    held: Vec<u8>,
    begun: u64,
    directory: Directory,
    /// Bytes of the archive that were read.
    at: u64,
    trail: Trail,
    decoded: u64,
    judged: u64,
    scratch: Vec<u8>,
}

enum State {
    /// At a header, a record of the directory or the end.
    Record,
    Data(Box<Data>),
    /// Behind the data of an entry of so many bytes whose header did not know them.
    Descriptor(u64),
    Ended,
    /// Given up: passes as the rule says.
    Unread,
}

/// An entry's data being read.
struct Data {
    inner: Reader,
    header: Header,
    /// Where its header is.
    offset: u64,
    inflate: Option<Inflate>,
    taken: u64,
}

impl Zip {
    pub(crate) fn new(within: Within) -> Self {
        Zip {
            within,
            state: State::Record,
            held: Vec::new(),
            begun: 0,
            directory: Directory::default(),
            at: 0,
            trail: Trail::default(),
            decoded: 0,
            judged: 0,
            scratch: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        let mut rest = bytes;
        while !rest.is_empty() {
            if matches!(self.state, State::Unread) {
                out.extend_from_slice(rest);
                return Ok(());
            }
            let piece = rest.get(..PIECE).unwrap_or(rest);
            match self.take(content, piece) {
                Ok(taken) => {
                    self.trail.add(piece.get(..taken).unwrap_or_default(), [self.decoded, 0]);
                    self.at += taken as u64;
                    rest = rest.get(taken..).unwrap_or_default();
                }
                Err(Stop::Why(why)) => return Err(why),
                Err(Stop::Reason(reason)) => self.give_up(content, reason, out)?,
            }
            self.trail.release([self.judged, 0], out);
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        if !matches!(self.state, State::Ended | State::Unread) {
            self.give_up(content, BROKEN, out)?;
        }
        self.trail.release([u64::MAX; 2], out);
        Ok(())
    }

    /// It cannot be read on: the rule's choice.
    fn give_up(&mut self, content: &mut Content, reason: Reason, out: &mut Vec<u8>) -> Step {
        content.opaque(reason, &self.within.path)?;
        // What came of an entry was read, also what is held until more follows.
        if let State::Data(data) = &mut self.state {
            data.inner.finish(content, &mut self.scratch)?;
        }
        self.trail.release([u64::MAX; 2], out);
        self.state = State::Unread;
        Ok(())
    }

    /// Reads some bytes: how many.
    fn take(&mut self, content: &mut Content, bytes: &[u8]) -> Result<usize, Stop> {
        match self.state {
            State::Data(_) => self.data(content, bytes),
            State::Record | State::Descriptor(_) => self.record(content, bytes),
            State::Ended => Err(AMBIGUOUS.into()),
            State::Unread => Ok(bytes.len()),
        }
    }

    /// Adds to the record being held, at most up to its end.
    fn record(&mut self, content: &mut Content, bytes: &[u8]) -> Result<usize, Stop> {
        if self.held.is_empty() {
            self.begun = self.at;
        }
        let mut taken = 0;
        loop {
            let length = match self.state {
                State::Descriptor(compressed) => records::descriptor_length(&self.held, compressed)?,
                _ => records::length(&self.held)?,
            };
            let missing = length.saturating_sub(self.held.len());
            if missing == 0 {
                self.whole(content)?;
                return Ok(taken);
            }
            let more = bytes.get(taken..bytes.len().min(taken + missing)).unwrap_or_default();
            if more.is_empty() {
                return Ok(taken);
            }
            self.held.extend_from_slice(more);
            taken += more.len();
        }
    }

    fn whole(&mut self, content: &mut Content) -> Result<(), Stop> {
        let held = std::mem::take(&mut self.held);
        if let State::Descriptor(_) = self.state {
            self.state = State::Record;
            return Ok(());
        }
        // Names, comments, and whatever else somebody writes into fields.
        let mut fields = Text::of_format(self.within.profile(content), Format::Text, &self.within.path);
        let step = fields.push(content, &held, &mut Vec::new());
        step.and_then(|()| fields.finish(content, &mut Vec::new())).map_err(Stop::Why)?;
        self.state = match records::parse(&held)? {
            Record::Local(header) => self.open(content, header)?,
            Record::Listed(listed) => {
                self.directory.listed(&listed, self.begun)?;
                State::Record
            }
            Record::End(end) => {
                self.directory.ended(&end, self.begun)?;
                State::Ended
            }
        };
        Ok(())
    }

    fn open(&mut self, content: &mut Content, header: Header) -> Result<State, Stop> {
        let inflate = match header.method {
            0 => None,
            8 => Some(Inflate::new(Wrap::Bare)),
            _ => return Err(Reason::UnknownCoding("a method of zip".into()).into()),
        };
        let within = self.within.piece(&format!("zip:{}", label(content, &header.name)));
        let inner = Reader::Opening(Box::new(Opening::new(None, within)));
        let data = Data { inner, header, offset: self.begun, inflate, taken: 0 };
        if data.inflate.is_none() && data.header.compressed == Some(0) {
            return self.close(content, data);
        }
        Ok(State::Data(Box::new(data)))
    }

    /// Reads data of an entry, at most up to its end.
    fn data(&mut self, content: &mut Content, bytes: &[u8]) -> Result<usize, Stop> {
        let State::Data(data) = &mut self.state else { return Ok(0) };
        let left = data.header.compressed.map_or(u64::MAX, |length| length.saturating_sub(data.taken));
        let bytes = bytes.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(bytes);
        let Data { inner, inflate, .. } = &mut **data;
        let (decoded, judged, scratch) = (&mut self.decoded, &mut self.judged, &mut self.scratch);
        let mut read = |piece: &[u8]| {
            content.unfold(piece.len())?;
            *decoded += piece.len() as u64;
            let step = inner.push(content, piece, scratch);
            *judged += scratch.len() as u64;
            scratch.clear();
            step.map_err(Stop::Why)
        };
        let taken = match inflate {
            None => {
                read(bytes)?;
                bytes.len()
            }
            Some(inflate) => inflate.push(bytes, &mut read)?,
        };
        data.taken += taken as u64;
        let whole = data.inflate.as_ref().is_none_or(Inflate::has_ended);
        let ended = match data.header.compressed {
            Some(length) => data.taken == length,
            None => whole,
        };
        // Data that ends before or after the place that its header names.
        if ended != whole && (ended || data.inflate.is_some()) {
            return Err(AMBIGUOUS.into());
        }
        if ended && let State::Data(data) = std::mem::replace(&mut self.state, State::Record) {
            self.state = self.close(content, *data)?;
        }
        Ok(taken)
    }

    /// Ends an entry.
    fn close(&mut self, content: &mut Content, mut data: Data) -> Result<State, Stop> {
        data.inner.finish(content, &mut self.scratch).map_err(Stop::Why)?;
        self.scratch.clear();
        self.judged = self.decoded;
        self.directory.walked(data.offset, data.taken, data.header.method)?;
        Ok(if data.header.compressed.is_none() { State::Descriptor(data.taken) } else { State::Record })
    }

    pub(crate) fn held(&self) -> usize {
        let data = match &self.state {
            State::Data(data) => {
                let inflate = if data.inflate.is_some() { Inflate::HELD } else { 0 };
                size_of::<Data>() + inflate + data.inner.held()
            }
            _ => 0,
        };
        let own = self.held.capacity() + self.scratch.capacity() + self.directory.held();
        size_of::<Zip>() + data + own + self.trail.held()
    }
}
