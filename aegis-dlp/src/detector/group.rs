//! Groups of detectors: every built-in one belongs to exactly one.

use super::{Detector, DetectorSet};

/// What detectors of one group have in common. Its name stands in policies for all of them.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Group {
    /// Numbers that a state gave a person, with national rules: social security, tax, citizen.
    NationalId,
    /// Ways to reach a person.
    Contact,
    /// Who a person is: birth, passports.
    Identity,
    /// Cards and accounts.
    Financial,
    /// Records of health.
    Health,
    /// Where somebody is. In no group of policies but its own.
    Location,
    /// Addresses of machines. In no group of policies but its own.
    Network,
    /// Credentials of cloud providers.
    Cloud,
    /// Credentials of forges, package registries and build services.
    Source,
    /// Credentials of chat and mail services.
    Chat,
    /// Credentials of payment and shop services.
    Payment,
    /// Credentials of model vendors.
    Llm,
    /// Credentials of other services.
    Service,
    /// Credentials of what keeps secrets and machines.
    Infrastructure,
    /// Private keys, signed tokens, passwords.
    KeyMaterial,
}

impl Group {
    /// Every group.
    pub const ALL: [Group; 15] = [
        Group::NationalId,
        Group::Contact,
        Group::Identity,
        Group::Financial,
        Group::Health,
        Group::Location,
        Group::Network,
        Group::Cloud,
        Group::Source,
        Group::Chat,
        Group::Payment,
        Group::Llm,
        Group::Service,
        Group::Infrastructure,
        Group::KeyMaterial,
    ];

    /// The name used in policies.
    pub const fn name(self) -> &'static str {
        match self {
            Group::NationalId => "national_id",
            Group::Contact => "contact",
            Group::Identity => "identity",
            Group::Financial => "financial",
            Group::Health => "health",
            Group::Location => "location",
            Group::Network => "network",
            Group::Cloud => "cloud",
            Group::Source => "source",
            Group::Chat => "chat",
            Group::Payment => "payment",
            Group::Llm => "llm",
            Group::Service => "service",
            Group::Infrastructure => "infrastructure",
            Group::KeyMaterial => "key_material",
        }
    }

    /// Whether it is part of group `pii`.
    pub const fn is_personal(self) -> bool {
        matches!(self, Group::NationalId | Group::Contact | Group::Identity | Group::Financial | Group::Health)
    }

    /// Whether it is part of group `secrets`.
    pub const fn is_secret(self) -> bool {
        !self.is_personal() && !matches!(self, Group::Location | Group::Network)
    }

    /// Its detectors.
    pub fn set(self) -> DetectorSet {
        Detector::ALL.into_iter().filter(|detector| detector.group() == Some(self)).collect()
    }
}
