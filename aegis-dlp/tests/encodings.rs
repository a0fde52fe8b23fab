//! What is planted in any encoding is found, and what comes out is the same document without it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "support/encode.rs"]
mod encode;
mod support;

use std::sync::Arc;

use aegis_dlp::{
    Charset, ContentRules, Details, DetectorSet, Flow, Format, Place, Profile, Reason, Scanned, Scanner, Unreadable,
    Why, scan_text, scan_url,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use encode::{CHARACTERS, DOCUMENTS, NESTED, base64, full_width, hex, percent};
use support::{check_invariants, redact, redact_all, run, run_bytewise};

const SECRETS: &[(&str, &str)] = &[
    ("123-45-6789", "ssn"),
    ("jane.doe@example.com", "email"),
    ("4111 1111 1111 1111", "payment_card"),
    ("AKIAIOSFODNN7EXAMPLE", "aws_key"),
    ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "github_token"),
    ("sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789AA", "anthropic_key"),
];

fn found(format: Format, body: &[u8], detector: &str, what: &str) {
    let run = check_invariants(format, body);
    assert_eq!(support::run(redact_all(), format, &run.out).findings, [], "{what}: {:?}", run.text());
    // A token is found as a whole, with what it says.
    let there = run.names().contains(&detector) || run.names().contains(&"jwt");
    assert!(there, "{what}: {:?} has {:?}", String::from_utf8_lossy(body), run.names());
}

#[test]
fn in_every_document_as_every_kind_of_character() {
    for (secret, detector) in SECRETS {
        for (characters, encode) in CHARACTERS {
            for (document, format, enclose) in DOCUMENTS {
                found(
                    *format,
                    enclose(&encode(secret)).as_bytes(),
                    detector,
                    &format!("{secret} {characters} in {document}"),
                );
            }
        }
    }
}

#[test]
fn in_every_document_in_every_nested_encoding() {
    for (secret, detector) in SECRETS {
        for (nested, encode) in NESTED {
            for (document, format, enclose) in DOCUMENTS {
                found(
                    *format,
                    enclose(&encode(secret)).as_bytes(),
                    detector,
                    &format!("{secret} {nested} in {document}"),
                );
            }
        }
    }
}

#[test]
fn in_utf16() {
    for (secret, detector) in SECRETS {
        for (document, format, enclose) in DOCUMENTS {
            for (characters, encode) in [CHARACTERS, NESTED].concat() {
                let what = format!("{secret} {characters} in {document}");
                let text = enclose(&encode(secret));
                let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                let run = run(redact_all(), *format, &little);
                assert!(run.names().contains(detector) || run.names().contains(&"jwt"), "{what}");
                let units: Vec<u16> = run.out.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
                assert_eq!(
                    String::from_utf16(&units).unwrap(),
                    check_invariants(*format, text.as_bytes()).text(),
                    "{what}"
                );
            }
        }
        let marked = format!("\u{feff}é {secret} x");
        let big: Vec<u8> = marked.encode_utf16().flat_map(u16::to_be_bytes).collect();
        found(Format::Unknown, &big, detector, "with a mark");
    }
}

#[test]
fn a_declared_charset_is_read_unless_the_bytes_say_otherwise() {
    let scan = |charset: Charset, body: &[u8]| {
        let mut scanner = Scanner::new(redact_all(), Format::Unknown).with_charset(charset);
        let mut out = Vec::new();
        assert_eq!((scanner.push(body, &mut out), scanner.finish(&mut out)), (Flow::Continue, Flow::Continue));
        (scanner.findings().len(), out)
    };
    let chinese: Vec<u8> = "报告 a@b.com".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(scan(Charset::Utf16Be, &chinese).0, 1, "nothing but the type says what it is");
    assert_eq!(scan(Charset::Utf16Le, b"{\"a\":\"a@b.com\"}").1, b"{\"a\":\"[EMAIL]\"}");
}

#[test]
fn levels_are_undone_as_deep_as_the_profile_says() {
    let nested = |levels: usize| (0..levels).fold("so: jane.doe@example.com".to_owned(), |text, _| base64(&text));
    for levels in 0..=3 {
        let run = check_invariants(Format::Text, nested(levels).as_bytes());
        assert_eq!(run.names(), ["email"], "{levels}");
        let clean = (0..levels).fold(run.out, |bytes, _| STANDARD.decode(bytes).unwrap());
        assert_eq!(clean, b"so: [EMAIL]");
    }
    let beyond = run(redact_all(), Format::Text, nested(4).as_bytes());
    assert_eq!((beyond.flow, beyond.names()), (Flow::Opaque, Vec::new()), "what is deeper is refused");
    let observed = run(redact_all().report_only(), Format::Text, nested(4).as_bytes());
    assert_eq!((observed.flow, observed.text()), (Flow::Continue, nested(4)));
    let mut deeper = Scanner::new(redact_all(), Format::Text).with_depth(4);
    let _ = deeper.push(nested(4).as_bytes(), &mut Vec::new());
    let _ = deeper.finish(&mut Vec::new());
    assert_eq!(deeper.findings().len(), 1);
    let mixed = format!("{{\"a\":\"{}\"}}", hex(&base64(&percent("123-45-6789"))));
    assert_eq!(check_invariants(Format::Json, mixed.as_bytes()).names(), ["ssn"]);
}

