//! Verification: reads a log once, in constant memory, and names the first line that is not as it was written.

use std::io::{BufRead, Read};
use std::iter::Peekable;

use crate::bounds::MAX_LINE;
use crate::chain::{Place, genesis_hash, hash_of};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::keys::VerifyingKey;
use crate::record::Record;

/// What the verifier knows beside the log itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expect<'a> {
    /// The instance whose log it is; with it the first record's genesis hash is checked.
    pub instance: Option<&'a str>,
    /// The key of the checkpoints. Without it signatures are not checked, and whoever can write both files can forge both.
    pub key: Option<&'a VerifyingKey>,
    /// Accept a log that starts after record 1: a rotated file whose predecessors are not given. Its start is then taken on trust, unless a
    /// checkpoint names it.
    pub continued: bool,
}

/// A log in which nothing is wrong.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    pub records: u64,
    /// 0 when the log is empty.
    pub first_seq: u64,
    pub last_seq: u64,
    /// The hash of the last record; empty when there is none.
    pub last_hash: String,
    /// Checkpoints that agreed with a record (and were signed by the key, if one was given).
    pub checkpoints: u64,
    /// Whether signatures were checked.
    pub signed: bool,
    /// Records after the last checkpoint: whether others followed them once cannot be known.
    pub after_last_checkpoint: u64,
}

/// The first thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}{}: {why}", .seq.map(|seq| format!(" (record {seq})")).unwrap_or_default())]
pub struct Broken {
    /// From 1; of the checkpoint file where `why` is [`Why::BadCheckpoint`], of the log otherwise.
    pub line: u64,
    /// The record's number, where the line still tells it.
    pub seq: Option<u64>,
    pub why: Why,
}

/// What is wrong with a line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Why {
    #[error("edited: {0}")]
    Edited(String),
    #[error("reordered: record {expected} belongs here, it stands further down")]
    Reordered { expected: u64 },
    #[error("missing: records {from} to {to} are not there")]
    Missing { from: u64, to: u64 },
    #[error("duplicate: a record with this number stands further up")]
    Duplicate,
    #[error("replaced: the line is whole, but does not continue the record before it")]
    Replaced,
    #[error("it does not start the log of instance `{0}`")]
    ForeignGenesis(String),
    #[error(
        "truncated: the line has no end (a crash while writing, or a cut); the daemon moves it aside when it starts"
    )]
    Truncated,
    #[error("rewritten: the signed checkpoint names another hash for this record")]
    Rewritten,
    #[error("tail cut: the log ends at record {last}, a signed checkpoint names record {checkpoint}")]
    TailCut { last: u64, checkpoint: u64 },
    #[error("bad checkpoint: {0}")]
    BadCheckpoint(CheckpointError),
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

/// Reads `log` (several rotated files: chained, oldest first) and `checkpoints` (empty: none) and checks every byte of the former against the
/// chain, and the chain against the signatures.
///
/// # Errors
/// The first line that is edited, out of place, missing, cut, or against a checkpoint.
pub fn verify(log: impl BufRead, checkpoints: impl BufRead, expect: Expect<'_>) -> Result<Report, Broken> {
    let mut lines = Lines::new(log);
    let mut signed = Checkpoints::new(checkpoints, expect.key);
    let mut report = Report { signed: expect.key.is_some(), ..Report::default() };
    while let Some(text) = lines.next_line()? {
        let record = sealed(lines.number, &text)?;
        let broken = |why| Broken { line: lines.number, seq: Some(record.seq), why };
        if report.records == 0 {
            start(&record, expect).map_err(broken)?;
            report.first_seq = record.seq;
        } else if record.seq != report.last_seq.saturating_add(1) {
            let number = lines.number;
            let why = misplaced(record.seq, report.last_seq, &mut lines);
            return Err(Broken { line: number, seq: Some(record.seq), why });
        } else if record.prev_hash != report.last_hash {
            return Err(broken(Why::Replaced));
        }
        if signed.agrees(&record, lines.number)? {
            report.checkpoints += 1;
            report.after_last_checkpoint = 0;
        } else {
            report.after_last_checkpoint += 1;
        }
        report.records += 1;
        report.last_seq = record.seq;
        report.last_hash = record.hash;
    }
    match signed.last()? {
        Some(checkpoint) if checkpoint > report.last_seq => Err(Broken {
            line: lines.number,
            seq: (report.records > 0).then_some(report.last_seq),
            why: Why::TailCut { last: report.last_seq, checkpoint },
        }),
        _ => Ok(report),
    }
}

/// The record on a line whose own hash is right.
fn sealed(line: u64, text: &[u8]) -> Result<Record, Broken> {
    let seq = || serde_json::from_slice::<Place>(text).ok().map(|place| place.seq);
    let edited = |why: String| Broken { line, seq: seq(), why: Why::Edited(why) };
    let hash = hash_of(text).ok_or_else(|| edited("it does not end in a hash".to_owned()))?;
    let record: Record =
        serde_json::from_slice(text).map_err(|error| edited(format!("it is not a record: {error}")))?;
    if record.hash == hash { Ok(record) } else { Err(edited("its hash does not fit its text".to_owned())) }
}

