//! Numbers of a message, scanned as JSON has them: each behind the name of its field, many at once.

use std::fmt::Write;
use std::ops::Range;

use crate::Action;
use crate::descriptor::{Number, Scalar};
use crate::finding::{Finding, Place};
use crate::scanner::{Flow, Scanner};
use crate::stream::{Reason, Step, Why};
use crate::text::has_clue;
use crate::view::Encoding;

use super::{Edits, Walk};

/// Numbers that are scanned at once: no more than findings are listed one by one.
const MOST: usize = crate::MAX_FINDINGS;
/// Bytes of a name that are context.
const NAME: usize = 64;

/// Numbers that wait to be scanned, a line each.
#[derive(Default)]
pub(super) struct Numbers {
    text: String,
    lines: Vec<Line>,
}

struct Line {
    /// Where it begins in the text, and where the number is in the message.
    from: usize,
    at: Range<usize>,
    number: Number,
    /// What it is called, where that is not the context that it has.
    name: Option<Box<str>>,
}

impl Numbers {
    pub(super) fn is_full(&self) -> bool {
        self.lines.len() >= MOST
    }

    /// Adds a number that stands at a place of the message, with the context that it has, and what it is called where that is
    /// something else.
    pub(super) fn add(
        &mut self,
        number: Number,
        scalar: Scalar,
        at: Range<usize>,
        (heading, name): (&str, Option<&str>),
    ) {
        let from = self.text.len();
        // Masks stay what they are: they are no context.
        let plain = |letter: char| {
            let kept = letter.is_ascii_alphanumeric() || " [:*].-".contains(letter);
            if kept { letter } else { '_' }
        };
        self.text.push_str("{\"");
        self.text.extend(heading.chars().take(NAME).map(plain));
        self.text.push_str("\":");
        // Writing to a string cannot fail.
        let _ = match scalar {
            Scalar::Int(value) => write!(self.text, "{value}"),
            Scalar::Uint(value) => write!(self.text, "{value}"),
            Scalar::Float(value) => write!(self.text, "{value}"),
        };
        self.text.push_str("}\n");
        self.lines.push(Line { from, at, number, name: name.map(Box::from) });
    }

    /// Scans what waits: matches are noted, and what is redacted becomes a number that says less.
    pub(super) fn settle(&mut self, walk: &mut Walk<'_>, edits: &mut Edits) -> Step {
        let waiting = std::mem::take(self);
        if waiting.lines.is_empty() {
            return Ok(());
        }
        let profile = walk.within.profile(walk.content);
        if !has_clue(&profile, &waiting.text) {
            return Ok(());
        }
        let mut scanner = Scanner::with(profile, Encoding::Json, None);
        let mut out = Vec::with_capacity(waiting.text.len());
        // What a push stopped stays stopped.
        let _ = scanner.push(waiting.text.as_bytes(), &mut out);
        let flow = scanner.finish(&mut out);
        let found = scanner.take_findings();
        let redacted = found.iter().find(|one| one.action == Action::Redact).map(|one| one.detector);
        let placed = found.into_iter().map(|one| waiting.placed(one, walk)).collect();
        walk.content.found(placed, "");
        match flow {
            Flow::Deny(detector) => return Err(Why::Detector(detector)),
            Flow::Approve(detector) => return Err(Why::Approval(detector)),
            Flow::Continue | Flow::Opaque => {}
        }
        if out == waiting.text.as_bytes() {
            return Ok(());
        }
        let lines: Vec<&[u8]> = out.split_inclusive(|byte| *byte == b'\n').collect();
        if lines.len() != waiting.lines.len() {
            // One match in several numbers: what stands for it fits none of them.
            let broken = || walk.content.broken(Reason::Unreadable("numbers"), &walk.here());
            return Err(redacted.map_or_else(broken, Why::Detector));
        }
        let ends = waiting.lines.iter().skip(1).map(|line| line.from).chain([waiting.text.len()]);
        for ((line, end), new) in waiting.lines.iter().zip(ends).zip(lines) {
            if waiting.text.as_bytes().get(line.from..end) != Some(new) {
                let mut bytes = Vec::new();
                line.number.write(kept(new), &mut bytes);
                edits.push(line.at.clone(), bytes);
            }
        }
        Ok(())
    }

    /// A finding where its number is in the message.
    fn placed(&self, found: Finding, walk: &Walk<'_>) -> Finding {
        let offset = match &found.place {
            Place::Body { offset, .. } => usize::try_from(*offset).unwrap_or(usize::MAX),
            _ => 0,
        };
        let line = self.lines.partition_point(|line| line.from <= offset).checked_sub(1);
        let name = line.and_then(|line| self.lines.get(line)).map_or("", |line| self.name(line));
        let dot = if walk.path.is_empty() || name.is_empty() { "" } else { "." };
        let path = format!("{}/{}{dot}{name}", walk.within.path, walk.path);
        Finding { place: Place::Body { offset: 0, path: Some(path.into()) }, ..found }
    }

    fn name<'n>(&'n self, line: &'n Line) -> &'n str {
        let text = || self.text.get(line.from + 2..)?.split('"').next();
        line.name.as_deref().or_else(text).unwrap_or_default()
    }
}

/// What a mask keeps of a number: up to four digits, where the rule says so.
fn kept(line: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(line);
    let digits = text.rsplit_once('*').map_or("", |(_, kept)| kept);
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end.min(4)).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
