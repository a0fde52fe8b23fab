//! `aegisctl policy explain`: what would be decided, and why.

use std::process::ExitCode;

use super::request::{Asker, Flags};
use crate::api::Client;
use crate::failure::Failure;
use crate::output::Screen;

/// Explains what would be decided for a request, rule by rule, without sending it.
///
/// With --policy the files are asked, and no daemon is needed; without it the policy in force on this host. Ends with 0
/// when the request would pass (allow, sanitize), with 1 when it would not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aegisctl policy explain --policy policies/ --agent finance-agent --url https://example.com/
  sudo aegisctl policy explain --agent finance-agent --method POST --url https://api.stripe.com/v1/charges \\
      --header 'content-type: application/json' --body '{\"amount\": 9000}'
  aegisctl policy explain --policy p.yaml --agent a --method PUT --url https://files.example/x --body @upload.json")]
pub struct Args {
    #[command(flatten)]
    asker: Asker,
    #[command(flatten)]
    flags: Flags,
}

/// Runs it.
pub fn run(args: &Args, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    if !args.flags.name_one() {
        return Err(Failure::Usage("name the request: --url https://HOST/PATH".to_owned()));
    }
    let answer = args.asker.ask(&args.flags.over(args.asker.request())?, client)?;
    if screen.json() {
        screen.write_json(&answer)?;
    } else {
        screen.line(answer.text.trim_end())?;
    }
    Ok(if passes(&answer.decision) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether a request with this decision goes out.
pub fn passes(decision: &str) -> bool {
    matches!(decision, "allow" | "sanitize")
}
