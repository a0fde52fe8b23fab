//! The log's files: JSON lines, named by when they were begun, the oldest removed first.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use aegis_policy::decision_log::Event;

const PREFIX: &str = "decisions-";
const SUFFIX: &str = ".jsonl";
/// Into how many files the log's bytes are cut, so that little goes at once.
const FILES: u64 = 8;
/// Files that are kept, however small: a daemon that starts again and again begins one each time.
const MAX_FILES: usize = 512;

/// Where events go.
pub(super) struct Directory {
    path: PathBuf,
    max_bytes: u64,
    keep: Duration,
    current: Option<Current>,
}

struct Current {
    file: File,
    path: PathBuf,
    bytes: u64,
    begun: Instant,
}

impl Directory {
    pub(super) fn new(path: &Path, max_bytes: u64, keep: Duration) -> Self {
        Self { path: path.to_owned(), max_bytes, keep, current: None }
    }

    /// Appends whole lines, or nothing.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let added = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let full = |current: &Current| {
            current.bytes.saturating_add(added) > self.max_bytes / FILES
                || current.begun.elapsed() > self.keep / u32::try_from(FILES).unwrap_or(1)
        };
        // Somebody may have removed it: what is written to it then nobody would ever read.
        if self.current.as_ref().is_some_and(|current| full(current) || !current.path.exists()) {
            self.current = None;
        }
        if self.current.is_none() {
            self.current = Some(begin(&self.path)?);
            self.tidy_for(added);
        }
        let Some(mut current) = self.current.take() else { return Err(io::Error::other("no file is open")) };
        if let Err(error) = current.file.write_all(lines) {
            // A line that is not whole goes; where that fails too, a new file is begun and readers skip the torn line.
            if current.file.set_len(current.bytes).is_ok() {
                self.current = Some(current);
            }
            return Err(io::Error::new(error.kind(), format!("{}: {error}", self.path.display())));
        }
        current.bytes += added;
        self.current = Some(current);
        Ok(())
    }

    /// Removes what is too old or too much.
    pub(super) fn tidy(&mut self) {
        self.tidy_for(0);
    }

    fn tidy_for(&mut self, coming: u64) {
        let current = self.current.as_ref().map(|current| current.path.clone());
        let Ok(files) = list(&self.path) else { return };
        let now = SystemTime::now();
        let mut kept = coming.saturating_add(self.max_bytes / FILES);
        // The newest first: the oldest are over the bound.
        for (count, path) in files.iter().rev().enumerate() {
            let Ok(meta) = fs::metadata(path) else { continue };
            let age = meta.modified().ok().and_then(|at| now.duration_since(at).ok()).unwrap_or_default();
            kept = kept.saturating_add(meta.len());
            let goes = kept > self.max_bytes || age > self.keep || count >= MAX_FILES;
            if goes && current.as_ref() != Some(path) && fs::remove_file(path).is_err() {
                tracing::debug!("{} could not be removed", path.display());
            }
        }
    }
}

/// The log's files, the oldest first.
fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = match fs::read_dir(dir) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    files.retain(|path| begun(path).is_some());
    files.sort();
    Ok(files)
}

/// When a file was begun, in milliseconds since 1970, as its name says.
fn begun(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()
}

fn begin(dir: &Path) -> io::Result<Current> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    for number in now.. {
        let path = dir.join(format!("{PREFIX}{number:015}{SUFFIX}"));
        match OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return Ok(Current { file, path, bytes: 0, begun: Instant::now() }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        }
    }
    Err(io::Error::other("no name is free"))
}

/// The event with this decision id or trace id. An id that tells its time (UUIDv7) is looked for from there on.
pub(super) fn find(dir: &Path, id: &str) -> io::Result<Option<Event>> {
    let files = list(dir)?;
    let made = made_at(id);
    // The event is written when the exchange ends: never into a file that was closed before it began.
    let from = made.map_or(0, |made| files.iter().filter(|file| begun(file).is_some_and(|at| at <= made)).count());
    for file in files.iter().skip(from.saturating_sub(1)) {
        if let Some(event) = find_in(file, id)? {
            return Ok(Some(event));
        }
    }
    Ok(None)
}

fn find_in(path: &Path, id: &str) -> io::Result<Option<Event>> {
    let file = match File::open(path) {
        Ok(file) => file,
        // Removed meanwhile, for its age.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        if text.contains(id)
            && let Ok(event) = serde_json::from_str::<Event>(&text)
            && (event.decision_id == id || event.trace_id == id)
        {
            return Ok(Some(event));
        }
        line.clear();
    }
    Ok(None)
}

/// The milliseconds since 1970 in a decision id, a UUIDv7. A trace id has no dashes, and the agent chose it: it tells no time.
fn made_at(id: &str) -> Option<u64> {
    if !id.contains('-') {
        return None;
    }
    let uuid: uuid::Uuid = id.parse().ok()?;
    let (seconds, nanos) = uuid.get_timestamp()?.to_unix();
    Some(seconds * 1000 + u64::from(nanos / 1_000_000))
}
