//! The end of the audit log, and what comes after it.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use serde::Deserialize;

/// How much of the file is read at a time, from its end.
const STEP: u64 = 64 << 10;

/// Most bytes of the file that are read for one call.
const READ_MAX: u64 = 64 << 20;

/// The last `count` complete lines of the file, oldest first; none when there is no file yet.
pub(super) fn last_lines(path: &Path, count: usize) -> io::Result<Vec<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let end = file.seek(SeekFrom::End(0))?;
    let mut window = STEP;
    loop {
        let start = end.saturating_sub(window);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        (&mut file).take(end - start).read_to_end(&mut bytes)?;
        // One newline more than lines are wanted: the one that ends the line before the first.
        let enough = bytes.iter().filter(|byte| **byte == b'\n').count() > count;
        if enough || start == 0 || window >= READ_MAX {
            return Ok(complete_lines(&bytes, start > 0, count));
        }
        window = window.saturating_mul(4);
    }
}

fn complete_lines(bytes: &[u8], cut_at_start: bool, count: usize) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
    let lines: Vec<&str> = complete.lines().skip(usize::from(cut_at_start)).collect();
    lines.iter().skip(lines.len().saturating_sub(count)).map(|line| (*line).to_owned()).collect()
}

/// The past, then what is live and not in the past, as body chunks with their newlines.
pub(super) fn join(
    past: Vec<String>,
    live: Option<BoxStream<'static, String>>,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    let seen = past.last().and_then(|line| sequence(line));
    let live = live.unwrap_or_else(|| stream::empty().boxed()).filter(move |line| {
        let known = matches!((sequence(line), seen), (Some(line), Some(seen)) if line <= seen);
        std::future::ready(!known)
    });
    stream::iter(past).chain(live).map(|mut line| {
        line.push('\n');
        Ok(Bytes::from(line))
    })
}

#[derive(Deserialize)]
struct Numbered {
    seq: u64,
}

fn sequence(line: &str) -> Option<u64> {
    serde_json::from_str::<Numbered>(line).ok().map(|line| line.seq)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn written(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn the_last_lines_of_a_long_file() {
        let text: String = (0..20_000).map(|n| format!("{{\"seq\":{n}}}\n")).collect();
        let file = written(&text);
        let lines = last_lines(file.path(), 9_000).unwrap();
        assert_eq!(lines.len(), 9_000);
        assert_eq!(lines.first().unwrap(), "{\"seq\":11000}");
        assert_eq!(lines.last().unwrap(), "{\"seq\":19999}");
    }

    #[test]
    fn a_line_being_written_is_not_shown() {
        let file = written("a\nb\nhal");
        assert_eq!(last_lines(file.path(), 10).unwrap(), ["a", "b"]);
        assert_eq!(last_lines(file.path(), 1).unwrap(), ["b"]);
        assert!(last_lines(file.path(), 0).unwrap().is_empty());
        assert!(last_lines(Path::new("/no/such/file"), 3).unwrap().is_empty());
    }

    #[tokio::test]
    async fn live_lines_of_the_past_are_not_repeated() {
        let live = stream::iter(["{\"seq\":2}", "{\"seq\":3}"].map(str::to_owned)).boxed();
        let past = vec!["{\"seq\":1}".to_owned(), "{\"seq\":2}".to_owned()];
        let all: Vec<_> = join(past, Some(live)).map(|chunk| chunk.unwrap()).collect().await;
        assert_eq!(all, ["{\"seq\":1}\n", "{\"seq\":2}\n", "{\"seq\":3}\n"]);
    }
}
