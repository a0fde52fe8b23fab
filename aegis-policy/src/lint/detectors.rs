//! Detectors of the policies' own that cost too much, find too much, or are asked by nobody.

use std::collections::HashMap;

use aegis_dlp::{Detector, DetectorSet, Dictionary, Finder, OwnDetector, OwnDetectors, Profile};

use crate::lint::places::{Place, Places};
use crate::lint::{Lint, Said, Severity};
use crate::rule::Rule;
use crate::source::diagnostics::Source;

/// What stands in requests of every kind: a detector that finds such a text finds it everywhere.
const ORDINARY: [&str; 14] = [
    "Content-Type",
    "application/json",
    "hello world",
    "The quick brown fox jumps over the lazy dog",
    "https://example.com/index.html",
    "2026-11-23T09:30:00Z",
    "2026-11-23",
    "1024",
    "123456",
    "20261123",
    "1795392000",
    "v1.2.3",
    "550e8400-e29b-41d4-a716-446655440000",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];
/// Words that are somebody's value and everybody's word.
const WORDS: [&str; 20] = [
    "true", "false", "null", "none", "test", "admin", "user", "name", "data", "error", "email", "value", "type",
    "text", "default", "unknown", "example", "hello", "2025", "2026",
];
/// Texts that are told.
const TOLD: usize = 3;

/// What there is to say of the policies' own detectors.
pub(super) fn look(everything: &Profile, rules: &[Rule], sources: &[Source], places: &Places, found: &mut Vec<Lint>) {
    let own = everything.own();
    let at: HashMap<String, Place> = places.named("detectors").into_iter().collect();
    let wanted = rules.iter().map(|rule| wanted(&rule.profile)).fold(DetectorSet::EMPTY, DetectorSet::union);
    for detector in own.all() {
        let name = detector.name.name();
        let said = [slow(detector), ordinary(own, detector), unwanted(detector, wanted)];
        let place = at.get(name).cloned().unwrap_or_default();
        found.extend(said.into_iter().flatten().map(|said| said.at(place.clone(), name.to_owned())));
    }
    for source in sources.iter().filter(|source| source.is_dictionary() && !Dictionary::is_hashed(&source.text)) {
        let place = Place { file: source.name.clone(), line: 1, column: 1 };
        let name = source.name.rsplit('/').next().unwrap_or_default().to_owned();
        let said = Said {
            code: "AEG044",
            severity: Severity::Note,
            message: "its values stand here for everybody to read who reads the policy".to_owned(),
            fix: "`aegisctl dlp hash LIST --file NAME.dict` makes a file of keyed hashes",
        };
        found.push(said.at(place, name));
    }
}

/// All that a rule looks for, on the way out and on the way back.
fn wanted(profile: &Profile) -> DetectorSet {
    let back = profile.responses().map(|rules| rules.redact.union(rules.deny).union(rules.report));
    profile.detectors().union(back.unwrap_or_default())
}

fn slow(detector: &OwnDetector) -> Option<Said<'static>> {
    let Finder::Pattern(pattern) = &detector.finder else { return None };
    (!pattern.has_literals()).then(|| Said {
        code: "AEG040",
        severity: Severity::Warning,
        message: "its matches begin with no literal: it is tried at every byte of all that is sent".to_owned(),
        fix: "let it begin with two characters or more that are always there, such as `CUST-`, or a few alternatives of such",
    })
}

fn ordinary(own: &OwnDetectors, detector: &OwnDetector) -> Option<Said<'static>> {
    let (found, code, what): (Vec<&str>, _, _) = match &detector.finder {
        Finder::Pattern(_) => {
            let found = ORDINARY.iter().copied().filter(|text| own.finds(detector.name, text));
            (found.collect(), "AEG041", "finds text that stands in requests of every kind")
        }
        Finder::Dictionary(dictionary) => {
            let found = WORDS.iter().copied().filter(|word| dictionary.has(word));
            (found.collect(), "AEG042", "has words among its values that stand in requests of every kind")
        }
    };
    let told: Vec<String> = found.iter().take(TOLD).map(|text| format!("`{text}`")).collect();
    (!told.is_empty()).then(|| Said {
        code,
        severity: Severity::Warning,
        message: format!("{what}: {}", told.join(", ")),
        fix: "ask for more: a prefix, more characters, or values that are nobody else's word",
    })
}

fn unwanted(detector: &OwnDetector, wanted: DetectorSet) -> Option<Said<'static>> {
    (!wanted.contains(Detector::Own(detector.name))).then(|| Said {
        code: "AEG043",
        severity: Severity::Warning,
        message: "no rule looks for it: what it finds leaves, and is masked in records only".to_owned(),
        fix: "name it in a rule's or a policy's `dlp`, or write `own` there, which is all of them",
    })
}
