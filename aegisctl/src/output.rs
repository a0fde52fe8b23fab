//! Tables for people, JSON for programs.

use std::io::{self, IsTerminal, Write};

use aegis_api::Level;
use aegis_policy::plain;
use clap::ValueEnum;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use serde::Serialize;

/// How answers are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON document (JSON lines for `audit tail`).
    Json,
    /// JUnit XML, of `policy test` only.
    Junit,
}

/// Where answers go.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// How.
    pub format: Format,
    color: bool,
}

impl Screen {
    /// Standard output; colours only on a terminal and only without `NO_COLOR` (no-color.org).
    pub fn new(format: Format) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { format, color: !refused && io::stdout().is_terminal() }
    }

    /// Is JSON wanted?
    pub fn json(&self) -> bool {
        self.format == Format::Json
    }

    /// Writes a value as JSON.
    pub fn write_json<T: Serialize>(&self, value: &T) -> io::Result<()> {
        let mut out = io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, value)?;
        writeln!(out)
    }

    /// Writes a line, or several.
    pub fn line(&self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{}", lines(text.as_ref()))
    }

    /// Writes a heading above a table.
    pub fn heading(&self, text: &str) -> io::Result<()> {
        let (bold, plain) = if self.color { ("\u{1b}[1m", "\u{1b}[0m") } else { ("", "") };
        writeln!(io::stdout().lock(), "{bold}{}{plain}", lines(text))
    }

    /// Writes a table; an empty header row is left out.
    pub fn table(&self, header: &[&str], rows: Vec<Vec<Cell>>) -> io::Result<()> {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        if self.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
            // Pipes get lines as long as they are: a wrapped cell cannot be searched.
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
        if !header.is_empty() {
            table.set_header(header.iter().map(|text| Cell::new(text).add_attribute(Attribute::Dim)));
        }
        table.add_rows(rows);
        // Not through `line`: the colours are ours, and what is in the cells is plain already.
        let mut out = io::stdout().lock();
        table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
    }
}

/// Text as it is written to a terminal: lines stay lines, and nothing in it is obeyed, whoever it came from.
pub fn lines(text: &str) -> String {
    text.split('\n')
        .map(|line| line.split('\t').map(plain).collect::<Vec<_>>().join("\t"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A cell of one line. All cells are made here, since what is in them comes from agents as well.
pub fn cell(text: impl ToString) -> Cell {
    Cell::new(plain(&text.to_string()))
}

/// A cell in the colour of its level.
pub fn level(level: Level) -> Cell {
    match level {
        Level::Ok => Cell::new("ok").fg(Color::Green),
        Level::Warn => Cell::new("warn").fg(Color::Yellow),
        Level::Fail => Cell::new("FAIL").fg(Color::Red).add_attribute(Attribute::Bold),
    }
}

/// A cell that is red when what it says is bad.
pub fn good_or_bad(good: bool, text: impl ToString) -> Cell {
    let cell = cell(text);
    if good { cell } else { cell.fg(Color::Red) }
}

/// A row of plain cells.
pub fn row<const N: usize>(cells: [&dyn ToString; N]) -> Vec<Cell> {
    cells.into_iter().map(|text| cell(text.to_string())).collect()
}

/// `3 d 4 h`, `4 h 5 min`, `5 min 6 s`, `6 s`.
pub fn duration(seconds: u64) -> String {
    let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_have_two_parts() {
        for (seconds, text) in [(0, "0 s"), (61, "1 min 1 s"), (3_720, "1 h 2 min"), (273_600, "3 d 4 h")] {
            assert_eq!(duration(seconds), text);
        }
    }
}
