//! What a policy wants done with which kind of data.

use serde::{Deserialize, Serialize};

use crate::{Detector, DetectorSet};

/// What happens to a match.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, Ord, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The match is replaced by the detector's mask.
    Redact,
    /// The match and all that follows is withheld.
    Deny,
    /// The match passes and is recorded.
    Report,
}

/// The detectors at work, by what a match of theirs leads to.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Profile {
    /// Replaced by a mask.
    pub redact: DetectorSet,
    /// Stops the request.
    pub deny: DetectorSet,
    /// Recorded only.
    pub report: DetectorSet,
}

impl Profile {
    /// What a match of `detector` leads to. Deny wins over redact, redact over report; `None` where the
    /// detector is not at work.
    pub fn action(&self, detector: Detector) -> Option<Action> {
        if self.deny.contains(detector) {
            Some(Action::Deny)
        } else if self.redact.contains(detector) {
            Some(Action::Redact)
        } else if self.report.contains(detector) {
            Some(Action::Report)
        } else {
            None
        }
    }

    /// Every detector at work.
    pub fn detectors(&self) -> DetectorSet {
        self.redact.union(self.deny).union(self.report)
    }

    /// Whether no detector is at work, so that content passes unscanned.
    pub fn is_empty(&self) -> bool {
        self.detectors().is_empty()
    }

    /// The same detectors, only reporting: what shadow mode runs.
    #[must_use]
    pub fn report_only(&self) -> Profile {
        Profile { report: self.detectors(), ..Profile::default() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_action_wins() {
        let all = DetectorSet::ALL;
        let profile = Profile { redact: all, deny: Detector::Ssn.into(), report: all };
        assert_eq!(profile.action(Detector::Ssn), Some(Action::Deny));
        assert_eq!(profile.action(Detector::Email), Some(Action::Redact));
        assert_eq!(profile.report_only().action(Detector::Ssn), Some(Action::Report));
        assert_eq!(Profile::default().action(Detector::Ssn), None);
    }
}
