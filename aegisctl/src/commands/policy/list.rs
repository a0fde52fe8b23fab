//! `aegisctl policy list`: every policy that was live or a candidate on this host.

use std::process::ExitCode;

use aegis_api::{PolicyVersion, PolicyVersions};

use crate::api::Client;
use crate::failure::Failure;
use crate::output::{Screen, row};

/// Lists the versions that the daemon keeps, the newest first: which one is live, where each came from, who put it there.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo aegisctl policy list
  sudo aegisctl policy list --output json | jq .live")]
pub struct Args {}

/// Runs it.
pub fn run(client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let kept: PolicyVersions = client.get("/v1/policy/versions")?;
    if screen.json() {
        screen.write_json(&kept)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = kept.versions.iter().map(|version| {
        let state = if version.state == "live" && kept.pinned { "live, pinned" } else { &version.state };
        let note = version.note.as_deref().unwrap_or_default();
        row([
            &version.number,
            &version.revision,
            &version.rules,
            &version.source,
            &by(version),
            &version.at,
            &state,
            &note,
        ])
    });
    screen.table(&["NUMBER", "REVISION", "RULES", "SOURCE", "BY", "AT", "STATE", "NOTE"], rows.collect())?;
    Ok(ExitCode::SUCCESS)
}

fn by(version: &PolicyVersion) -> String {
    match (version.uid, version.pid) {
        (Some(uid), Some(pid)) => format!("uid {uid} (pid {pid})"),
        (Some(uid), None) => format!("uid {uid}"),
        (None, _) => "daemon".to_owned(),
    }
}
