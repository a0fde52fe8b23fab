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
    /// How the names of those begin that run on every kernel with and without BPF LSM: load, attach, leak, fail closed.
    core: &'static [&'static str],
}

/// The kernel programs in every detail; and end to end, with a capture outside, what depends on the kernel most.
const SUITES: &[Suite] = &[
    Suite {
        target: "kernel",
        tests: &[],
        core: &["lifecycle::", "lsm::", "attribution::", "departure::", "enrolment::", "udp::udp_leaves_in_no_way"],
    },
    Suite { target: "lifecycle", tests: &["enforcement_outlives_the_daemon"], core: &["enforcement_outlives"] },
    Suite {
        target: "udp",
        tests: &["no_datagram_of_an_agent_leaves_the_host_and_each_is_refused_at_once"],
        core: &["no_datagram"],
    },
];

/// The programs that end-to-end tests start.
const SUBJECTS: &[&str] = &["aegis-agent", "aegisctl"];

/// How much of a plan a machine runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Full,
    Core,
}

/// The programs, and the tests in them.
pub struct Plan {
    /// Test programs and the programs under test.
    pub programs: Vec<Program>,
    tests: Vec<Test>,
}

/// An executable that goes into the guest.
pub struct Program {
    pub name: String,
    pub path: PathBuf,
}

struct Test {
    /// Its program and its name in it, as the guest reads and reports them.
    line: String,
    core: bool,
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

    /// The tests of this extent, each as its program and its name in it.
    pub fn tests(&self, extent: Extent) -> Vec<&str> {
        let chosen = self.tests.iter().filter(|test| extent == Extent::Full || test.core);
        chosen.map(|test| test.line.as_str()).collect()
    }
}

impl Suite {
    fn choose(&self, listed: Vec<String>, names: &[String]) -> Result<Vec<Test>> {
        let is_there = |begin: &&&str| listed.iter().any(|name| name.starts_with(**begin));
        if let Some(gone) = self.tests.iter().chain(self.core).find(|begin| !is_there(begin)) {
            bail!("{} has no test {gone} any more: mend SUITES in xtask/src/vm/plan.rs", self.target);
        }
        let chosen = |name: &String| {
            if names.is_empty() {
                self.tests.is_empty() || self.tests.contains(&name.as_str())
            } else {
                names.iter().any(|part| name.contains(part))
            }
        };
        let is_core = |name: &String| self.core.iter().any(|begin| name.starts_with(begin));
        let tests = listed.into_iter().filter(chosen);
        Ok(tests.map(|name| Test { core: is_core(&name), line: format!("{} {name}", self.target) }).collect())
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_read_from_the_list_that_a_test_program_prints() {
        assert_eq!(names("udp::nothing_leaves: test\nspeed: bench\n\n"), ["udp::nothing_leaves"]);
    }

    #[test]
    fn a_suite_gives_what_it_is_there_for_or_what_is_asked_for_by_name() {
        let chosen = |tests, names: &[&str], extent| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let suite = Suite { target: "suite", tests, core: &["on"] };
            let tests = suite.choose(vec!["one".to_owned(), "other".to_owned()], &names)?;
            let plan = Plan { programs: Vec::new(), tests };
            anyhow::Ok(plan.tests(extent).join(", "))
        };
        assert_eq!(chosen(&[], &[], Extent::Full).unwrap(), "suite one, suite other");
        assert_eq!(chosen(&[], &[], Extent::Core).unwrap(), "suite one");
        assert_eq!(chosen(&["other"], &[], Extent::Full).unwrap(), "suite other");
        assert_eq!(chosen(&["one"], &["oth"], Extent::Full).unwrap(), "suite other");
        assert!(chosen(&["renamed"], &[], Extent::Full).is_err_and(|error| error.to_string().contains("renamed")));
        let moved = Suite { target: "suite", tests: &[], core: &["moved::"] }.choose(vec!["one".to_owned()], &[]);
        assert!(moved.is_err_and(|error| error.to_string().contains("moved::")));
    }
}
