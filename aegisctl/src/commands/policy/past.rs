//! Past decisions as `replay`, `suggest` and `explain` read them: from the daemon's decision log or from files.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aegis_api::Status;
use aegis_policy::name_fits;
use aegis_policy::replay::Past;
use indicatif::{ProgressBar, ProgressStyle};

use crate::api::Client;
use crate::failure::Failure;

/// The longest line that is read, in bytes; a longer one is none of ours.
const LINE_MAX: u64 = 1 << 20;

/// Which decisions.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// From when on: a time (RFC 3339) or how long ago (`24h`, `30m`, `7d`). Without it all that is in the log.
    #[arg(long, value_name = "TIME|AGO", value_parser = moment)]
    since: Option<SystemTime>,
    /// Until when, in the same way.
    #[arg(long, value_name = "TIME|AGO", value_parser = moment)]
    until: Option<SystemTime>,
    /// Only of agents whose name fits; `*` is any run of characters.
    #[arg(long, value_name = "NAME|PATTERN")]
    agent: Option<String>,
    /// Read these files or directories: decision logs, or audit logs (of which less is known). Without it the daemon's decision log.
    #[arg(long = "log", value_name = "PATH", num_args = 1..)]
    logs: Vec<PathBuf>,
}

/// Lines of the log that were no decisions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Skipped {
    /// Neither an event nor a record: torn or foreign.
    pub unreadable: u64,
}

fn moment(text: &str) -> Result<SystemTime, String> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(at.into());
    }
    // Spans of days are of 24 hours here, whatever a calendar says.
    let ago = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok());
    let ago = match ago.and_then(|days| days.checked_mul(24)) {
        Some(hours) => jiff::SignedDuration::from_hours(hours.clamp(0, 24 * 36_600)),
        None => {
            text.parse().map_err(|_| "write a time (2026-11-23T08:00:00Z) or how long ago (24h, 30m, 7d)".to_owned())?
        }
    };
    let ago =
        std::time::Duration::try_from(ago).map_err(|_| "the past lies before now: write 24h, not -24h".to_owned())?;
    SystemTime::now().checked_sub(ago).ok_or_else(|| "that is before time began".to_owned())
}

impl Which {
    /// The files that are read.
    pub fn files(&self, client: &Client) -> Result<Vec<PathBuf>, Failure> {
        let places = match self.logs.as_slice() {
            [] => {
                let log = client.get::<Status>("/v1/status")?.decision_log;
                if !log.enabled {
                    let fix = "set `decisions.enabled: true`, or name an audit log with --log";
                    return Err(Failure::No(format!("the daemon writes no decision log; {fix}")));
                }
                vec![PathBuf::from(log.path)]
            }
            named => named.to_vec(),
        };
        let mut files = Vec::new();
        for place in places {
            let failed = |error: io::Error| unreadable(&place, &error);
            if place.is_dir() {
                files.extend(directory(&place).map_err(failed)?);
            } else {
                files.push(place);
            }
        }
        if files.is_empty() {
            return Err(Failure::No(
                "there is no decision log yet: no decision has been made, or none was kept".to_owned(),
            ));
        }
        Ok(files)
    }

    /// Hands over each past decision that is asked for. `what` is what the progress bar says, on a terminal.
    pub fn read(&self, files: &[PathBuf], what: &'static str, mut each: impl FnMut(&Past)) -> Result<Skipped, Failure> {
        let bar = progress(files, what);
        let mut skipped = Skipped::default();
        for path in files {
            let failed = |error: io::Error| unreadable(path, &error);
            let mut lines = Lines::open(path).map_err(failed)?;
            while let Some((line, read)) = lines.read().map_err(failed)? {
                bar.inc(read);
                match line.map(|line| (line.is_empty(), Past::of_line(line))) {
                    Some((true, _)) => {}
                    Some((_, Ok(Some(past)))) if self.wants(&past) => each(&past),
                    Some((_, Ok(_))) => {}
                    Some((_, Err(_))) | None => skipped.unreadable += 1,
                }
            }
        }
        bar.finish_and_clear();
        if skipped.unreadable > 0 {
            eprintln!(
                "aegisctl: {} line(s) are neither events nor audit records and were left out",
                skipped.unreadable
            );
        }
        Ok(skipped)
    }

    fn wants(&self, past: &Past) -> bool {
        self.since.is_none_or(|since| past.at >= since)
            && self.until.is_none_or(|until| past.at < until)
            && self.agent.as_deref().is_none_or(|pattern| name_fits(pattern, &past.agent().name))
    }
}

/// The lines of a log, whatever is in it, in bounded memory.
pub struct Lines {
    reader: BufReader<File>,
    line: Vec<u8>,
}

impl Lines {
    pub fn open(path: &Path) -> io::Result<Lines> {
        Ok(Lines { reader: BufReader::with_capacity(1 << 18, File::open(path)?), line: Vec::new() })
    }

    /// The next line and the bytes that it took, until there is none; no text where it is too long or no UTF-8.
    pub fn read(&mut self) -> io::Result<Option<(Option<&str>, u64)>> {
        self.line.clear();
        let mut read = self.reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut self.line)? as u64;
        if read == 0 {
            return Ok(None);
        }
        if read == LINE_MAX && self.line.last() != Some(&b'\n') {
            read += self.reader.skip_until(b'\n')? as u64;
            return Ok(Some((None, read)));
        }
        Ok(Some((std::str::from_utf8(&self.line).ok().map(str::trim), read)))
    }
}

/// The log files of a directory, in the order of their names, which is that of their times.
pub fn directory(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        if file.is_file() && file.extension().is_some_and(|kind| kind == "jsonl") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Why a log cannot be read.
pub fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let fix = if error.kind() == io::ErrorKind::PermissionDenied { "; run it as root (sudo)" } else { "" };
    Failure::No(format!("cannot read {}: {error}{fix}", path.display()))
}

fn progress(files: &[PathBuf], what: &'static str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bytes = files.iter().filter_map(|path| fs::metadata(path).ok()).map(|meta| meta.len()).sum();
    let bar = ProgressBar::new(bytes).with_message(what);
    // The template is a constant; were it wrong, the bar looks plain.
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn moments_are_times_or_how_long_ago() {
        assert_eq!(moment("1970-01-01T00:01:00Z").unwrap(), SystemTime::UNIX_EPOCH + Duration::from_secs(60));
        for (text, seconds) in [("24h", 86_400), ("7d", 604_800), ("30m", 1800), ("1h 30m", 5400)] {
            // Read before the clock is, so that no less than the whole span lies between them.
            let moment = moment(text).unwrap();
            let ago = SystemTime::now().duration_since(moment).unwrap().as_secs();
            assert!((seconds..seconds + 60).contains(&ago), "{text}: {ago}");
        }
        for bad in ["", "yesterday", "-24h", "24", "2026-11-23"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
