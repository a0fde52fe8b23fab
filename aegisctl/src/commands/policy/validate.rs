//! `aegisctl policy validate`: does it compile, and if not, where not.

use std::path::PathBuf;
use std::process::ExitCode;

use aegis_policy::{Diagnostics, Snapshot};
use miette::{GraphicalReportHandler, GraphicalTheme};
use serde_json::json;

use super::files;
use crate::failure::Failure;
use crate::output::Screen;

/// Checks policy files without a daemon: all problems at once, each with file, line and column.
///
/// Ends with 1 when there is a problem.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aegisctl policy validate policies/
  aegisctl policy validate finance.yaml research.yaml --output json")]
pub struct Args {
    /// Policy files, or directories of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Runs it.
pub fn run(args: &Args, screen: &Screen) -> Result<ExitCode, Failure> {
    let sources = files::read(&args.paths)?;
    match aegis_policy::compile(&sources) {
        Ok(snapshot) => {
            good(&snapshot, sources.len(), screen)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(diagnostics) => {
            bad(&diagnostics, screen)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn good(snapshot: &Snapshot, files: usize, screen: &Screen) -> Result<(), Failure> {
    let (version, rules) = (snapshot.version(), snapshot.rules());
    if screen.json() {
        let answer = json!({ "valid": true, "version": version, "rules": rules, "problems": [] });
        return Ok(screen.write_json(&answer)?);
    }
    Ok(screen.line(format!("ok: {rules} rules in {files} file(s), version {version}"))?)
}

/// Shows every problem.
pub fn bad(diagnostics: &Diagnostics, screen: &Screen) -> Result<(), Failure> {
    let problems = diagnostics.problems();
    if screen.json() {
        let list: Vec<_> = problems
            .iter()
            .map(|p| json!({ "file": p.file(), "line": p.line, "column": p.column, "message": p.message, "help": p.help }))
            .collect();
        return Ok(screen.write_json(&json!({ "valid": false, "problems": list }))?);
    }
    for problem in problems {
        screen.line(render(problem))?;
    }
    eprintln!("aegisctl: {} problem(s)", problems.len());
    Ok(())
}

/// The problem with its line and a caret under the place.
pub fn render(problem: &dyn miette::Diagnostic) -> String {
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    match handler.render_report(&mut text, problem) {
        Ok(()) => text,
        Err(_) => problem.to_string(),
    }
}
