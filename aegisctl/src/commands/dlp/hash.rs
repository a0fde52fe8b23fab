//! `aegisctl dlp hash`: a list of values becomes a dictionary of keyed hashes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aegis_dlp::{Dictionary, DictionaryBuilder, DictionaryError};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::failure::Failure;
use crate::output::Screen;

/// The longest line, in bytes: no value comes near it.
const LINE: u64 = 4096;
/// Lines that were left out and are told one by one.
const TOLD: usize = 10;
/// Lines after which the progress is drawn again.
const STEP: usize = 4096;

/// Makes the dictionary of an own detector from a list of exact values, one a line: the file holds keyed hashes only.
///
/// Lines that are empty or begin with # are no values. Values have 4 to 64 letters and digits in at most 8 words; case, blanks
/// and what stands between words do not matter. At most 1,000,000. No value is ever printed: problems are told by line.
/// Who has the file can still try whether a value is in it, so keep it as you keep the policy.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aegisctl dlp hash customers.txt --file policies/customers.dict
  psql -Atc 'select account from customers' | aegisctl dlp hash - --file policies/customers.dict --skip
  aegisctl dlp scan --policy policies/ --detectors own mail.txt        is one of them in there?

In a policy file beside it: detectors: [{name: customer, dictionary: customers.dict}]
Ends with 1 where a line is no value (with --skip such lines are left out and told) or nothing could be written.")]
pub struct Args {
    /// The list; `-` is standard input.
    #[arg(value_name = "FILE")]
    values: PathBuf,
    /// Where the dictionary is written; policies name it, so it ends with .dict.
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Leaves out what is no value, instead of ending there.
    #[arg(long)]
    skip: bool,
}

/// What became of a list.
#[derive(Default)]
struct Counted {
    values: usize,
    skipped: usize,
    /// The first of them.
    lines: Vec<usize>,
}

/// Runs it.
pub fn run(args: &Args, screen: &Screen) -> Result<ExitCode, Failure> {
    if args.file.extension().is_none_or(|end| end != "dict") {
        return Err(Failure::Usage("--file: policies read dictionaries whose name ends with .dict".to_owned()));
    }
    let mut key = [0; 16];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| Failure::No("the system gives no random bytes".to_owned()))?;
    let mut builder = Dictionary::builder(key);
    let counted = read(args, &mut builder)?;
    let dictionary = builder.finish().map_err(|error| Failure::No(error.to_string()))?;
    write(&args.file, &dictionary)?;
    let twice = counted.values - dictionary.len();
    if screen.json() {
        screen.write_json(&json!({
            "file": args.file, "values": dictionary.len(), "twice": twice, "skipped": counted.skipped,
            "skipped_lines": counted.lines,
        }))?;
    } else {
        let beside = if twice > 0 { format!("; {twice} stood there more than once") } else { String::new() };
        screen.line(format!("{}: {} values{beside}", args.file.display(), dictionary.len()))?;
        if counted.skipped > 0 {
            let lines: Vec<String> = counted.lines.iter().map(usize::to_string).collect();
            let more = if counted.skipped > counted.lines.len() { ", ..." } else { "" };
            screen.line(format!(
                "{} lines are no values and were left out: {}{more}",
                counted.skipped,
                lines.join(", ")
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads line by line: the list is never in memory as a whole.
fn read(args: &Args, builder: &mut DictionaryBuilder) -> Result<Counted, Failure> {
    let name = args.values.display().to_string();
    let failed = |error: &io::Error| Failure::No(format!("cannot read {name}: {error}"));
    let (input, length): (Box<dyn Read>, u64) = match args.values.to_str() {
        Some("-") => (Box::new(io::stdin().lock()), 0),
        _ => {
            let file = File::open(&args.values).map_err(|error| failed(&error))?;
            let length = file.metadata().map(|meta| meta.len()).unwrap_or_default();
            (Box::new(file), length)
        }
    };
    let bar = progress(length);
    let (mut input, mut bytes, mut counted) = (BufReader::new(input), Vec::new(), Counted::default());
    for number in 1.. {
        bytes.clear();
        let read = input.by_ref().take(LINE).read_until(b'\n', &mut bytes).map_err(|error| failed(&error))?;
        if read == 0 {
            break;
        }
        bar.inc(read as u64);
        if number % STEP == 0 {
            bar.set_message(format!("{} values", counted.values));
        }
        if read as u64 == LINE && !bytes.ends_with(b"\n") {
            return Err(Failure::No(format!("{name}: line {number}: longer than any value is")));
        }
        match add(builder, number, &bytes) {
            Ok(true) => counted.values += 1,
            Ok(false) => {}
            Err(DictionaryError::Value { line, .. }) if args.skip => {
                counted.skipped += 1;
                if counted.lines.len() < TOLD {
                    counted.lines.push(line);
                }
            }
            Err(error @ DictionaryError::Value { .. }) => {
                return Err(Failure::No(format!("{name}: {error}; with --skip such lines are left out")));
            }
            Err(error) => return Err(Failure::No(format!("{name}: {error}"))),
        }
    }
    bar.finish_and_clear();
    Ok(counted)
}

/// Adds a line; false where it holds no value.
fn add(builder: &mut DictionaryBuilder, line: usize, bytes: &[u8]) -> Result<bool, DictionaryError> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).filter(|_| line == 1).unwrap_or(bytes);
    let not_text = DictionaryError::Value { line, why: "it is not UTF-8" };
    let value = std::str::from_utf8(bytes).map_err(|_| not_text)?.trim();
    if value.is_empty() || value.starts_with('#') {
        return Ok(false);
    }
    builder.add(line, value).map(|()| true)
}

/// Drawn on a terminal only.
fn progress(length: u64) -> ProgressBar {
    let bar = if length == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(length) };
    let style = if length == 0 { "{spinner} {msg}" } else { "{bar:30} {percent} % {msg}" };
    bar.with_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Whole or not at all, and for its owner only.
fn write(path: &Path, dictionary: &Dictionary) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::No(format!("cannot write {}: {error}", path.display()));
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut partial = tempfile::NamedTempFile::new_in(directory).map_err(|error| failed(&error))?;
    partial.write_all(dictionary.write().as_bytes()).map_err(|error| failed(&error))?;
    partial.as_file().sync_all().map_err(|error| failed(&error))?;
    partial.persist(path).map(drop).map_err(|error| failed(&error))
}
