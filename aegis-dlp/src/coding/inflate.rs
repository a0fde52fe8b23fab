//! DEFLATE (RFC 1951), bare or in zlib's wrapping (RFC 1950).

use flate2::{Decompress, FlushDecompress, Status};

use super::{BROKEN, PIECE, Sink, Stop};

/// What the compressed data stands in.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Wrap {
    Bare,
    /// zlib, or bare: `deflate` means the former, and many send the latter. The first two bytes tell.
    Unknown,
}

pub(crate) struct Inflate {
    state: Decompress,
    /// The first byte, while the second is not there and the wrapping not known.
    wrap: Wrap,
    first: Option<u8>,
    ended: bool,
    begun: bool,
}

impl Inflate {
    /// Bytes that one holds: the window of 32 KiB and tables.
    pub(crate) const HELD: usize = 48 * 1024;

    pub(crate) fn new(wrap: Wrap) -> Self {
        Inflate { state: Decompress::new(false), wrap, first: None, ended: false, begun: false }
    }

    /// Decodes up to the end of the data, and says how many bytes of `bytes` belong to it.
    pub(crate) fn push(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<usize, Stop> {
        let mut rest = bytes;
        if self.wrap == Wrap::Unknown {
            let Some(&second) = rest.first() else { return Ok(0) };
            let Some(first) = self.first else {
                self.first = Some(second);
                return Ok(1 + self.push(rest.get(1..).unwrap_or_default(), sink)?);
            };
            self.state = Decompress::new(is_zlib(first, second));
            self.wrap = Wrap::Bare;
            self.inflate(&[first], sink)?;
        }
        if !self.ended {
            rest = rest.get(self.inflate(rest, sink)?..).unwrap_or_default();
        }
        Ok(bytes.len() - rest.len())
    }

    /// Decodes; bytes after the end are an error.
    pub(crate) fn push_all(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), Stop> {
        if self.push(bytes, sink)? == bytes.len() { Ok(()) } else { Err(BROKEN.into()) }
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.ended || !self.begun && self.first.is_none()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    fn inflate(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<usize, Stop> {
        let mut buffer = [0_u8; PIECE];
        let mut taken = 0;
        self.begun |= !bytes.is_empty();
        loop {
            let (before_in, before_out) = (self.state.total_in(), self.state.total_out());
            let input = bytes.get(taken..).unwrap_or_default();
            let status = self.state.decompress(input, &mut buffer, FlushDecompress::None);
            taken += usize::try_from(self.state.total_in() - before_in).unwrap_or(usize::MAX);
            let made = usize::try_from(self.state.total_out() - before_out).unwrap_or(usize::MAX);
            let piece = buffer.get(..made).unwrap_or_default();
            if !piece.is_empty() {
                sink(piece)?;
            }
            // What is before a fault was decoded, and judged.
            self.ended = status.map_err(|_| BROKEN)? == Status::StreamEnd;
            // A full buffer may leave output behind; a dictionary that nobody has makes no progress either.
            let starved = made < buffer.len() && taken >= bytes.len();
            if self.ended || starved {
                return Ok(taken);
            }
            if made == 0 && self.state.total_in() == before_in {
                return Err(BROKEN.into());
            }
        }
    }
}

/// Whether these begin a zlib stream: the method is 8, the window at most 32 KiB, and the check bits are right.
fn is_zlib(first: u8, second: u8) -> bool {
    first & 0x0f == 8 && first >> 4 <= 7 && u16::from_be_bytes([first, second]).is_multiple_of(31)
}
