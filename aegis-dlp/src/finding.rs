//! What was found, and where: never the text itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Action, Detector};

/// Findings of one scan that are listed one by one; further ones are counted on the last of their kind.
pub const MAX_FINDINGS: usize = 64;

/// Where a match was.
#[derive(Clone, Debug, Eq, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The path or the query.
    Url,
    /// The header of this name.
    Header(String),
    /// The body.
    Body {
        /// Bytes before the match, counted in the body as the scanner was given it: transfer and content
        /// codings undone.
        offset: u64,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Url => f.write_str("url"),
            Place::Header(name) => write!(f, "header {name}"),
            Place::Body { offset } => write!(f, "body at {offset}"),
        }
    }
}

/// A match, or beyond [`MAX_FINDINGS`] the matches of one detector from one place on.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    pub detector: Detector,
    /// What was done about it.
    pub action: Action,
    /// Where the (first) match is.
    pub place: Place,
    /// How many matches this entry stands for.
    pub count: u64,
}

/// Findings in the order in which they were made, bounded in memory with no match left uncounted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn add(&mut self, detector: Detector, action: Action, place: Place) {
        if self.0.len() >= MAX_FINDINGS {
            let same = self.0.iter_mut().rev().find(|f| f.detector == detector && f.action == action);
            if let Some(same) = same {
                same.count = same.count.saturating_add(1);
                return;
            }
        }
        self.0.push(Finding { detector, action, place, count: 1 });
    }

    pub(crate) fn as_slice(&self) -> &[Finding] {
        &self.0
    }

    pub(crate) fn into_vec(self) -> Vec<Finding> {
        self.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_bounded_and_the_count_exact() {
        let mut findings = Findings::default();
        for offset in 0..10_000 {
            findings.add(Detector::Email, Action::Redact, Place::Body { offset });
        }
        findings.add(Detector::Ssn, Action::Redact, Place::Url);
        assert_eq!(findings.as_slice().len(), MAX_FINDINGS + 1);
        assert_eq!(findings.as_slice().iter().map(|f| f.count).sum::<u64>(), 10_001);
    }

    #[test]
    fn places_serialize_for_the_record() {
        let place = |p: &Place| serde_json::to_string(p).unwrap();
        assert_eq!(place(&Place::Url), r#""url""#);
        assert_eq!(place(&Place::Header("x-a".into())), r#"{"header":"x-a"}"#);
        assert_eq!(place(&Place::Body { offset: 7 }), r#"{"body":{"offset":7}}"#);
        assert_eq!(Place::Body { offset: 7 }.to_string(), "body at 7");
    }
}
