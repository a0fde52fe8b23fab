//! One-shot scanning of short text such as a header value.

mod clean;

use std::borrow::Cow;

use crate::Profile;
use crate::context::of_field;
use crate::finding::{Finding, Place};
use crate::nested::has_run;
use crate::prefilter::Prefilter;
use crate::scanner::Scanner;
use crate::stream::Why;
use crate::view::{Encoding, View};

/// Stands for the rest of a text that was stopped.
const UNREAD: &[u8] = b"[REDACTED]";

/// The outcome of scanning a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scanned<'a> {
    /// The text with masks for matches, and for all of it from where it was `stopped` on. Not to be sent then.
    pub text: Cow<'a, str>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Why the text must not be sent, or not without a human's approval.
    pub stopped: Option<Why>,
}

/// Scans a text as it is; `place` is what the findings will say.
pub fn scan_text<'a>(profile: &Profile, place: Place, text: &'a str) -> Scanned<'a> {
    scan(profile, Encoding::Plain, place, "", text)
}

/// A text with masks for all that is found in it: for what is told of it, where nobody asks what was found.
pub fn masked<'a>(profile: &Profile, text: &'a str) -> Cow<'a, str> {
    scan_text(profile, Place::Url, text).text
}

/// Scans the value of a header field as it is; what the field's name says of it counts.
pub fn scan_field<'a>(profile: &Profile, place: Place, name: &str, value: &'a str) -> Scanned<'a> {
    scan(profile, Encoding::Plain, place, name, value)
}

/// Scans a JSON document as a body of it would be: keys are context for what stands under them, and masks keep it JSON.
pub fn scan_json<'a>(profile: &Profile, place: Place, document: &'a str) -> Scanned<'a> {
    scan(profile, Encoding::Json, place, "", document)
}

/// Scans a whole text in an encoding; `name` is that of the field whose value it is, or empty.
pub(crate) fn scan<'a>(profile: &Profile, encoding: Encoding, place: Place, name: &str, text: &'a str) -> Scanned<'a> {
    // Without a percent sign nothing is encoded in a path: it is read as what it is.
    let plain = encoding == Encoding::Plain || encoding == Encoding::Percent && !text.contains('%');
    let nothing = || Scanned { text: Cow::Borrowed(text), findings: Vec::new(), stopped: None };
    if text.is_empty() || clean::is_known(profile, encoding, name, text) {
        return nothing();
    }
    if plain && !has_clue(profile, text) {
        clean::remember(profile, encoding, name, text);
        return nothing();
    }
    let mut scanner = Scanner::with(profile.clone(), encoding, Some(place));
    scanner.set_heading(of_field(name));
    let mut out = Vec::with_capacity(text.len());
    // What a push stopped stays stopped.
    let _ = scanner.push(text.as_bytes(), &mut out);
    let flow = scanner.finish(&mut out);
    let stopped = scanner.why(flow);
    let findings = scanner.into_findings();
    if findings.is_empty() && stopped.is_none() {
        clean::remember(profile, encoding, name, text);
        return nothing();
    }
    if stopped.is_some() {
        encoding.write(UNREAD, &mut out);
    }
    // Matches begin and end between characters; were one not to, the damage shows as U+FFFD.
    let text = String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
    Scanned { text: Cow::Owned(text), findings, stopped }
}

/// Most header values hold nothing to examine: they cost no allocation.
pub(crate) fn has_clue(profile: &Profile, text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.iter().any(|byte| matches!(byte, b'%' | b'\\' | 0x80..)) || text.contains("&#") || has_run(bytes) {
        return true;
    }
    let wanted = profile.detectors();
    let mut anchors = Vec::new();
    Prefilter::new(wanted).list(bytes, 0, true, &mut anchors);
    if anchors.is_empty() && !profile.own().is_empty() {
        let mut candidates = Vec::new();
        profile.own().list(
            &View { bytes, end: true, json: false, rows: false, heading: b"" },
            0,
            wanted,
            &mut candidates,
        );
        return !candidates.is_empty();
    }
    !anchors.is_empty()
}
