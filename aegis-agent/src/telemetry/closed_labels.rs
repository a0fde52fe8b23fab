//! Values of labels from closed sets: what an agent could make up would be a label without bounds.

/// A detector or an action that is not one of ours would be a label without bounds.
const OTHER: &str = "other";

/// The detector of this name: built in, or declared by a policy, of which a process knows a bounded number.
pub(super) fn detector(name: &str) -> &'static str {
    name.parse::<aegis_dlp::Detector>().map_or(OTHER, aegis_dlp::Detector::name)
}

/// The action of this name.
pub(super) fn action(name: &str) -> &'static str {
    ["redact", "deny", "report"].into_iter().find(|known| *known == name).unwrap_or(OTHER)
}
