//! One-shot scanning of short text such as a header value.

mod clean;

use std::borrow::Cow;

use crate::finding::{Finding, Place};
use crate::nested::has_run;
use crate::prefilter::Prefilter;
use crate::scanner::{Flow, Scanner};
use crate::view::{Encoding, View};
use crate::{Detector, Profile};

/// The outcome of scanning a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scanned<'a> {
    /// The text with masks for matches; not to be used where `deny` or `approve` is set.
    pub text: Cow<'a, str>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// The detector that forbids sending the text.
    pub deny: Option<Detector>,
    /// The detector that wants a human's approval before the text is sent: not to be used without.
    pub approve: Option<Detector>,
}

/// Scans a text as it is; `place` is what the findings will say.
pub fn scan_text<'a>(profile: &Profile, place: Place, text: &'a str) -> Scanned<'a> {
    scan(profile, Encoding::Plain, place, text)
}

/// Scans a whole text in an encoding.
pub(crate) fn scan<'a>(profile: &Profile, encoding: Encoding, place: Place, text: &'a str) -> Scanned<'a> {
    // Without a percent sign nothing is encoded in a path: it is read as what it is.
    let plain = encoding == Encoding::Plain || encoding == Encoding::Percent && !text.contains('%');
    let nothing = || Scanned { text: Cow::Borrowed(text), findings: Vec::new(), deny: None, approve: None };
    if text.is_empty() || clean::is_known(profile, encoding, text) {
        return nothing();
    }
    if plain && !has_clue(profile, text) {
        clean::remember(profile, encoding, text);
        return nothing();
    }
    let mut scanner = Scanner::with(profile.clone(), encoding, Some(place));
    let mut out = Vec::with_capacity(text.len());
    // What a push stopped stays stopped.
    let _ = scanner.push(text.as_bytes(), &mut out);
    let (deny, approve) = match scanner.finish(&mut out) {
        Flow::Deny(detector) => (Some(detector), None),
        Flow::Approve(detector) => (None, Some(detector)),
        // Nobody looks for files in a short text.
        Flow::Continue | Flow::Opaque => (None, None),
    };
    let findings = scanner.into_findings();
    if findings.is_empty() && deny.is_none() && approve.is_none() {
        clean::remember(profile, encoding, text);
    }
    let text = if findings.is_empty() {
        Cow::Borrowed(text)
    } else {
        // Matches begin and end between characters; were one not to, the damage shows as U+FFFD.
        Cow::Owned(String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
    };
    Scanned { text, findings, deny, approve }
}

/// Most header values hold nothing to examine: they cost no allocation.
pub(crate) fn has_clue(profile: &Profile, text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.iter().any(|byte| matches!(byte, b'%' | b'\\' | 0x80..)) || has_run(bytes) {
        return true;
    }
    let wanted = profile.detectors();
    let mut anchors = Vec::new();
    Prefilter::new(wanted).list(bytes, 0, true, &mut anchors);
    if anchors.is_empty() && !profile.own().is_empty() {
        let mut candidates = Vec::new();
        profile.own().list(&View { bytes, end: true, json: false, heading: b"" }, 0, wanted, &mut candidates);
        return !candidates.is_empty();
    }
    !anchors.is_empty()
}