#[test]
fn encoded_content_is_written_anew_from_the_match_on() {
    let before = "Nothing to see here, and then some. ".repeat(3);
    let after = " And more of the same after it, äöü, to the very end".repeat(20);
    for (name, encode) in &NESTED[..7] {
        for cut in 0..4 {
            let body =
                format!("x: {}.", encode(&format!("{before}jane.doe@example.com{}", &after[..after.len() - cut])));
            let run = check_invariants(Format::Text, body.as_bytes());
            let expected = format!("x: {}.", encode(&format!("{before}[EMAIL]{}", &after[..after.len() - cut])));
            // A run of whole groups does not say whether it would be padded.
            assert_eq!(run.text().replace('=', ""), expected.replace('=', ""), "{name}");
            assert!(!name.ends_with("base64") || run.text() == expected, "{name}");
        }
    }
}

#[test]
fn lines_stay_lines() {
    let lines = |text: &str, line: usize, end: &str| {
        let text = base64(text);
        text.as_bytes().chunks(line).map(|line| String::from_utf8(line.to_vec()).unwrap()).collect::<Vec<_>>().join(end)
    };
    for (line, end) in [(76, "\r\n"), (64, "\n"), (60, "\n"), (76, "\\r\\n")] {
        for before in ["", "a word, and another word. ", &"A long text before it. ".repeat(40)] {
            for after in ["", " end", &" A long text after it.".repeat(40)] {
                let text = |secret: &str| format!("{before}and jane.doe@example.com, {secret}{after}");
                let file =
                    format!("{{\"f\":\"Content:\\n\\n{}\\n\\nNext line\"}}", lines(&text("123-45-6789"), line, end));
                let json = end.contains('\\');
                let run = check_invariants(if json { Format::Json } else { Format::Text }, file.as_bytes());
                assert_eq!(check_invariants(Format::Text, file.as_bytes()).text(), run.text());
                let clean = lines(&text("[SSN]").replace("jane.doe@example.com", "[EMAIL]"), line, end);
                let short = base64(&text("123-45-6789")).len() <= line;
                let expected = format!("{{\"f\":\"Content:\\n\\n{clean}\\n\\nNext line\"}}");
                if !short {
                    assert_eq!(run.text(), expected);
                }
                assert_eq!(run.names(), ["email", "ssn"]);
            }
        }
    }
}

#[test]
fn lines_of_any_width_are_one_run() {
    let long = "A long text before it, and then some. ".repeat(20);
    let text = base64(&format!("{long}jane.doe@example.com, 123-45-6789, {long}"));
    for widths in [&[76, 70, 61, 40, 55][..], &[30, 50, 20, 41], &[200, 190, 77], &[41], &[20, 60]] {
        for end in ["\n", "\r\n"] {
            let (mut rest, mut lines) = (text.as_str(), Vec::new());
            for width in widths.iter().cycle() {
                let (line, more) = rest.split_at(rest.len().min(*width));
                lines.push(line);
                rest = more;
                if rest.is_empty() {
                    break;
                }
            }
            let body = format!("File:\n\n{}\n\nNext line", lines.join(end));
            let run = check_invariants(Format::Text, body.as_bytes());
            assert_eq!(run.names(), ["email", "ssn"], "{widths:?}");
            let out = run.text();
            let out = out.strip_prefix("File:\n\n").unwrap().strip_suffix("\n\nNext line").unwrap();
            let decoded = STANDARD.decode(out.replace(['\r', '\n'], "")).unwrap();
            let expected = format!("{long}[EMAIL], [SSN], {long}");
            assert_eq!(String::from_utf8(decoded).unwrap(), expected, "{widths:?}");
            let clean = body.replace(&text[1100..1160], "");
            let clean = run_bytewise(redact(aegis_dlp::Detector::Iban.into()), Format::Text, clean.as_bytes());
            assert_eq!(clean.findings, []);
        }
    }
}

