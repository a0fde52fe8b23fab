//! What one name may carry: a name is a message to whoever answers for its domain.
//!
//! Only what the agent chose of a name is measured, the labels that a wildcard stands for; a name that a rule spells out
//! is the operator's. Hashes of the clouds (up to some 34 random characters) pass, the chunks of tunnels do not; what
//! passes is bounded by the number of names a minute ([`super::names`]).

use aegis_policy::{Denial, DenialKind};

use super::letters::data_bits;
use crate::config::DnsLimits;

/// So many bits that look like data count as one name more.
const BITS_A_NAME: u32 = 32;

/// A name that an agent wants resolved.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The whole name as it would be asked upstream, in lower case, without the trailing dot.
    pub name: &'a str,
    /// The front of it that is the agent's choice.
    pub chosen: &'a str,
    /// The answer is not at hand: a question would leave the host.
    pub leaves: bool,
}

impl<'a> Asked<'a> {
    /// `name`, of whose host the first `chosen` bytes are the agent's choice, and with them a service's labels before
    /// the host: `_8443._https.example.com` is about `example.com`.
    #[must_use]
    pub fn new(name: &'a str, host: &str, chosen: usize, leaves: bool) -> Self {
        let service = name.len().saturating_sub(host.len());
        let chosen = name.get(..service + chosen).unwrap_or(name);
        Self { name, chosen, leaves }
    }
}

/// The limit that a name is beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    #[error("a label of the name has {bytes} bytes, and below a wildcard it may have {limit} (dns.limits.label_bytes)")]
    Label { bytes: usize, limit: usize },
    #[error("the name has {bytes} bytes, and below a wildcard it may have {limit} (dns.limits.name_bytes)")]
    Name { bytes: usize, limit: usize },
    #[error(
        "the name looks like data: {bits} bits, and below a wildcard it may hold {limit} (dns.limits.entropy_bits)"
    )]
    Entropy { bits: u32, limit: u32 },
    #[error("the agent asks for more new names below wildcards than {limit} a minute (dns.limits.names_per_minute)")]
    Names { limit: u32 },
    #[error(
        "the agent asks for names below wildcards more often than {limit} times a minute (dns.limits.queries_per_minute)"
    )]
    Queries { limit: u32 },
}

impl Excess {
    /// The limit's word in metrics.
    #[must_use]
    pub fn limit(&self) -> &'static str {
        match self {
            Self::Label { .. } => "label_bytes",
            Self::Name { .. } => "name_bytes",
            Self::Entropy { .. } => "entropy_bits",
            Self::Names { .. } => "names_per_minute",
            Self::Queries { .. } => "queries_per_minute",
        }
    }

    /// The denial, with what to do about it.
    #[must_use]
    pub fn denial(&self, policy_version: &str) -> Denial {
        let (kind, next) = match self {
            Self::Label { .. } | Self::Name { .. } | Self::Entropy { .. } => {
                (DenialKind::Policy, "Ask for a rule that spells this host out: such names are not limited.")
            }
            Self::Names { .. } | Self::Queries { .. } => {
                (DenialKind::Rate, "Wait a minute, or ask for rules that spell these hosts out.")
            }
        };
        Denial::new(kind, self.to_string(), policy_version).next(next)
    }
}

/// Looks at the form of a name; gives how many names it counts for.
pub(super) fn measured(limits: &DnsLimits, asked: &Asked<'_>) -> Result<u32, Excess> {
    let longest = asked.chosen.split('.').map(str::len).max().unwrap_or(0);
    if longest > limits.label_bytes {
        return Err(Excess::Label { bytes: longest, limit: limits.label_bytes });
    }
    if asked.name.len() > limits.name_bytes {
        return Err(Excess::Name { bytes: asked.name.len(), limit: limits.name_bytes });
    }
    let bits = data_bits(asked.chosen);
    if bits > limits.entropy_bits {
        return Err(Excess::Entropy { bits, limit: limits.entropy_bits });
    }
    Ok(1 + bits / BITS_A_NAME)
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
