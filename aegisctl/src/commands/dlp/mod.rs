//! `aegisctl dlp`: what the scanner finds, tried on files, without a daemon.

mod body;
mod detectors;
mod hash;
mod mask_key;
mod profile;
mod scan;
mod show;

use std::process::ExitCode;

use crate::failure::Failure;
use crate::output::Screen;

pub const EXAMPLES: &str = "\
Examples:
  aegisctl dlp scan prompt.json                              what would be found in it, and where
  aegisctl dlp scan --redact clean.json prompt.json          as it would leave
  aegisctl dlp detectors --group financial                   what there is to name in a policy
  aegisctl dlp hash customers.txt --file customers.dict      a dictionary that tells nobody its values";

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Scan(Box<scan::Args>),
    Detectors(detectors::Args),
    Hash(hash::Args),
}

/// Runs it.
pub fn run(command: &Command, screen: &Screen) -> Result<ExitCode, Failure> {
    match command {
        Command::Scan(args) => scan::run(args, screen),
        Command::Detectors(args) => detectors::run(args, screen),
        Command::Hash(args) => hash::run(args, screen),
    }
}
