//! `aegisctl policy`: policies before and while they are in force.

mod bundle;
mod curl;
mod diff;
mod dry_run;
mod explain;
mod files;
mod lint;
mod list;
mod offline;
mod past;
mod push;
mod replay;
mod request;
mod rollback;
mod rollout;
mod schema;
mod suggest;
mod test;
mod validate;

pub use files::read;
pub use request::compiled;

use std::process::ExitCode;

use aegis_api::PolicyStatus;

use crate::api::Client;
use crate::failure::Failure;
use crate::output::Screen;

pub const EXAMPLES: &str = "\
Examples:
  aegisctl policy validate policies/
  aegisctl policy test policies/
  aegisctl policy dry-run --policy policies/ --agent finance-agent -- curl https://api.stripe.com/v1/charges
  aegisctl policy lint --deny warnings policies/
  aegisctl policy explain --policy policies/ --agent finance-agent --url https://api.stripe.com/v1/charges \\
      --method POST --body '{\"amount\": 9000}'
  aegisctl policy build policies/ --file bundle.tar.gz --signing-key signing.pem --key-id release
  sudo aegisctl policy explain 019ab1f2-7c44-7d1e-9b0a-3f6f0e7c2a11
  sudo aegisctl policy replay --policy candidate/ --since 24h
  sudo aegisctl policy suggest --agent new-agent --since 7d
  sudo aegisctl policy push policies/ --canary 10%
  sudo aegisctl policy list
  sudo aegisctl policy rollback
  sudo aegisctl policy reload";

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Validate(validate::Args),
    Lint(lint::Args),
    Schema(schema::Args),
    Explain(Box<explain::Args>),
    DryRun(Box<dry_run::Args>),
    Test(test::Args),
    Replay(replay::Args),
    Suggest(suggest::Args),
    Build(bundle::BuildArgs),
    Sign(bundle::SignArgs),
    InspectBundle(bundle::InspectArgs),
    Push(push::Args),
    List(list::Args),
    Diff(diff::Args),
    Rollback(rollback::Args),
    /// A pushed candidate: how it does, its next step, its end.
    #[command(subcommand, after_help = rollout::EXAMPLES)]
    Rollout(rollout::Command),
    /// Makes the daemon load its policy again; one that does not compile is refused and the old one stays.
    #[command(after_help = "Examples:\n  aegisctl policy validate /etc/aegis/policies && sudo aegisctl policy reload")]
    Reload,
}

/// Runs it.
pub fn run(command: &Command, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    match command {
        Command::Validate(args) => validate::run(args, screen),
        Command::Lint(args) => lint::run(args, screen),
        Command::Schema(args) => schema::run(args, screen),
        Command::Explain(args) => explain::run(args, client, screen),
        Command::DryRun(args) => dry_run::run(args, client, screen),
        Command::Test(args) => test::run(args, screen),
        Command::Replay(args) => replay::run(args, client, screen),
        Command::Suggest(args) => suggest::run(args, client, screen),
        Command::Build(args) => bundle::build(args, screen),
        Command::Sign(args) => bundle::sign(args, screen),
        Command::InspectBundle(args) => bundle::inspect(args, screen),
        Command::Push(args) => push::run(args, client, screen),
        Command::List(_) => list::run(client, screen),
        Command::Diff(args) => diff::run(args, client, screen),
        Command::Rollback(args) => rollback::run(args, client, screen),
        Command::Rollout(command) => rollout::run(command, client, screen),
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
