//! Values that are divided over the messages of a gRPC stream or over lines of JSON.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "support/packing.rs"]
mod packing;
#[path = "support/streams.rs"]
mod streams;

use std::fmt::Write as _;

use aegis_dlp::{Described, DetectorSet, Profile};
use packing::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use streams::*;

const KEY: &str = "AKIAQ3EGRTZYXNMB2LKJ";
const ROWS: &str = "application/x-ndjson";

fn masking() -> Profile {
    Profile { redact: DetectorSet::PII, deny: DetectorSet::SECRETS, ..Profile::default() }
}

fn grpc() -> Described<'static> {
    Described { content_type: Some("application/grpc"), grpc_encoding: Some("gzip"), ..Described::default() }
}

/// A field of bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat()
}

fn stream(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.iter().flat_map(|message| framed(0, message)).collect()
}

#[test]
fn over_messages_of_grpc() {
    for cut in 1..KEY.len() {
        let (one, two) = KEY.split_at(cut);
        let body = stream(&[field(1, one.as_bytes()), field(1, two.as_bytes())]);
        let sent = send(&masking(), &grpc(), &body);
        assert_eq!((sent.denied_by(), sent.places()), ("aws_key", vec!["body:0:grpc:2/1!joined".to_owned()]), "{cut}");
        assert_eq!(sent.out, framed(0, &field(1, one.as_bytes())), "what began it has gone");
    }
    let other = stream(&[field(1, &KEY.as_bytes()[..9]), field(2, &KEY.as_bytes()[9..])]);
    assert_eq!(send(&masking(), &grpc(), &other).passed(), other, "other fields are other texts");
}

