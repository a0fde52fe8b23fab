//! `aegisctl policy rollout`: a candidate on its way to all agents.

use std::process::ExitCode;

use aegis_api::{PromoteRequest, RolloutSide, RolloutStatus};

use super::push::percent;
use crate::api::Client;
use crate::failure::Failure;
use crate::output::{Screen, duration, row};

pub const EXAMPLES: &str = "\
Examples:
  sudo aegisctl policy push policies/ --canary 10%
  sudo aegisctl policy rollout status
  sudo aegisctl policy rollout promote              it decides for those 10 %
  sudo aegisctl policy rollout promote              it is live for all
  sudo aegisctl policy rollout abort";

/// Differences that the table shows; JSON has all.
const SHOWN: usize = 20;

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Shows how far the candidate has come, and which decisions come out differently; 1 when there is none.
    #[command(after_help = "Examples:\n  sudo aegisctl policy rollout status\n  \
                            sudo aegisctl policy rollout status --output json | jq '.differences[]'")]
    Status,
    /// Takes the next step: from shadow to deciding for its agents, and from there to all.
    #[command(after_help = "Examples:\n  sudo aegisctl policy rollout promote\n  \
                            sudo aegisctl policy rollout promote 50%     the candidate decides for half of the agents")]
    Promote {
        /// For how many of the agents the candidate decides then.
        #[arg(value_name = "PERCENT", value_parser = percent)]
        percent: Option<f64>,
    },
    /// Gives the candidate up: the live policy decides for all agents again.
    #[command(after_help = "Examples:\n  sudo aegisctl policy rollout abort")]
    Abort,
}

/// Runs it.
pub fn run(command: &Command, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let status: Option<RolloutStatus> = match command {
        Command::Status => client.get("/v1/policy/rollout")?,
        Command::Promote { percent } => {
            client.post("/v1/policy/rollout/promote", &PromoteRequest { percent: *percent })?
        }
        Command::Abort => Some(client.post("/v1/policy/rollout/abort", &serde_json::json!({}))?),
    };
    if screen.json() {
        screen.write_json(&status)?;
    } else {
        match (command, &status) {
            (Command::Abort, Some(status)) => {
                screen.line(format!("the rollout of version {} is over", status.candidate))?
            }
            (_, Some(status)) => show(status, screen)?,
            (Command::Promote { .. }, None) => screen.line("the candidate is live for all agents, and pinned")?,
            (_, None) => screen.line("no rollout is under way; next: aegisctl policy push PATH --canary 10%")?,
        }
    }
    let absent = matches!(command, Command::Status) && status.is_none();
    Ok(if absent { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show(status: &RolloutStatus, screen: &Screen) -> std::io::Result<()> {
    let of = |count: u64| match status.compared {
        0 => format!("{count}"),
        all => format!("{count} ({:.2} %)", count as f64 * 100.0 / all as f64),
    };
    let does = if status.phase == "shadow" { "asked, decides nothing" } else { "decides" };
    let next = match status.auto_promote_after_s {
        Some(seconds) => format!("by itself after {}, at least {} decisions", duration(seconds), status.min_decisions),
        None => "by hand: aegisctl policy rollout promote".to_owned(),
    };
    let agents = if status.agents.is_empty() { "none of this host".to_owned() } else { status.agents.join(" ") };
    let rows = vec![
        row([
            &"candidate",
            &format!("version {} ({}), beside version {}", status.candidate, status.revision, status.live),
        ]),
        row([
            &"phase",
            &format!("{}: {does} for {} % of the agents, since {}", status.phase, status.percent, status.since),
        ]),
        row([&"its agents", &agents]),
        row([&"next step", &next]),
        row([
            &"compared",
            &format!(
                "{} decisions ({} dropped, {} unanswerable)",
                status.compared, status.dropped, status.unanswerable
            ),
        ]),
        row([&"denied by live", &of(status.live_denied)]),
        row([&"denied by it", &of(status.candidate_denied)]),
        row([
            &"difference",
            &format!(
                "{:+.2} points, at most {} over every {} decisions",
                status.deny_delta, status.max_deny_delta, status.min_decisions
            ),
        ]),
        row([&"other decision", &of(status.decisions_changed)]),
        row([&"other rule only", &of(status.rules_changed)]),
    ];
    screen.table(&[], rows)?;
    if status.differences.is_empty() {
        return Ok(());
    }
    screen.heading("\nDifferences")?;
    let ways = status.differences.iter().take(SHOWN);
    let rows = ways.map(|way| row([&way.agent, &way.count, &side(&way.live), &side(&way.candidate)]));
    screen.table(&["AGENT", "COUNT", "LIVE", "CANDIDATE"], rows.collect())?;
    if status.recent.is_empty() {
        return Ok(());
    }
    screen.heading("\nThe last decisions that come out differently")?;
    let last = status.recent.iter().rev().take(SHOWN);
    let rows = last.map(|one| row([&one.at, &one.agent, &one.about, &side(&one.live), &side(&one.candidate)]));
    screen.table(&["AT", "AGENT", "ASKED FOR", "LIVE", "CANDIDATE"], rows.collect())
}

fn side(side: &RolloutSide) -> String {
    let rule = side.rule.as_deref().map(|rule| format!(" by {rule}")).unwrap_or_default();
    let shadow = if side.mode == "shadow" { " (shadow)" } else { "" };
    format!("{}{shadow}{rule}", side.decision)
}
