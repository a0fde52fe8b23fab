//! One run of encoded content, followed to its end.

use super::Layer;
use super::codec::{Codec, Decoder, Encoder, in_alphabet};
use super::judge::Judged;
use crate::view::{More, Window};

/// The lines that a run is broken into.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Line {
    pub(super) characters: usize,
    /// Bytes of a line break in the view.
    pub(super) length: usize,
    /// The first line break as it came.
    pub(super) text: Vec<u8>,
}

/// A run under way. Characters are counted from its first one.
pub(crate) struct Run {
    pub(crate) inner: Box<dyn Layer>,
    /// Where the run is in the document.
    pub(crate) path: String,
    codec: Codec,
    decoder: Decoder,
    /// What writes the run anew, from the first change on.
    coder: Option<Coder>,
    line: Option<Line>,
    /// Where the first line begins in the view; gone, where that is below zero.
    origin: i64,
    /// Characters of the first line that are none of the content.
    skip: u64,
    /// Where the next character is, and how many there are before it in its line.
    fed: usize,
    column: usize,
    characters: u64,
    /// Decoded bytes that came back as they were.
    confirmed: u64,
    /// Those of them that are of no whole group.
    carry: Vec<u8>,
}

/// How far a run has come.
pub(crate) struct Settled {
    /// Where in the view what was not put out begins.
    pub(crate) sent: usize,
    /// The length of the output where the first change was made, if it was now.
    pub(crate) altered: Option<usize>,
}

/// What writes a run anew.
struct Coder {
    encoder: Encoder,
    /// Characters in the line under way.
    column: usize,
}

impl Run {
    /// A run that begins at `start`, with `skip` characters before the content.
    pub(crate) fn new(start: usize, judged: &Judged, line: Option<Line>, inner: Box<dyn Layer>, path: String) -> Self {
        Run {
            inner,
            path,
            codec: judged.codec,
            decoder: Decoder::new(judged.codec),
            coder: None,
            line,
            origin: i64::try_from(start).unwrap_or(i64::MAX),
            skip: judged.skip as u64,
            fed: start + judged.skip,
            column: judged.skip,
            characters: 0,
            confirmed: 0,
            carry: Vec::new(),
        }
    }

