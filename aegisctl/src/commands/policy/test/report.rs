//! What came of the cases: for people, as JSON, as JUnit XML.

use std::fmt::Write;
use std::io;

use aegis_policy::cases::{Ask, Coverage};
use comfy_table::Cell;
use serde_json::{Value, json};

use super::{Args, Done};
use crate::output::{Screen, good_or_bad, row};

impl Done {
    /// What the case is called.
    fn title(&self) -> String {
        self.case.name.clone().unwrap_or_else(|| format!("{} by {}", question(&self.case.ask), self.case.agent))
    }
}

fn question(ask: &Ask) -> String {
    match ask {
        Ask::Request { method, url } => format!("{method} {url}"),
        Ask::Tls { host, destination } => connection("TLS", host.as_ref(), *destination),
        Ask::Tcp { host, destination } => connection("TCP", host.as_ref(), *destination),
        Ask::Name(name) => format!("NAME {name}"),
    }
}

fn connection(word: &str, host: Option<&String>, to: std::net::SocketAddr) -> String {
    host.map_or_else(|| format!("{word} {to}"), |host| format!("{word} {host}:{}", to.port()))
}

/// For people: the cases, why those that failed did, and the rules that none reaches.
pub fn table(args: &Args, all: &[Done], coverage: &Coverage, screen: &Screen) -> io::Result<()> {
    let shown = all.iter().filter(|done| !args.quiet || !done.outcome.passed);
    let rows: Vec<Vec<Cell>> = shown
        .map(|done| {
            let (expected, got) = (&done.case.expect, &done.outcome.got);
            let mut cells = row([&done.title(), expected, got]);
            cells.push(good_or_bad(done.outcome.passed, if done.outcome.passed { "ok" } else { "FAILED" }));
            cells
        })
        .collect();
    if !rows.is_empty() {
        screen.table(&["CASE", "EXPECTED", "GOT", ""], rows)?;
    }
    let failed: Vec<&Done> = all.iter().filter(|done| !done.outcome.passed).collect();
    for done in &failed {
        screen.heading(&format!("\n{}: {}", done.file, done.title()))?;
        screen.line(format!("  expected {}, got {}", done.case.expect, done.outcome.got))?;
        done.outcome.why.iter().try_for_each(|why| screen.line(format!("  {why}")))?;
    }
    let (passed, rules) = (all.len() - failed.len(), coverage.rules().len());
    screen.line(format!("\n{passed} of {} cases passed", all.len()))?;
    let unreached = coverage.unreached();
    screen.line(format!("{} of {rules} rules reached ({} %)", rules - unreached.len(), coverage.percent()))?;
    unreached.iter().try_for_each(|rule| screen.line(format!("  no case reaches {rule}")))
}

/// For programs.
pub fn json(all: &[Done], coverage: &Coverage) -> Value {
    let case = |done: &Done| {
        json!({
            "file": done.file, "case": done.title(), "agent": done.case.agent, "ask": question(&done.case.ask),
            "expected": done.case.expect, "got": done.outcome.got, "passed": done.outcome.passed,
            "rule": done.outcome.rule, "reason": done.outcome.reason, "why": done.outcome.why,
        })
    };
    let unreached = coverage.unreached();
    json!({
        "passed": all.iter().filter(|done| done.outcome.passed).count(),
        "failed": all.iter().filter(|done| !done.outcome.passed).count(),
        "cases": all.iter().map(case).collect::<Vec<_>>(),
        "coverage": {
            "rules": coverage.rules().len(), "reached": coverage.rules().len() - unreached.len(),
            "percent": coverage.percent(), "unreached": unreached,
        },
    })
}

/// For build servers: a test suite for each file of cases.
pub fn junit(all: &[Done]) -> String {
    let mut files: Vec<&str> = all.iter().map(|done| done.file.as_str()).collect();
    files.dedup();
    let failed = |done: &&Done| !done.outcome.passed;
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing into a String cannot fail.
    let count = all.iter().filter(failed).count();
    let _ = writeln!(xml, "<testsuites name=\"aegisctl policy test\" tests=\"{}\" failures=\"{count}\">", all.len());
    for file in files {
        let suite: Vec<&Done> = all.iter().filter(|done| done.file == file).collect();
        let failures = suite.iter().copied().filter(failed).count();
        let name = escaped(file);
        let _ = writeln!(xml, "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failures}\">", suite.len());
        for done in suite {
            let title = escaped(&done.title());
            if done.outcome.passed {
                let _ = writeln!(xml, "    <testcase classname=\"{name}\" name=\"{title}\"/>");
                continue;
            }
            let short = escaped(&format!("expected {}, got {}", done.case.expect, done.outcome.got));
            let _ = writeln!(xml, "    <testcase classname=\"{name}\" name=\"{title}\">");
            let why = escaped(&done.outcome.why.join("\n"));
            let _ = writeln!(xml, "      <failure message=\"{short}\">{why}</failure>\n    </testcase>");
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// XML text; characters that XML cannot hold become marks.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}
