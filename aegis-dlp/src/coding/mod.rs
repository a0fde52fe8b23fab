//! Content codings (RFC 9110, section 8.4), undone as the bytes stream.
//!
//! Decoders put out small pieces, each of which is counted and scanned before the next is made: what a bomb
//! would unfold to is never in memory.

mod brotli;
mod gzip;
mod inflate;
mod zstd;

use crate::stream::{Reason, Why};

pub(crate) use gzip::Gzip;
pub(crate) use inflate::{Inflate, Wrap};

/// Codings on top of each other that are undone.
pub const MAX_CODINGS: usize = 3;

/// Bytes that a decoder puts out at once, except zstd, which puts out blocks of up to 128 KiB.
const PIECE: usize = 16 * 1024;

/// Where decoded bytes go.
pub(crate) type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), Stop> + 'a;

/// Why decoding stops.
pub(crate) enum Stop {
    /// The bytes themselves.
    Reason(Reason),
    /// Whoever takes the decoded bytes.
    Why(Why),
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Stop::Reason(reason)
    }
}

/// One coding being undone.
pub(crate) enum Decoder {
    Gzip(Box<Gzip>),
    Inflate(Box<Inflate>),
    Brotli(Box<brotli::Brotli>),
    Zstd(Box<zstd::Zstd>),
}

impl Decoder {
    /// The decoder for a coding of this name; `None` for `identity`.
    ///
    /// # Errors
    /// The name is none that Aegis knows.
    pub(crate) fn named(name: &str) -> Result<Option<Decoder>, Reason> {
        let decoder = match name.to_ascii_lowercase().as_str() {
            "" | "identity" => return Ok(None),
            "gzip" | "x-gzip" => Decoder::Gzip(Box::default()),
            "deflate" => Decoder::Inflate(Box::new(Inflate::new(Wrap::Unknown))),
            "br" => Decoder::Brotli(Box::default()),
            "zstd" => Decoder::Zstd(Box::default()),
            _ => return Err(Reason::UnknownCoding(name.chars().filter(char::is_ascii_graphic).take(32).collect())),
        };
        Ok(Some(decoder))
    }

    /// Undoes the coding of more bytes.
    pub(crate) fn push(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), Stop> {
        match self {
            Decoder::Gzip(gzip) => gzip.push(bytes, sink),
            Decoder::Inflate(inflate) => inflate.push_all(bytes, sink),
            Decoder::Brotli(brotli) => brotli.push(bytes, sink),
            Decoder::Zstd(zstd) => zstd.push(bytes, sink),
        }
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// It is not whole.
    pub(crate) fn finish(&mut self) -> Result<(), Reason> {
        let whole = match self {
            Decoder::Gzip(gzip) => gzip.is_whole(),
            Decoder::Inflate(inflate) => inflate.is_whole(),
            Decoder::Brotli(brotli) => brotli.is_whole(),
            Decoder::Zstd(zstd) => zstd.is_whole(),
        };
        if whole { Ok(()) } else { Err(BROKEN) }
    }

    /// Whether there was, or may have been, something in the coded bytes that is not in what they decode to: names in
    /// headers, frames that decoders skip. Brotli's decoder does not tell.
    pub(crate) fn hides(&self) -> bool {
        match self {
            Decoder::Gzip(gzip) => gzip.hides(),
            Decoder::Zstd(zstd) => zstd.hides(),
            Decoder::Brotli(_) => true,
            Decoder::Inflate(_) => false,
        }
    }

    /// Bytes held, at most.
    pub(crate) fn held(&self) -> usize {
        match self {
            Decoder::Gzip(gzip) => gzip.held(),
            Decoder::Inflate(_) => Inflate::HELD,
            Decoder::Brotli(brotli) => brotli.held(),
            Decoder::Zstd(zstd) => zstd.held(),
        }
    }
}

const BROKEN: Reason = Reason::Broken("compressed data");

/// The decoders for a list of codings, the outermost first.
///
/// # Errors
/// One is unknown, or there are too many.
pub(crate) fn decoders(codings: &[&str]) -> Result<Vec<Decoder>, Reason> {
    let mut decoders = Vec::new();
    for name in codings.iter().flat_map(|value| value.split(',')) {
        if let Some(decoder) = Decoder::named(name.trim())? {
            if decoders.len() == MAX_CODINGS {
                return Err(Reason::TooManyCodings);
            }
            decoders.push(decoder);
        }
    }
    // Listed in the order in which they were applied.
    decoders.reverse();
    Ok(decoders)
}

/// Sends bytes through a chain of decoders.
pub(crate) fn push_through(decoders: &mut [Decoder], bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), Stop> {
    match decoders.split_first_mut() {
        Some((first, rest)) => first.push(bytes, &mut |piece| push_through(rest, piece, sink)),
        None => sink(bytes),
    }
}
