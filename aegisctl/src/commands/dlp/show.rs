//! Findings for people and programs: names and places, never text.

use serde_json::json;

use super::body::Looked;
use crate::failure::Failure;
use crate::output::{Screen, lines, row};

/// All files on standard output.
pub fn all(all: &[Looked], screen: &Screen) -> Result<(), Failure> {
    if screen.json() {
        let found: u64 = all.iter().flat_map(|one| &one.findings).map(|one| one.count).sum();
        return Ok(screen.write_json(&json!({ "files": all, "found": found }))?);
    }
    let rows = all.iter().flat_map(|looked| {
        looked
            .findings
            .iter()
            .map(|one| row([&one.detector, &one.confidence, &one.action, &one.count, &looked.file, &one.place]))
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        screen.table(&["DETECTOR", "CONFIDENCE", "ACTION", "COUNT", "FILE", "PLACE"], rows)?;
    }
    for line in all.iter().flat_map(beside) {
        screen.line(line)?;
    }
    if all.iter().all(Looked::is_clean) {
        screen.line("ok: nothing found")?;
    }
    Ok(())
}

/// The same beside a body that is on standard output.
pub fn on_stderr(all: &[Looked]) {
    for looked in all {
        for one in &looked.findings {
            let text = format!(
                "{} ({}) at {}, {} time(s): {}",
                one.detector, one.confidence, one.place, one.count, one.action
            );
            eprintln!("aegisctl: {}", lines(&text));
        }
        beside(looked).iter().for_each(|line| eprintln!("aegisctl: {}", lines(line)));
    }
}

/// What there is to tell besides findings.
fn beside(looked: &Looked) -> Vec<String> {
    let file = &looked.file;
    let stopped = looked.stopped.iter().map(|why| format!("{file}: would not leave: {why}"));
    looked.remarks.iter().map(|remark| format!("{file}: {remark}")).chain(stopped).collect()
}
