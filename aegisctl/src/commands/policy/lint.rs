//! `aegisctl policy lint`: what compiles and is still not what was meant.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use aegis_policy::{Lint, Severity};
use clap::ValueEnum;
use serde_json::json;

use super::{files, validate};
use crate::failure::Failure;
use crate::output::{Screen, row};

/// Looks through policy files that compile for rules that nothing reaches, hosts that are too wide, things left on.
///
/// Ends with 1 when the files do not compile, when a refusal is found that never refuses, and, with --deny, when there is
/// anything of that severity or worse.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aegisctl policy lint policies/
  aegisctl policy lint --deny warnings policies/          for CI
  aegisctl policy lint policies/ --output json

docs/policy.md has the table of codes.")]
pub struct Args {
    /// Policy files, or directories of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What makes the answer no.
    #[arg(long, value_enum, default_value = "errors", value_name = "SEVERITY")]
    deny: Deny,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Deny {
    /// Refusals that never refuse.
    Errors,
    /// What is probably not meant, too.
    Warnings,
    /// All findings.
    Notes,
}

/// Runs it.
pub fn run(args: &Args, screen: &Screen) -> Result<ExitCode, Failure> {
    let sources = files::read(&args.paths)?;
    let found = match aegis_policy::lint(&sources, SystemTime::now()) {
        Ok(found) => found,
        Err(diagnostics) => {
            validate::bad(&diagnostics, screen)?;
            return Ok(ExitCode::FAILURE);
        }
    };
    show(&found, screen)?;
    let denied = match args.deny {
        Deny::Errors => Severity::Error,
        Deny::Warnings => Severity::Warning,
        Deny::Notes => Severity::Note,
    };
    let bad = found.iter().any(|one| one.severity >= denied);
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show(found: &[Lint], screen: &Screen) -> Result<(), Failure> {
    if screen.json() {
        return Ok(screen.write_json(&json!({ "findings": found }))?);
    }
    if found.is_empty() {
        return Ok(screen.line("ok: nothing found")?);
    }
    let rows = found.iter().map(|one| {
        let place = format!("{}:{}:{}", one.file, one.line, one.column);
        let said = format!("{}; {}", one.message, one.fix);
        row([&one.code, &word(one.severity), &place, &one.subject, &said])
    });
    Ok(screen.table(&["CODE", "SEVERITY", "PLACE", "SUBJECT", "WHAT"], rows.collect())?)
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}
