//! What `aegisctl verify` found, and what the daemon keeps of it.

use serde::{Deserialize, Serialize};

/// Most vectors that one report may hold.
pub const VECTORS_MAX: usize = 256;

/// Most bytes of a vector's name and of its detail.
const NAME_MAX: usize = 64;
const DETAIL_MAX: usize = 512;

/// How an attempt to get out ended.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing came out, while the same attempt outside of the agent's cgroup did.
    Held,
    /// It came out.
    Leaked,
    /// It came out by a way that the deployment has to close (`aegisctl run` does), not the kernel programs.
    Deployment,
    /// Nothing can be said: the attempt does not work here even outside of the agent's cgroup.
    Na,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 4] = [Self::Held, Self::Leaked, Self::Deployment, Self::Na];

    /// Its name, in JSON and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Leaked => "leaked",
            Self::Deployment => "deployment",
            Self::Na => "na",
        }
    }
}

/// As whom the attempt was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// An ordinary user without capabilities.
    User,
    /// Root with every capability.
    Root,
}

/// One attempt.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorResult {
    /// The way that was tried, such as `udp4-sendmmsg`.
    pub name: String,
    /// As whom.
    pub actor: Actor,
    /// How it ended.
    pub verdict: Verdict,
    /// What stopped it, why nothing can be said, or what to do.
    pub detail: String,
}

/// A run for one agent (`POST /v1/verification`).
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// The agent in whose cgroup the attempts were made.
    pub agent: String,
    /// They were made in a network namespace of their own, where Aegis does not listen: the redirect was not tried.
    pub private: bool,
    /// How long it took.
    pub duration_ms: u64,
    /// What was tried.
    pub vectors: Vec<VectorResult>,
}

impl Verification {
    /// How many vectors ended so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.vectors.iter().filter(|vector| vector.verdict == verdict).count()
    }

    /// Names of the vectors that got out.
    pub fn leaked(&self) -> Vec<String> {
        let leaked = self.vectors.iter().filter(|vector| vector.verdict == Verdict::Leaked);
        leaked.map(|vector| vector.name.clone()).collect()
    }

    /// Something was held and nothing leaked.
    pub fn passed(&self) -> bool {
        self.count(Verdict::Held) > 0 && self.count(Verdict::Leaked) == 0
    }

    /// What is wrong with the form of the report.
    ///
    /// # Errors
    /// The first thing, in words.
    pub fn check(&self) -> Result<(), String> {
        if self.vectors.is_empty() || self.vectors.len() > VECTORS_MAX {
            return Err(format!("there must be 1 to {VECTORS_MAX} vectors, not {}", self.vectors.len()));
        }
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let mut seen = std::collections::BTreeSet::new();
        for vector in &self.vectors {
            let name = &vector.name;
            if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(plain) {
                return Err(format!(
                    "{name:?} is no name of a vector: a-z, 0-9 and '-', at most {NAME_MAX} characters"
                ));
            }
            if vector.detail.len() > DETAIL_MAX {
                return Err(format!("the detail of {name} is longer than {DETAIL_MAX} bytes"));
            }
            if !seen.insert(name) {
                return Err(format!("{name} is there twice"));
            }
        }
        Ok(())
    }
}

/// The last run for an agent, in `GET /v1/status` and as the answer of `POST /v1/verification`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct VerificationStatus {
    /// The agent.
    pub agent: String,
    /// When the daemon got the result.
    pub at: String,
    /// It was made in a network namespace of its own.
    pub private: bool,
    /// How many vectors were held.
    pub held: u64,
    /// How many got out where the deployment has to close the way.
    pub deployment: u64,
    /// Of how many nothing can be said.
    pub na: u64,
    /// Which got out.
    pub leaked: Vec<String>,
    /// The kernel programs that it was made against are still those in force.
    pub current: bool,
}

impl VerificationStatus {
    /// How many vectors ended so.
    pub fn count(&self, verdict: Verdict) -> u64 {
        match verdict {
            Verdict::Held => self.held,
            Verdict::Leaked => self.leaked.len() as u64,
            Verdict::Deployment => self.deployment,
            Verdict::Na => self.na,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Actor, VectorResult, Verdict, Verification};

    fn report(vectors: &[(&str, Verdict)]) -> Verification {
        let vector = |(name, verdict): &(&str, Verdict)| VectorResult {
            name: (*name).to_owned(),
            actor: Actor::User,
            verdict: *verdict,
            detail: String::new(),
        };
        Verification {
            agent: "a".to_owned(),
            private: false,
            duration_ms: 1,
            vectors: vectors.iter().map(vector).collect(),
        }
    }

    #[test]
    fn a_run_that_held_nothing_or_leaked_anything_has_not_passed() {
        assert!(report(&[("a", Verdict::Held), ("b", Verdict::Na), ("c", Verdict::Deployment)]).passed());
        assert!(!report(&[("a", Verdict::Na), ("b", Verdict::Deployment)]).passed());
        let leaky = report(&[("a", Verdict::Held), ("b", Verdict::Leaked)]);
        assert!(!leaky.passed());
        assert_eq!(leaky.leaked(), ["b"]);
    }

    #[test]
    fn names_and_sizes_are_bounded() {
        report(&[("udp4-send", Verdict::Held)]).check().unwrap();
        let many: Vec<String> = (0..257).map(|number| format!("v{number}")).collect();
        let many: Vec<(&str, Verdict)> = many.iter().map(|name| (name.as_str(), Verdict::Held)).collect();
        let long = "x".repeat(65);
        for bad in [&[][..], &many, &[("", Verdict::Held)], &[("A", Verdict::Held)], &[(long.as_str(), Verdict::Na)]] {
            report(bad).check().unwrap_err();
        }
        report(&[("a", Verdict::Held), ("a", Verdict::Held)]).check().unwrap_err();
        let mut verbose = report(&[("a", Verdict::Held)]);
        verbose.vectors[0].detail = "x".repeat(513);
        verbose.check().unwrap_err();
    }
}
