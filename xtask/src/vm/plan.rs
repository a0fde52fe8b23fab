//! Which tests a guest runs. The host knows them all beforehand, so that a guest cannot lose one unnoticed.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::{Artifact, Message, TargetKind};

use crate::process::{cargo, command};

/// An integration test, and what of it runs in the guests.
struct Suite {
    target: &'static str,
    /// All when empty.
    tests: &'static [&'static str],
}

/// The kernel programs in every detail; and end to end, with a capture outside, what depends on the kernel most.
const SUITES: &[Suite] = &[
    Suite { target: "kernel", tests: &[] },
    Suite { target: "lifecycle", tests: &["enforcement_outlives_the_daemon"] },
    Suite { target: "udp", tests: &["no_datagram_of_an_agent_leaves_the_host_and_each_is_refused_at_once"] },
];

/// The programs that end-to-end tests start.
const SUBJECTS: &[&str] = &["aegis-agent", "aegisctl"];

/// The programs, and the tests in them.
pub struct Plan {
    /// Test programs and the programs under test.
    pub programs: Vec<Program>,
    pub tests: Vec<Test>,
}

/// An executable that goes into the guest.
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
    /// Builds the programs and asks them for their tests. With `names`, the plan has every test of the suites with one
    /// of them in its name.
    pub fn make(root: &Path, names: &[String]) -> Result<Self> {
        let programs = build(root)?;
        let mut tests = Vec::new();
        for suite in SUITES {
            let program = programs.iter().find(|program| program.name == suite.target);
            let listed = list(root, program.with_context(|| format!("cargo did not build {}", suite.target))?)?;
            tests.extend(suite.choose(listed, names)?);
        }
        ensure!(!tests.is_empty(), "no test for the virtual machines has '{}' in its name", names.join("' or '"));
        Ok(Self { programs, tests })
    }

    /// As the guest reads it: a line for each test.
    pub fn to_text(&self) -> String {
        self.tests.iter().map(|test| format!("{} {}\n", test.program, test.name)).collect()
    }
}

impl Suite {
    fn choose(&self, listed: Vec<String>, names: &[String]) -> Result<Vec<Test>> {
        if let Some(gone) = self.tests.iter().find(|test| !listed.iter().any(|name| name == *test)) {
            bail!("{} has no test {gone} any more: mend SUITES in xtask/src/vm/plan.rs", self.target);
        }
        let chosen = |name: &String| {
            if names.is_empty() {
                self.tests.is_empty() || self.tests.contains(&name.as_str())
            } else {
                names.iter().any(|part| name.contains(part))
            }
        };
        let tests = listed.into_iter().filter(chosen);
        Ok(tests.map(|name| Test { program: self.target.to_owned(), name }).collect())
    }
}

fn build(root: &Path) -> Result<Vec<Program>> {
    eprintln!("\n── building what runs in virtual machines");
    // The whole workspace: another selection would unify features otherwise and build dependencies twice.
    let mut build = cargo(root);
    build.args(["build", "--workspace", "--bins", "--message-format=json-render-diagnostics"]);
    for suite in SUITES {
        build.args(["--test", suite.target]);
    }
    let built = build.stderr(Stdio::inherit()).output().context("cargo build")?;
    ensure!(built.status.success(), "the tests do not compile");
    let mut programs = Vec::new();
    for message in Message::parse_stream(&built.stdout[..]) {
        if let Message::CompilerArtifact(artifact) = message?
            && is_wanted(&artifact)
            && let Some(path) = artifact.executable
        {
            programs.push(Program { name: artifact.target.name, path: path.into() });
        }
    }
    Ok(programs)
}

fn is_wanted(artifact: &Artifact) -> bool {
    let name = artifact.target.name.as_str();
    match artifact.target.kind.first() {
        Some(TargetKind::Test) => SUITES.iter().any(|suite| suite.target == name),
        Some(TargetKind::Bin) => SUBJECTS.contains(&name),
        _ => false,
    }
}

fn list(root: &Path, program: &Program) -> Result<Vec<String>> {
    let output = command(root, &program.path.to_string_lossy()).args(["--list", "--format", "terse"]).output();
    let output = output.with_context(|| program.path.display().to_string())?;
    ensure!(output.status.success(), "{} does not list its tests", program.path.display());
    Ok(names(&String::from_utf8_lossy(&output.stdout)))
}

fn names(listed: &str) -> Vec<String> {
    listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_read_from_the_list_that_a_test_program_prints() {
        assert_eq!(names("udp::nothing_leaves: test\nspeed: bench\n\n"), ["udp::nothing_leaves"]);
    }

    #[test]
    fn a_suite_gives_what_it_is_there_for_or_what_is_asked_for_by_name() {
        let listed = || vec!["one".to_owned(), "other".to_owned()];
        let chosen = |tests, names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let chosen = Suite { target: "suite", tests }.choose(listed(), &names);
            chosen
                .map(|tests| tests.into_iter().map(|test| test.name).collect::<Vec<_>>())
                .map_err(|error| error.to_string())
        };
        assert_eq!(chosen(&[], &[]), Ok(listed()));
        assert_eq!(chosen(&["one"], &[]), Ok(vec!["one".to_owned()]));
        assert_eq!(chosen(&["one"], &["oth"]), Ok(vec!["other".to_owned()]));
        assert!(chosen(&["renamed"], &[]).is_err_and(|error| error.contains("renamed")));
    }
}
