//! Content codings: undone for the scanner, in bounded memory, and never sent as something that was not scanned.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "support/packing.rs"]
mod packing;
#[path = "support/streams.rs"]
mod streams;

use aegis_dlp::{Described, OutputEncoding, Profile, Reason, Stream, StreamFlow, Unreadable, Why};
use packing::*;
use streams::*;

type Encoder = fn(&[u8]) -> Vec<u8>;
const CODINGS: [(&str, Encoder); 6] =
    [("gzip", gzip), ("x-gzip", gzip), ("deflate", zlib), ("deflate", deflate), ("br", brotli), ("zstd", zstd)];

fn coded<'a>(codings: &'a [&'a str]) -> Described<'a> {
    Described { content_type: Some("application/json"), content_encoding: codings, ..Described::default() }
}

fn plain<'a>(codings: &'a [&'a str]) -> Described<'a> {
    Described { content_encoding: codings, ..Described::default() }
}

fn body() -> Vec<u8> {
    let clean: Vec<String> =
        (0..400).map(|number| format!(r#"{{"number":{number},"word":"w{}"}}"#, number * 7919)).collect();
    format!(r#"[{},{{"ssn":"{SSN}"}},{}]"#, clean.join(","), clean.join(",")).into_bytes()
}

#[test]
fn what_is_coded_is_scanned_and_leaves_as_it_was_scanned() {
    let body = body();
    let expected = String::from_utf8(body.clone()).unwrap().replace(SSN, "[SSN]");
    for (name, encode) in CODINGS {
        let sent = send(&redacting(), &coded(&[name]), &encode(&body));
        assert_eq!(String::from_utf8_lossy(sent.passed()), expected, "{name}");
        assert_eq!(sent.names(), ["ssn"], "{name}");
        let stream = Stream::new(&redacting(), &coded(&[name])).unwrap();
        assert_eq!((stream.output_encoding(), stream.length_kept()), (OutputEncoding::Identity, false));
    }
}

#[test]
fn without_undoing_nothing_would_be_found() {
    for (name, encode) in CODINGS {
        let mut scanner = aegis_dlp::Scanner::new(redacting(), aegis_dlp::Format::Unknown);
        let mut out = Vec::new();
        let _ = scanner.push(&encode(&body()), &mut out);
        let _ = scanner.finish(&mut out);
        assert_eq!(scanner.findings(), [], "{name}");
    }
}

#[test]
fn several_on_top_of_each_other() {
    let body = body();
    let thrice = zstd(&brotli(&gzip(&body)));
    for codings in [&["gzip, br, zstd"][..], &["gzip", "BR ,\tzstd"], &["identity, gzip", "br", "", "zstd"]] {
        let sent = send_cut(&redacting(), &coded(codings), &thrice, &[100, 200]);
        assert_eq!(sent.names(), ["ssn"], "{codings:?}");
        assert!(!sent.text().contains(SSN));
    }
    let refused = Stream::new(&redacting(), &coded(&["gzip, gzip, gzip, gzip"])).err().unwrap();
    assert_eq!(refused.reason, Reason::TooManyCodings);
}

#[test]
fn nothing_of_what_is_denied_gets_out() {
    for (name, encode) in CODINGS {
        let sent = send(&denying(), &coded(&[name]), &encode(&body()));
        assert_eq!(sent.denied_by(), "ssn");
        assert!(!sent.text().contains("536-2") && sent.text().starts_with(r#"[{"number":0"#), "{name}");
    }
}

#[test]
fn in_shadow_bytes_pass_as_they_came() {
    for (name, encode) in CODINGS {
        let body = encode(&body());
        let profile = redacting().report_only();
        let sent = send(&profile, &coded(&[name]), &body);
        assert_eq!((sent.passed(), sent.names()), (body.as_slice(), vec!["ssn"]), "{name}");
        let stream = Stream::new(&profile, &coded(&[name])).unwrap();
        assert_eq!((stream.output_encoding(), stream.length_kept()), (OutputEncoding::Same, true));
        // What cannot be read is noted, and passes, too.
        let broken = send(&profile, &coded(&[name]), &body[..body.len() - 3]);
        assert_eq!(broken.passed(), &body[..body.len() - 3]);
        assert_eq!(broken.remarks.len(), 1, "{name}");
    }
}

#[test]
fn what_is_not_whole_is_refused() {
    for (name, encode) in CODINGS {
        let body = encode(&body());
        for broken in [&body[..body.len() - 1], &body[..body.len() / 2], &[&body[..], b"x"].concat(), b"not at all"] {
            let sent = send_cut(&redacting(), &coded(&[name]), broken, &[7]);
            assert_eq!(sent.reason(), Reason::Broken("compressed data"), "{name}");
        }
        assert_eq!(send(&redacting(), &coded(&[name]), b"").passed(), b"", "{name}: an empty body");
    }
    let mut wrong = gzip(b"some text");
    let checksum = wrong.len() - 8;
    wrong[checksum] ^= 1;
    assert_eq!(send(&redacting(), &coded(&["gzip"]), &wrong).reason(), Reason::Broken("compressed data"));
}

#[test]
fn members_and_frames_one_after_the_other() {
    let (first, second) = (b"my ssn: 536-2".as_slice(), b"2-8741, that is".as_slice());
    for (name, encode) in [("gzip", gzip as Encoder), ("zstd", zstd)] {
        let both = [encode(first), encode(second)].concat();
        assert_eq!(send(&redacting(), &plain(&[name]), &both).text(), "my ssn: [SSN], that is", "{name}");
    }
    let skippable = [b"\x55\x2a\x4d\x18\x03\x00\x00\x00abc".as_slice(), &zstd(first), &zstd(second)].concat();
    assert_eq!(send(&redacting(), &plain(&["zstd"]), &skippable).text(), "my ssn: [SSN], that is");
}

#[test]
fn an_unknown_coding_is_the_rules_choice() {
    for (choice, approvable) in [(Unreadable::Deny, false), (Unreadable::Approve, true)] {
        let refused = Stream::new(&unreadable(redacting(), choice), &coded(&["lzma"])).err().unwrap();
        assert_eq!((refused.reason.clone(), refused.approvable), (Reason::UnknownCoding("lzma".into()), approvable));
        assert!(refused.to_string().contains("lzma"), "{refused}");
    }
    let sent = send(&unreadable(redacting(), Unreadable::Pass), &coded(&["lzma"]), b"\x01\x02");
    assert_eq!((sent.passed(), sent.remarks.len()), (&b"\x01\x02"[..], 1));
    let nothing = Profile::default();
    assert_eq!(
        send(&nothing, &coded(&["lzma"]), b"x").passed(),
        b"x",
        "where nothing is looked for, nothing is refused"
    );
}

#[test]
fn bombs_stop_before_they_are_large() {
    let zeros = vec![b'0'; 8 * 1024 * 1024];
    for (name, encode) in CODINGS {
        let bomb = encode(&zeros);
        let mut stream = Stream::new(&redacting(), &coded(&[name])).unwrap();
        let mut out = Vec::new();
        let flow = stream.push(&bomb, &mut out);
        assert!(
            matches!(&flow, StreamFlow::Deny(Why::Opaque(opaque)) if matches!(opaque.reason, Reason::TooLarge(_))),
            "{name} {flow:?}"
        );
        assert!(out.len() < 3 * 1024 * 1024, "{name}: {}", out.len());
        assert!(stream.held() < 18 * 1024 * 1024, "{name}: {}", stream.held());
    }
}

#[test]
fn unfolding_has_an_end_also_without_a_bomb() {
    let content = aegis_dlp::ContentRules { unfolded: 1000, ..Default::default() };
    let profile = with_content(redacting(), content);
    let words: Vec<u8> =
        (0..2000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_string().into_bytes()).collect();
    assert!(matches!(send(&profile, &coded(&["gzip"]), &gzip(&words)).reason(), Reason::TooLarge(_)));
    assert_eq!(send(&profile, &coded(&["gzip"]), &gzip(&words[..999])).passed(), &words[..999]);
}
