//! `aegisctl policy`: policies before and while they are in force.

mod explain;
mod files;
mod offline;
mod validate;

use std::process::ExitCode;

use aegis_api::PolicyStatus;

use crate::api::Client;
use crate::failure::Failure;
use crate::output::Screen;

pub const EXAMPLES: &str = "\
Examples:
  aegisctl policy validate policies/
  aegisctl policy explain --policy policies/ --agent finance-agent --url https://api.stripe.com/v1/charges \\
      --method POST --body '{\"amount\": 9000}'
  sudo aegisctl policy reload";

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Validate(validate::Args),
    Explain(explain::Args),
    /// Makes the daemon load its policy again; one that does not compile is refused and the old one stays.
    #[command(after_help = "Examples:\n  aegisctl policy validate /etc/aegis/policies && sudo aegisctl policy reload")]
    Reload,
}

/// Runs it.
pub fn run(command: &Command, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    match command {
        Command::Validate(args) => validate::run(args, screen),
        Command::Explain(args) => explain::run(args, client, screen),
        Command::Reload => reload(client, screen),
    }
}

fn reload(client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let policy: PolicyStatus = client.post("/v1/policy/reload", &serde_json::json!({}))?;
    if screen.json() {
        screen.write_json(&policy)?;
    } else {
        screen.line(format!("{} is in force ({} rules from {})", policy.version, policy.rules, policy.source))?;
    }
    Ok(ExitCode::SUCCESS)
}
