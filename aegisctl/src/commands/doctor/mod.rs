//! `aegisctl doctor`: what this machine can and cannot do.

mod checks;

use std::process::ExitCode;

use aegis_api::{Finding, Level};
use serde_json::json;

use crate::api::Client;
use crate::failure::Failure;
use crate::output::{Screen, cell, level};

/// Looks whether this machine can enforce, and what is weak; each finding with its fix.
///
/// The daemon looks at what it needs (kernel, BTF, cgroup v2, bpffs, capabilities, ports, CA); this command looks at what
/// `aegisctl run` needs, and without a daemon at the kernel's basics. Ends with 0 when nothing fails, with 1 when
/// something does, with 3 when the daemon is not reachable.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo aegisctl doctor
  sudo aegisctl doctor --output json | jq '.findings[] | select(.level != \"ok\")'")]
pub struct Args {}

/// Runs it.
pub fn run(client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let (mut findings, unreachable) = match client.get::<Vec<Finding>>("/v1/doctor") {
        Ok(findings) => (findings, None),
        Err(failure @ (Failure::Unreachable(_) | Failure::Refused(_))) => (checks::kernel(), Some(failure)),
        Err(other) => return Err(other),
    };
    findings.extend(checks::run());
    if screen.json() {
        screen.write_json(&json!({ "daemon_reachable": unreachable.is_none(), "findings": findings }))?;
    } else {
        show(&findings, screen)?;
    }
    match unreachable {
        Some(failure) => Err(failure),
        None if findings.iter().any(|finding| finding.level == Level::Fail) => Ok(ExitCode::FAILURE),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn show(findings: &[Finding], screen: &Screen) -> std::io::Result<()> {
    let rows = findings.iter().map(|finding| {
        let fix = finding.fix.as_deref().unwrap_or_default();
        vec![cell(&finding.name), level(finding.level), cell(&finding.detail), cell(fix)]
    });
    screen.table(&["CHECK", "STATE", "SEEN", "FIX"], rows.collect())
}
