//! `aegisctl audit verify`: is the record whole and unaltered.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aegis_api::Status;
use aegis_audit::{Broken, Expect, Report, VerifyingKey};
use serde_json::json;

use crate::api::Client;
use crate::failure::Failure;
use crate::output::Screen;

/// Verifies an audit log: each record's hash, the chain from record to record, and the signed checkpoints.
///
/// Without FILE the daemon's own log, checkpoints and key are taken from its status. Ends with 1 and names the first
/// line that is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo aegisctl audit verify                                 the log of this host's daemon
  aegisctl audit verify audit.jsonl                          hashes and chain only
  aegisctl audit verify audit.jsonl --checkpoints checkpoints.jsonl --public-key audit.pub")]
pub struct Args {
    /// The log; without it the daemon's. A key kept elsewhere than on the host proves more than the host's own.
    file: Option<PathBuf>,
    /// The signed checkpoints.
    #[arg(long, value_name = "FILE")]
    checkpoints: Option<PathBuf>,
    /// Public key of the checkpoints (PEM).
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// Instance whose log it must be; checked at the first record.
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// Accept a log that starts after record 1 (a rotated file without those before it).
    #[arg(long)]
    continued: bool,
}

struct Evidence {
    log: PathBuf,
    checkpoints: Option<PathBuf>,
    public_key: Option<PathBuf>,
    instance: Option<String>,
}

/// Runs it.
pub fn run(args: &Args, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let evidence = evidence(args, client)?;
    let log = open(&evidence.log)?;
    let checkpoints: Box<dyn BufRead> = match &evidence.checkpoints {
        Some(path) => Box::new(open(path)?),
        None => Box::new(io::empty()),
    };
    let key = evidence.public_key.as_deref().map(read_key).transpose()?;
    let expect = Expect { instance: evidence.instance.as_deref(), key: key.as_ref(), continued: args.continued };
    match aegis_audit::verify(log, checkpoints, expect) {
        Ok(report) => {
            whole(&report, &evidence, screen)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(broken) => {
            wrong(&broken, &evidence, screen)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn evidence(args: &Args, client: &Client) -> Result<Evidence, Failure> {
    let given = |log: PathBuf| Evidence {
        log,
        checkpoints: args.checkpoints.clone(),
        public_key: args.public_key.clone(),
        instance: args.instance.clone(),
    };
    if let Some(file) = &args.file {
        return Ok(given(file.clone()));
    }
    let status: Status = client.get("/v1/status")?;
    let mut evidence = given(PathBuf::from(status.audit.path));
    let existing = |path: Option<String>| path.map(PathBuf::from).filter(|path| path.exists());
    evidence.checkpoints = evidence.checkpoints.or_else(|| existing(status.audit.checkpoints));
    evidence.public_key = evidence.public_key.or_else(|| existing(status.audit.public_key));
    evidence.instance = evidence.instance.or(Some(status.instance));
    Ok(evidence)
}

fn open(path: &Path) -> Result<BufReader<File>, Failure> {
    let file = File::open(path).map_err(|error| Failure::No(format!("cannot read {}: {error}", path.display())))?;
    Ok(BufReader::new(file))
}

fn read_key(path: &Path) -> Result<VerifyingKey, Failure> {
    let text =
        fs::read_to_string(path).map_err(|error| Failure::No(format!("cannot read {}: {error}", path.display())))?;
    VerifyingKey::from_pem(&text).map_err(|error| Failure::No(format!("{}: {error}", path.display())))
}

fn whole(report: &Report, evidence: &Evidence, screen: &Screen) -> Result<(), Failure> {
    if screen.json() {
        return Ok(screen.write_json(&json!({
            "whole": true, "log": evidence.log, "records": report.records, "first_seq": report.first_seq,
            "last_seq": report.last_seq, "last_hash": report.last_hash, "checkpoints": report.checkpoints,
            "signed": report.signed, "after_last_checkpoint": report.after_last_checkpoint,
        }))?);
    }
    let log = evidence.log.display();
    screen.line(format!("whole: {} records ({} to {}) in {log}", report.records, report.first_seq, report.last_seq))?;
    let signatures = if report.signed { "signatures checked" } else { "signatures NOT checked: give --public-key" };
    screen.line(format!("{} checkpoints agree, {signatures}", report.checkpoints))?;
    Ok(screen.line(format!("{} records came after the last checkpoint", report.after_last_checkpoint))?)
}

fn wrong(broken: &Broken, evidence: &Evidence, screen: &Screen) -> Result<(), Failure> {
    if screen.json() {
        let why = broken.why.to_string();
        return Ok(screen.write_json(&json!({
            "whole": false, "log": evidence.log, "line": broken.line, "seq": broken.seq, "why": why,
        }))?);
    }
    Ok(screen.line(format!("BROKEN: {}: {broken}", evidence.log.display()))?)
}
