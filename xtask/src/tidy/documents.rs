//! Documents: links lead somewhere, and the README opens with the two commands.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Findings;
use super::sources::files;

/// The first screen of a README.
const FIRST_SCREEN: usize = 40;
const COMMANDS: &[&str] = &["cargo xtask demo", "cargo xtask test"];

/// Checks all Markdown files.
pub fn check(root: &Path, findings: &mut Findings) -> Result<()> {
    for path in files(root, "md")? {
        let text = fs::read_to_string(root.join(&path)).with_context(|| format!("reading {}", path.display()))?;
        for (number, target) in links(&text) {
            if let Some(problem) = broken(root, &path, &text, &target) {
                findings.error(format!("{}:{number}: the link to {target} {problem}", path.display()));
            }
        }
    }
    let readme = fs::read_to_string(root.join("README.md")).unwrap_or_default();
    let first: String = readme.lines().take(FIRST_SCREEN).collect::<Vec<_>>().join("\n");
    for command in COMMANDS.iter().filter(|command| !first.contains(*command)) {
        findings.error(format!("README.md does not name `{command}` on its first {FIRST_SCREEN} lines"));
    }
    Ok(())
}

/// Targets of inline links with their line numbers, code blocks left out.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        let mut rest = if in_code { "" } else { line };
        while let Some((_, after)) = rest.split_once("](") {
            let (target, next) = after.split_once(')').unwrap_or((after, ""));
            found.push((index + 1, target.to_owned()));
            rest = next;
        }
    }
    found
}

fn broken(root: &Path, from: &Path, own: &str, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let text = if file.is_empty() {
        own.to_owned()
    } else {
        let path = root.join(from).parent()?.join(file);
        if !path.exists() {
            return Some("leads to no file");
        }
        fs::read_to_string(path).unwrap_or_default()
    };
    (!anchor.is_empty() && !anchors(&text).contains(anchor)).then_some("names no heading there")
}

/// Anchors of all headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            title
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_of_code() {
        let text = "see [one](a.md) and [two](b.md#x)\n```\n[no](c.md)\n```\n[three](#y)";
        let found: Vec<String> = links(text).into_iter().map(|(line, target)| format!("{line} {target}")).collect();
        assert_eq!(found, ["1 a.md", "1 b.md#x", "5 #y"]);
    }

    #[test]
    fn anchors_are_as_github_makes_them() {
        let found = anchors("# The way of *one* connection\n## What's `aegisctl run`?");
        assert!(found.contains("the-way-of-one-connection") && found.contains("whats-aegisctl-run"), "{found:?}");
    }
}
