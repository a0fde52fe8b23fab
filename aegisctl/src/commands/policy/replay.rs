//! `aegisctl policy replay`: what a candidate would have made of decisions that were made.

use std::path::PathBuf;
use std::process::ExitCode;

use aegis_policy::replay::{Comparison, Replayer, grouped};
use serde::Serialize;

use super::past::Which;
use super::{files, request};
use crate::api::Client;
use crate::failure::Failure;
use crate::output::{Screen, row};

/// Rows that are shown to people; --output json has all of them.
const SHOWN: usize = 40;

/// Asks a candidate policy what was asked of the one in force: which decisions would change, by agent and rule.
///
/// The decision log holds what rules read, redacted. What a candidate's rule reads and the log does not hold is not guessed:
/// such decisions are counted as undecidable, with what they depend on. Ends with 0, or, where --fail-on-change or
/// --max-changes asks, with 1 if more change than is allowed or if nothing could be compared.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo aegisctl policy replay --policy candidate/ --since 24h
  sudo aegisctl policy replay --policy candidate/ --agent 'finance-*' --max-changes 10
  aegisctl policy replay --policy candidate/ --log decisions/ --fail-on-change --output json
  aegisctl policy replay --policy candidate/ --log audit.jsonl        (less is known of audit records)")]
pub struct Args {
    /// The candidate: a policy file or directory; may be repeated.
    #[arg(long = "policy", value_name = "PATH", required = true)]
    policies: Vec<PathBuf>,
    #[command(flatten)]
    which: Which,
    /// End with 1 if any decision changes.
    #[arg(long, conflicts_with = "max_changes")]
    fail_on_change: bool,
    /// End with 1 if more decisions change than this.
    #[arg(long, value_name = "N")]
    max_changes: Option<u64>,
}

/// Runs it.
pub fn run(args: &Args, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let candidate = request::compiled(&files::read(&args.policies)?)?;
    let files = args.which.files(client)?;
    let mut replayer = Replayer::new(&candidate);
    let mut comparison = Comparison::default();
    let skipped = args.which.read(&files, "replaying", |past| {
        let replayed = replayer.decide(past);
        comparison.add(past, &replayed);
    })?;
    let comparison = comparison.finish();
    if screen.json() {
        screen.write_json(&Answer { comparison: &comparison, unreadable: skipped.unreadable })?;
    } else {
        show(&comparison, screen)?;
    }
    let allowed = if args.fail_on_change { Some(0) } else { args.max_changes };
    // A gate that saw nothing is not passed.
    let compared = comparison.same + comparison.changes;
    if allowed.is_some() && compared == 0 {
        return Err(Failure::No(format!(
            "nothing could be compared in {} decisions, so nothing is shown to stay as it is; widen --since, --agent or --log",
            grouped(comparison.decisions)
        )));
    }
    let too_many = allowed.is_some_and(|allowed| comparison.changes > allowed);
    Ok(if too_many { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The answer for programs.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    comparison: &'a Comparison,
    /// Lines that were neither events nor records.
    unreadable: u64,
}

fn show(comparison: &Comparison, screen: &Screen) -> Result<(), Failure> {
    screen.line(comparison.summary())?;
    let same = grouped(comparison.same);
    match comparison.same_by_another_rule {
        0 => screen.line(format!("{same} stay as they are"))?,
        others => screen.line(format!("{same} stay as they are, {} of them by another rule", grouped(others)))?,
    }
    if comparison.not_asked > 0 {
        let count = grouped(comparison.not_asked);
        screen.line(format!("{count} were no policy's: broken requests, used-up limits, wrong tokens"))?;
    }
    if comparison.undecidable > 0 {
        screen.line(format!(
            "{} are undecidable: the log does not hold what they depend on",
            grouped(comparison.undecidable)
        ))?;
        let mut because: Vec<_> = comparison.because.iter().collect();
        because.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (what, count) in because.into_iter().take(SHOWN) {
            screen.line(format!("  {:>9}  because of {what}", grouped(*count)))?;
        }
    }
    if comparison.rows.is_empty() {
        return Ok(());
    }
    screen.line("")?;
    let none = || "(no rule)".to_owned();
    let rows = comparison.rows.iter().take(SHOWN).map(|change| {
        row([
            &change.agent,
            &change.live,
            &change.live_rule.clone().unwrap_or_else(none),
            &change.candidate,
            &change.candidate_rule.clone().unwrap_or_else(none),
            &grouped(change.count),
            &change.first_seen,
            &change.last_seen,
            &change.example,
        ])
    });
    let header = ["AGENT", "WAS", "BY", "WOULD BE", "BY", "COUNT", "FIRST", "LAST", "EXAMPLE"];
    screen.table(&header, rows.collect())?;
    if comparison.rows.len() > SHOWN {
        screen.line(format!("{} more kinds of change: --output json", comparison.rows.len() - SHOWN))?;
    }
    Ok(())
}
