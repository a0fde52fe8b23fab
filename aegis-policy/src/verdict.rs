//! What is answered. A denial is a value that anybody may make; a permit comes from `decide` only.

use serde::{Deserialize, Serialize};

use crate::Permit;

/// The four decisions.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Forward as it is.
    Allow,
    /// Refuse.
    Deny,
    /// Forward with sensitive data redacted.
    Sanitize,
    /// Refuse until a human approves.
    ApprovalNeeded,
}

impl Decision {
    /// The word used in YAML, records and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Decision::Allow => "allow",
            Decision::Deny => "deny",
            Decision::Sanitize => "sanitize",
            Decision::ApprovalNeeded => "approval_needed",
        }
    }

    /// Whether it lets traffic pass.
    pub fn permits(self) -> bool {
        matches!(self, Decision::Allow | Decision::Sanitize)
    }
}

/// Whether a request may pass that can't be checked in full because the state store does not answer.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailMode {
    /// It may not.
    #[default]
    Closed,
    /// It may, where its method is safe.
    Open,
}

/// The answer for a request.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "it lives on the stack for one call; most are permits, and a box would cost each of them"
)]
pub enum Verdict {
    /// Forward, as the permit says.
    Permit(Permit),
    /// Refuse.
    Denial(Denial),
}

/// The answer for a connection.
#[derive(Debug)]
pub enum ConnectPlan {
    /// Terminate TLS (or read plain HTTP) and decide each request.
    Inspect,
    /// Relay the TLS bytes untouched to the named host.
    Passthrough(Permit),
    /// Relay raw TCP to the address.
    Tcp(Permit),
    /// Refuse.
    Deny(Denial),
}

/// The answer for a name that an agent wants resolved.
#[derive(Debug)]
pub enum NameVerdict {
    /// Ask upstream.
    Resolve,
    /// Answer without asking anybody.
    Refuse(Denial),
}

/// Why a denial came about, for the choice of the status code.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenialKind {
    /// The policy says no (403).
    Policy,
    /// Token missing, wrong or expired (401).
    Token,
    /// A rate or budget is used up (429).
    Rate,
    /// The bytes were not what the protocol or Aegis allows (400, 421, alert, reset).
    Protocol,
    /// A limit on size or time was passed (408, 413, 431).
    Limit,
    /// No attribution by the kernel, or to nobody (403 or reset).
    Attribution,
    /// The origin or a part of Aegis did not answer, or the record can't be written (502, 503).
    Unavailable,
}

/// A refusal. Never an error: it is answered to the agent and recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// [`Decision::Deny`] or [`Decision::ApprovalNeeded`].
    pub decision: Decision,
    /// One sentence for the agent and the record; holds no content of the request.
    pub reason: String,
    /// The rule, as `policy/rule`, where one decided.
    pub rule: Option<String>,
    /// The tool that the rule names, or that was declared for the request's place.
    pub tool: Option<String>,
    /// The policy version that decided.
    pub policy_version: String,
    /// What the agent can do next, in plain sentences.
    pub next_steps: Vec<String>,
    /// For the choice of the status code.
    pub kind: DenialKind,
}

impl Denial {
    /// A refusal that no rule made.
    pub fn new(kind: DenialKind, reason: impl Into<String>, policy_version: impl Into<String>) -> Denial {
        Denial {
            decision: Decision::Deny,
            reason: reason.into(),
            rule: None,
            tool: None,
            policy_version: policy_version.into(),
            next_steps: Vec::new(),
            kind,
        }
    }

    /// The request breaks a protocol, or disagrees with the connection it came on.
    pub fn protocol(reason: impl Into<String>, policy_version: impl Into<String>) -> Denial {
        Denial::new(DenialKind::Protocol, reason, policy_version)
    }

    /// A token is missing or does not hold here.
    pub fn token(reason: impl Into<String>, policy_version: impl Into<String>) -> Denial {
        Denial::new(DenialKind::Token, reason, policy_version)
    }

    /// A limit on size, count or time was passed.
    pub fn limit(reason: impl Into<String>, policy_version: impl Into<String>) -> Denial {
        Denial::new(DenialKind::Limit, reason, policy_version)
    }

    /// The kernel has no record of the connection, or of its agent.
    pub fn attribution(reason: impl Into<String>, policy_version: impl Into<String>) -> Denial {
        Denial::new(DenialKind::Attribution, reason, policy_version)
    }

    /// Something needed to forward or to record is not there.
    pub fn unavailable(reason: impl Into<String>, policy_version: impl Into<String>) -> Denial {
        Denial::new(DenialKind::Unavailable, reason, policy_version)
    }

    /// Adds a sentence on what to do next.
    #[must_use]
    pub fn next(mut self, step: impl Into<String>) -> Denial {
        self.next_steps.push(step.into());
        self
    }
}
