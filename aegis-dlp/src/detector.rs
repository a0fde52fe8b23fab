//! The kinds of sensitive data Aegis knows, and sets of them as policies name them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One kind of sensitive data. Its name, in `snake_case`, is what policies and audit records say.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, Ord, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// US social security number.
    Ssn,
    /// E-mail address.
    Email,
    /// Date of birth: a date that its context says is one.
    DateOfBirth,
    /// Payment card number (ISO/IEC 7812) with a known issuer and a right check digit.
    PaymentCard,
    /// AWS access key id, or a secret access key named as such.
    AwsKey,
    /// GitHub token, classic, fine-grained or of an app.
    GithubToken,
    /// OpenAI API key.
    OpenaiKey,
    /// Anthropic API key.
    AnthropicKey,
    /// Slack bot, user or app token.
    SlackToken,
    /// Stripe secret or restricted key.
    StripeKey,
    /// PEM block holding a private key (RFC 7468, OpenSSH, OpenPGP).
    PrivateKey,
}

impl Detector {
    /// Every detector, in declaration order.
    pub const ALL: [Detector; 11] = [
        Detector::Ssn,
        Detector::Email,
        Detector::DateOfBirth,
        Detector::PaymentCard,
        Detector::AwsKey,
        Detector::GithubToken,
        Detector::OpenaiKey,
        Detector::AnthropicKey,
        Detector::SlackToken,
        Detector::StripeKey,
        Detector::PrivateKey,
    ];

    /// The name used in policies and records.
    pub const fn name(self) -> &'static str {
        match self {
            Detector::Ssn => "ssn",
            Detector::Email => "email",
            Detector::DateOfBirth => "date_of_birth",
            Detector::PaymentCard => "payment_card",
            Detector::AwsKey => "aws_key",
            Detector::GithubToken => "github_token",
            Detector::OpenaiKey => "openai_key",
            Detector::AnthropicKey => "anthropic_key",
            Detector::SlackToken => "slack_token",
            Detector::StripeKey => "stripe_key",
            Detector::PrivateKey => "private_key",
        }
    }

    /// What stands in the place of a redacted match.
    ///
    /// Only capitals, `_` and brackets: no mask needs escaping in a JSON string and none is itself a match.
    pub const fn mask(self) -> &'static str {
        match self {
            Detector::Ssn => "[SSN]",
            Detector::Email => "[EMAIL]",
            Detector::DateOfBirth => "[DOB]",
            Detector::PaymentCard => "[CARD]",
            Detector::AwsKey => "[AWS_KEY]",
            Detector::GithubToken => "[GITHUB_TOKEN]",
            Detector::OpenaiKey => "[OPENAI_KEY]",
            Detector::AnthropicKey => "[ANTHROPIC_KEY]",
            Detector::SlackToken => "[SLACK_TOKEN]",
            Detector::StripeKey => "[STRIPE_KEY]",
            Detector::PrivateKey => "[PRIVATE_KEY]",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A policy named a detector or group that does not exist.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown detector {name:?}; known are {}, and the groups pii, secrets and all", known())]
pub struct UnknownDetector {
    /// The name as it was given.
    pub name: String,
}

fn known() -> String {
    Detector::ALL.map(Detector::name).join(", ")
}

impl FromStr for Detector {
    type Err = UnknownDetector;

    fn from_str(name: &str) -> Result<Self, UnknownDetector> {
        let found = Detector::ALL.into_iter().find(|detector| detector.name() == name);
        found.ok_or_else(|| UnknownDetector { name: name.to_owned() })
    }
}

/// A set of detectors.
#[derive(Copy, Clone, Default, Eq, PartialEq, Hash)]
pub struct DetectorSet(u16);

impl DetectorSet {
    /// The empty set.
    pub const EMPTY: DetectorSet = DetectorSet(0);
    /// What identifies or concerns a person: group `pii`.
    pub const PII: DetectorSet = DetectorSet(
        Detector::Ssn.bit() | Detector::Email.bit() | Detector::DateOfBirth.bit() | Detector::PaymentCard.bit(),
    );
    /// Every detector: group `all`.
    pub const ALL: DetectorSet = DetectorSet((1 << Detector::ALL.len()) - 1);
    /// Credentials: group `secrets`.
    pub const SECRETS: DetectorSet = DetectorSet(DetectorSet::ALL.0 & !DetectorSet::PII.0);

    /// The set a policy names: one detector, or a group (`pii`, `secrets`, `all`).
    ///
    /// # Errors
    /// The name is neither.
    pub fn parse(name: &str) -> Result<DetectorSet, UnknownDetector> {
        match name {
            "pii" => Ok(DetectorSet::PII),
            "secrets" => Ok(DetectorSet::SECRETS),
            "all" => Ok(DetectorSet::ALL),
            _ => name.parse::<Detector>().map(DetectorSet::from),
        }
    }

    /// Whether `detector` is in the set.
    pub const fn contains(self, detector: Detector) -> bool {
        self.0 & detector.bit() != 0
    }

    /// Adds `detector`.
    pub fn insert(&mut self, detector: Detector) {
        self.0 |= detector.bit();
    }

    /// All that is in either set.
    #[must_use]
    pub const fn union(self, other: DetectorSet) -> DetectorSet {
        DetectorSet(self.0 | other.0)
    }

    /// Whether the sets share a detector.
    pub const fn intersects(self, other: DetectorSet) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The detectors of the set, in declaration order.
    pub fn iter(self) -> impl Iterator<Item = Detector> {
        Detector::ALL.into_iter().filter(move |detector| self.contains(*detector))
    }
}

impl From<Detector> for DetectorSet {
    fn from(detector: Detector) -> Self {
        DetectorSet(detector.bit())
    }
}

impl FromIterator<Detector> for DetectorSet {
    fn from_iter<I: IntoIterator<Item = Detector>>(detectors: I) -> Self {
        detectors.into_iter().fold(DetectorSet::EMPTY, |set, detector| set.union(detector.into()))
    }
}

impl fmt::Debug for DetectorSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back_and_groups_partition() {
        for detector in Detector::ALL {
            assert_eq!(detector.name().parse::<Detector>().unwrap(), detector);
            assert_eq!(serde_json::to_value(detector).unwrap(), detector.name());
            assert_eq!(DetectorSet::parse(detector.name()).unwrap(), DetectorSet::from(detector));
        }
        assert_eq!(DetectorSet::PII.union(DetectorSet::SECRETS), DetectorSet::ALL);
        assert!(!DetectorSet::PII.intersects(DetectorSet::SECRETS));
        assert_eq!(DetectorSet::parse("all").unwrap().iter().collect::<Vec<_>>(), Detector::ALL);
    }

    #[test]
    fn an_unknown_name_is_refused_and_the_known_ones_listed() {
        let refused = DetectorSet::parse("sssn").unwrap_err().to_string();
        assert!(refused.contains("sssn") && refused.contains("date_of_birth"), "{refused}");
    }
}
