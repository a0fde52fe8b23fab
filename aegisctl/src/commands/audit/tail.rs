//! `aegisctl audit tail`: the last decisions, and those to come.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use aegis_audit::Record;
use aegis_policy::plain;

use crate::api::Client;
use crate::failure::Failure;
use crate::output::Screen;

/// How often a file is looked at for new lines.
const LOOK: Duration = Duration::from_millis(200);

/// Shows the last audit records and, with -f, those that follow.
///
/// The daemon is asked, unless --file names a log to read. With --output json the lines are shown as they are.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo aegisctl audit tail
  sudo aegisctl audit tail -n 100 --output json | jq 'select(.decision == \"deny\")'
  sudo aegisctl audit tail -f
  aegisctl audit tail --file copy/audit.jsonl")]
pub struct Args {
    /// How many records of the past.
    #[arg(short = 'n', long, default_value_t = 10, value_name = "COUNT")]
    lines: usize,
    /// Go on with records as they are written, until interrupted.
    #[arg(short, long)]
    follow: bool,
    /// Read this log, not the daemon's.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: &Args, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let mut printer = Printer { json: screen.json(), part: Vec::new() };
    match &args.file {
        Some(file) => from_file(args, file, &mut printer)?,
        None => {
            let path = format!("/v1/audit/tail?lines={}&follow={}", args.lines, args.follow);
            client.stream(&path, |piece| printer.take(piece))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn from_file(args: &Args, path: &Path, printer: &mut Printer) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::No(format!("cannot read {}: {error}", path.display()));
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    let mut last: VecDeque<Vec<u8>> = VecDeque::new();
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
        if line.ends_with(b"\n") {
            last.push_back(std::mem::take(&mut line));
        }
        if last.len() > args.lines {
            last.pop_front();
        }
    }
    last.iter().try_for_each(|line| printer.take(line))?;
    // What is left in `line` is a record whose end is still to be written.
    printer.part = line;
    if args.follow { follow(&mut reader, path, printer) } else { Ok(()) }
}

/// Waits for what is written; comes back only with a failure.
fn follow(reader: &mut impl BufRead, path: &Path, printer: &mut Printer) -> Result<(), Failure> {
    loop {
        let mut more = Vec::new();
        match reader.read_until(b'\n', &mut more) {
            Ok(0) => sleep(LOOK),
            Ok(_) => printer.take(&more)?,
            Err(error) => {
                return Err(Failure::No(format!("cannot read {}: {error}", path.display())));
            }
        }
    }
}

/// Prints whole lines, however they are cut into pieces.
struct Printer {
    json: bool,
    part: Vec<u8>,
}

impl Printer {
    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        self.part.extend_from_slice(piece);
        let Some(end) = self.part.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(());
        };
        let rest = self.part.split_off(end + 1);
        let lines = std::mem::replace(&mut self.part, rest);
        let mut out = io::stdout().lock();
        for line in String::from_utf8_lossy(&lines).lines() {
            let text = if self.json { line.to_owned() } else { plain(&readable(line)).into_owned() };
            writeln!(out, "{text}")?;
        }
        out.flush()
    }
}

/// One line for people; what is no record is shown too, since it is what somebody looks for.
fn readable(line: &str) -> String {
    let Ok(record) = serde_json::from_str::<Record>(line) else {
        return format!("not a record: {line}");
    };
    let name = |value: serde_json::Result<serde_json::Value>| match value {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    };
    let (decision, mode) = (name(serde_json::to_value(record.decision)), name(serde_json::to_value(record.mode)));
    let shadow = if mode == "shadow" { " (shadow)" } else { "" };
    let method = record.method.as_deref().unwrap_or("-");
    let target = target(&record);
    let rule = record.rule.as_deref().unwrap_or("-");
    let status = record.status.map(|status| format!(" -> {status}")).unwrap_or_default();
    let found: String = record.findings.iter().map(|finding| format!(" [{}]", finding.detector)).collect();
    format!(
        "{} #{} {} {decision}{shadow} {method} {target}{status}{found} {rule}: {}",
        record.ts, record.seq, record.agent_id, record.reason
    )
}

fn target(record: &Record) -> String {
    let host = record.host.as_deref().unwrap_or("-");
    let scheme = record.scheme.as_ref().map(|scheme| format!("{scheme}://")).unwrap_or_default();
    let port = record.port.filter(|port| ![80, 443].contains(port)).map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}{host}{port}{}", record.path.as_deref().unwrap_or_default())
}
