//! Finding the end of the chain after a stop, a crash or a cut. Nothing is ever deleted: what does not belong is moved aside, and noted.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use aegis_audit::{Chain, Checkpoint, Draft, MAX_LINE, VerifyingKey};
use serde::Deserialize;

use super::OpenError;
use super::file::{Paths, beside};
use super::note::Place;

/// How far from the end the last line's end is looked for. A crash leaves less than a line; a file system after a power cut may leave zeros.
const LOOK_BACK: u64 = 4 << 20;

/// How far from the end the records of notes are looked for. A kill leaves notes of one batch whose lines are written, 2 MiB at most; a power cut may
/// bring back some that the disk did not see taken back.
const LOOK_BACK_FOR_NOTED: u64 = 16 << 20;

/// What is wrong with an exchange that a daemon did not live to record.
const UNDER_WAY: &str = "the daemon ended before this exchange did";

/// Where the chain goes on, and what has to be said about it.
pub(super) struct Resumed {
    pub(super) chain: Chain,
    pub(super) notes: Vec<String>,
}

/// Repairs the files and finds the chain's end: the log's last line, or the last signed checkpoint where the log lost what that names.
pub(super) fn resume(paths: &Paths, instance: &str, key: &VerifyingKey) -> Result<Resumed, OpenError> {
    let io = |source| OpenError::Io { path: paths.log.clone(), source };
    let mut notes = Vec::new();
    notes.extend(repair(&paths.log).map_err(io)?);
    notes.extend(repair(&paths.checkpoints).map_err(io)?);
    let signed = last_line(&paths.checkpoints).map_err(io)?.and_then(|line| {
        Checkpoint::parse(&line, Some(key))
            .map_err(|error| notes.push(format!("the last checkpoint was not believed: {error}")))
            .ok()
    });
    let written = match last_line(&paths.log).map_err(io)? {
        None => None,
        Some(line) => Some(
            Chain::resume(&line)
                .map_err(|error| OpenError::NotContinuable { path: paths.log.clone(), why: error.to_string() })?,
        ),
    };
    let chain = match (written, signed) {
        (Some(written), Some(signed)) if lacks(&written, &signed) => {
            notes.push(set_aside(paths, &written, &signed).map_err(io)?);
            Chain::after(&signed)
        }
        (Some(written), _) => written,
        (None, Some(signed)) => {
            notes.push(format!(
                "the log is gone or empty; record {} is the last that was signed, the chain goes on after it",
                signed.seq
            ));
            Chain::after(&signed)
        }
        (None, None) => Chain::genesis(instance),
    };
    Ok(Resumed { chain, notes })
}

/// Whether the log ends before a record that was signed, or with another record in its place.
fn lacks(written: &Chain, signed: &Checkpoint) -> bool {
    written.last_seq() < signed.seq || (written.last_seq() == signed.seq && written.last_hash() != signed.hash)
}

/// Moves a log that lost signed records out of the way, as evidence.
fn set_aside(paths: &Paths, written: &Chain, signed: &Checkpoint) -> io::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let aside = beside(&paths.log, &format!(".cut-{now}"));
    fs::rename(&paths.log, &aside)?;
    let (last, seq) = (written.last_seq(), signed.seq);
    Ok(format!(
        "the log ended at record {last}, but record {seq} was signed: it lost records; moved to {}",
        aside.display()
    ))
}

/// What was noted, and no line of the log is about.
pub(super) struct Unrecorded {
    pub(super) drafts: Vec<(Place, Draft)>,
    /// Notes whose lines were written before they could be taken back.
    pub(super) recorded: Vec<Place>,
}

/// Tells notes apart by the log's last lines. What was decided is known, but not what came of it.
pub(super) fn unrecorded(paths: &Paths, notes: Vec<(Place, Draft)>) -> io::Result<Unrecorded> {
    let mut found = Unrecorded { drafts: Vec::new(), recorded: Vec::new() };
    if notes.is_empty() {
        return Ok(found);
    }
    let written = last_decisions(&paths.log)?;
    for (place, mut draft) in notes {
        if written.contains(&draft.decision_id) {
            found.recorded.push(place);
        } else {
            draft.error = Some(UNDER_WAY.to_owned());
            found.drafts.push((place, draft));
        }
    }
    Ok(found)
}

/// The decisions of the whole lines near the log's end.
fn last_decisions(log: &Path) -> io::Result<HashSet<String>> {
    #[derive(Deserialize)]
    struct Line {
        decision_id: String,
    }
    let mut file = match File::open(log) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(error),
    };
    let (bytes, _) = tail(&mut file, LOOK_BACK_FOR_NOTED)?;
    let whole = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    // A line that cannot be read is none of ours, or the end of one that begins further ahead.
    Ok(whole.filter_map(|line| serde_json::from_slice::<Line>(line).ok()).map(|line| line.decision_id).collect())
}

/// Moves what stands behind the last newline into `FILE.torn`; the note that says so, if there was anything.
fn repair(path: &Path) -> io::Result<Option<String>> {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let (tail, start) = tail(&mut file, LOOK_BACK)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if whole == 0 && start > 0 {
        return Err(io::Error::other(format!("no line ends in its last {LOOK_BACK} bytes")));
    }
    let torn = tail.get(whole..).unwrap_or_default();
    if torn.is_empty() {
        return Ok(None);
    }
    let aside = beside(path, ".torn");
    let mut side = OpenOptions::new().append(true).create(true).mode(0o600).open(&aside)?;
    side.write_all(torn)?;
    side.write_all(b"\n")?;
    // Only when they are safe elsewhere are the bytes cut off here.
    side.sync_all()?;
    file.set_len(start + u64::try_from(whole).map_err(io::Error::other)?)?;
    file.sync_all()?;
    let (bytes, from, to) = (torn.len(), path.display(), aside.display());
    Ok(Some(format!("a torn line of {bytes} bytes (a crash while writing) was moved from {from} to {to}")))
}

/// The last line, without its newline, of a file that ends in a newline.
fn last_line(path: &Path) -> io::Result<Option<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let (bytes, _) = tail(&mut file, u64::try_from(MAX_LINE + 1).unwrap_or(u64::MAX))?;
    let text = String::from_utf8_lossy(&bytes);
    let last = text.strip_suffix('\n').unwrap_or(&text).rsplit('\n').next().unwrap_or_default();
    Ok((!last.is_empty()).then(|| last.to_owned()))
}

/// At most `limit` bytes of the end, and where they start.
fn tail(file: &mut File, limit: u64) -> io::Result<(Vec<u8>, u64)> {
    let end = file.seek(SeekFrom::End(0))?;
    let start = end.saturating_sub(limit);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(end - start).read_to_end(&mut bytes)?;
    Ok((bytes, start))
}
