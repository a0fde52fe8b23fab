//! `aegisctl policy schema`: the JSON Schema of policy files, for editors.

use std::process::ExitCode;

use crate::failure::Failure;
use crate::output::Screen;

/// Prints the JSON Schema (draft 2020-12) of policy files, for completion in editors.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aegisctl policy schema > ~/.config/aegis/policy.schema.json
  # then as the first line of a policy file, for editors with a YAML language server:
  # yaml-language-server: $schema=/home/me/.config/aegis/policy.schema.json")]
pub struct Args {}

/// Runs it.
pub fn run(_: &Args, screen: &Screen) -> Result<ExitCode, Failure> {
    screen.line(aegis_policy::JSON_SCHEMA.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
