//! The permit: proof that a decision was made, consumed by the step that forwards.

use std::sync::Arc;

use aegis_dlp::{Detector, Profile};

use crate::{Decision, Denial, DenialKind, FailMode, Handling, Mode};

/// Leave to forward one request or connection.
///
/// Its fields are private, it can't be cloned, and only `decide` makes it: holding one proves that the policy
/// was asked. The forwarding step takes it by value through [`Permit::consume`].
#[derive(Debug)]
pub struct Permit {
    grant: Grant,
}

/// What a consumed permit entitles to. Made by [`Permit::consume`] only.
#[derive(Debug)]
#[non_exhaustive]
pub struct Grant {
    /// The one host to dial, normalised: a DNS name or an IP literal.
    pub host: String,
    /// The one port to dial.
    pub port: u16,
    /// Whether the host may resolve to a private, loopback or link-local address.
    pub private_ok: bool,
    /// What to redact, refuse and report in everything that is forwarded. In shadow it only reports.
    pub profile: Profile,
    /// The decision; in shadow the one that would have been.
    pub decision: Decision,
    /// `Shadow` when the permit stands for a decision that was not enforced.
    pub mode: Mode,
    /// The rule, as `policy/rule`; none where shadow passes what no rule names.
    pub rule: Option<Arc<str>>,
    /// The tool that the rule names, or that was declared for the request's place.
    pub tool: Option<Arc<str>>,
    /// Why.
    pub reason: Arc<str>,
    /// The policy version that decided.
    pub policy_version: Arc<str>,
    /// Whether the request may pass while the state store does not answer.
    pub fail_mode: FailMode,
    /// How tools and signatures are handled in what passes.
    pub handling: Handling,
    /// Where the host keeps data, as the policy declares it.
    pub region: Option<Arc<str>>,
}

impl Permit {
    /// The only way to a permit, open to `decide` alone.
    pub(in crate::decide) fn mint(grant: Grant) -> Permit {
        Permit { grant }
    }

    /// Another reason than the rule's own.
    pub(in crate::decide) fn because(&mut self, reason: String) {
        self.grant.reason = reason.into();
    }

    /// Spends the permit.
    pub fn consume(self) -> Grant {
        self.grant
    }

    /// The decision; in shadow the one that would have been.
    pub fn decision(&self) -> Decision {
        self.grant.decision
    }

    /// `Shadow` when the decision was not enforced.
    pub fn mode(&self) -> Mode {
        self.grant.mode
    }

    /// What would have been decided, in shadow only.
    pub fn would_be(&self) -> Option<Decision> {
        (self.grant.mode == Mode::Shadow).then_some(self.grant.decision)
    }

    /// The one host to dial.
    pub fn host(&self) -> &str {
        &self.grant.host
    }

    /// The one port to dial.
    pub fn port(&self) -> u16 {
        self.grant.port
    }

    /// Whether the host may resolve to a private, loopback or link-local address.
    pub fn private_ok(&self) -> bool {
        self.grant.private_ok
    }

    /// What to redact, refuse and report in what is forwarded.
    pub fn profile(&self) -> &Profile {
        &self.grant.profile
    }

    /// The rule, as `policy/rule`.
    pub fn rule(&self) -> Option<&str> {
        self.grant.rule.as_deref()
    }

    /// The tool that the rule names, or that was declared for the request's place.
    pub fn tool(&self) -> Option<&str> {
        self.grant.tool.as_deref()
    }

    /// Whether the request may pass while the state store does not answer.
    pub fn fail_mode(&self) -> FailMode {
        self.grant.fail_mode
    }

    /// How tools and signatures are handled in what passes.
    pub fn handling(&self) -> &Handling {
        &self.grant.handling
    }

    /// Where the host keeps data, as the policy declares it.
    pub fn region(&self) -> Option<&str> {
        self.grant.region.as_deref()
    }

    /// Why.
    pub fn reason(&self) -> &str {
        &self.grant.reason
    }

    /// The policy version that decided.
    pub fn policy_version(&self) -> &str {
        &self.grant.policy_version
    }
}

impl Grant {
    /// The denial for data found in the stream after the permit was given: same rule, tool and version.
    /// In shadow the profile stops nothing, so the scanner never asks for this there.
    pub fn denial_for(&self, detector: Detector) -> Denial {
        let (decision, reason, step) = super::refusal::stopped(&self.profile, detector, "body");
        Denial {
            decision,
            reason,
            rule: self.rule.as_deref().map(str::to_owned),
            tool: self.tool.as_deref().map(str::to_owned),
            policy_version: self.policy_version.to_string(),
            next_steps: vec![step],
            kind: DenialKind::Policy,
        }
    }
}
