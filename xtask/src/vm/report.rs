//! What a guest says on its second serial line, and what follows from it.
//!
//! ```text
//! @aegis begin PROGRAM TEST
//! whatever the test printed, if it failed
//! @aegis end PROGRAM TEST STATUS
//! @aegis done
//! ```

use std::fmt;

const MARK: &str = "@aegis ";

/// What came of one test.
struct Outcome {
    /// Its program and its name in it.
    test: String,
    status: String,
    output: Vec<String>,
}

/// All that was read so far.
#[derive(Default)]
pub struct Report {
    running: Option<String>,
    output: Vec<String>,
    outcomes: Vec<Outcome>,
    done: bool,
}

impl Report {
    /// Takes the next line.
    pub fn read(&mut self, line: &str) {
        let line = line.trim_end();
        let Some(words) = line.strip_prefix(MARK) else {
            self.output.push(line.to_owned());
            return;
        };
        match words.split(' ').collect::<Vec<_>>()[..] {
            ["begin", program, name] => {
                self.running = Some(format!("{program} {name}"));
                self.output.clear();
            }
            ["end", program, name, status] => {
                let output = std::mem::take(&mut self.output);
                self.outcomes.push(Outcome { test: format!("{program} {name}"), status: status.to_owned(), output });
                self.running = None;
            }
            ["done"] => self.done = true,
            _ => self.output.push(line.to_owned()),
        }
    }

    /// How many tests ended.
    pub fn ended(&self) -> usize {
        self.outcomes.len()
    }

    /// The test that runs now.
    pub fn running(&self) -> &str {
        self.running.as_deref().unwrap_or_default()
    }

    /// What it comes to, measured by the tests that it had to run. `broken` is why the machine ended, if not by itself.
    pub fn verdict(self, tests: &[&str], broken: Option<anyhow::Error>) -> Verdict {
        let Self { running, output, outcomes, done } = self;
        let ended = |test: &str| outcomes.iter().any(|outcome| outcome.test == test);
        let missing = tests.iter().filter(|test| !ended(test)).count();
        let mut problems: Vec<String> = broken.into_iter().map(|error| format!("{error:#}")).collect();
        if !done || missing > 0 {
            let during = running.map_or_else(|| "no test ran".to_owned(), |test| format!("{test} ran"));
            problems.push(format!("it ended early, while {during}, and left out {missing} tests"));
            problems.extend(output);
        }
        let (passed, failed): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|outcome| outcome.status == "0");
        Verdict { passed: passed.len(), failed, missing, problems }
    }
}

/// How a machine's run went; displayed, it is what went wrong.
pub struct Verdict {
    passed: usize,
    failed: Vec<Outcome>,
    missing: usize,
    problems: Vec<String>,
}

impl Verdict {
    /// Whether each test of the plan ran and passed.
    pub fn passed(&self) -> bool {
        self.failed.is_empty() && self.problems.is_empty()
    }

    /// Whether the machine itself is to blame: it broke or did not come to its end.
    pub fn is_broken(&self) -> bool {
        !self.problems.is_empty()
    }

    /// The figures.
    pub fn summary(&self) -> String {
        let mut summary = format!("{} passed", self.passed);
        for (count, what) in [(self.failed.len(), "failed"), (self.missing, "not run")] {
            if count > 0 {
                summary += &format!(", {count} {what}");
            }
        }
        summary
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Outcome { test, status, output } in &self.failed {
            let why = if status == "137" { "killed, it took too long".to_owned() } else { format!("status {status}") };
            writeln!(f, "FAILED {test} ({why})")?;
            for line in output {
                writeln!(f, "    {line}")?;
            }
        }
        self.problems.iter().try_for_each(|problem| writeln!(f, "{problem}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(lines: &[&str], broken: Option<anyhow::Error>) -> Verdict {
        let mut report = Report::default();
        lines.iter().for_each(|line| report.read(line));
        report.verdict(&["kernel a", "kernel b"], broken)
    }

    const PASSED: [&str; 5] = [
        "@aegis begin kernel a",
        "@aegis end kernel a 0\r",
        "@aegis begin kernel b",
        "@aegis end kernel b 0",
        "@aegis done",
    ];

    #[test]
    fn all_of_the_plan_passed() {
        let verdict = judged(&PASSED, None);
        assert!(verdict.passed());
        assert_eq!(verdict.summary(), "2 passed");
    }

    #[test]
    fn a_failed_test_is_shown_with_its_output() {
        let mut lines = PASSED.to_vec();
        lines.splice(3..4, ["assertion failed", "@aegis end kernel b 101"]);
        let verdict = judged(&lines, None);
        assert!(!verdict.passed());
        assert!(!verdict.is_broken());
        assert_eq!(verdict.summary(), "1 passed, 1 failed");
        assert_eq!(verdict.to_string(), "FAILED kernel b (status 101)\n    assertion failed\n");
    }

    #[test]
    fn a_guest_that_says_nothing_stops_early_or_does_not_end_has_failed() {
        assert!(!judged(&[], None).passed());
        assert!(!judged(&["@aegis done"], None).passed());
        assert!(!judged(&PASSED[..4], None).passed());
        assert!(!judged(&PASSED, Some(anyhow::anyhow!("not done after 600s"))).passed());
        let panicked = judged(&PASSED[..3], None);
        assert!(panicked.is_broken());
        assert_eq!(panicked.summary(), "1 passed, 1 not run");
        assert_eq!(panicked.to_string(), "it ended early, while kernel b ran, and left out 1 tests\n");
    }
}
