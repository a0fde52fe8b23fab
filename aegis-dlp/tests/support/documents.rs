//! Checks of one syntax each: what the fuzz targets run, and the replay of their corpus.
#![allow(dead_code, reason = "each test binary uses a part")]

use aegis_dlp::{Flow, Format, Scanner};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::{Run, check_invariants, redact_all, run};

/// What is XML is XML after redaction.
pub fn check_xml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if roxmltree::Document::parse(text).is_err() {
        return;
    }
    for format in [Format::Xml, Format::Unknown] {
        let run = check_invariants(format, data);
        if run.flow == Flow::Opaque {
            // Refused: what had left by then is no document.
            continue;
        }
        let out = run.text();
        assert!(roxmltree::Document::parse(&out).is_ok(), "{text} became {out}");
    }
}

/// A text in UTF-16 is scanned as it is in UTF-8. The first byte says the format and the order of bytes.
pub fn check_utf16(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let format = crate::support::FORMATS[usize::from(first >> 1) % crate::support::FORMATS.len()];
    // Two characters that say what it is.
    let text = format!("{{}}{}", String::from_utf8_lossy(rest).replace('\0', "0"));
    let units = |text: &str| -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| if first & 1 == 1 { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect()
    };
    let expected = run(redact_all(), format, text.as_bytes());
    let wide = check_invariants(format, &units(&text));
    assert_eq!(wide.names(), expected.names(), "{text:?}");
    // A match that begins within a character takes all of it.
    if let Ok(expected) = String::from_utf8(expected.out) {
        assert_eq!(wide.out, units(&expected), "{text:?}");
    }
}

/// What stands encoded in a document becomes what it becomes by itself.
pub fn check_encoded(data: &[u8]) {
    let (encoded, hex) = (STANDARD.encode(data), data.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let alone = scan(3, data);
    for (encoded, decode) in [(encoded, from_base64 as fn(&str) -> Vec<u8>), (hex, from_hex)] {
        for (before, after) in [("", ""), ("{\"a\":\"", "\"}"), ("word ", " word"), ("data:x/y;base64,", "\n")] {
            let body = format!("{before}{encoded}{after}");
            let found = check_invariants(Format::Unknown, body.as_bytes());
            // A run may be content from a sign within it on (`word/QUJD`), which may then be read in more ways than all of it: what
            // cannot be told is refused.
            if found.out == body.as_bytes() || found.flow == Flow::Opaque {
                continue;
            }
            let text = found.text();
            // What the document itself showed to the detectors is not what this is about.
            let Some(inner) = text.strip_prefix(before).and_then(|text| text.strip_suffix(after)) else { continue };
            if !inner.contains('[') {
                // What is read from a place within it on may be of another format than all of it.
                let inner = decode(inner);
                let read_from = |at: usize| {
                    let alone = scan(3, &data[at..]);
                    inner == [&data[..at], &alone.out].concat() && found.names() == alone.names()
                };
                assert!((0..data.len()).any(read_from), "{body} became {text} {:?}, alone {alone:?}", found.names());
            }
        }
    }
}

/// Scans content as it is where it stands within other: of no known type, with so many levels less.
fn scan(depth: u8, data: &[u8]) -> Run {
    let mut scanner = Scanner::new(redact_all(), Format::Unknown).with_depth(depth - 1);
    let mut out = Vec::new();
    let _ = scanner.push(data, &mut out);
    let flow = scanner.finish(&mut out);
    Run { out, findings: scanner.findings().to_vec(), flow }
}

fn from_base64(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn from_hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
