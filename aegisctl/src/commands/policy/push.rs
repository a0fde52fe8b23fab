//! `aegisctl policy push`: gives the daemon a policy, live at once or tried on some agents first.

use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use aegis_api::{Canary, PolicyFile, PushRequest, PushResponse};
use aegis_policy::{DELEGATED, Severity, Source};

use super::{diff, files};
use crate::api::Client;
use crate::failure::Failure;
use crate::output::Screen;

/// Gives the daemon a policy: it is compiled there, kept under a number, and live for every request from then on.
///
/// A policy that does not compile is refused with file, line and column, and the live one stays. What is pushed is pinned: it
/// stays live over restarts until another push or rollback, a reload, or a change at the configured source.
///
/// With --canary it is tried first: asked beside the live policy for some of the agents, and deciding nothing, until it is
/// promoted (`aegisctl policy rollout`). It is rolled back by itself when its share of denials leaves the bound.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo aegisctl policy push policies/ --note 'payments up to 9000'
  sudo aegisctl policy push policies/ --dry-run              what would change?
  sudo aegisctl policy push policies/ --if-version 7         only if nobody was faster
  sudo aegisctl policy push policies/ --canary 10%
  sudo aegisctl policy push policies/ --canary 10% --auto-promote-after 30m --max-deny-delta 2% --min-decisions 200")]
pub struct Args {
    /// Policy files, or directories of them: the whole policy.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Why; shown in the list and in the audit log.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Refuse it unless this version is live.
    #[arg(long, value_name = "N")]
    if_version: Option<u64>,
    /// Compile and compare it, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Try it on so many of the agents first, beside the live policy.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    canary: Option<f64>,
    /// How long each phase of the rollout lasts before the next begins by itself (30s, 30m, 2h, 1d).
    #[arg(long, value_name = "TIME", value_parser = seconds, requires = "canary")]
    auto_promote_after: Option<u64>,
    /// How far its share of denials may lie from the live policy's, in percentage points.
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "2%", requires = "canary")]
    max_deny_delta: f64,
    /// After how many decisions the shares are compared, again and again; so many are needed for a promotion by itself.
    #[arg(long, value_name = "N", default_value_t = 200, requires = "canary")]
    min_decisions: u64,
}

/// `10%` or `10`.
pub fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    match number.parse::<f64>() {
        Ok(number) if (0.0..=100.0).contains(&number) => Ok(number),
        _ => Err("write a percentage from 0% to 100%, such as 10%".to_owned()),
    }
}

/// `30s`, `30m`, `2h`, `1d`.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || "write a time such as 30s, 30m, 2h or 1d".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let each = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return Err(wrong()),
    };
    let number: u64 = text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    number.checked_mul(each).filter(|seconds| *seconds > 0).ok_or_else(wrong)
}

/// Runs it.
pub fn run(args: &Args, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let sources = named(&args.paths)?;
    let canary = args.canary.map(|percent| Canary {
        percent,
        auto_promote_after_s: args.auto_promote_after,
        max_deny_delta: args.max_deny_delta,
        min_decisions: args.min_decisions,
    });
    let file = |source: &Source| PolicyFile { name: source.name.clone(), text: source.text.clone() };
    let request = PushRequest {
        files: sources.iter().map(file).collect(),
        note: args.note.clone(),
        if_version: args.if_version,
        canary,
        dry_run: args.dry_run,
    };
    let answer: PushResponse = client.post("/v1/policy/push", &request)?;
    if screen.json() {
        screen.write_json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    screen.line(summary(&answer, args, &sources))?;
    diff::show(&answer.diff, screen)?;
    if args.canary.is_some() && !args.dry_run {
        screen.line("next: aegisctl policy rollout status")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(answer: &PushResponse, args: &Args, sources: &[Source]) -> String {
    let PushResponse { number, revision, rules, changed, .. } = answer;
    let what = match (args.dry_run, args.canary, changed) {
        (true, ..) => format!("{revision} compiles; nothing was changed"),
        (_, _, false) => format!("version {number} ({revision}) is live and pinned already"),
        (_, Some(percent), _) => {
            format!("version {number} ({revision}) is tried in shadow on {percent} % of the agents")
        }
        (_, None, _) => format!("version {number} ({revision}) is live"),
    };
    let found = aegis_policy::lint(sources, SystemTime::now()).unwrap_or_default();
    let worse = found.iter().filter(|one| one.severity >= Severity::Warning).count();
    let lint = match found.len() {
        0 => String::new(),
        all => format!("; lint: {worse} warning(s), {} note(s), see aegisctl policy lint", all - worse),
    };
    format!("{what} ({rules} rules in {} file(s){lint})", sources.len())
}

/// The files under the names that they have below their policy's directory, as the daemon names its own.
fn named(paths: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for path in paths {
        for source in files::read(std::slice::from_ref(path))? {
            let name = below(Path::new(&source.name), path);
            sources.push(Source { name, text: source.text });
        }
    }
    Ok(sources)
}

/// `file` below `path`; one that was named itself keeps the directory that says which team's it is.
fn below(file: &Path, path: &Path) -> String {
    if let Some(inner) = file.strip_prefix(path).ok().filter(|inner| !inner.as_os_str().is_empty()) {
        return inner.display().to_string();
    }
    let words: Vec<String> = file
        .components()
        .filter_map(|component| match component {
            Component::Normal(word) => Some(word.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    let delegated = words.iter().rposition(|word| word == DELEGATED);
    let from = delegated.unwrap_or(words.len().saturating_sub(1));
    words.get(from..).unwrap_or_default().join("/")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn percentages_and_times() {
        assert_eq!((percent("10%"), percent("0.5"), percent("100 %")), (Ok(10.0), Ok(0.5), Ok(100.0)));
        assert_eq!((seconds("30m"), seconds("90s"), seconds("1d")), (Ok(1800), Ok(90), Ok(86_400)));
        for bad in ["", "%", "101%", "-1", "ten", "NaN"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
        for bad in ["", "30", "m", "0s", "1w", "-1s", "99999999999999999999d", "30µ"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_keeps_the_name_that_says_whose_it_is() {
        for (file, path, name) in [
            ("/etc/aegis/policies/a.yaml", "/etc/aegis/policies", "a.yaml"),
            ("policies/delegated/pay/a.yaml", "policies", "delegated/pay/a.yaml"),
            ("policies/delegated/pay/a.yaml", "policies/delegated/pay/a.yaml", "delegated/pay/a.yaml"),
            ("./x/a.yaml", "./x/a.yaml", "a.yaml"),
        ] {
            assert_eq!(below(Path::new(file), Path::new(path)), name);
        }
    }
}
