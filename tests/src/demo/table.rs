//! The table that the demo prints.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};

use super::Attempt;

/// Columns where the terminal does not say its width.
const WIDTH: u16 = 140;

pub(super) fn render(attempts: &[Attempt]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_header([
        "",
        "The agent tried",
        "What it got",
        "What the outside saw",
        "",
    ]);
    if table.width().is_none() {
        table.set_width(WIDTH);
    }
    for (index, attempt) in attempts.iter().enumerate() {
        let verdict = if attempt.kept { "✓" } else { "✗ NOT AS PROMISED" };
        table.add_row([&(index + 1).to_string(), &attempt.tried, &attempt.got, &attempt.outside, verdict]);
    }
    table
}
