//! The threat tables of SECURITY.md: every row names the test that proves it, or says that it is open.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::Findings;
use super::sources::Source;

/// Checks every row of every table whose last column is headed "test" or "proof".
pub fn check(root: &Path, sources: &[Source], findings: &mut Findings) {
    let Ok(text) = fs::read_to_string(root.join("SECURITY.md")) else {
        findings.error("SECURITY.md, with the threat table, is missing");
        return;
    };
    let tests = functions(sources);
    let mut in_table = false;
    let mut rows = 0;
    for (index, line) in text.lines().enumerate() {
        let Some(last) = last_cell(line) else {
            in_table = false;
            continue;
        };
        if !in_table {
            let heading = last.to_lowercase();
            in_table = heading.contains("test") || heading.contains("proof");
            continue;
        }
        if last.chars().all(|c| matches!(c, '-' | ':' | ' ')) {
            continue;
        }
        rows += 1;
        check_row(index + 1, last, &tests, findings);
    }
    if rows == 0 {
        findings.error("SECURITY.md has no table whose last column is headed \"test\"");
    }
}

fn check_row(line: usize, cell: &str, tests: &BTreeSet<&str>, findings: &mut Findings) {
    if cell.to_lowercase().starts_with("open") {
        return;
    }
    let named: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
    if named.is_empty() {
        findings.error(format!("SECURITY.md:{line}: name a test in backticks, or begin with \"open\""));
    }
    for name in named {
        let function = name.rsplit("::").next().unwrap_or(name);
        if !tests.contains(function) {
            findings.error(format!("SECURITY.md:{line}: there is no test `{name}`"));
        }
    }
}

fn last_cell(line: &str) -> Option<&str> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.rsplit('|').next()?.trim())
}

/// Names of all functions; whether one is a test is for the reader to see.
fn functions(sources: &[Source]) -> BTreeSet<&str> {
    let lines = sources.iter().flat_map(|source| source.text.lines());
    lines
        .filter_map(|line| {
            let (_, after) = line.split_once("fn ")?;
            after.split(['(', '<']).next()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_a_test_that_exists_or_says_open() {
        let tests = BTreeSet::from(["proved"]);
        for (cell, errors) in
            [("`suite::proved`", 0), ("`proved` and `missing`", 1), ("nothing", 1), ("open: issue 5", 0)]
        {
            let mut findings = Findings::default();
            check_row(1, cell, &tests, &mut findings);
            assert_eq!(findings.errors.len(), errors, "{cell}");
        }
    }

    #[test]
    fn the_last_cell_of_a_row() {
        assert_eq!(last_cell("| a | b | `c` |"), Some("`c`"));
        assert_eq!(last_cell("no table"), None);
    }
}
