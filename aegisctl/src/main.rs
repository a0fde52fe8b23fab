//! `aegisctl`: asks the daemon, decides offline with the same code, and runs commands as agents.

mod api;
mod cli;
mod commands;
mod failure;
mod output;
mod run;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().execute() {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
