//! `aegisctl policy explain`: what would be decided, or was, and why.

use std::path::PathBuf;
use std::process::ExitCode;

use aegis_api::LoggedDecision;
use aegis_policy::decision_log::Event;
use aegis_policy::replay::{Account, Past};

use super::past::{self, Lines};
use super::request::{Asker, Flags};
use crate::api::Client;
use crate::failure::Failure;
use crate::output::Screen;

/// Explains a decision, rule by rule: one that was made, by its id, or what would be decided for a request that nobody sends.
///
/// A past decision is looked up in the decision log and explained with the policy that made it, which the daemon keeps; with
/// --log in these files, and with --policy by these policies. A request is explained by the policy in force on this host, or
/// with --policy by the files. Ends with 0 when the request passed or would pass (allow, sanitize, in shadow), with 1 when not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo aegisctl policy explain 019ab1f2-7c44-7d1e-9b0a-3f6f0e7c2a11       the `decision_id` of a 403, or a trace id
  aegisctl policy explain 019ab1f2-7c44-7d1e-9b0a-3f6f0e7c2a11 --log decisions/ --policy policies/
  aegisctl policy explain --policy policies/ --agent finance-agent --url https://example.com/
  sudo aegisctl policy explain --agent finance-agent --method POST --url https://api.stripe.com/v1/charges \\
      --header 'content-type: application/json' --body '{\"amount\": 9000}'
  aegisctl policy explain --policy p.yaml --agent a --method PUT --url https://files.example/x --body @upload.json")]
pub struct Args {
    /// A decision's id, as the agent got it and the audit log has it, or its trace id.
    #[arg(conflicts_with_all = ["agent", "url"])]
    decision: Option<String>,
    /// Look for the decision in these files or directories, not at the daemon.
    #[arg(long = "log", value_name = "PATH", requires = "decision", num_args = 1..)]
    logs: Vec<PathBuf>,
    #[command(flatten)]
    asker: Asker,
    #[command(flatten)]
    flags: Flags,
}

/// Runs it.
pub fn run(args: &Args, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    if let Some(id) = &args.decision {
        return explain_past(args, id, client, screen);
    }
    if !args.flags.name_one() {
        return Err(Failure::Usage(
            "name a decision's id, or a request: --agent NAME --url https://HOST/PATH".to_owned(),
        ));
    }
    let answer = args.asker.ask(&args.flags.over(args.asker.request()?)?, client)?;
    if screen.json() {
        screen.write_json(&answer)?;
    } else {
        screen.line(answer.text.trim_end())?;
    }
    Ok(if passes(&answer.decision) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A decision that was made.
fn explain_past(args: &Args, id: &str, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let answer: LoggedDecision =
        if args.logs.is_empty() { client.get(&format!("/v1/decisions/{id}"))? } else { from_files(args, id)? };
    if screen.json() {
        screen.write_json(&answer)?;
    } else {
        screen.line(answer.text.trim_end())?;
    }
    let passed = answer.event.pointer("/result/allow").is_some_and(|allow| allow == true);
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn from_files(args: &Args, id: &str) -> Result<LoggedDecision, Failure> {
    let event = find(&args.logs, id)?;
    let past =
        Past::of_event(&event).map_err(|error| Failure::No(format!("the event of {id} cannot be read: {error}")))?;
    let policies = args.asker.policies()?;
    let (explained_by, account) = match &policies {
        Some(policy) => (Some(policy.version().to_owned()), policy.account(&past)),
        None => (None, Account::without_policy(&past)),
    };
    let hint = if policies.is_none() { "\ngive the policy that decided with --policy to see its rules\n" } else { "" };
    let json = |error: serde_json::Error| Failure::No(error.to_string());
    Ok(LoggedDecision {
        event: serde_json::to_value(&event).map_err(json)?,
        text: format!("{}{hint}", account.text()),
        account: serde_json::to_value(&account).map_err(json)?,
        explained_by,
    })
}

fn find(logs: &[PathBuf], id: &str) -> Result<Event, Failure> {
    for place in logs {
        let failed = |error: std::io::Error| past::unreadable(place, &error);
        let files = if place.is_dir() { past::directory(place).map_err(failed)? } else { vec![place.clone()] };
        for file in files {
            let mut lines = Lines::open(&file).map_err(failed)?;
            while let Some((line, _)) = lines.read().map_err(failed)? {
                if let Some(line) = line.filter(|line| line.contains(id))
                    && let Ok(event) = serde_json::from_str::<Event>(line)
                    && (event.decision_id == id || event.trace_id == id)
                {
                    return Ok(event);
                }
            }
        }
    }
    Err(Failure::No(format!("decision {id} is not in these logs")))
}

/// Whether a request with this decision goes out.
pub fn passes(decision: &str) -> bool {
    matches!(decision, "allow" | "sanitize")
}
