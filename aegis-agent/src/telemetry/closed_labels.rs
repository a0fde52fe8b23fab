//! Values of labels from closed sets: what an agent could make up would be a label without bounds.

use prometheus_client::encoding::EncodeLabelSet;

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
pub(super) struct DecisionLabels {
    pub(super) decision: &'static str,
    pub(super) mode: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
pub(super) struct FindingLabels {
    pub(super) detector: &'static str,
    pub(super) action: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
pub(super) struct DirectionLabel {
    pub(super) direction: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
pub(super) struct KindLabel {
    pub(super) kind: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
pub(super) struct VerdictLabel {
    pub(super) verdict: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
pub(super) struct LimitLabel {
    pub(super) limit: &'static str,
}

/// A detector or an action that is not one of ours would be a label without bounds.
const OTHER: &str = "other";

/// The detector of this name: built in, or declared by a policy, of which a process knows a bounded number.
pub(super) fn detector(name: &str) -> &'static str {
    name.parse::<aegis_dlp::Detector>().map_or(OTHER, aegis_dlp::Detector::name)
}

/// The protocol of this name.
pub(super) fn protocol(name: &str) -> &'static str {
    aegis_tools::Protocol::ALL.iter().map(|known| known.name()).find(|known| *known == name).unwrap_or(OTHER)
}

/// The action of this name.
pub(super) fn action(name: &str) -> &'static str {
    ["redact", "deny", "report"].into_iter().find(|known| *known == name).unwrap_or(OTHER)
}
