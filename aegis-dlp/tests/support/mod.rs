//! What the tests of the scanner share.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::sync::Arc;

use aegis_dlp::{ContentRules, Details, DetectorSet, Finding, Flow, Format, Place, Profile, Scanner, scan_url};

pub const FORMATS: [Format; 6] = [Format::Json, Format::Form, Format::Text, Format::Unknown, Format::Xml, Format::Csv];

pub fn redact(set: DetectorSet) -> Profile {
    Profile { redact: set, ..Profile::default() }
}

pub fn redact_all() -> Profile {
    redact(DetectorSet::ALL)
}

#[derive(Eq, PartialEq)]
pub struct Run {
    pub out: Vec<u8>,
    pub findings: Vec<Finding>,
    pub flow: Flow,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let findings: Vec<_> = self.findings.iter().map(|x| format!("{} {}", x.detector, x.place)).collect();
        write!(f, "{:?} {findings:?} {:?}", self.text(), self.flow)
    }
}

impl Run {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.findings.iter().map(|finding| finding.detector.name()).collect()
    }
}

/// Scans `input` cut at the given places (any order, out of range ignored).
pub fn run_cut(profile: Profile, format: Format, input: &[u8], cuts: &[usize]) -> Run {
    let mut cuts: Vec<usize> = cuts.iter().copied().filter(|cut| *cut < input.len()).collect();
    cuts.sort_unstable();
    cuts.push(input.len());
    let mut scanner = Scanner::new(profile, format);
    let mut out = Vec::new();
    let mut from = 0;
    for cut in cuts {
        let _ = scanner.push(&input[from..cut], &mut out);
        from = cut;
    }
    let flow = scanner.finish(&mut out);
    Run { out, findings: scanner.findings().to_vec(), flow }
}

pub fn run(profile: Profile, format: Format, input: &[u8]) -> Run {
    run_cut(profile, format, input, &[])
}

pub fn run_bytewise(profile: Profile, format: Format, input: &[u8]) -> Run {
    run_cut(profile, format, input, &(0..input.len()).collect::<Vec<_>>())
}

/// The same where encoded content is not looked into.
pub fn shallow() -> Profile {
    let content = ContentRules { nesting: 0, ..ContentRules::default() };
    Profile { details: Some(Arc::new(Details { content, ..Details::default() })), ..redact_all() }
}

/// The output of redaction holds nothing to be found, and is a function of the bytes alone.
pub fn check_invariants(format: Format, input: &[u8]) -> Run {
    let whole = run(redact_all(), format, input);
    if whole.flow == Flow::Opaque {
        // How much had left by then depends on the cuts; why it stopped does not.
        let cut = run_bytewise(redact_all(), format, input);
        assert_eq!(
            (cut.flow, cut.findings),
            (whole.flow, whole.findings.clone()),
            "{:?}",
            String::from_utf8_lossy(input)
        );
        return whole;
    }
    assert_eq!(run_bytewise(redact_all(), format, input), whole, "bytewise: {:?}", String::from_utf8_lossy(input));
    if whole.findings.iter().any(was_encoded) {
        // What was encoded may be shorter now and have less padding, and what is glued to it another beginning. The tables of
        // `encodings.rs` are strict about it.
        return whole;
    }
    let again = run(redact_all(), format, &whole.out);
    assert_eq!(again.out, whole.out);
    assert_eq!(again.findings, [], "found in the output {:?} of {:?}", whole.text(), String::from_utf8_lossy(input));
    if whole.findings.is_empty() {
        assert_eq!(whole.out, input);
    }
    whole
}

fn was_encoded(finding: &Finding) -> bool {
    let path = match &finding.place {
        Place::Body { path: Some(path), .. } => path,
        _ => return false,
    };
    path.split('!').any(|part| matches!(part, "base64" | "hex"))
}

// What the fuzz targets check, and the replay of their corpus.

/// The first byte chooses the format, the second the size of the chunks; the rest is the stream.
pub fn check_stream(data: &[u8]) {
    let [format, size, input @ ..] = data else { return };
    let format = FORMATS[usize::from(*format) % FORMATS.len()];
    let whole = check_invariants(format, input);
    let cuts: Vec<usize> = (0..input.len()).step_by(usize::from(*size) + 1).collect();
    assert_eq!(run_cut(redact_all(), format, input, &cuts), whole);
    let report = run(redact_all().report_only(), format, input);
    assert_eq!(report.out, input);
}

/// Whether a format, decided by content, reads this as JSON: bare numbers and words are text elsewhere.
pub fn reads_as_json(format: Format, text: &[u8]) -> bool {
    format == Format::Json || matches!(text.trim_ascii_start().first(), Some(b'{' | b'[' | b'"'))
}

/// What is JSON is JSON of the same shape after redaction, whatever it is declared as.
pub fn check_json(data: &[u8]) {
    let Ok(before) = serde_json::from_slice::<serde_json::Value>(data) else { return };
    for format in [Format::Json, Format::Form, Format::Unknown] {
        if !reads_as_json(format, data) {
            continue;
        }
        let run = check_invariants(format, data);
        let after = serde_json::from_slice(&run.out);
        let after = after.unwrap_or_else(|error| panic!("{error}: {:?}", run.text()));
        assert!(same_shape(&before, &after), "{before} became {after}");
    }
}

fn same_shape(before: &serde_json::Value, after: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object, String};
    match (before, after) {
        (Array(before), Array(after)) => {
            before.len() == after.len() && before.iter().zip(after).all(|(b, a)| same_shape(b, a))
        }
        // Keys may be redacted, and then be the same.
        (Object(before), Object(after)) => {
            before.iter().all(|(key, value)| after.get(key).is_none_or(|a| same_shape(value, a)))
                && after.len() <= before.len()
        }
        (Number(_), String(mask)) => mask.starts_with('[') && mask.ends_with(']'),
        (String(_), String(_)) => true,
        (before, after) => before == after,
    }
}

/// A path and query of the characters that one may have stays that, and is clean.
pub fn check_url(data: &[u8]) {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/?".contains(byte);
    let input: String = data.iter().copied().filter(allowed).map(char::from).collect();
    let scanned = scan_url(&redact_all(), &input);
    assert!(scanned.text.bytes().all(|byte| allowed(&byte)), "{input} became {}", scanned.text);
    let plain = scan_url(&shallow(), &input);
    let again = scan_url(&shallow(), &plain.text);
    assert!(again.findings.is_empty(), "{input} became {}", plain.text);
    if scanned.findings.is_empty() {
        assert_eq!(scanned.text, input);
    }
}
