//! `aegisctl policy rollback`: makes a version live again.

use std::process::ExitCode;

use aegis_api::{PolicyVersion, RollbackRequest};

use crate::api::Client;
use crate::failure::Failure;
use crate::output::Screen;

/// Makes a kept version live again and pins it; without a number the one that was live before.
///
/// It stays live over restarts until another push or rollback, a reload, or a change at the configured source.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo aegisctl policy rollback
  sudo aegisctl policy rollback 5 --note 'version 7 denies the nightly export'")]
pub struct Args {
    /// To which version; `aegisctl policy list` shows them.
    #[arg(value_name = "N")]
    version: Option<u64>,
    /// Why; shown in the list and in the audit log.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// Runs it.
pub fn run(args: &Args, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let request = RollbackRequest { version: args.version, note: args.note.clone() };
    let live: PolicyVersion = client.post("/v1/policy/rollback", &request)?;
    if screen.json() {
        screen.write_json(&live)?;
    } else {
        let PolicyVersion { number, revision, rules, .. } = live;
        screen.line(format!("version {number} ({revision}) is live again and pinned ({rules} rules)"))?;
        screen.line("next: aegisctl policy diff")?;
    }
    Ok(ExitCode::SUCCESS)
}
