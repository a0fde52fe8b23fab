//! `aegisctl completions` and `aegisctl man`: what packages ship beside the binary.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::output::Screen;

/// Prints the completion script for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aegisctl completions bash > /etc/bash_completion.d/aegisctl
  aegisctl completions zsh  > \"${fpath[1]}/_aegisctl\"
  aegisctl completions fish > ~/.config/fish/completions/aegisctl.fish")]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes the man pages into a directory.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo aegisctl man /usr/local/share/man/man1 && man aegisctl-run")]
pub struct ManArgs {
    /// Directory for the pages; made where it is missing.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Prints the completion script.
pub fn completions(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    // Into memory first: clap_complete panics when its writer fails, as a pipe to `head` does.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "aegisctl", &mut script);
    io::Write::write_all(&mut io::stdout().lock(), &script)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the pages.
pub fn man(args: &ManArgs, screen: &Screen) -> Result<ExitCode, Failure> {
    let failed = |error: io::Error| Failure::No(format!("cannot write {}: {error}", args.directory.display()));
    std::fs::create_dir_all(&args.directory).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), &args.directory).map_err(failed)?;
    screen.line(format!("man pages written to {}", args.directory.display()))?;
    Ok(ExitCode::SUCCESS)
}
