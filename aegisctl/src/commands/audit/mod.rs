//! `aegisctl audit`: the record of what was decided.

mod tail;
mod verify;

use std::process::ExitCode;

use crate::api::Client;
use crate::failure::Failure;
use crate::output::Screen;

pub const EXAMPLES: &str = "\
Examples:
  sudo aegisctl audit tail -f
  sudo aegisctl audit verify
  aegisctl audit verify copy/audit.jsonl --checkpoints copy/checkpoints.jsonl --public-key copy/audit.pub";

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Tail(tail::Args),
    Verify(verify::Args),
}

/// Runs it.
pub fn run(command: &Command, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    match command {
        Command::Tail(args) => tail::run(args, client, screen),
        Command::Verify(args) => verify::run(args, client, screen),
    }
}
