//! `aegisctl dlp scan`: what the scanner finds in files.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::body::{self, Head, Looked};
use super::profile::{Choice, Chosen};
use super::show;
use crate::failure::Failure;
use crate::output::Screen;

/// Looks for sensitive data in files, with the code that the daemon looks through bodies with; no daemon is needed.
///
/// Shows detector, confidence, action and place of each finding, never the text. Ends with 0 when nothing was found, with 1
/// when something was (also what cannot be read, and what would not leave), with 2 when the command line makes no sense;
/// with --exit-zero findings do not count.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aegisctl dlp scan prompt.json notes.txt report.docx
  git diff --cached | aegisctl dlp scan -                              before a commit
  aegisctl dlp scan --redact clean.csv customers.csv                   as a rule with `redact: [all]` would send it
  aegisctl dlp scan --policy policies/ --rule finance/mail mail.eml    what this rule would do
  aegisctl dlp scan --profile '{deny: [secrets], redact: [pii]}' body.json
  aegisctl dlp scan --type 'multipart/form-data; boundary=x' --encoding gzip upload.bin
  aegisctl dlp scan --output json prompt.json | jq -r '.files[].findings[].detector'
  sudo aegisctl dlp scan --profile '{redact: [all], masks: {default: token}}' --mask-key /var/lib/aegis/mask.key \\
      --tenant acme --redact - body.json                               with the tokens that the daemon writes")]
pub struct Args {
    /// Files; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The body's `Content-Type` [default: by the file's name where that says more than the content does].
    #[arg(long = "type", value_name = "TYPE")]
    content_type: Option<String>,
    /// The body's `Content-Encoding`, in the order in which codings were applied.
    #[arg(long = "encoding", value_name = "CODING")]
    codings: Vec<String>,
    /// Writes the body as it would leave; `-` is standard output, findings go to standard error then.
    #[arg(long, value_name = "FILE")]
    redact: Option<PathBuf>,
    /// Ends with 0 whatever was found.
    #[arg(long)]
    exit_zero: bool,
    #[command(flatten)]
    choice: Choice,
}

/// Runs it.
pub fn run(args: &Args, screen: &Screen) -> Result<ExitCode, Failure> {
    if args.redact.is_some() && args.files.len() > 1 {
        return Err(Failure::Usage("--redact writes one body; give one file".to_owned()));
    }
    let chosen = args.choice.profile(args.redact.is_some())?;
    let head =
        Head { content_type: args.content_type.as_deref(), codings: args.codings.iter().map(String::as_str).collect() };
    let mut all = Vec::with_capacity(args.files.len());
    for file in &args.files {
        all.push(match &args.redact {
            None => body::look(file, &head, &chosen, &mut io::sink())?,
            Some(to) => redacted(file, to, &head, &chosen)?,
        });
    }
    if args.redact.as_deref() == Some(Path::new("-")) {
        show::on_stderr(&all);
    } else {
        show::all(&all, screen)?;
    }
    let clean = args.exit_zero || all.iter().all(Looked::is_clean);
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What would leave is written whole or not at all, unless it goes to standard output.
fn redacted(file: &Path, to: &Path, head: &Head<'_>, chosen: &Chosen) -> Result<Looked, Failure> {
    if to == Path::new("-") {
        let mut out = BufWriter::new(io::stdout().lock());
        let looked = body::look(file, head, chosen, &mut out)?;
        out.flush()?;
        return Ok(looked);
    }
    let failed = |error: &dyn std::fmt::Display| Failure::No(format!("cannot write {}: {error}", to.display()));
    let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut partial = tempfile::NamedTempFile::new_in(directory).map_err(|error| failed(&error))?;
    let looked = body::look(file, head, chosen, &mut BufWriter::new(&mut partial))?;
    if looked.stopped.is_none() {
        partial.persist(to).map_err(|error| failed(&error))?;
    }
    Ok(looked)
}
