//! What the tests of the scanner share.
#![allow(dead_code, reason = "each test binary uses a part")]

use aegis_dlp::{DetectorSet, Finding, Flow, Format, Profile, Scanner};

pub fn redact(set: DetectorSet) -> Profile {
    Profile {
        redact: set,
        ..Profile::default()
    }
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
        let findings: Vec<_> = self
            .findings
            .iter()
            .map(|x| format!("{} {}", x.detector, x.place))
            .collect();
        write!(f, "{:?} {findings:?} {:?}", self.text(), self.flow)
    }
}

impl Run {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.findings
            .iter()
            .map(|finding| finding.detector.name())
            .collect()
    }
}

/// Scans `input` cut at the given places (any order, out of range ignored).
pub fn run_cut(profile: Profile, format: Format, input: &[u8], cuts: &[usize]) -> Run {
    let mut cuts: Vec<usize> = cuts
        .iter()
        .copied()
        .filter(|cut| *cut < input.len())
        .collect();
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
    Run {
        out,
        findings: scanner.findings().to_vec(),
        flow,
    }
}

pub fn run(profile: Profile, format: Format, input: &[u8]) -> Run {
    run_cut(profile, format, input, &[])
}

pub fn run_bytewise(profile: Profile, format: Format, input: &[u8]) -> Run {
    run_cut(
        profile,
        format,
        input,
        &(0..input.len()).collect::<Vec<_>>(),
    )
}

/// The output of redaction holds nothing to be found, and is a function of the bytes alone.
pub fn check_invariants(format: Format, input: &[u8]) -> Run {
    let whole = run(redact_all(), format, input);
    assert_eq!(
        run_bytewise(redact_all(), format, input),
        whole,
        "bytewise: {:?}",
        String::from_utf8_lossy(input)
    );
    let again = run(redact_all(), format, &whole.out);
    assert_eq!(
        again.findings,
        [],
        "found in the output {:?} of {:?}",
        whole.text(),
        String::from_utf8_lossy(input)
    );
    assert_eq!(again.out, whole.out);
    if whole.findings.is_empty() {
        assert_eq!(whole.out, input);
    }
    whole
}
