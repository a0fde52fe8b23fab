//! Ways to write a text so that nobody sees it at first sight.
#![allow(dead_code, reason = "each test binary uses a part")]

use aegis_dlp::Format;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// A way to write a text.
pub type Encode = fn(&str) -> String;

/// Each character of which the text is made, as `f` writes it.
fn each(text: &str, f: impl Fn(char) -> String) -> String {
    text.chars().map(f).collect()
}

fn shifted(text: &str, f: impl Fn(u32) -> u32) -> String {
    each(text, |c| char::from_u32(f(u32::from(c))).unwrap().to_string())
}

pub fn unicode_escapes(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}

/// As a JSON string, without its quotes.
pub fn in_json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

pub fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

pub fn full_width(text: &str) -> String {
    shifted(text, |c| if (0x21..0x7F).contains(&c) { c + 0xFEE0 } else { c })
}

pub fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

pub fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Encodings of characters, fit for any text.
pub const CHARACTERS: &[(&str, Encode)] = &[
    ("as it is", str::to_owned),
    ("full width", full_width),
    ("Arabic-Indic digits", |text| shifted(text, |c| if (0x30..0x3A).contains(&c) { c - 0x30 + 0x660 } else { c })),
    ("Devanagari digits", |text| shifted(text, |c| if (0x30..0x3A).contains(&c) { c - 0x30 + 0x966 } else { c })),
    ("mathematical", |text| {
        shifted(text, |c| match c {
            0x30..0x3A => c - 0x30 + 0x1D7F6,
            0x41..0x5B => c - 0x41 + 0x1D670,
            0x61..0x7B => c - 0x61 + 0x1D68A,
            c => c,
        })
    }),
    ("zero-width spaces", |text| each(text, |c| format!("{c}\u{200b}"))),
    ("joiners and marks", |text| each(text, |c| format!("\u{200d}\u{ad}{c}\u{fe0f}"))),
    ("other hyphens", |text| text.replace('-', "\u{2011}").replace(' ', "\u{a0}")),
];

/// Encodings that any text decodes from wherever it stands.
pub const NESTED: &[(&str, Encode)] = &[
    ("base64", base64),
    ("base64 without padding", |text| STANDARD_NO_PAD.encode(text)),
    ("URL base64", |text| URL_SAFE.encode(text)),
    ("URL base64 without padding", |text| URL_SAFE_NO_PAD.encode(text)),
    ("hexadecimal", hex),
    ("capital hexadecimal", |text| hex(text).to_uppercase()),
    ("0x", |text| format!("0x{}", hex(text))),
    ("a data URL", |text| format!("data:text/plain;base64,{}", base64(text))),
    ("base64 of UTF-16", |text| STANDARD.encode(text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>())),
    ("base64 of escaped JSON", |text| base64(&format!("{{\"k\":[\"{}\"]}}", unicode_escapes(text)))),
    ("base64 of XML", |text| {
        base64(&format!("<a b='&#x{:x};{}'/>", u32::from(text.chars().next().unwrap()), &text[1..]))
    }),
    ("base64 of a form", |text| base64(&format!("a=1&b={}", percent(text)))),
    ("a token in three parts", |text| {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let head = part("{\"alg\":\"none\"}");
        format!("{head}.{}.c2lnbmF0dXJl", part(&format!("{{\"sub\":\"1\",\"note\":\"{}\"}}", in_json(text))))
    }),
];

/// Documents in which any text may stand.
pub const DOCUMENTS: &[(&str, Format, Encode)] = &[
    ("text", Format::Text, |text| format!("so: {text} .")),
    ("undeclared text", Format::Unknown, |text| format!("so: {text} .")),
    ("JSON", Format::Json, |text| format!("{{\"a\":{{\"b\":[1,\"{}\"]}}}}", in_json(text))),
    ("undeclared JSON", Format::Unknown, |text| format!("[\"{}\"]", in_json(text))),
    ("escaped JSON", Format::Json, |text| format!("{{\"a\":\"{}\"}}", unicode_escapes(text))),
    ("JSON in JSON", Format::Json, |text| {
        format!("{{\"a\":\"{}\"}}", in_json(&format!("{{\"b\":\"{}\"}}", unicode_escapes(text))))
    }),
    ("JSON in JSON in JSON", Format::Json, |text| {
        let inner = in_json(&format!("{{\"c\":\"{}\",\"n\":\"\\n\"}}", unicode_escapes(text)));
        format!("{{\"a\":\"{}\"}}", in_json(&format!("{{\"b\":\"{inner}\"}}")))
    }),
    ("JSON, percent-encoded", Format::Json, |text| format!("{{\"url\":\"https://x/?q={}&r=1\"}}", percent(text))),
    ("text, percent-encoded", Format::Text, |text| format!("see https://x/?q={}.", percent(text))),
    ("an event", Format::Unknown, |text| format!("event: x\ndata: {{\"delta\":\"{}\"}}\n\n", unicode_escapes(text))),
    ("a form", Format::Form, |text| format!("a=1&b={}&c=x", percent(text))),
    ("a form, encoded twice", Format::Form, |text| format!("a=1&b={}&c=x", percent(&percent(text)))),
    ("JSON in a form", Format::Form, |text| {
        format!("payload={}", percent(&format!("{{\"a\":\"{}\"}}", unicode_escapes(text))))
    }),
    ("XML", Format::Xml, |text| format!("<a><b>{}</b></a>", text.replace('&', "&amp;"))),
    ("XML, decimal", Format::Xml, |text| format!("<a>{}</a>", each(text, |c| format!("&#{};", u32::from(c))))),
    ("XML, hexadecimal", Format::Unknown, |text| {
        format!("<a b=\"{}\"/>", each(text, |c| format!("&#x{:x};", u32::from(c))))
    }),
    ("CDATA", Format::Xml, |text| format!("<a><![CDATA[{text}]]></a>")),
    ("CSV", Format::Csv, |text| format!("a,b\r\n1,\"{}\"\r\n", text.replace('"', "\"\""))),
    ("lines of JSON", Format::Json, |text| format!("{{\"a\":1}}\n{{\"b\":\"{}\"}}\n", in_json(text))),
];
