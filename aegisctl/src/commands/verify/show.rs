//! The result, for people.

use std::io;
use std::time::Duration;

use aegis_api::{Actor, Agent, Mode, Verdict, Verification};
use comfy_table::{Attribute, Cell, Color};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{Screen, cell};

/// A bar on standard error, where that is a terminal.
pub fn progress(subject: &str, vectors: usize) -> ProgressBar {
    let bar = ProgressBar::new(vectors as u64).with_prefix(subject.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Writes a run: every vector, and the sum.
pub fn run(run: &Verification, agent: Option<&Agent>, screen: &Screen) -> io::Result<()> {
    let rows = run.vectors.iter().map(|vector| {
        let actor = match vector.actor {
            Actor::User => "nobody",
            Actor::Root => "root",
        };
        vec![cell(&vector.name), cell(actor), verdict(vector.verdict), cell(&vector.detail)]
    });
    screen.heading(&run.agent)?;
    screen.table(&["VECTOR", "AS", "VERDICT", "DETAIL"], rows.collect())?;
    screen.line(format!("\n{}", summary(run)))?;
    let leaked = run.count(Verdict::Leaked) > 0;
    match agent {
        Some(agent) if leaked && !agent.direct.is_empty() => {
            screen.line("note: what the agent's direct destinations cover leaves this host without the proxy")
        }
        Some(agent) if leaked && agent.mode == Mode::Shadow => {
            screen.line("note: the agent is in shadow mode, in which the proxy refuses nothing")
        }
        _ => Ok(()),
    }
}

fn summary(run: &Verification) -> String {
    let counts = Verdict::ALL.map(|verdict| format!("{} {}", run.count(verdict), text(verdict).to_lowercase()));
    format!("{}: {} in {} ms", run.agent, counts.join(", "), run.duration_ms)
}

fn text(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Held => "held",
        Verdict::Leaked => "LEAKED",
        Verdict::Deployment => "deployment",
        Verdict::Na => "n/a",
    }
}

fn verdict(verdict: Verdict) -> Cell {
    let cell = cell(text(verdict));
    match verdict {
        Verdict::Held => cell.fg(Color::Green),
        Verdict::Leaked => cell.fg(Color::Red).add_attribute(Attribute::Bold),
        Verdict::Deployment => cell.fg(Color::Yellow),
        Verdict::Na => cell.add_attribute(Attribute::Dim),
    }
}
