//! `aegisctl policy suggest`: the least that permits what was seen.

use std::process::ExitCode;

use aegis_policy::replay::{Past, Replayed, Replayer, grouped};
use aegis_policy::suggest::{Observations, Suggestion};
use aegis_policy::{Source, compile};
use serde_json::json;

use super::past::Which;
use crate::api::Client;
use crate::failure::Failure;
use crate::output::Screen;

/// Writes a policy that permits what passed (in shadow or by other rules) and nothing that was refused.
///
/// Hosts, ports, methods and paths are those that were seen; numbers, UUIDs and long hexadecimal words in a path become `*`. Conditions on
/// content are not invented. The policy is compiled and tried on the same decisions before it is printed. It is to be reviewed: what was
/// seen need not be what should be.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo aegisctl policy suggest --agent new-agent --since 7d > new-agent.yaml
  aegisctl policy suggest --log decisions/ --agent 'research-*'
  aegisctl policy suggest --log audit.jsonl --output json | jq -r .yaml")]
pub struct Args {
    #[command(flatten)]
    which: Which,
}

/// What the suggestion does with the decisions that it was made from.
#[derive(Debug, Default)]
struct Tried {
    permitted: u64,
    /// Passed, and would not any more.
    missed: u64,
    /// Refused, in shadow by a rule, and would pass: must not be.
    opened: Vec<String>,
    undecidable: u64,
    /// Refused, and the log does not hold what it would depend on.
    open_question: u64,
}

/// Runs it.
pub fn run(args: &Args, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let files = args.which.files(client)?;
    let mut observations = Observations::default();
    args.which.read(&files, "reading", |past| observations.observe(past))?;
    let version = jiff::Timestamp::now().strftime("suggested-%Y-%m-%d").to_string();
    let suggestion = observations.suggest(&version);
    if suggestion.rules == 0 {
        let seen = grouped(observations.decisions());
        return Err(Failure::No(format!(
            "nothing to permit was seen in {seen} decisions; widen --since, --agent or --log"
        )));
    }
    let source = Source { name: "suggestion".to_owned(), text: suggestion.yaml.clone() };
    let snapshot = compile(std::slice::from_ref(&source)).map_err(|problems| {
        Failure::No(format!("the suggestion does not compile, which is a fault of Aegis: {problems}"))
    })?;
    let mut replayer = Replayer::new(&snapshot);
    let mut tried = Tried::default();
    args.which.read(&files, "trying", |past| tried.add(past, &mut replayer))?;
    if let Some(opened) = tried.opened.first() {
        let count = tried.opened.len();
        return Err(Failure::No(format!(
            "no policy of this kind fits: it would permit {count} request(s) that were refused, such as {opened}; narrow --agent or --since"
        )));
    }
    show(&suggestion, &tried, &observations, screen)?;
    Ok(ExitCode::SUCCESS)
}

fn show(suggestion: &Suggestion, tried: &Tried, seen: &Observations, screen: &Screen) -> Result<(), Failure> {
    if screen.json() {
        return Ok(screen.write_json(&json!({
            "yaml": suggestion.yaml, "rules": suggestion.rules, "agents": seen.agents(), "decisions": seen.decisions(),
            "permitted": tried.permitted, "not_permitted": tried.missed, "undecidable": tried.undecidable,
            "refused_undecidable": tried.open_question,
        }))?);
    }
    screen.line(suggestion.yaml.trim_end())?;
    eprintln!(
        "aegisctl: tried on the same decisions: {} permitted, {} that passed are not, {} undecidable; {}",
        grouped(tried.permitted),
        grouped(tried.missed),
        grouped(tried.undecidable),
        tried.refused()
    );
    Ok(())
}

impl Tried {
    /// What became of that which was refused.
    fn refused(&self) -> String {
        match self.open_question {
            0 => "nothing that was refused passes".to_owned(),
            count => format!("of what was refused {} cannot be told, and nothing else of it passes", grouped(count)),
        }
    }

    fn add(&mut self, past: &Past, replayer: &mut Replayer<'_>) {
        // As it will be: out of shadow.
        let mut enforced = past.clone();
        enforced.enforce();
        let live = &past.live;
        let refused = live.refuses();
        match replayer.decide(&enforced) {
            Replayed::NotAsked => {}
            Replayed::Undecidable(_) => {
                self.undecidable += 1;
                self.open_question += u64::from(refused);
            }
            Replayed::Decided(answer) if answer.decision.permits() => {
                self.permitted += 1;
                if refused {
                    self.opened.push(past.target());
                }
            }
            Replayed::Decided(_) => self.missed += u64::from(!refused),
        }
    }
}
