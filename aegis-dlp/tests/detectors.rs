//! Each detector's true and false examples: the tables of `docs/detectors.md`, which this test reads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use aegis_dlp::{Detector, Format, Place, scan_text};
use support::{check_invariants, redact, redact_all, run, run_cut};

const DOC: &str = include_str!("../../docs/detectors.md");

/// The rows `| found | kept |` of the table below the heading that names the detector.
fn examples(detector: Detector) -> (Vec<String>, Vec<String>) {
    let heading = format!("### `{}`", detector.name());
    let section = DOC.split("\n### ").find(|s| heading.ends_with(s.lines().next().unwrap_or_default()));
    let section = section.unwrap_or_else(|| panic!("docs/detectors.md has no section {heading}"));
    let (mut found, mut kept) = (Vec::new(), Vec::new());
    for line in section.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let mut cells = line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`'));
        // The keys are cut in the document, lest secret scanners of forges take it for a leak.
        let mut cell = || {
            cells.next().unwrap_or_default().replace("~~", "\0").replace('~', "").replace('\0', "~").replace("⏎", "\n")
        };
        found.push(cell());
        kept.push(cell());
    }
    found.retain(|text| !text.is_empty());
    kept.retain(|text| !text.is_empty());
    assert!(found.len() >= 3 && kept.len() >= 3, "{heading}: too few examples");
    (found, kept)
}

#[test]
fn the_documented_examples_hold() {
    for detector in Detector::ALL {
        let (found, kept) = examples(detector);
        for text in found {
            let scanned = scan_text(&redact(detector.into()), Place::Url, &text);
            assert_eq!(scanned.findings.len(), 1, "{detector}: {text:?}");
            assert!(scanned.text.contains(detector.mask()), "{detector}: {text:?} became {:?}", scanned.text);
            check_invariants(Format::Text, text.as_bytes());
        }
        for text in kept {
            let scanned = scan_text(&redact(detector.into()), Place::Url, &text);
            assert_eq!((scanned.findings.len(), &*scanned.text), (0, &*text), "{detector}: {text:?}");
            check_invariants(Format::Text, text.as_bytes());
        }
    }
}

/// With every detector at work, each of which may hold back what another one would decide.
#[test]
fn the_documented_examples_are_found_wherever_they_are_cut() {
    for detector in Detector::ALL {
        for text in examples(detector).0 {
            let whole = run(redact_all(), Format::Text, text.as_bytes());
            for cut in 1..text.len() {
                let parts = run_cut(redact_all(), Format::Text, text.as_bytes(), &[cut]);
                assert_eq!(parts, whole, "{detector}: {text:?} at {cut}");
            }
        }
    }
}

/// Bytes that are no UTF-8, as of an older charset, are no letters of what stands behind them.
#[test]
fn the_documented_examples_are_found_behind_bytes_that_are_no_text() {
    let scanned = |detector: Detector, before: &[u8], text: &str| {
        run(redact(detector.into()), Format::Text, &[b"see: ", before, text.as_bytes()].concat())
    };
    let mut seen = 0;
    for detector in Detector::ALL {
        for text in examples(detector).0 {
            let plain = scanned(detector, b" ", &text);
            for before in [&b"\x9e"[..], b"\xff\xfe", b"\xe9", b"\xc3", b"\xe2\x80"] {
                let found = scanned(detector, before, &text);
                assert_eq!(found.names(), plain.names(), "{detector}: {text:?} behind {before:?}");
                seen += found.findings.len();
            }
        }
    }
    assert!(seen > 2000, "{seen}");
}

#[test]
fn nothing_is_seen_in_what_only_looks_alike() {
    for text in [
        "550e8400-e29b-41d4-a716-446655440000",
        "12345678-1234-1234-1234-123456789012",
        "1700000000 1700000000000 1700000000000000 1700000000000000000",
        "2026-11-23T01:22:05.123456Z INFO request 1234567890 served",
        "order 4000123412341237 and order #112-3456789-1234567",
        "v1.25.4111111 10.20.30.40 192.168.100.200:8080",
        "e4111111111111111f 5f4dcc3b5aa765d61d8327deb882cf99",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "[0.4929401929401923, -0.0378282246310005, 4.111111111111111e3]",
        "978-3-16-148410-0 and 9783161484100",
        "<!-- ---- --> npm i @types/node@20.1.0 risk-adjusted desk-sk-learn",
        "git clone git@github.com:org/repo.git && pip install foo==1.2.3",
        "uint256 115792089237316195423570985008687907853269984665640564039457584007913129639935",
        "lat 52.5200065, lon 13.404954; 1234 5678 9012 3456",
        "-----BEGIN CERTIFICATE----- -----BEGIN PUBLIC KEY-----",
    ] {
        for format in [Format::Text, Format::Json, Format::Form] {
            let run = check_invariants(format, text.as_bytes());
            assert_eq!(run.names(), Vec::<&str>::new(), "{format:?}: {text:?}");
        }
    }
}

#[test]
fn masks_hold_nothing_to_be_found() {
    for detector in Detector::ALL {
        for other in Detector::ALL {
            let text = format!("{}{} {}: 523456789", detector.mask(), other.mask(), other.mask());
            assert!(scan_text(&redact_all(), Place::Url, &text).findings.is_empty(), "{text}");
        }
    }
}
