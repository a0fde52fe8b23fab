//! Bodies of one kind, made so that most inputs are whole: what the fuzz targets of containers, codings and own detectors run,
//! and the replay of their corpus.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::sync::{Arc, LazyLock};

use aegis_dlp::{
    Confidence, Described, Details, Detector, DetectorSet, Dictionary, Finder, Flow, Format, OwnDetector, OwnDetectors,
    OwnName, Pattern, Profile, Scanner, StreamFlow,
};

use crate::packing::{Entry, brotli, deflate, framed, gzip, zip, zlib, zstd};
use crate::streams::{check_sending, redacting, send_cut, typed};

/// Where chunks end that are as long as a byte says.
fn cuts(size: u8, length: usize) -> Vec<usize> {
    (0..length).step_by(usize::from(size) + 1).collect()
}

/// Parts of a form, of a mail or of a set of requests: the first byte says which, and how lines end; parts are divided by a
/// byte that stands in no text, and are headers and content as they come.
pub fn check_multipart(data: &[u8]) {
    const TYPES: [&str; 3] =
        ["multipart/form-data; boundary=XX", "multipart/mixed; boundary=\"XX\"", "multipart/related; boundary=XX"];
    let [kind, size, parts @ ..] = data else { return };
    let line: &[u8] = if kind & 0x80 == 0 { b"\r\n" } else { b"\n" };
    let mut body = Vec::new();
    for part in parts.split(|byte| *byte == 0xFE) {
        body.extend([b"--XX", line, part, line].concat());
    }
    body.extend(b"--XX--");
    body.extend(line);
    let described = typed(TYPES[usize::from(*kind) % TYPES.len()]);
    check_sending(&described, &body, &cuts(*size, body.len()));
    check_sending(&described, parts, &cuts(*size, parts.len()));
}

/// Messages of gRPC, each with a right length: the first byte of each says whether it is compressed.
pub fn check_grpc(data: &[u8]) {
    let [kind, size, messages @ ..] = data else { return };
    let mut body = Vec::new();
    for message in messages.split(|byte| *byte == 0xFE) {
        let Some((flags, message)) = message.split_first() else { continue };
        body.extend(if flags & 1 == 1 { framed(1, &gzip(message)) } else { framed(0, message) });
    }
    let grpc_encoding = Some("gzip");
    let described = match kind % 3 {
        0 => Described { grpc_encoding, ..typed("application/grpc") },
        1 => Described { grpc_encoding, ..typed("application/connect+proto") },
        _ => typed("application/x-protobuf"),
    };
    let body = if kind % 3 == 2 { messages.to_vec() } else { body };
    check_sending(&described, &body, &cuts(*size, body.len()));
}

/// Archives of entries, whole ones and such of which a byte is another: names end with a line, contents with a byte that
/// stands in no text.
pub fn check_zip(data: &[u8]) {
    let [kind, size, at, other, entries @ ..] = data else { return };
    let entries: Vec<(String, &[u8])> = entries
        .split(|byte| *byte == 0xFE)
        .map(|entry| {
            let end = entry.iter().position(|byte| *byte == b'\n').unwrap_or(0);
            (String::from_utf8_lossy(&entry[..end]).into_owned(), entry.get(end + 1..).unwrap_or_default())
        })
        .collect();
    let entries: Vec<Entry<'_>> = entries.iter().map(|(name, content)| Entry(name, content, kind & 1 == 1)).collect();
    let mut archive = zip(&entries, kind & 2 == 2);
    if kind & 4 == 4 {
        let length = archive.len();
        archive[usize::from(*at) * 257 % length] ^= other;
    }
    check_sending(&typed("application/zip"), &archive, &cuts(*size, archive.len()));
}

/// What is coded is found as it is uncoded; what is no code is refused, or passes in the same way however it is cut.
pub fn check_coding(data: &[u8]) {
    let [kind, size, content @ ..] = data else { return };
    let (coding, coded): (&[&str], _) = match kind % 6 {
        0 => (&["gzip"], gzip(content)),
        1 => (&["deflate"], zlib(content)),
        2 => (&["deflate"], deflate(content)),
        3 => (&["br"], brotli(content)),
        4 => (&["zstd"], zstd(content)),
        _ => (&["gzip, zstd"], zstd(&gzip(content))),
    };
    let plain = typed("text/plain");
    let described = Described { content_encoding: coding, ..plain };
    let sent = check_sending(&described, &coded, &cuts(*size, coded.len()));
    let alone = send_cut(&redacting(), &plain, content, &[]);
    assert_eq!((&sent.flow, &sent.findings), (&alone.flow, &alone.findings), "{coding:?}");
    if sent.flow == StreamFlow::Continue {
        assert_eq!(sent.out, alone.out, "{coding:?}");
    }
    check_sending(&described, content, &cuts(*size, content.len()));
    if kind & 0x80 == 0x80 && !coded.is_empty() {
        let mut broken = coded;
        let at = usize::from(*size) % broken.len();
        broken[at] ^= 0x10;
        check_sending(&described, &broken, &cuts(*size, broken.len()));
    }
}

static OWN: LazyLock<OwnName> = LazyLock::new(|| OwnName::intern("fuzzed").unwrap());

/// A detector of one's own by whatever regular expression the first line is, or by the words that it lists, over the rest:
/// it is refused, or finds the same however the text is cut, in text and in JSON.
pub fn check_own(data: &[u8]) {
    let [kind, size, rest @ ..] = data else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let (first, input) = text.split_once('\n').unwrap_or((text, text));
    let finder = if kind & 1 == 1 {
        let values = first.split(',').enumerate();
        let Ok(dictionary) = Dictionary::of_values([7; 16], values) else { return };
        Finder::Dictionary(dictionary)
    } else {
        let Ok(pattern) = Pattern::new(first) else { return };
        Finder::Pattern(pattern)
    };
    let own = OwnDetectors::new(vec![OwnDetector { name: *OWN, confidence: Confidence::Medium, finder }]);
    if own.matches_mask(*OWN).is_some() {
        // Policies refuse these.
        return;
    }
    let redact = DetectorSet::from(Detector::Own(*OWN));
    let profile =
        Profile { redact, details: Some(Arc::new(Details { own, ..Details::default() })), ..Profile::default() };
    for format in [Format::Text, Format::Json, Format::Csv] {
        let whole = scan(&profile, format, input.as_bytes(), &[]);
        assert_eq!(
            scan(&profile, format, input.as_bytes(), &cuts(*size, input.len())),
            whole,
            "{first:?} in {input:?}"
        );
        assert_eq!(scan(&profile, format, input.as_bytes(), &cuts(0, input.len())), whole, "{first:?} in {input:?}");
        if whole.1 == 0 && whole.2 == Flow::Continue {
            assert_eq!(whole.0, input.as_bytes());
        }
    }
}

/// What goes out, how much was found, and how it ended.
fn scan(profile: &Profile, format: Format, input: &[u8], cuts: &[usize]) -> (Vec<u8>, usize, Flow) {
    let mut scanner = Scanner::new(profile.clone(), format);
    let (mut out, mut from) = (Vec::new(), 0);
    for cut in cuts.iter().copied().chain([input.len()]) {
        let _ = scanner.push(&input[from..cut], &mut out);
        from = cut;
    }
    let flow = scanner.finish(&mut out);
    (out, scanner.findings().len(), flow)
}