fn start(record: &Record, expect: Expect<'_>) -> Result<(), Why> {
    match record.seq {
        1 => match expect.instance {
            Some(instance) if record.prev_hash != genesis_hash(instance) => {
                Err(Why::ForeignGenesis(instance.to_owned()))
            }
            _ => Ok(()),
        },
        seq if expect.continued && seq > 1 => Ok(()),
        seq => Err(Why::Missing { from: 1, to: seq.saturating_sub(1) }),
    }
}

/// Tells a missing record from a moved one by looking for it in the rest of the log.
fn misplaced<R: BufRead>(seq: u64, last: u64, rest: &mut Lines<R>) -> Why {
    let expected = last.saturating_add(1);
    if seq < expected {
        return Why::Duplicate;
    }
    while let Ok(Some(text)) = rest.next_line() {
        if serde_json::from_slice::<Place>(&text).is_ok_and(|place| place.seq == expected) {
            return Why::Reordered { expected };
        }
    }
    Why::Missing { from: expected, to: seq.saturating_sub(1) }
}

/// Lines as bytes: `BufRead::lines` would hide a `\r` put before the newline, and a missing newline at the end.
struct Lines<R> {
    from: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn new(from: R) -> Self {
        Self { from, number: 0 }
    }

    /// The next line without its newline. A line longer than any that is ever written is not read to its end.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        let mut text = Vec::new();
        let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX).saturating_add(1);
        let read = (&mut self.from).take(limit).read_until(b'\n', &mut text);
        self.number += 1;
        let broken = |why| Broken { line: self.number, seq: None, why };
        match read {
            Err(error) => Err(broken(Why::Unreadable(error.to_string()))),
            Ok(0) => {
                self.number -= 1;
                Ok(None)
            }
            Ok(_) if text.last() == Some(&b'\n') => {
                text.pop();
                Ok(Some(text))
            }
            Ok(read) if read > MAX_LINE => Err(broken(Why::Edited(format!("it is longer than {MAX_LINE} bytes")))),
            Ok(_) => Err(broken(Why::Truncated)),
        }
    }
}

/// The checkpoints, in order, each checked as it comes up.
struct Checkpoints<'a, R: BufRead> {
    lines: Peekable<Parsed<'a, R>>,
}

struct Parsed<'a, R> {
    lines: Lines<R>,
    key: Option<&'a VerifyingKey>,
    last: u64,
}

impl<R: BufRead> Iterator for Parsed<'_, R> {
    type Item = Result<Checkpoint, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        let bad = |line, seq, error| Broken { line, seq, why: Why::BadCheckpoint(error) };
        let text = match self.lines.next_line() {
            Ok(text) => text?,
            Err(Broken { line, why, .. }) => {
                return Some(Err(bad(line, None, CheckpointError::NotACheckpoint(why.to_string()))));
            }
        };
        let number = self.lines.number;
        let parsed =
            Checkpoint::parse(&String::from_utf8_lossy(&text), self.key).map_err(|error| bad(number, None, error));
        Some(parsed.and_then(|checkpoint| {
            let after = std::mem::replace(&mut self.last, checkpoint.seq);
            if checkpoint.seq < after {
                Err(bad(number, Some(checkpoint.seq), CheckpointError::Order { seq: checkpoint.seq, after }))
            } else {
                Ok(checkpoint)
            }
        }))
    }
}

impl<'a, R: BufRead> Checkpoints<'a, R> {
    fn new(from: R, key: Option<&'a VerifyingKey>) -> Self {
        Self { lines: Parsed { lines: Lines::new(from), key, last: 0 }.peekable() }
    }

    /// Whether a checkpoint names this record; one that names another hash for it is an error of the log.
    fn agrees(&mut self, record: &Record, line: u64) -> Result<bool, Broken> {
        let mut named = false;
        while let Some(next) =
            self.lines.next_if(|next| next.as_ref().map_or(true, |checkpoint| checkpoint.seq <= record.seq))
        {
            let checkpoint = next?;
            // Those before a continued log's first record belong to files that are not given; a shared predecessor shows in `prev_hash`.
            let expected = match record.seq - checkpoint.seq.min(record.seq) {
                0 => &record.hash,
                1 => &record.prev_hash,
                _ => continue,
            };
            if checkpoint.hash != *expected {
                // The record is right in itself and in its place, so it is the past up to here that was written anew.
                return Err(Broken { line, seq: Some(record.seq), why: Why::Rewritten });
            }
            named |= checkpoint.seq == record.seq;
        }
        Ok(named)
    }

    /// The record that the last checkpoint names.
    fn last(&mut self) -> Result<Option<u64>, Broken> {
        let mut last = None;
        for checkpoint in self.lines.by_ref() {
            last = Some(checkpoint?.seq);
        }
        Ok(last)
    }
}
