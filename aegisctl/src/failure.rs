//! How a command ends other than well, and with which exit code.

use std::io;
use std::process::ExitCode;

use aegis_api::Problem;

use crate::output::lines;

/// A command that did not end well. Exit codes are a contract: scripts depend on them.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The answer is no, or the work could not be done: 1.
    #[error("{0}")]
    No(String),
    /// The arguments make no sense together: 2 (clap answers 2 for those it can see).
    #[error("{0}")]
    Usage(String),
    /// The daemon is not reachable: 3.
    #[error("{0}")]
    Unreachable(String),
    /// The daemon's refusal: 1.
    #[error(transparent)]
    Refused(#[from] Problem),
    /// The command that was to be run cannot be executed: 126 or 127, as shells do.
    #[error("{message}")]
    NotExecuted {
        /// 127: there is no such command. 126: it cannot be executed.
        code: u8,
        /// What is wrong.
        message: String,
    },
    /// Standard output could not be written: 1, and silent where the reader has gone (`| head`).
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::No(_) | Self::Refused(_) | Self::Output(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::NotExecuted { code, .. } => *code,
        }
    }

    /// Says it on standard error and gives the exit code.
    pub fn report(&self) -> ExitCode {
        let reader_gone = matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe);
        if !reader_gone {
            eprintln!("aegisctl: {}", lines(&self.to_string()));
        }
        ExitCode::from(self.code())
    }
}
