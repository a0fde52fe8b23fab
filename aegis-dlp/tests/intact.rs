//! Redaction in every format: what was not touched is intact byte for byte, what leaves parses as what it was, and holds
//! nothing more to be found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "support/packing.rs"]
mod packing;
#[path = "support/streams.rs"]
mod streams;

use aegis_dlp::{Described, StreamFlow};
use data_encoding::BASE64;
use packing::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use prost::Message;
use streams::*;

/// What holds nothing, with all that formats escape.
const CLEAN: [&str; 16] = [
    "word",
    "and more",
    "über",
    "中文字",
    "a < b > c",
    "say \"x\"",
    "50% off",
    "x & y",
    "C:\\dir\\",
    "plus + one",
    "e\u{301}",
    "it's",
    "tab\there",
    "\u{1F600}\u{200d}",
    "[a]",
    "{b}",
];
const SECRETS: [(&str, &str); 5] = [
    ("536-22-8741", "[SSN]"),
    ("jane@example.com", "[EMAIL]"),
    ("4111 1111 1111 1111", "[CARD]"),
    ("AKIAIOSFODNN7EXAMPLE", "[AWS_KEY]"),
    ("sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789AA", "[ANTHROPIC_KEY]"),
];

/// A part of a text: its index among the clean ones, or the secrets, and how it is spelled.
type Part = (bool, usize, u8);
type Text = Vec<Part>;

fn text() -> impl Strategy<Value = Text> {
    let clean = (Just(false), 0..CLEAN.len(), any::<u8>());
    let secret = (Just(true), 0..SECRETS.len(), any::<u8>());
    prop::collection::vec(prop_oneof![3 => clean, 1 => secret], 0..8)
}

/// A text as a format writes it, as it is or with masks for its secrets.
fn spell(text: &Text, masked: bool, write: Write, mask: fn(&str) -> String) -> String {
    let part = |(secret, which, how): &Part| match (secret, masked) {
        (false, _) => write(CLEAN[*which], *how),
        (true, false) => write(SECRETS[*which].0, *how),
        (true, true) => mask(SECRETS[*which].1),
    };
    text.iter().map(part).collect::<Vec<_>>().join(&write(" ; ", 0))
}

/// How a format writes a text, in one of the ways that it has.
type Write = fn(&str, u8) -> String;

fn plainly(text: &str, _: u8) -> String {
    text.to_owned()
}

fn in_json(text: &str, how: u8) -> String {
    if how.is_multiple_of(3) {
        return text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    }
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].replace('/', "\\/")
}

