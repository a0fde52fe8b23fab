//! A tenant's own detectors: regular expressions and dictionaries.
//!
//! What one of them matches begins and ends at the edge of a word and stays within a line. That makes what is found depend
//! on the bytes around a place alone, and never on how the stream was cut.

mod dictionary;
mod file;
mod literals;
mod name;
mod pattern;
mod words;

use std::sync::Arc;

pub use dictionary::{Dictionary, DictionaryBuilder, DictionaryError};
pub use name::{OwnName, OwnNameError};
pub use pattern::{Pattern, PatternError};

use crate::detect::Match;
use crate::finding::Confidence;
use crate::view::{Eval, View};
use crate::{Detector, DetectorSet};
use literals::Literals;

/// A detector that a policy declares.
#[derive(Clone, Debug)]
pub struct OwnDetector {
    /// What policies and records call it.
    pub name: OwnName,
    /// How sure a match is.
    pub confidence: Confidence,
    /// What it looks for.
    pub finder: Finder,
}

/// What a detector looks for.
#[derive(Clone, Debug)]
pub enum Finder {
    /// Text of a shape.
    Pattern(Pattern),
    /// One of a list of values.
    Dictionary(Dictionary),
}

/// The detectors that the policies of one version declare. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct OwnDetectors(Option<Arc<Compiled>>);

#[derive(Debug)]
struct Compiled {
    detectors: Vec<OwnDetector>,
    literals: Option<Literals>,
}

/// Where a match of an own detector may begin.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(crate) struct Candidate {
    pub(crate) at: usize,
    number: u16,
}

impl Candidate {
    /// The candidate after the bytes before it became so many more or fewer; `None` where it is gone.
    pub(crate) fn moved(self, by: isize) -> Option<Candidate> {
        self.at.checked_add_signed(by).map(|at| Candidate { at, ..self })
    }
}

impl OwnDetectors {
    /// No detectors.
    pub const NONE: OwnDetectors = OwnDetectors(None);

    /// These detectors, at most [`OwnName::MOST`]: what is beyond is left out, and cannot have a name of its own either.
    pub fn new(mut detectors: Vec<OwnDetector>) -> OwnDetectors {
        detectors.truncate(OwnName::MOST);
        if detectors.is_empty() {
            return OwnDetectors::NONE;
        }
        let of_pattern = |(number, own): (u16, &OwnDetector)| match &own.finder {
            Finder::Pattern(pattern) => pattern.literals().iter().map(|one| (number, one.clone())).collect(),
            Finder::Dictionary(_) => Vec::new(),
        };
        let literals = Literals::new((0..).zip(&detectors).flat_map(of_pattern).collect());
        OwnDetectors(Some(Arc::new(Compiled { detectors, literals })))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Their names.
    pub fn names(&self) -> DetectorSet {
        self.all().iter().map(|own| Detector::Own(own.name)).collect()
    }

    /// All of them.
    pub fn all(&self) -> &[OwnDetector] {
        self.0.as_deref().map_or(&[], |compiled| &compiled.detectors)
    }

    /// Whether a text holds a match of the detector: what its examples are tested with.
    pub fn finds(&self, name: OwnName, text: &str) -> bool {
        let view = View { bytes: text.as_bytes(), end: true, json: false, rows: false, heading: b"" };
        let mut candidates = Vec::new();
        self.list(&view, 0, Detector::Own(name).into(), &mut candidates);
        candidates.into_iter().any(|one| matches!(self.examine(&view, one), Ok(Some(_))))
    }

    /// The mask that the detector would match: Aegis would find what it has written itself.
    pub fn matches_mask(&self, name: OwnName) -> Option<String> {
        let typed = Detector::ALL.into_iter().map(Detector::mask).chain(self.all().iter().map(|own| own.name.mask()));
        let made = ["[NAME:*0000]", "[NAME:*abcd]", "[NAME:*WXYZ]", "[NAME:bcdfghjkmnpq]", "[REDACTED]"];
        typed.chain(made).find(|mask| self.finds(name, mask)).map(str::to_owned)
    }

    /// Lists where matches of those that are wanted may begin, from `from` on, in order. A place whose match has not arrived
    /// as a whole is among them.
    pub(crate) fn list(&self, view: &View<'_>, from: usize, wanted: DetectorSet, into: &mut Vec<Candidate>) {
        into.clear();
        let Some(compiled) = self.0.as_deref() else { return };
        let is_wanted = |number: u16| {
            compiled.detectors.get(usize::from(number)).is_some_and(|own| wanted.contains(Detector::Own(own.name)))
        };
        if let Some(literals) = &compiled.literals {
            literals.list(view, from, |at, number| {
                if is_wanted(number) {
                    into.push(Candidate { at, number });
                }
            });
        }
        for (number, own) in (0..).zip(&compiled.detectors) {
            let add = |at| into.push(Candidate { at, number });
            match &own.finder {
                _ if !is_wanted(number) => {}
                Finder::Dictionary(dictionary) => dictionary.list(view, from, add),
                Finder::Pattern(pattern) if !pattern.has_literals() || compiled.literals.is_none() => {
                    pattern.list(view, from, add);
                }
                Finder::Pattern(_) => {}
            }
        }
        into.sort_unstable();
        into.dedup();
    }

    /// What may begin right at a place that was listed before what stands before it was replaced.
    pub(crate) fn near<'v>(
        &'v self,
        view: &'v View<'v>,
        at: usize,
        wanted: DetectorSet,
    ) -> impl Iterator<Item = Candidate> + 'v {
        let begins = move |own: &OwnDetector| match &own.finder {
            Finder::Pattern(pattern) => pattern.begins(view, at),
            Finder::Dictionary(dictionary) => dictionary.begins(view.slice(at, at + 4)),
        };
        let all = (0..).zip(self.all()).filter(move |(_, own)| wanted.contains(Detector::Own(own.name)) && begins(own));
        all.map(move |(number, _)| Candidate { at, number })
    }

    /// The match that begins at a candidate.
    pub(crate) fn examine(&self, view: &View<'_>, candidate: Candidate) -> Eval<Option<Match>> {
        let Some(own) = self.all().get(usize::from(candidate.number)) else { return Ok(None) };
        let end = match &own.finder {
            Finder::Pattern(pattern) => pattern.examine(view, candidate.at)?,
            Finder::Dictionary(dictionary) => dictionary.examine(view, candidate.at)?,
        };
        let (start, detector, confidence) = (candidate.at, Detector::Own(own.name), own.confidence);
        Ok(end.map(|end| Match { start, end, detector, confidence, tail: None }))
    }

    /// The earliest position, at most `to`, at which a match may begin that is no candidate yet.
    pub(crate) fn earliest(&self, view: &View<'_>, to: usize) -> usize {
        self.0
            .as_deref()
            .and_then(|compiled| compiled.literals.as_ref())
            .map_or(to, |literals| literals.begun(view, to))
    }
}

/// Two are the same where they are the same thing: what they were made of is not compared.
impl PartialEq for OwnDetectors {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (one, two) => one.is_none() && two.is_none(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