#[test]
fn the_rest_is_masked_with_the_lengths_around_it() {
    let nested = |text: &str| field(3, &[field(1, b"\xff\0"), field(2, text.as_bytes())].concat());
    let body = |rest: &str| stream(&[nested("ssn 536-22-"), nested(rest)]);
    let sent = send(&masking(), &grpc(), &body("8741, thanks"));
    assert_eq!((sent.passed(), sent.names()), (&body("[SSN], thanks")[..], vec!["ssn"]));
    // Letter by letter, in one message and compressed in several.
    let letters = |text: &str| text.bytes().flat_map(|byte| field(5, &[byte])).collect::<Vec<u8>>();
    assert_eq!(send(&masking(), &typed("application/x-protobuf"), &letters(KEY)).denied_by(), "aws_key");
    let packed: Vec<u8> = KEY.as_bytes().chunks(7).flat_map(|part| framed(1, &gzip(&field(1, part)))).collect();
    assert_eq!(send(&masking(), &grpc(), &packed).denied_by(), "aws_key");
    let json: Vec<u8> =
        [r#"{"t":"ssn 536-22-"}"#, r#"{"t":"8741"}"#].iter().flat_map(|m| framed(0, m.as_bytes())).collect();
    let sent = send(&masking(), &typed("application/grpc+json"), &json);
    assert!(sent.text().ends_with(r#"{"t":"[SSN]"}"#), "{}", sent.text());
}

#[test]
fn over_lines_of_json() {
    for content_type in [ROWS, "application/json", "text/plain", "application/octet-stream", "application/json-seq"] {
        for (end, lead) in [("\n", ""), ("\r\n", ""), ("\n\n", ""), ("\n", "\x1e")] {
            if lead == "\x1e" && content_type != "application/json-seq" {
                continue;
            }
            let body = |one: &str, two: &str| {
                format!("{lead}{{\"t\":\"{one}\"}}{end}{lead}{{\"n\":1, \"t\" : \"{two}\"}}{end}")
            };
            let sent = send(&masking(), &typed(content_type), body("ssn 536-22-", "87\\u00341 x").as_bytes());
            assert_eq!((sent.text(), sent.names()), (body("ssn 536-22-", "[SSN] x"), vec!["ssn"]), "{content_type}");
            let sent = send(&masking(), &typed(content_type), body(&KEY[..9], &KEY[9..]).as_bytes());
            assert_eq!(sent.denied_by(), "aws_key", "{content_type} {end:?}");
            assert!(!sent.text().contains(&KEY[9..]));
        }
    }
    let letters: String = KEY.chars().map(|letter| format!("[{{\"t\":\"{letter}\"}}]\n")).collect();
    let sent = send(&masking(), &typed(ROWS), letters.as_bytes());
    assert_eq!((sent.denied_by(), sent.places()), ("aws_key", vec!["body:0:line:20!joined".to_owned()]));
    // A file of a form, and one in an archive.
    let rows = format!("{{\"t\":\"{}\"}}\n{{\"t\":\"{}\"}}", &KEY[..9], &KEY[9..]);
    let form =
        format!("--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.jsonl\"\r\n\r\n{rows}\r\n--XX--\r\n");
    assert_eq!(send(&masking(), &typed("multipart/form-data; boundary=XX"), form.as_bytes()).denied_by(), "aws_key");
    let archive = zip(&[Entry("a.jsonl", rows.as_bytes(), true)], false);
    assert_eq!(send(&masking(), &typed("application/zip"), &archive).denied_by(), "aws_key");
}

#[test]
fn a_line_goes_on_as_soon_as_it_is_whole() {
    let mut stream = aegis_dlp::Stream::new(&masking(), &typed(ROWS)).unwrap();
    let (mut out, mut whole) = (Vec::new(), String::new());
    for number in 0..20 {
        let line = format!("{{\"model\":\"m\",\"response\":\"word{number}\",\"done\":false}}\n");
        assert_eq!(stream.push(line.as_bytes(), &mut out), aegis_dlp::StreamFlow::Continue);
        whole.push_str(&line);
        assert_eq!(String::from_utf8_lossy(&out), whole);
    }
}

#[test]
fn what_is_no_line_of_json_leaves_as_it_came_and_in_time() {
    let pretty = "{\n  \"t\": \"536-22-\",\n  \"u\": \"8741\"\n}\n";
    let long =
        format!("{{\"t\":\"536-22-\"}}\n{{\"u\":\"{}\",\"t\":\"8741\"}}\n{{\"t\":\"x\"}}\n", "w ".repeat(20_000));
    for body in [pretty, &long, "{\"t\":1}\n\n\n", "[1]\n[2]\n{broken\n{\"t\":1}", "{}\nno json\n", "\n\n{}\n"] {
        for size in [1, 7, 1000, 100_000] {
            let cuts: Vec<usize> = (0..body.len()).step_by(size).collect();
            assert_eq!(send_cut(&masking(), &typed(ROWS), body.as_bytes(), &cuts).passed(), body.as_bytes());
        }
    }
}

/// Rows as logs, exports and answers have them, of which none goes on with another.
#[test]
fn rows_that_stand_for_themselves_are_not_joined() {
    let mut seed = 7_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let (mut rows, mut messages) = (String::new(), Vec::new());
    for number in 0..4000_u64 {
        let (day, hour, cents) = (random(28) + 1, random(24), random(100));
        let fields = [
            ("at", format!("2026-11-{day:02}T{hour:02}:{:02}:{cents:02}Z", random(60))),
            ("amount", format!("{}.{cents:02}", random(5000))),
            ("quantity", random(100_000).to_string()),
            ("zip", format!("{:05}", random(100_000))),
            (
                "trace",
                format!(
                    "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
                    random(1 << 32),
                    random(1 << 16),
                    random(4096),
                    random(4096),
                    random(1 << 31)
                ),
            ),
            ("digest", format!("{:016x}{:016x}", random(1 << 31), random(1 << 31))),
            ("name", ["Jane Doe", "Li Wei", "Amélie", "O'Neil", "J. R."][random(5) as usize].to_owned()),
            ("path", format!("/v1/items/{}/parts", random(1 << 30))),
            ("sku", format!("{}-{:04}-{}", ["AB", "XK", "DE"][random(3) as usize], random(10_000), random(100))),
            (
                "text",
                ["ok", "see section 4.2", "the answer is 42,", "(at 09:15)", "a word and "][random(5) as usize]
                    .to_owned(),
            ),
            ("level", ["INFO", "WARN", "ERROR"][random(3) as usize].to_owned()),
        ];
        let members: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
        writeln!(rows, "{{{},\"number\":{number}}}", members.join(",")).unwrap();
        let fields = fields.iter().zip(1..).flat_map(|((_, value), number)| field(number, value.as_bytes()));
        messages.push(fields.collect::<Vec<u8>>());
    }
    let all = Profile::redacting(DetectorSet::ALL);
    let body = stream(&messages);
    for (described, body) in [(typed(ROWS), rows.as_bytes()), (grpc(), &body)] {
        let sent = send_cut(&all, &described, body, &(0..body.len()).step_by(1000).collect::<Vec<_>>());
        let joined = sent.places().into_iter().filter(|place| place.contains("joined")).count();
        assert_eq!((joined, sent.flow), (0, aegis_dlp::StreamFlow::Continue), "{:?}", sent.findings);
    }
}

/// Beginnings, ends, and what stands between.
const PIECES: &[&str] = &[
    "ssn 536-22-",
    "536-22",
    "-8741",
    "8741",
    "8741, x",
    "jane.doe@",
    "corp.example",
    "AKIAQ3EGRT",
    "ZYXNMB2LKJ",
    "4111 1111",
    " 1111 1111",
    "41111111",
    "11111111",
    "word",
    "two words ",
    "1",
    "",
    "MTIzLTQ1",
    "LTY3ODk=",
    "é",
    "[SSN]",
    "https://a:b",
    "c9secret@db.example",
    "jane.doe@corp.example",
    "ssn 536-22-8741",
    "ZYXNMB2LKJ, ssn 536-22-8741 ",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, rng_seed: RngSeed::Fixed(11), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_change_nothing_and_what_leaves_is_clean(
        rows in prop::collection::vec(prop::collection::vec((0..3_u8, prop::sample::select(PIECES)), 1..4), 1..8),
        size in 1..40_usize,
    ) {
        let (mut lines, mut messages) = (String::new(), Vec::new());
        for row in &rows {
            let mut members: Vec<String> = Vec::new();
            for (place, text) in row {
                members.push(format!("\"{}{}\":\"{text}\"", ["a", "b", "c"][usize::from(*place)], members.len()));
            }
            writeln!(lines, "{{{}}}", members.join(",")).unwrap();
            messages.push(row.iter().flat_map(|(place, text)| field(place + 1, text.as_bytes())).collect::<Vec<u8>>());
        }
        for (described, body) in [(typed(ROWS), lines.into_bytes()), (grpc(), stream(&messages))] {
            check_sending(&described, &body, &(0..body.len()).step_by(size).collect::<Vec<_>>());
        }
    }
}