fn in_form(text: &str, how: u8) -> String {
    let byte = |byte: u8| match byte {
        b' ' if how.is_multiple_of(2) => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() && !how.is_multiple_of(3) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn in_xml(text: &str, how: u8) -> String {
    if how.is_multiple_of(3) {
        return text.chars().map(|c| format!("&#x{:x};", u32::from(c))).collect();
    }
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn in_csv(text: &str, _: u8) -> String {
    text.replace('"', "\"\"")
}

fn percent_mask(mask: &str) -> String {
    mask.replace('[', "%5B").replace(']', "%5D")
}

/// A format: what it is declared as, how it writes texts, and whether it reads what it is given.
struct Syntax {
    name: &'static str,
    content_type: &'static str,
    write: fn(&[Text], bool) -> Vec<u8>,
    parses: fn(&[u8]) -> bool,
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok()
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(bytes).is_ok()
}

fn json(texts: &[Text], masked: bool) -> Vec<u8> {
    let texts: Vec<String> =
        texts.iter().map(|text| format!("\"{}\"", spell(text, masked, in_json, str::to_owned))).collect();
    format!("{{ \"n\":1.50, \"list\":[{}],\"e\":1E3}}\n", texts.join(" ,")).into_bytes()
}

fn wide(texts: &[Text], masked: bool) -> Vec<u8> {
    String::from_utf8(json(texts, masked)).unwrap().encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn lines(texts: &[Text], masked: bool, write: Write, mask: fn(&str) -> String, [before, after]: [&str; 2]) -> Vec<u8> {
    let line = |text: &Text| format!("{before}{}{after}", spell(text, masked, write, mask));
    texts.iter().map(line).collect::<String>().into_bytes()
}

const SYNTAXES: [Syntax; 8] = [
    Syntax {
        name: "text",
        content_type: "text/plain",
        write: |texts, masked| lines(texts, masked, plainly, str::to_owned, ["so ", "\n"]),
        parses: is_text,
    },
    Syntax { name: "JSON", content_type: "application/json", write: json, parses: is_json },
    Syntax {
        name: "NDJSON",
        content_type: "application/x-ndjson",
        write: |texts, masked| lines(texts, masked, in_json, str::to_owned, ["{\"v\":\"", "\"}\n"]),
        parses: |bytes| bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).all(is_json),
    },
    Syntax {
        name: "form",
        content_type: "application/x-www-form-urlencoded",
        write: |texts, masked| lines(texts, masked, in_form, percent_mask, ["a=", "&"]),
        parses: |bytes| bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"%+=&-._~*".contains(byte)),
    },
    Syntax {
        name: "XML",
        content_type: "application/xml",
        write: |texts, masked| {
            let attributes = lines(texts, masked, in_xml, str::to_owned, ["<v a=\"", "\"/>"]);
            let elements = lines(texts, masked, in_xml, str::to_owned, ["<v>", "</v >\n"]);
            [b"<?xml version=\"1.0\"?><r>".as_slice(), &attributes, &elements, b"</r>"].concat()
        },
        parses: |bytes| roxmltree::Document::parse(std::str::from_utf8(bytes).unwrap()).is_ok(),
    },
    Syntax {
        name: "CSV",
        content_type: "text/csv",
        write: |texts, masked| lines(texts, masked, in_csv, str::to_owned, ["1,\"", "\",x\r\n"]),
        parses: |bytes| std::str::from_utf8(bytes).unwrap().lines().all(|line| line.ends_with("\",x")),
    },
    Syntax {
        name: "UTF-16",
        content_type: "application/json",
        write: wide,
        parses: |bytes| {
            let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
            String::from_utf16(&units).is_ok_and(|text| is_json(text.as_bytes()))
        },
    },
    Syntax {
        name: "events",
        content_type: "text/event-stream",
        write: |texts, masked| lines(texts, masked, in_json, str::to_owned, ["event: x\ndata: {\"d\":\"", "\"}\n\n"]),
        parses: |bytes| {
            let data = std::str::from_utf8(bytes).unwrap().lines().filter_map(|line| line.strip_prefix("data: "));
            data.map(str::as_bytes).all(is_json)
        },
    },
];

/// Sends a body: it leaves whole, and what leaves holds nothing to be found.
fn sent(described: &Described<'_>, body: &[u8], cuts: &[usize], what: &str) -> Vec<u8> {
    let sent = send_cut(&redacting(), described, body, cuts);
    assert_eq!(sent.flow, StreamFlow::Continue, "{what}: {:?}", String::from_utf8_lossy(body));
    let identity = Described { content_encoding: &[], ..*described };
    let again = send_cut(&redacting(), &identity, &sent.out, &[]);
    assert_eq!((again.names(), again.out == sent.out), (vec![], true), "{what}: {:?}", sent.text());
    sent.out
}

fn same_text(out: &[u8], expected: &[u8], what: &str) {
    assert_eq!(String::from_utf8_lossy(out), String::from_utf8_lossy(expected), "{what}");
    assert_eq!(out, expected, "{what}");
}

/// A message as a schema has it.
#[derive(Clone, PartialEq, Message)]
struct Note {
    #[prost(string, repeated, tag = "1")]
    texts: Vec<String>,
    #[prost(message, optional, boxed, tag = "3")]
    inner: Option<Box<Note>>,
    #[prost(bytes = "vec", tag = "4")]
    blob: Vec<u8>,
    #[prost(sint64, tag = "200")]
    number: i64,
}

fn note(texts: &[Text], masked: bool) -> Vec<u8> {
    let (outer, inner) = texts.split_at(texts.len() / 2);
    let written = |texts: &[Text]| -> Vec<String> {
        texts.iter().map(|text| format!("so {}", spell(text, masked, plainly, str::to_owned))).collect()
    };
    let inner = Note { texts: written(inner), blob: vec![0xff, 1], ..Note::default() };
    Note { texts: written(outer), inner: Some(Box::new(inner)), blob: vec![0, 159, 146, 150], number: -7 }
        .encode_to_vec()
}

fn has_secrets(texts: &[Text]) -> bool {
    texts.iter().flatten().any(|(secret, ..)| *secret)
}

/// Base64 in lines of this length.
fn in_lines(bytes: &[u8], length: usize) -> String {
    let encoded = BASE64.encode(bytes);
    let lines: Vec<&str> = encoded.as_bytes().chunks(length).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join("\r\n")
}

fn quoted_printable(bytes: &[u8]) -> String {
    let escaped: Vec<String> = bytes.iter().map(|byte| format!("={byte:02X}")).collect();
    escaped.chunks(20).map(<[String]>::concat).collect::<Vec<_>>().join("=\r\n")
}

/// The bytes of quoted-printable text.
fn unquoted(text: &str) -> Vec<u8> {
    let joined = text.replace("=\r\n", "");
    let (mut bytes, mut rest) = (Vec::new(), joined.as_str());
    while let Some(first) = rest.chars().next() {
        let (byte, length) = match rest.strip_prefix('=') {
            Some(digits) => (u8::from_str_radix(&digits[..2], 16).unwrap(), 3),
            None => (u8::try_from(u32::from(first)).unwrap(), 1),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    bytes
}

/// A multipart body with a text in each of the ways that parts are encoded.
fn multipart(texts: &[Text], masked: bool) -> String {
    let text = String::from_utf8((SYNTAXES[0].write)(texts, masked)).unwrap();
    let json = String::from_utf8(json(texts, masked)).unwrap();
    format!(
        "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{text}\r\n\
         --XX\r\nContent-Type: application/json\r\n\r\n{json}\r\n\
         --XX\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n\
         --XX\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{}\r\n--XX--\r\n",
        in_lines(text.as_bytes(), 76),
        quoted_printable(json.as_bytes()),
    )
}

/// The contents of the parts of such a body.
fn parts(body: &str) -> Vec<Vec<u8>> {
    let inside = body.strip_prefix("--XX\r\n").unwrap().strip_suffix("\r\n--XX--\r\n").unwrap();
    let content = |part: &str| {
        let (fields, content) = part.split_once("\r\n\r\n").unwrap();
        match () {
            () if fields.ends_with("base64") => BASE64.decode(content.replace("\r\n", "").as_bytes()).unwrap(),
            () if fields.ends_with("printable") => unquoted(content),
            () => content.as_bytes().to_vec(),
        }
    };
    inside.split("\r\n--XX\r\n").map(content).collect()
}

/// The same cases each time, as in `properties.rs`.
fn config() -> ProptestConfig {
    let config = ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
    let rng_seed = if config.rng_seed == RngSeed::Random { RngSeed::Fixed(20_261_123) } else { config.rng_seed };
    ProptestConfig { rng_seed, ..config }
}

fn texts() -> impl Strategy<Value = Vec<Text>> {
    prop::collection::vec(text(), 1..4)
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0_usize..900, 0..6)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_syntax(texts in texts(), cuts in cuts()) {
        for Syntax { name, content_type, write, parses } in &SYNTAXES {
            let out = sent(&typed(content_type), &write(&texts, false), &cuts, name);
            same_text(&out, &write(&texts, true), name);
            prop_assert!(parses(&out), "{name}: {:?}", String::from_utf8_lossy(&out));
        }
    }

    #[test]
    fn every_coding(texts in texts(), cuts in cuts()) {
        let body = json(&texts, false);
        for (name, coded) in [
            ("gzip", gzip(&body)),
            ("deflate", zlib(&body)),
            ("deflate", deflate(&body)),
            ("br", brotli(&body)),
            ("zstd", zstd(&body)),
            ("gzip, br", brotli(&gzip(&body))),
        ] {
            let codings = [name];
            let described = Described { content_encoding: &codings, ..typed("application/json") };
            same_text(&sent(&described, &coded, &cuts, name), &json(&texts, true), name);
        }
    }

    #[test]
    fn parts_and_mails(texts in texts(), cuts in cuts()) {
        let body = multipart(&texts, false);
        let out = sent(&typed("multipart/mixed; boundary=XX"), body.as_bytes(), &cuts, "multipart");
        let out = String::from_utf8(out).unwrap();
        prop_assert_eq!(parts(&out), parts(&multipart(&texts, true)), "{} became {}", body, out);
        if !has_secrets(&texts) {
            prop_assert_eq!(&out, &body);
        }
        let fields = "Received: by a\r\nReceived: by b\r\nContent-Type: multipart/mixed; boundary=XX\r\n\r\n";
        let mail = sent(&typed("message/rfc822"), format!("{fields}{body}").as_bytes(), &cuts, "mail");
        prop_assert_eq!(String::from_utf8(mail).unwrap(), format!("{fields}{out}"));
    }

    #[test]
    fn messages(texts in texts(), cuts in cuts(), packed in any::<bool>()) {
        let (message, clean) = (note(&texts, false), note(&texts, true));
        let frame = if packed { framed(1, &gzip(&message)) } else { framed(0, &message) };
        let expected = if has_secrets(&texts) { framed(0, &clean) } else { frame.clone() };
        let grpc = Described { grpc_encoding: Some("gzip"), ..typed("application/grpc") };
        let out = sent(&grpc, &[frame.clone(), frame.clone()].concat(), &cuts, "gRPC");
        prop_assert_eq!(&out, &[expected.clone(), expected.clone()].concat());
        let encoded = BASE64.encode(&framed(0, &message)).into_bytes();
        let web = sent(&typed("application/grpc-web-text"), &encoded, &cuts, "gRPC-Web");
        prop_assert_eq!(BASE64.decode(&web).unwrap(), framed(0, &clean));
        let out = sent(&typed("application/x-protobuf"), &message, &cuts, "protobuf");
        prop_assert_eq!(&out, &clean);
        prop_assert_eq!(Note::decode(out.as_slice()).unwrap().number, -7);
    }

    #[test]
    fn content_in_content(texts in texts(), cuts in cuts(), levels in 1_usize..3) {
        let nest = |bytes: Vec<u8>| (0..levels).fold(bytes, |bytes, _| BASE64.encode(&bytes).into_bytes());
        let body = |inner: Vec<u8>| [b"{\"a\":1.50,\"data\":\"".as_slice(), &inner, b"\",\"z\":\"\\u00e9\"}"].concat();
        let out = sent(&typed("application/json"), &body(nest(json(&texts, false))), &cuts, "base64");
        same_text(&out, &body(nest(json(&texts, true))), "base64");
        prop_assert!(is_json(&out));
        let plain = "and words, and more words, before it all";
        let archive = zip(&[Entry("a.txt", plain.as_bytes(), true), Entry("b.json", &json(&texts, false), true)], false);
        let archived = send_cut(&redacting(), &typed("application/zip"), &archive, &cuts);
        if has_secrets(&texts) {
            prop_assert_ne!(archived.flow, StreamFlow::Continue);
        } else {
            prop_assert_eq!(archived.passed(), archive.as_slice());
        }
    }
}
