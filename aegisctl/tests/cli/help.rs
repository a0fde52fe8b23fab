//! The help teaches: every command that does something shows an example that parses.

use crate::{aegisctl, expect};

const COMMANDS: &[&str] = &[
    "run",
    "status",
    "doctor",
    "agents list",
    "agents register",
    "agents remove",
    "agents update",
    "policy test",
    "policy dry-run",
    "token mint",
    "token inspect",
    "keys",
    "keys list",
    "keys rotate",
    "token revoke",
    "token list-revoked",
    "policy lint",
    "policy schema",
    "policy replay",
    "policy suggest",
    "policy build",
    "policy sign",
    "policy inspect-bundle",
    "policy push",
    "policy list",
    "policy diff",
    "policy rollback",
    "policy rollout",
    "policy validate",
    "policy explain",
    "policy reload",
    "dlp",
    "tools",
    "tools pins",
    "tools reset",
    "dlp scan",
    "dlp detectors",
    "dlp hash",
    "audit tail",
    "audit verify",
    "verify",
    "completions",
    "man",
    "agents",
    "policy",
];

fn help(command: &str) -> String {
    let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
    expect(0, &mut aegisctl(&arguments)).0
}

#[test]
fn every_command_has_an_example() {
    for command in COMMANDS {
        let text = help(command);
        let (_, examples) = text.split_once("Examples:").unwrap_or_else(|| panic!("{command}: no examples:\n{text}"));
        assert!(examples.contains(&format!("aegisctl {command}")), "{command}: the example is of another command");
    }
}

#[test]
fn no_command_is_forgotten_here() {
    let listed = |text: &str| -> Vec<String> {
        let commands = text.split_once("Commands:\n").map_or("", |(_, rest)| rest);
        let names = commands.lines().take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
        names
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != "help")
            .map(str::to_owned)
            .collect()
    };
    for group in listed(&help("")) {
        let subcommands = listed(&help(&group));
        let all = if subcommands.is_empty() {
            vec![group.clone()]
        } else {
            subcommands.iter().map(|name| format!("{group} {name}")).collect()
        };
        for command in all {
            assert!(COMMANDS.contains(&command.as_str()), "{command} is not in the list above");
        }
    }
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [
        &["nonsense"][..],
        &["run", "--agent", "a"],
        &["run", "--", "true"],
        &["status", "--output", "xml"],
        &["token", "mint", "--ttl", "0"],
        &["verify", "--timeout", "0"],
        &["verify", "--agent", "a", "--cgroup", "/c"],
        &["policy", "explain", "--agent", "a"],
    ] {
        expect(2, &mut aegisctl(arguments));
    }
}

#[test]
fn completions_and_man_pages() {
    for shell in ["bash", "zsh", "fish"] {
        let (script, _) = expect(0, &mut aegisctl(&["completions", shell]));
        assert!(script.contains("aegisctl") && script.contains("doctor"), "{shell}");
    }
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    expect(0, &mut aegisctl(&["man", pages.to_str().unwrap()]));
    for page in ["aegisctl.1", "aegisctl-run.1", "aegisctl-policy-explain.1"] {
        assert!(pages.join(page).exists(), "{page}");
    }
}