    /// What encloses the content, as paths name it.
    pub(crate) fn label(&self) -> &'static str {
        self.codec.name()
    }

    /// Positions move: the view before `gone` was dropped.
    pub(super) fn dropped(&mut self, gone: usize) {
        self.origin = self.origin.saturating_sub(i64::try_from(gone).unwrap_or(i64::MAX));
        self.fed = self.fed.saturating_sub(gone);
    }

    /// Decodes what is there, and gives where the run ends if it does. With `flush` it ends with the view at the latest.
    pub(crate) fn feed(&mut self, view: &[u8], flush: bool, bytes: &mut Vec<u8>) -> Option<usize> {
        loop {
            let rest = view.get(self.fed..).unwrap_or_default();
            let room = self.line.as_ref().map_or(usize::MAX, |line| line.characters - self.column);
            let piece = rest.get(..room.min(rest.len())).unwrap_or_default();
            let taken = self.decoder.decode(piece, bytes);
            self.fed += taken;
            self.characters += taken as u64;
            self.column += taken;
            if taken < piece.len() {
                return self.padded_end(view, flush);
            }
            if self.fed >= view.len() {
                return flush.then_some(self.fed);
            }
            let line = self.line.as_ref()?;
            match break_after(view, self.fed, line.characters, flush) {
                Err(_) => return None,
                Ok(Some(length)) if length == line.length => {
                    self.fed += length;
                    self.column = 0;
                }
                Ok(_) => return self.padded_end(view, flush),
            }
        }
    }

    /// The end of the run after its padding; `None` while that depends on bytes to come.
    fn padded_end(&self, view: &[u8], flush: bool) -> Option<usize> {
        let mut end = self.fed;
        if let Codec::Base64 { .. } = self.codec {
            for _ in 0..2 {
                match view.get(end) {
                    Some(b'=') => end += 1,
                    None if !flush => return None,
                    _ => break,
                }
            }
        }
        Some(end)
    }

    /// How far in the view a character of the first line on is from the origin: before a line break, or after it.
    fn position(&self, character: u64, before_break: bool) -> i64 {
        let breaks = self.line.as_ref().map_or(0, |line| {
            let lines = character.saturating_sub(u64::from(before_break)) / line.characters as u64;
            lines * line.length as u64
        });
        i64::try_from(character + breaks).unwrap_or(i64::MAX)
    }

    /// Where the character is that begins with a decoded byte.
    pub(crate) fn position_of(&self, byte: u64) -> usize {
        let at = self.origin.saturating_add(self.position(self.skip + self.codec.character_of(byte), false));
        usize::try_from(at).unwrap_or(0)
    }

    /// Puts out what is known of the run after the layer gave back these bytes.
    pub(crate) fn settle(&mut self, put: &[u8], window: &mut Window, out: &mut Vec<u8>) -> Settled {
        let (mut put, mut changes) = (put, None);
        if self.coder.is_none() {
            let altered = self.inner.altered_at();
            let same = altered.map(|at| usize::try_from(at.saturating_sub(self.confirmed)).unwrap_or(usize::MAX));
            let (unchanged, changed) = put.split_at(same.unwrap_or(put.len()).min(put.len()));
            put = changed;
            let end = self.confirm(unchanged);
            window.put_out(end, out);
            if altered.is_none() {
                return Settled { sent: end, altered: None };
            }
            changes = Some(out.len());
            self.rewrite(window, out);
        }
        self.write(put, window, out);
        window.pass_over(self.fed);
        Settled { sent: self.fed, altered: changes }
    }

    /// Notes bytes that came back as they were; gives the end of the whole groups of them.
    fn confirm(&mut self, bytes: &[u8]) -> usize {
        let (characters, group) = self.codec.group();
        self.confirmed += bytes.len() as u64;
        let rest = usize::try_from(self.confirmed % group).unwrap_or(0);
        if bytes.len() >= rest {
            self.carry.clear();
            self.carry.extend_from_slice(bytes.get(bytes.len() - rest..).unwrap_or_default());
        } else {
            self.carry.extend_from_slice(bytes);
            self.carry.drain(..self.carry.len() - rest);
        }
        let whole = self.skip + self.confirmed / group * characters;
        usize::try_from(self.origin.saturating_add(self.position(whole, true))).unwrap_or(0)
    }

    /// From here on the run is written anew.
    fn rewrite(&mut self, window: &Window, out: &mut Vec<u8>) {
        let (characters, group) = self.codec.group();
        let written = self.skip + self.confirmed / group * characters;
        let column = match &self.line {
            Some(line) if written > 0 => usize::try_from((written - 1) % line.characters as u64).unwrap_or(0) + 1,
            _ => 0,
        };
        self.coder = Some(Coder { encoder: Encoder::new(self.codec), column });
        let carry = std::mem::take(&mut self.carry);
        self.write(&carry, window, out);
    }

    fn write(&mut self, bytes: &[u8], window: &Window, out: &mut Vec<u8>) {
        if let Some(coder) = &mut self.coder {
            let mut characters = Vec::new();
            coder.encoder.push(bytes, &mut characters);
            coder.put_out(&characters, self.line.as_ref(), window, out);
        }
    }

    /// Ends the run, of which the layer gave back everything, at `end` of the view.
    pub(crate) fn finish(mut self, end: usize, window: &mut Window, out: &mut Vec<u8>) {
        let Some(mut coder) = self.coder.take() else {
            return window.put_out(end, out);
        };
        let padded = match self.codec {
            Codec::Base64 { url } => end > self.fed || !url && self.characters.is_multiple_of(4),
            Codec::Hex { .. } => false,
        };
        let mut characters = Vec::new();
        coder.encoder.finish(padded, &mut characters);
        coder.put_out(&characters, self.line.as_ref(), window, out);
        window.pass_over(end);
    }
}

impl Coder {
    fn put_out(&mut self, characters: &[u8], line: Option<&Line>, window: &Window, out: &mut Vec<u8>) {
        let Some(line) = line else {
            return window.put_out_text(characters, out);
        };
        let mut rest = characters;
        while !rest.is_empty() {
            if self.column == line.characters {
                window.put_out_raw(&line.text, out);
                self.column = 0;
            }
            let (piece, more) = rest.split_at((line.characters - self.column).min(rest.len()));
            window.put_out_text(piece, out);
            self.column += piece.len();
            rest = more;
        }
    }
}

/// The length of a line break at `at` after which a run in lines of so many characters goes on: with a full line, or with a
/// shorter one that is the end of the run and of whatever it stands in. A line of words is neither.
pub(super) fn break_after(view: &[u8], at: usize, line: usize, flush: bool) -> Result<Option<usize>, More> {
    let byte = |position: usize| match view.get(position) {
        None if !flush => Err(More),
        byte => Ok(byte.copied()),
    };
    let length = match byte(at)? {
        Some(b'\n') => 1,
        Some(b'\r') if byte(at + 1)? == Some(b'\n') => 2,
        // Escapes that stayed in the content.
        Some(b'\\') => match byte(at + 1)? {
            Some(b'n') => 2,
            Some(b'r') if byte(at + 2)? == Some(b'\\') && byte(at + 3)? == Some(b'n') => 4,
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    let from = at + length;
    let next = view.get(from..).unwrap_or_default();
    let run = next.iter().take(line).take_while(|byte| in_alphabet(**byte)).count();
    if run == line {
        return Ok(Some(length));
    }
    let ends = byte(from + run)?.is_none_or(|byte| b"=\"'<>)\\\r\n".contains(&byte));
    Ok((run > 0 && ends).then_some(length))
}
