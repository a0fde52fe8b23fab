//! What was found, and where: never the text itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Action, Detector};

/// Findings of one scan that are listed one by one; further ones are counted on the last of their kind.
pub const MAX_FINDINGS: usize = 64;

/// How sure it is that a match is what its detector is for.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash, Ord, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Its shape alone, which other data has too.
    Low,
    /// Its shape, and words around it.
    Medium,
    /// A check digit, a prefix of its own, or a value of a list.
    #[default]
    High,
}

impl Confidence {
    /// As records and policies write it.
    pub const fn name(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }

    /// The confidence of this name.
    pub fn parse(name: &str) -> Option<Confidence> {
        [Confidence::Low, Confidence::Medium, Confidence::High].into_iter().find(|one| one.name() == name)
    }
}

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
        /// What it stands in: an RFC 6901 pointer into JSON (`/user/ssn`, with `#` behind it for a key), a slash path in
        /// other containers (`part:NAME`, `zip:word/document.xml`), nested ones joined by `!`. Names in it are redacted and cut.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<Box<str>>,
    },
}

impl Place {
    /// A place in the body that nothing but its offset is known of.
    pub const fn at(offset: u64) -> Place {
        Place::Body { offset, path: None }
    }

    /// The same place with the names in it (of a header, of keys and parts) as `masked` tells them.
    #[must_use]
    pub fn map_names(&self, masked: impl Fn(&str) -> String) -> Place {
        match self {
            Place::Url => Place::Url,
            Place::Header(name) => Place::Header(masked(name)),
            Place::Body { offset, path } => {
                Place::Body { offset: *offset, path: path.as_ref().map(|path| masked(path).into()) }
            }
        }
    }

    /// As records write it: `url`, `header:NAME`, `body:OFFSET`, `body:OFFSET:PATH`; [`Place::parse`] reads it.
    pub fn record(&self) -> String {
        match self {
            Place::Url => "url".to_owned(),
            Place::Header(name) => format!("header:{name}"),
            Place::Body { offset, path: None } => format!("body:{offset}"),
            Place::Body { offset, path: Some(path) } => format!("body:{offset}:{path}"),
        }
    }

    /// Reads what [`Place::record`] wrote; anything else is taken for the URL.
    pub fn parse(text: &str) -> Place {
        match text.split_once(':') {
            Some(("header", name)) => Place::Header(name.to_owned()),
            Some(("body", rest)) => {
                let (offset, path) = rest.split_once(':').map_or((rest, None), |(offset, path)| (offset, Some(path)));
                Place::Body { offset: offset.parse().unwrap_or_default(), path: path.map(Box::from) }
            }
            _ => Place::Url,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Url => f.write_str("url"),
            Place::Header(name) => write!(f, "header {name}"),
            Place::Body { offset, path: None } => write!(f, "body at {offset}"),
            Place::Body { offset, path: Some(path) } => write!(f, "body at {offset}, {path}"),
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
    /// How sure it is.
    #[serde(default)]
    pub confidence: Confidence,
    /// Where the (first) match is.
    pub place: Place,
    /// How many matches this entry stands for.
    pub count: u64,
}

/// Findings in the order in which they were made, bounded in memory with no match left uncounted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    /// How many were handed over, and of which kinds.
    told: usize,
    kinds: Vec<(Detector, Action)>,
}

impl Findings {
    pub(crate) fn add(&mut self, detector: Detector, action: Action, confidence: Confidence, place: Place) {
        self.merge(Finding { detector, action, confidence, place, count: 1 });
    }

    /// Takes over what another scan found.
    pub(crate) fn merge(&mut self, found: Finding) {
        if !self.count(found.detector, found.action, found.count) {
            self.list.push(found);
        }
    }

    /// Counts so many matches on the last entry of their kind where no more are listed; else there is one to be added.
    pub(crate) fn count(&mut self, detector: Detector, action: Action, matches: u64) -> bool {
        if self.list.len() < MAX_FINDINGS {
            return false;
        }
        let same = self.list.iter_mut().rev().find(|listed| listed.detector == detector && listed.action == action);
        same.map(|same| same.count = same.count.saturating_add(matches)).is_some()
    }

    /// Whether one more of a kind is only counted by who takes these over: where it is nobody will tell.
    pub(crate) fn is_counted(&self, detector: Detector, action: Action) -> bool {
        self.told + self.list.len() >= MAX_FINDINGS && self.kinds.contains(&(detector, action))
    }

    /// The findings, for who merges them with those before: of those that are only counted then no place is told.
    pub(crate) fn hand_over(&mut self) -> Vec<Finding> {
        self.told = self.told.saturating_add(self.list.len());
        for found in &self.list {
            if !self.kinds.contains(&(found.detector, found.action)) {
                self.kinds.push((found.detector, found.action));
            }
        }
        std::mem::take(&mut self.list)
    }

    pub(crate) fn as_slice(&self) -> &[Finding] {
        &self.list
    }

    pub(crate) fn into_vec(self) -> Vec<Finding> {
        self.list
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
            findings.add(Detector::Email, Action::Redact, Confidence::High, Place::at(offset));
        }
        findings.add(Detector::Ssn, Action::Redact, Confidence::High, Place::Url);
        assert_eq!(findings.as_slice().len(), MAX_FINDINGS + 1);
        assert_eq!(findings.as_slice().iter().map(|f| f.count).sum::<u64>(), 10_001);
    }

    #[test]
    fn places_serialize_for_the_record() {
        let place = |p: &Place| serde_json::to_string(p).unwrap();
        assert_eq!(place(&Place::Url), r#""url""#);
        assert_eq!(place(&Place::Header("x-a".into())), r#"{"header":"x-a"}"#);
        assert_eq!(place(&Place::at(7)), r#"{"body":{"offset":7}}"#);
        assert_eq!(Place::at(7).to_string(), "body at 7");
        let deep = Place::Body { offset: 7, path: Some("part:a!/b".into()) };
        assert_eq!(place(&deep), r#"{"body":{"offset":7,"path":"part:a!/b"}}"#);
        for one in [Place::Url, Place::Header("x-a".into()), Place::at(7), deep] {
            assert_eq!(serde_json::from_str::<Place>(&place(&one)).unwrap(), one);
            assert_eq!(Place::parse(&one.record()), one);
        }
    }
}
