//! One run of encoded content, followed to its end.

use std::collections::VecDeque;

use super::Layer;
use super::codec::{Codec, Decoder, Encoder, in_alphabet};
use super::judge::{Judged, SHORTEST};
use crate::view::{More, Window};

/// The lines that a run is broken into: as many characters as the first one has, and its line break as it came.
struct Line {
    characters: usize,
    text: Vec<u8>,
}

/// A line break within a run: how many characters come before it, and how many bytes of the view all breaks up to it have.
#[derive(Copy, Clone)]
struct Break {
    at: u64,
    total: u64,
}

/// A run under way. Characters are counted from the first one of its first line.
pub(crate) struct Run {
    pub(crate) inner: Box<dyn Layer>,
    /// Where the run is in the document.
    pub(crate) path: String,
    codec: Codec,
    decoder: Decoder,
    /// What writes the run anew, from the first change on.
    coder: Option<Coder>,
    line: Option<Line>,
    /// Breaks that may still be asked for, and the last one before them.
    breaks: VecDeque<Break>,
    passed: Break,
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

/// Characters behind which no break is asked for any more.
const REACH: u64 = 32 * 1024;
/// A line of so many characters goes on with the run before it, and a shorter one of so many where nothing else is in it.
const WIDE: usize = 40;

impl Run {
    /// A run that begins at `start`, with `skip` characters before the content.
    pub(crate) fn new(start: usize, judged: &Judged, inner: Box<dyn Layer>, path: String) -> Self {
        Run {
            inner,
            path,
            codec: judged.codec,
            decoder: Decoder::new(judged.codec),
            coder: None,
            line: None,
            breaks: VecDeque::new(),
            passed: Break { at: 0, total: 0 },
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

    /// Decodes what is there of the view up to `to`, and gives where the run ends if it does. With `flush` it ends there at the
    /// latest.
    pub(crate) fn feed(&mut self, window: &Window, to: usize, flush: bool, bytes: &mut Vec<u8>) -> Option<usize> {
        let view = window.bytes().get(..to).unwrap_or_default();
        loop {
            let rest = view.get(self.fed..).unwrap_or_default();
            let taken = self.decoder.decode(rest, bytes);
            self.fed += taken;
            self.characters += taken as u64;
            self.column += taken;
            if self.fed >= view.len() {
                return flush.then_some(self.fed);
            }
            match self.goes_on(view, flush) {
                Err(_) => return None,
                Ok(None) => return self.padded_end(view, flush),
                Ok(Some(length)) => self.break_line(window, length),
            }
        }
    }

    /// The length of the line break that is next, where the run goes on behind it.
    fn goes_on(&self, view: &[u8], flush: bool) -> Result<Option<usize>, More> {
        let line = self.line.as_ref().map_or(self.column, |line| line.characters);
        let Some(length) = break_length(view, self.fed, flush)? else { return Ok(None) };
        let (run, alone) = next_line(view, self.fed + length, WIDE, flush)?;
        // What is all of a line and ends a group, or is padded, is the rest of the last one.
        let padded = view.get(self.fed + length + run) == Some(&b'=');
        let whole = padded || (self.characters + run as u64).is_multiple_of(4);
        let full = self.column == line || whole;
        let goes_on = run >= WIDE
            || padded
            || self.column == line && run >= line
            || alone && (run >= SHORTEST || full && run > 0);
        Ok(goes_on.then_some(length))
    }

    fn break_line(&mut self, window: &Window, length: usize) {
        self.line.get_or_insert_with(|| Line {
            characters: self.column,
            text: window.raw_text(self.fed, self.fed + length).to_vec(),
        });
        let total = self.breaks.back().map_or(self.passed.total, |last| last.total) + length as u64;
        self.breaks.push_back(Break { at: self.skip + self.characters, total });
        self.forget(self.characters.saturating_sub(REACH));
        self.fed += length;
        self.column = 0;
    }

    /// Forgets the breaks before a character.
    fn forget(&mut self, before: u64) {
        while let Some(first) = self.breaks.front().copied().filter(|first| first.at < before) {
            self.passed = first;
            self.breaks.pop_front();
        }
    }

    /// The end of the run after its padding; `None` while that depends on bytes to come.
    fn padded_end(&self, view: &[u8], flush: bool) -> Option<usize> {
        let mut end = self.fed;
        for _ in 0..self.codec.padding() {
            match view.get(end) {
                Some(b'=') => end += 1,
                None if !flush => return None,
                _ => break,
            }
        }
        Some(end)
    }

    /// How far in the view a character of the first line on is from the origin: before a line break, or after it.
    fn position(&self, character: u64, before_break: bool) -> i64 {
        let passed = self.breaks.partition_point(|one| one.at + u64::from(before_break) <= character);
        let breaks =
            passed.checked_sub(1).and_then(|last| self.breaks.get(last)).map_or(self.passed.total, |last| last.total);
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
        self.forget(whole.saturating_sub(1));
        usize::try_from(self.origin.saturating_add(self.position(whole, true))).unwrap_or(0)
    }

    /// From here on the run is written anew.
    fn rewrite(&mut self, window: &Window, out: &mut Vec<u8>) {
        let (characters, group) = self.codec.group();
        let written = self.skip + self.confirmed / group * characters;
        let begun = self.breaks.iter().rev().find(|one| one.at < written).map_or(self.passed.at, |one| one.at);
        let column = usize::try_from(written - begun).unwrap_or(0);
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
            Codec::Base32 { .. } => end > self.fed || self.characters.is_multiple_of(8),
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
        let mut rest = characters;
        while !rest.is_empty() {
            let room = line.map_or(usize::MAX, |line| line.characters.saturating_sub(self.column));
            if let Some(line) = line.filter(|_| room == 0) {
                window.put_out_raw(&line.text, out);
                self.column = 0;
                continue;
            }
            let (piece, more) = rest.split_at(room.min(rest.len()));
            window.put_out_text(piece, out);
            self.column += piece.len();
            rest = more;
        }
    }
}

/// Whether a run of so many characters that ends at `at` is a line of content: one as long follows, or a shorter one that is
/// the end of it and of whatever it stands in. A line of words is neither.
pub(super) fn in_lines(view: &[u8], at: usize, line: usize, flush: bool) -> Result<bool, More> {
    let Some(length) = break_length(view, at, flush)? else { return Ok(false) };
    let (run, alone) = next_line(view, at + length, line, flush)?;
    Ok(run == line || run > 0 && alone)
}

/// The length of the line break at `at`, if one is there.
fn break_length(view: &[u8], at: usize, flush: bool) -> Result<Option<usize>, More> {
    let byte = |position: usize| byte_at(view, position, flush);
    Ok(match byte(at)? {
        Some(b'\n') => Some(1),
        Some(b'\r') if byte(at + 1)? == Some(b'\n') => Some(2),
        // Escapes that stayed in the content.
        Some(b'\\') => match byte(at + 1)? {
            Some(b'n') => Some(2),
            Some(b'r') if byte(at + 2)? == Some(b'\\') && byte(at + 3)? == Some(b'n') => Some(4),
            _ => None,
        },
        _ => None,
    })
}

/// The characters of a run that begins at `from`, at most `most`, and whether nothing but padding is behind them in their line.
fn next_line(view: &[u8], from: usize, most: usize, flush: bool) -> Result<(usize, bool), More> {
    let next = view.get(from..).unwrap_or_default();
    let run = next.iter().take(most).take_while(|byte| in_alphabet(**byte)).count();
    if run == most {
        return Ok((run, false));
    }
    // A mask ends it too, as what it stands for did.
    let alone = byte_at(view, from + run, flush)?.is_none_or(|byte| b"=\"'<>)[\\\r\n".contains(&byte));
    Ok((run, alone))
}

fn byte_at(view: &[u8], position: usize, flush: bool) -> Result<Option<u8>, More> {
    match view.get(position) {
        None if !flush => Err(More),
        byte => Ok(byte.copied()),
    }
}
