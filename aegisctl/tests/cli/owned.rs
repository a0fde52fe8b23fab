//! Policies that several own, their schema, and lint: commands that need no daemon.

use serde_json::Value;

use crate::{aegisctl, expect};

const SECURITY: &str = "\
bounds:
  - {name: red, teams: [red], agents: [\"red-*\"], hosts: [\"*.red.test\"], methods: [GET]}
";

fn team(host: &str) -> String {
    format!(
        "policies:\n  - name: own\n    agents: [red-1]\n    dlp: {{deny: [secrets]}}\n    rules:\n      - {{name: r, hosts: [{host}], methods: [GET], decision: allow}}\n"
    )
}

/// A directory with a team's file in it.
fn directory(own: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("delegated/red")).unwrap();
    std::fs::write(directory.path().join("security.yaml"), SECURITY).unwrap();
    std::fs::write(directory.path().join("delegated/red/own.yaml"), own).unwrap();
    let path = directory.path().to_str().unwrap().to_owned();
    (directory, path)
}

#[test]
fn a_teams_file_is_held_to_its_bounds_where_it_lies() {
    let (_kept, path) = directory(&team("a.red.test"));
    let (stdout, _) = expect(0, &mut aegisctl(&["policy", "validate", &path]));
    assert!(stdout.starts_with("ok: 1 rules in 2 file(s)"), "{stdout}");
    let (_kept, path) = directory(&team("evil.test"));
    let (stdout, _) = expect(1, &mut aegisctl(&["policy", "validate", &path]));
    assert!(stdout.contains("outside of bounds `red`") && stdout.contains("delegated/red/own.yaml:6:"), "{stdout}");
}

#[test]
fn lint_ends_with_what_it_was_told_to_deny() {
    let (_kept, path) = directory(&team("a.red.test"));
    let (stdout, _) = expect(0, &mut aegisctl(&["policy", "lint", "--deny", "notes", &path]));
    assert_eq!(stdout, "ok: nothing found\n");
    let late = "      - {name: late, hosts: [a.red.test], methods: [GET], decision: allow}\n";
    let (_kept, path) = directory(&format!("{}{late}", team("a.red.test")));
    let (stdout, _) = expect(0, &mut aegisctl(&["policy", "lint", &path]));
    assert!(stdout.contains("AEG001") && stdout.contains("own.yaml:7:16") && stdout.contains("own/late"), "{stdout}");
    let (stdout, _) = expect(1, &mut aegisctl(&["policy", "lint", "--deny", "warnings", &path, "-o", "json"]));
    let answer: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&answer["findings"][0]["code"], &answer["findings"][0]["line"]), (&"AEG001".into(), &7.into()));
    // A refusal that never refuses is an error by itself; what does not compile is no too.
    let (_kept, path) = directory(&format!("{}{}", team("a.red.test"), late.replace("allow", "deny")));
    let (stdout, _) = expect(1, &mut aegisctl(&["policy", "lint", &path]));
    assert!(stdout.contains("AEG003"), "{stdout}");
    let (_kept, path) = directory(&team("evil.test"));
    let (stdout, _) = expect(1, &mut aegisctl(&["policy", "lint", &path]));
    assert!(stdout.contains("outside of bounds"), "{stdout}");
}

#[test]
fn the_schema_is_a_schema() {
    let (stdout, _) = expect(0, &mut aegisctl(&["policy", "schema"]));
    let schema: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[test]
fn the_shipped_example_validates_and_its_cases_pass() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies/teams");
    expect(0, &mut aegisctl(&["policy", "validate", folder]));
    expect(0, &mut aegisctl(&["policy", "lint", "--deny", "warnings", folder]));
    let (stdout, _) = expect(0, &mut aegisctl(&["policy", "test", folder, "--min-coverage", "100"]));
    assert!(stdout.contains("12"), "{stdout}");
}
