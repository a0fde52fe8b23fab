//! `aegisctl policy diff`: what differs between two versions.

use std::io;
use std::process::ExitCode;

use aegis_api::PolicyDiff;

use crate::api::Client;
use crate::failure::Failure;
use crate::output::{Screen, row};

/// Compares two versions by policy, rule and key; with --text line by line too.
///
/// Without numbers: the version that was live before, and the live one. With one number: that version and the live one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo aegisctl policy diff                 what did the last change change?
  sudo aegisctl policy diff 5               version 5 against the live one
  sudo aegisctl policy diff 5 7 --text")]
pub struct Args {
    /// The earlier version.
    #[arg(value_name = "A")]
    from: Option<u64>,
    /// The later version.
    #[arg(value_name = "B")]
    to: Option<u64>,
    /// Line by line too, as `diff -u` writes it.
    #[arg(long)]
    text: bool,
}

/// Runs it.
pub fn run(args: &Args, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let mut path = format!("/v1/policy/diff?text={}", args.text);
    for (name, number) in [("from", args.from), ("to", args.to)] {
        if let Some(number) = number {
            path.push_str(&format!("&{name}={number}"));
        }
    }
    let diff: PolicyDiff = client.get(&path)?;
    if screen.json() {
        screen.write_json(&diff)?;
        return Ok(ExitCode::SUCCESS);
    }
    screen.line(format!("from version {} to version {}", diff.from, diff.to))?;
    show(&diff, screen)?;
    if let Some(text) = diff.text.as_ref().filter(|text| !text.is_empty()) {
        screen.line(format!("\n{}", text.trim_end()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The differences as a table.
pub fn show(diff: &PolicyDiff, screen: &Screen) -> io::Result<()> {
    let mut rows = Vec::new();
    rows.extend(diff.added.iter().map(|name| row([&"+ added", name, &"", &"", &""])));
    rows.extend(diff.removed.iter().map(|name| row([&"- removed", name, &"", &"", &""])));
    for changed in &diff.changed {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
        let keys = changed.keys.iter();
        rows.extend(
            keys.map(|key| row([&"~ changed", &changed.name, &key.key, &value(&key.before), &value(&key.after)])),
        );
    }
    rows.extend(diff.reordered.iter().map(|name| row([&"~ moved", name, &"", &"", &""])));
    if rows.is_empty() {
        return screen.line("no rule differs");
    }
    screen.table(&["", "NAME", "KEY", "BEFORE", "AFTER"], rows)
}