#[test]
fn words_after_a_full_line_are_none_of_it() {
    let line = base64(&"x".repeat(57));
    assert_eq!(line.len(), 76);
    let secret = base64(&format!("123-45-6789 {}", "x".repeat(45)));
    for text in ["The next line", "Another", "-----END MESSAGE-----"] {
        let run = check_invariants(Format::Text, format!("{secret}\n{line}\n{text} here\n").as_bytes());
        assert!(run.text().ends_with(&format!("\n{text} here\n")), "{}", run.text());
        assert_eq!(run.names(), ["ssn"]);
    }
}

#[test]
fn what_is_encoded_and_clean_leaves_as_it_came() {
    let mut noise = 1_u32;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    })
    .take(20_000)
    .collect();
    let odd = format!("{}=x", &STANDARD.encode(&bytes)[..501]);
    for body in [STANDARD.encode(&bytes), hex(&String::from_utf8_lossy(&bytes)), odd, base64(&"words ".repeat(2000))] {
        for format in support::FORMATS {
            assert_eq!(run_bytewise(redact(DetectorSet::PII), format, body.as_bytes()).text(), body);
        }
    }
}

#[test]
fn deny_inside_lets_nothing_of_it_out() {
    let profile = Profile { deny: DetectorSet::SECRETS, redact: DetectorSet::PII, ..Profile::default() };
    let body = format!("{{\"f\":\"{}\"}}", base64("mail a@b.co, key AKIAIOSFODNN7EXAMPLE and more text"));
    let run = run_bytewise(profile, Format::Json, body.as_bytes());
    assert!(matches!(run.flow, Flow::Deny(_)));
    assert_eq!(run.names(), ["email", "aws_key"]);
    let sent = run.text();
    let sent = sent.strip_prefix("{\"f\":\"").unwrap();
    let decoded = STANDARD.decode(&sent[..sent.len() / 4 * 4]).unwrap();
    assert!("mail [EMAIL], key ".starts_with(std::str::from_utf8(&decoded).unwrap()), "{decoded:?}");
}

#[test]
fn in_headers_and_urls() {
    let credentials = format!("Digest {}", base64("jane.doe@example.com:password"));
    let place = Place::Header("authorization".into());
    let scanned = scan_text(&redact_all(), place.clone(), &credentials);
    assert_eq!(scanned.text, format!("Digest {}", base64("[EMAIL]:password")));
    assert_eq!(scanned.findings[0].place, place);
    assert_eq!(scan_text(&redact_all(), place, &full_width("a@b.com")).text, "[EMAIL]");
    let path = format!(
        "/files/{}?d={}",
        base64("to jane.doe@example.com").replace('=', "%3D"),
        percent(&base64("123-45-6789"))
    );
    let scanned = scan_url(&redact_all(), &path);
    let expected = format!(
        "/files/{}?d={}",
        base64("to [EMAIL]").replace('=', "%3D"),
        base64("[SSN]").replace('=', "%3D").replace('/', "%2F").replace('+', "%2B")
    );
    assert_eq!(scanned.text, expected);
}

/// As a header value, in a path and in a query.
fn short(profile: &Profile, text: &str) -> [Scanned<'static>; 3] {
    let escaped = text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let header = scan_text(profile, Place::Header("x-note".into()), text);
    let (path, query) = (format!("/files/~{escaped}"), format!("/files?d={escaped}&n=1"));
    [header, scan_url(profile, &path), scan_url(profile, &query)]
        .map(|scanned| Scanned { text: scanned.text.into_owned().into(), ..scanned })
}

#[test]
fn what_is_too_deep_in_a_header_or_a_url_is_refused_as_in_a_body() {
    let nested = |levels: usize| (0..levels).fold("jane.doe@example.com".to_owned(), |text, _| base64(&text));
    let content = |content: ContentRules| Profile {
        details: Some(Arc::new(Details { content, ..Details::default() })),
        ..redact_all()
    };
    let choice = |unreadable| content(ContentRules { unreadable, ..ContentRules::default() });
    // Asked again it is the same: nothing of the kind is remembered as clean.
    for _ in 0..2 {
        for scanned in short(&redact_all(), &nested(3)) {
            assert_eq!((scanned.findings.len(), scanned.stopped), (1, None), "{}", scanned.text);
        }
        for (unreadable, approvable) in [(Unreadable::Deny, false), (Unreadable::Approve, true)] {
            for scanned in short(&choice(unreadable), &nested(4)) {
                let Some(Why::Opaque(opaque)) = scanned.stopped else { panic!("{}", scanned.text) };
                assert_eq!((opaque.reason, opaque.approvable), (Reason::TooLarge("levels of encoding"), approvable));
                assert!(
                    scanned.text.contains("REDACTED") && !scanned.text.contains(&nested(4)[..9]),
                    "{}",
                    scanned.text
                );
            }
        }
        for passing in [choice(Unreadable::Pass), redact_all().report_only()] {
            for scanned in short(&passing, &nested(4)) {
                assert_eq!((scanned.findings.len(), scanned.stopped), (0, None), "{}", scanned.text);
            }
        }
    }
    let one = content(ContentRules { nesting: 1, ..ContentRules::default() });
    assert!(short(&one, &nested(2)).iter().all(|scanned| scanned.stopped.is_some()));
    assert!(short(&one, &nested(1)).iter().all(|scanned| scanned.stopped.is_none()));
}

