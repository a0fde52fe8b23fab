//! `aegisctl policy test`: the cases beside the policies, and which rules they reach.

mod found;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use aegis_policy::cases::{self, Case, Coverage, Outcome};

use self::found::Set;
use super::files;
use super::request::compiled;
use crate::failure::Failure;
use crate::output::{Format, Screen};

/// Runs the cases that lie beside policies and says which rules no case reaches; no daemon is needed.
///
/// `NAME.test.yaml` holds the cases of `NAME.yaml`; where there is no such policy, those of all policies of its directory
/// together. Ends with 1 when a case fails, or when fewer rules are reached than --min-coverage wants.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aegisctl policy test policies/
  aegisctl policy test policies/finance.yaml --min-coverage 100
  aegisctl policy test --together /etc/aegis/policies     as the daemon loads them
  aegisctl policy test policies/ --output junit > report.xml

A case: {agent: a, ask: POST https://api.example.com/pay, body: {amount: 9000}, expect: approval_needed pay/large}
docs/policy.md describes all keys.")]
pub struct Args {
    /// Policies, files of cases, or directories of them [default: the working directory].
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// All policies of a directory together are asked in each of its cases, as the daemon would load them.
    #[arg(long)]
    together: bool,
    /// Rules that have to be reached, in per cent.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,
    /// Shows failed cases only.
    #[arg(long, short)]
    quiet: bool,
}

/// One case and what came of it.
struct Done {
    file: String,
    case: Case,
    outcome: Outcome,
}

/// Runs it.
pub fn run(args: &Args, screen: &Screen) -> Result<ExitCode, Failure> {
    let here = [PathBuf::from(".")];
    let paths = if args.paths.is_empty() { &here[..] } else { &args.paths };
    let sets = found::sets(paths, args.together)?;
    let (mut all, mut coverage) = (Vec::new(), Coverage::default());
    for set in &sets {
        let (done, reached) = asked(set)?;
        all.extend(done);
        coverage.add(reached);
    }
    match screen.format {
        Format::Table => report::table(args, &all, &coverage, screen)?,
        Format::Json => screen.write_json(&report::json(&all, &coverage))?,
        Format::Junit => screen.line(report::junit(&all).trim_end())?,
    }
    let enough = args.min_coverage.is_none_or(|least| coverage.percent() >= least);
    if !enough {
        let least = args.min_coverage.unwrap_or_default();
        eprintln!("aegisctl: the cases reach {} % of the rules; at least {least} % is wanted", coverage.percent());
    }
    let passed = all.iter().all(|done| done.outcome.passed);
    Ok(if passed && enough { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks one set of policies every case of its files.
fn asked(set: &Set) -> Result<(Vec<Done>, Coverage), Failure> {
    let snapshot = compiled(&files::read(&set.policies)?)?;
    let (mut all, mut coverage) = (Vec::new(), Coverage::new(&snapshot));
    for file in &set.cases {
        let name = file.display().to_string();
        let text =
            std::fs::read_to_string(file).map_err(|error| Failure::No(format!("cannot read {name}: {error}")))?;
        for case in cases::read(&text).map_err(|why| Failure::No(format!("{name}: {why}")))? {
            let outcome = cases::run(&snapshot, &case).map_err(|error| Failure::No(format!("{name}: {error}")))?;
            coverage.count(&outcome);
            all.push(Done { file: name.clone(), case, outcome });
        }
    }
    Ok((all, coverage))
}
