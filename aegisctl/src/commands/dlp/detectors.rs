//! `aegisctl dlp detectors`: what there is to look for.

use std::path::PathBuf;
use std::process::ExitCode;

use aegis_dlp::{Detector, Finder, OwnDetector};
use serde::Serialize;
use serde_json::json;

use super::profile::{compiled, named};
use crate::failure::Failure;
use crate::output::{Screen, row};

/// Lists the detectors: the names that policies say, their groups, what they find and what stands in its place.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aegisctl dlp detectors
  aegisctl dlp detectors --group pii
  aegisctl dlp detectors --group own --policy policies/      those that the policies declare
  aegisctl dlp detectors --output json | jq -r '.detectors[] | select(.group == \"cloud\").name'

Groups: pii and secrets (all is both), each group of the table, own. docs/detectors.md describes each with an example.")]
pub struct Args {
    /// Of these groups, or of these names, only.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    group: Vec<String>,
    /// Policy files, or directories of them, that declare detectors of their own.
    #[arg(long = "policy", value_name = "PATH")]
    policies: Vec<PathBuf>,
}

/// One detector.
#[derive(Debug, Serialize)]
struct Listed {
    name: &'static str,
    group: &'static str,
    title: String,
    mask: &'static str,
    /// Not in `all`: it must be named, or its group.
    by_name_only: bool,
}

/// Runs it.
pub fn run(args: &Args, screen: &Screen) -> Result<ExitCode, Failure> {
    let snapshot = compiled(&args.policies, None)?;
    let everything = snapshot.everything();
    let wanted = match args.group.as_slice() {
        [] => Detector::ALL.into_iter().collect::<aegis_dlp::DetectorSet>().union(everything.own().names()),
        names => named(names, everything)?,
    };
    let built_in = Detector::ALL.into_iter().map(|detector| Listed {
        name: detector.name(),
        group: detector.group().map_or("own", aegis_dlp::Group::name),
        title: detector.title().to_owned(),
        mask: detector.mask(),
        by_name_only: !aegis_dlp::DetectorSet::ALL.contains(detector),
    });
    let kept = |listed: &Listed| listed.name.parse::<Detector>().is_ok_and(|detector| wanted.contains(detector));
    let all: Vec<Listed> = built_in.chain(everything.own().all().iter().map(own)).filter(kept).collect();
    if screen.json() {
        screen.write_json(&json!({ "detectors": all }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = all.iter().map(|one| row([&one.name, &one.group, &one.mask, &one.title]));
    screen.table(&["DETECTOR", "GROUP", "MASK", "WHAT IT FINDS"], rows.collect())?;
    screen.line(format!("\n{} detectors", all.len()))?;
    Ok(ExitCode::SUCCESS)
}

fn own(detector: &OwnDetector) -> Listed {
    let title = match &detector.finder {
        Finder::Pattern(pattern) if pattern.has_literals() => "a regex of the policy".to_owned(),
        Finder::Pattern(_) => "a regex of the policy, without a literal to begin with: slow".to_owned(),
        Finder::Dictionary(dictionary) => format!("one of {} values of the policy", dictionary.len()),
    };
    let name = detector.name;
    Listed { name: name.name(), group: "own", title, mask: name.mask(), by_name_only: true }
}