#[test]
fn other_content_that_cannot_be_read_is_refused_in_a_header_too() {
    let padded = format!("jane.{}doe@example.com", "\u{200b}".repeat(3 * 1024));
    let utf32: Vec<u8> = "ssn 123-45-6789".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    let entities = base64("<!DOCTYPE a [<!ENTITY b '123-45'>]><a>&b;-6789</a>");
    for text in [padded, STANDARD.encode(utf32), entities] {
        let [header, ..] = short(&redact_all(), &text);
        assert!(matches!(header.stopped, Some(Why::Opaque(_))), "{}", header.text);
    }
}

#[test]
fn signs_that_stand_for_themselves_hide_nothing() {
    for (format, body, names) in [
        (Format::Json, r#"{"q":"LIKE '%523-45-6789%'"}"#, ["ssn"]),
        (Format::Text, "50%4111111111111111", ["payment_card"]),
        (Format::Json, r#"{"p":"C:\\new\\jane@example.com"}"#, ["email"]),
        (Format::Text, "5ое а@b.com", ["email"]),
        (Format::Text, "почта@пример.рф", ["email"]),
        (Format::Text, "电邮a@b.com", ["email"]),
    ] {
        assert_eq!(check_invariants(format, body.as_bytes()).names(), names, "{body}");
    }
    assert_eq!(check_invariants(Format::Text, "почта@пример.рф".as_bytes()).text(), "[EMAIL]");
    assert_eq!(check_invariants(Format::Text, "电邮a@b.com".as_bytes()).text(), "电邮[EMAIL]");
}

#[test]
fn what_hides_behind_a_rule_of_thumb() {
    let glued = |before: &str, secret: &str| base64(&format!("{before}{secret}"));
    let lines = |text: &str, line: usize| {
        let text = base64(text);
        text.as_bytes()
            .chunks(line)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect::<Vec<_>>()
            .join("\n")
    };
    let long = "and so on. ".repeat(30);
    for (format, body) in [
        (Format::Json, format!("{{\"d\":\"{}{}\"}}", "A".repeat(80), base64("ssn 123-45-6789"))),
        (Format::Text, glued("\0user\0", "123-45-6789")),
        (Format::Text, glued("\u{1}", "123-45-6789 ")),
        (Format::Text, STANDARD.encode(b"Ren\xe9 123-45-6789")),
        (Format::Text, lines(&format!("{long}123-45-6789 {long}"), 78)),
        (Format::Text, lines(&format!("{long}123-45-6789 {long}"), 70)),
        (Format::Text, lines(&format!("{long}123-45-6789 {long}"), 100)),
        (Format::Text, lines(&format!("{long}123-45-6789 {long}"), 20)),
        (Format::Form, "{=&ssn=123+45+6789".to_owned()),
        (Format::Xml, "Hi <b>&#49;23-45-6789</b>".to_owned()),
        (Format::Json, "{\"html\":\"&#49;23-45-6789\"}".to_owned()),
        (Format::Text, "&#000000000000000000000000049;23-45-6789".to_owned()),
        (Format::Json, "{\"url\":\"https://x.test/?q=%3123-45-6789\"}".to_owned()),
        (Format::Form, "payload=%7B%22t%22%3A%22%5Cu0031%5Cu0032%5Cu0033-45-6789%22%7D".to_owned()),
        (Format::Text, format!("/users/{}", hex("123-45-6789"))),
        (Format::Text, format!("x{}", hex("123-45-6789"))),
    ] {
        assert_eq!(check_invariants(format, body.as_bytes()).names(), ["ssn"], "{body}");
    }
}

#[test]
fn a_mark_of_utf16_does_not_hide_single_bytes() {
    for body in [&b"\xff\xfessn 123-45-6789 and more"[..], b"x\0y\0 ssn: 123-45-6789 and more"] {
        for run in [run(redact_all(), Format::Json, body), run_bytewise(redact_all(), Format::Json, body)] {
            assert_eq!((run.flow, run.names()), (Flow::Opaque, vec!["ssn"]));
            assert!(!run.text().contains('1'), "none of it has left: {}", run.text());
        }
    }
    let chinese: Vec<u8> = "报告已经完成，请检查。".repeat(50).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&b"\xff\xfe"[..], &chinese].concat();
    assert_eq!(check_invariants(Format::Unknown, &marked).out, marked);
}
