//! Which tests a guest runs. The host knows them all beforehand, so that a guest cannot lose one unnoticed.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use cargo_metadata::{Message, TargetKind};

use crate::process::{cargo, command};

/// The integration tests that run in the guests, by the names of their targets.
const PROGRAMS: &[&str] = &["kernel"];

/// The programs, and the tests in them.
pub struct Plan {
    pub programs: Vec<Program>,
    pub tests: Vec<Test>,
}

/// A test program, or a program that the tests start.
pub struct Program {
    pub name: String,
    pub path: PathBuf,
}

/// One test of a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Test {
    pub program: String,
    pub name: String,
}

impl Plan {
    /// Builds the programs and asks them for their tests.
    pub fn make(root: &Path, names: &[String]) -> Result<Self> {
        let programs = build(root)?;
        let mut tests = Vec::new();
        for program in &programs {
            let listed = command(root, &program.path.to_string_lossy())
                .args(["--list", "--format", "terse"])
                .args(names)
                .output()
                .with_context(|| program.path.display().to_string())?;
            ensure!(listed.status.success(), "{} does not list its tests", program.path.display());
            tests.extend(listed_tests(&program.name, &String::from_utf8_lossy(&listed.stdout)));
        }
        ensure!(!tests.is_empty(), "no test of {} has '{}' in its name", PROGRAMS.join(", "), names.join("' or '"));
        Ok(Self { programs, tests })
    }

    /// As the guest reads it: a line for each test.
    pub fn to_text(&self) -> String {
        self.tests.iter().map(|test| format!("{} {}\n", test.program, test.name)).collect()
    }
}

fn build(root: &Path) -> Result<Vec<Program>> {
    eprintln!("\n── building the tests that run in virtual machines");
    // The whole workspace: another selection would unify features otherwise and build dependencies twice.
    let mut build = cargo(root);
    build.args(["test", "--workspace", "--no-run", "--message-format=json-render-diagnostics"]);
    for program in PROGRAMS {
        build.args(["--test", program]);
    }
    let built = build.stderr(Stdio::inherit()).output().context("cargo test --no-run")?;
    ensure!(built.status.success(), "the tests do not compile");
    let mut programs = Vec::new();
    for message in Message::parse_stream(&built.stdout[..]) {
        if let Message::CompilerArtifact(artifact) = message?
            && artifact.target.kind.contains(&TargetKind::Test)
            && let Some(path) = artifact.executable
        {
            programs.push(Program { name: artifact.target.name, path: path.into() });
        }
    }
    ensure!(programs.len() == PROGRAMS.len(), "cargo did not build all of {}", PROGRAMS.join(", "));
    Ok(programs)
}

fn listed_tests(program: &str, listed: &str) -> Vec<Test> {
    let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    names.map(|name| Test { program: program.to_owned(), name: name.to_owned() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_read_from_the_list_that_a_test_program_prints() {
        let expected = Test { program: "kernel".to_owned(), name: "udp::nothing_leaves".to_owned() };
        assert_eq!(listed_tests("kernel", "udp::nothing_leaves: test\nspeed: bench\n\n"), [expected]);
    }
}
