//! The ways in which a document is sent: formats, containers, codings and alphabets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::encode::{full_width, hex, in_json, percent, unicode_escapes};
use crate::packing::{Entry, brotli, deflate, framed, gzip, zip, zlib, zstd};

/// A body and what its head says of it.
pub struct Body {
    pub content_type: &'static str,
    pub content_encoding: &'static [&'static str],
    pub grpc_encoding: Option<&'static str>,
    pub bytes: Vec<u8>,
}

/// A way to send a document.
pub struct Encoding {
    pub name: &'static str,
    pub send: fn(&str) -> Body,
}

/// A way to write the characters of a value.
pub struct Disguise {
    pub name: &'static str,
    pub write: fn(&str) -> String,
}

fn body(content_type: &'static str, bytes: impl Into<Vec<u8>>) -> Body {
    Body { content_type, content_encoding: &[], grpc_encoding: None, bytes: bytes.into() }
}

fn coded(coding: &'static [&'static str], bytes: Vec<u8>) -> Body {
    Body { content_type: "text/plain", content_encoding: coding, grpc_encoding: None, bytes }
}

pub const PLAIN: Encoding = Encoding { name: "text", send: |text| body("text/plain", text) };

pub const ALL: &[Encoding] = &[
    PLAIN,
    Encoding {
        name: "JSON",
        send: |text| body("application/json", format!("{{\"id\":7,\"content\":\"{}\"}}", in_json(text))),
    },
    Encoding {
        name: "JSON, escaped",
        send: |text| body("application/json", format!("[\"{}\"]", unicode_escapes(text))),
    },
    Encoding {
        name: "JSON in JSON",
        send: |text| {
            let inner = format!("{{\"text\":\"{}\"}}", in_json(text));
            body("application/json", format!("{{\"arguments\":\"{}\"}}", in_json(&inner)))
        },
    },
    Encoding {
        name: "form",
        send: |text| body("application/x-www-form-urlencoded", format!("a=1&content={}&b=2", form(text))),
    },
    Encoding {
        name: "form, percent-encoded",
        send: |text| body("application/x-www-form-urlencoded", format!("a=1&content={}", percent(text))),
    },
    Encoding {
        name: "multipart field",
        send: |text| multipart(&format!("Content-Disposition: form-data; name=\"content\"\r\n\r\n{text}")),
    },
    Encoding {
        name: "multipart file",
        send: |text| {
            let head =
                "Content-Disposition: form-data; name=\"file\"; filename=\"notes.txt\"\r\nContent-Type: text/plain";
            multipart(&format!("{head}\r\n\r\n{text}"))
        },
    },
    Encoding {
        name: "XML",
        send: |text| {
            body("application/xml", format!("<?xml version=\"1.0\"?><doc><text>{}</text></doc>", markup(text)))
        },
    },
    Encoding {
        name: "CSV",
        send: |text| body("text/csv", format!("id,content\r\n1,\"{}\"\r\n", text.replace('"', "\"\""))),
    },
    Encoding {
        name: "NDJSON",
        send: |text| {
            body("application/x-ndjson", format!("{{\"n\":1}}\n{{\"content\":\"{}\"}}\n{{\"n\":3}}\n", in_json(text)))
        },
    },
    Encoding {
        name: "events",
        send: |text| {
            body("text/event-stream", format!("event: delta\ndata: {{\"content\":\"{}\"}}\n\n", in_json(text)))
        },
    },
    Encoding { name: "protobuf", send: |text| body("application/x-protobuf", message(text)) },
    Encoding { name: "gRPC", send: |text| body("application/grpc", framed(0, &message(text))) },
    Encoding {
        name: "gRPC, gzip",
        send: |text| Body { grpc_encoding: Some("gzip"), ..body("application/grpc", framed(1, &gzip(&message(text)))) },
    },
    Encoding {
        name: "base64",
        send: |text| body("application/json", format!("{{\"data\":\"{}\"}}", STANDARD.encode(text))),
    },
    Encoding {
        name: "data URL",
        send: |text| {
            body("application/json", format!("{{\"url\":\"data:text/plain;base64,{}\"}}", STANDARD.encode(text)))
        },
    },
    Encoding { name: "hexadecimal", send: |text| body("text/plain", format!("dump: {}\n", hex(text))) },
    Encoding {
        name: "URL",
        send: |text| body("application/json", format!("{{\"url\":\"https://x.example/?q={}&page=2\"}}", percent(text))),
    },
    Encoding { name: "gzip", send: |text| coded(&["gzip"], gzip(text.as_bytes())) },
    Encoding { name: "br", send: |text| coded(&["br"], brotli(text.as_bytes())) },
    Encoding { name: "zstd", send: |text| coded(&["zstd"], zstd(text.as_bytes())) },
    Encoding { name: "deflate", send: |text| coded(&["deflate"], zlib(text.as_bytes())) },
    Encoding { name: "deflate, bare", send: |text| coded(&["deflate"], deflate(text.as_bytes())) },
    Encoding {
        name: "zip",
        send: |text| body("application/zip", zip(&[Entry("notes.txt", text.as_bytes(), true)], false)),
    },
    Encoding { name: "UTF-16, little end first", send: |text| body("text/plain", wide(text, u16::to_le_bytes)) },
    Encoding { name: "UTF-16, big end first", send: |text| body("text/plain", wide(text, u16::to_be_bytes)) },
];

pub const DISGUISES: &[Disguise] = &[
    Disguise { name: "full width", write: full_width },
    Disguise {
        name: "Arabic-Indic digits",
        write: |text| text.chars().map(|c| c.to_digit(10).map_or(c, |d| char::from_u32(0x660 + d).unwrap())).collect(),
    },
    Disguise { name: "zero-width", write: |text| text.chars().flat_map(|c| [c, '\u{200b}']).collect() },
    Disguise { name: "other hyphens and blanks", write: |text| text.replace('-', "\u{2011}").replace(' ', "\u{a0}") },
];

fn multipart(part: &str) -> Body {
    let text = format!("--XX\r\n{part}\r\n--XX--\r\n");
    body("multipart/form-data; boundary=XX", text)
}

fn markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn form(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"*-._".contains(&byte);
    let write = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        byte if plain(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(write).collect()
}

/// A message with a number and, in a message within, the text.
fn message(text: &str) -> Vec<u8> {
    let field = |number: u8, content: &[u8]| {
        let mut field = vec![number << 3 | 2];
        let mut length = content.len();
        while length > 0x7F {
            field.push(u8::try_from(length & 0x7F).unwrap() | 0x80);
            length >>= 7;
        }
        field.push(u8::try_from(length).unwrap());
        field.extend_from_slice(content);
        field
    };
    let mut message = vec![0x08, 0x96, 0x01];
    message.extend(field(2, &field(1, text.as_bytes())));
    message
}

fn wide(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(bytes).collect()
}
