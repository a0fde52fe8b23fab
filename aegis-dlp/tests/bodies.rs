//! Properties of bodies in every coding and container, cut at random places.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "support/packing.rs"]
mod packing;
#[path = "support/streams.rs"]
mod streams;

use aegis_dlp::{Described, StreamFlow};
use packing::*;
use proptest::prelude::*;
use streams::*;

const FRAGMENTS: [&str; 22] = [
    "536-22-8741",
    "jane@example.com",
    "4111 1111 1111 1111",
    "AKIAIOSFODNN7EXAMPLE",
    "ssn: 523456789",
    "dob 1980-01-02",
    "\\u0040",
    "%40",
    "word",
    " ",
    "\r\n",
    "\n",
    "\r",
    "--XX",
    "--XX--",
    "--",
    "\"",
    "{\"a\":",
    "}",
    "é",
    "&amp;",
    "536-22",
];

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(&FRAGMENTS[..]), 0..12).prop_map(|all| all.concat().into_bytes())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => text(), 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

/// A message of some fields by the wire format.
fn message() -> impl Strategy<Value = Vec<u8>> {
    bytes().prop_recursive(4, 24, 4, |inner| {
        let field = (
            1_u8..15,
            prop_oneof![
                inner.prop_map(|bytes| {
                    let mut field = Vec::new();
                    prost::encoding::encode_varint(bytes.len() as u64, &mut field);
                    field.extend(bytes);
                    (2, field)
                }),
                any::<u64>().prop_map(|number| {
                    let mut field = Vec::new();
                    prost::encoding::encode_varint(number, &mut field);
                    (0, field)
                }),
                any::<[u8; 8]>().prop_map(|bytes| (1, bytes.to_vec())),
                any::<[u8; 4]>().prop_map(|bytes| (5, bytes.to_vec())),
            ],
        );
        prop::collection::vec(field, 0..4).prop_map(|fields| {
            let fields = fields.into_iter().map(|(number, (kind, bytes))| [&[number << 3 | kind][..], &bytes].concat());
            fields.collect::<Vec<_>>().concat()
        })
    })
}

fn archive() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(&["a.txt", "word/document.xml", "x.zip", "dir/", "jane@example.com"][..]);
    let markup =
        text().prop_map(|text| [b"<w:p><w:t>", text.as_slice(), b"</w:t><w:t>", &text, b"</w:t></w:p>"].concat());
    let entry = (name, prop_oneof![bytes(), markup], any::<bool>());
    (prop::collection::vec(entry, 0..5), any::<bool>()).prop_map(|(entries, behind)| {
        let entries: Vec<Entry<'_>> =
            entries.iter().map(|(name, content, packed)| Entry(name, content, *packed)).collect();
        zip(&entries, behind)
    })
}

fn part() -> impl Strategy<Value = Vec<u8>> {
    let headers = prop::sample::select(
        &[
            "Content-Disposition: form-data; name=\"a\"\r\n",
            "Content-Disposition: form-data; name=\"f\"; filename=\"jane@example.com.txt\"\r\n",
            "Content-Type: application/json\r\n",
            "Content-Type: multipart/mixed; boundary=YY\r\n",
            "X-Folded: a\r\n b\r\n",
            "",
        ][..],
    );
    let encoding = |bytes: Vec<u8>| {
        let encoded = data_encoding::BASE64.encode(&bytes);
        let lines: Vec<&str> = encoded.as_bytes().chunks(20).map(|line| std::str::from_utf8(line).unwrap()).collect();
        [b"Content-Transfer-Encoding: base64\r\n\r\n".as_slice(), lines.join("\r\n").as_bytes()].concat()
    };
    let quoted = |bytes: Vec<u8>| {
        let escaped: Vec<String> = bytes.iter().map(|byte| format!("={byte:02X}")).collect();
        let lines: Vec<String> = escaped.chunks(15).map(|line| line.concat()).collect();
        [b"Content-Transfer-Encoding: quoted-printable\r\n\r\n".as_slice(), lines.join("=\r\n").as_bytes()].concat()
    };
    let content = prop_oneof![
        3 => bytes().prop_map(|bytes| [b"\r\n", bytes.as_slice()].concat()),
        1 => archive().prop_map(|bytes| [b"\r\n", bytes.as_slice()].concat()),
        2 => bytes().prop_map(encoding),
        1 => text().prop_map(quoted),
        1 => text().prop_map(|text| [b"\r\n--YY\r\n\r\n", text.as_slice(), b"\r\n--YY--"].concat()),
    ];
    (headers, content).prop_map(|(headers, content)| [b"--XX\r\n", headers.as_bytes(), &content, b"\r\n"].concat())
}

fn multipart() -> impl Strategy<Value = Vec<u8>> {
    let end = prop::sample::select(&["--XX--", "--XX--\r\nbehind", "--XX", ""][..]);
    (prop::collection::vec(part(), 0..4), end)
        .prop_map(|(parts, end)| [parts.concat().as_slice(), end.as_bytes()].concat())
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let message = (message(), any::<bool>());
    prop::collection::vec(message, 0..4).prop_map(|messages| {
        let framed = messages.iter().map(
            |(message, packed)| {
                if *packed { framed(1, &gzip(message)) } else { framed(0, message) }
            },
        );
        framed.collect::<Vec<_>>().concat()
    })
}

/// What a body is described as, by the index in `DESCRIBED`, and the body.
fn body() -> impl Strategy<Value = (usize, Vec<u8>)> {
    prop_oneof![
        (prop::sample::select(&[0_usize, 10, 11, 12, 13][..]), bytes()),
        text().prop_map(|text| (1, gzip(&text))),
        text().prop_map(|text| (2, zlib(&text))),
        text().prop_map(|text| (2, deflate(&text))),
        text().prop_map(|text| (3, brotli(&text))),
        text().prop_map(|text| (4, zstd(&text))),
        text().prop_map(|text| (5, zstd(&gzip(&text)))),
        (6_usize..8, multipart()),
        (Just(8), frames()),
        frames().prop_map(|frames| (9, data_encoding::BASE64.encode(&frames).into_bytes())),
        text().prop_map(|text| (10, framed(0, &text))),
        (Just(11), message()),
        (Just(12), archive()),
        archive().prop_map(|archive| (12, gzip(&archive))),
        bytes().prop_map(|bytes| (13, [b"\x89PNG\r\n\x1a\n", bytes.as_slice()].concat())),
    ]
}

fn described(kind: usize) -> Described<'static> {
    let (content_type, content_encoding, grpc_encoding) = DESCRIBED[kind];
    Described { content_type: Some(content_type), content_encoding, grpc_encoding, ..Described::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_change_nothing_and_what_leaves_is_clean(
        (kind, body) in body(), cuts in prop::collection::vec(0_usize..600, 0..8), every in any::<bool>(),
    ) {
        let cuts = if every { (0..body.len()).collect() } else { cuts };
        check_sending(&described(kind), &body, &cuts);
    }

    #[test]
    fn what_codings_undo_is_what_was_coded(text in text(), cuts in prop::collection::vec(0_usize..600, 0..8)) {
        // Redaction aside: with no detector that could match, the body comes out as it went in.
        let profile = aegis_dlp::Profile::redacting(aegis_dlp::Detector::PrivateKey.into());
        for (name, coded) in [("gzip", gzip(&text)), ("deflate", zlib(&text)), ("br", brotli(&text)), ("zstd", zstd(&text))] {
            let codings = [name];
            let described = Described { content_encoding: &codings, ..Described::default() };
            let sent = send_cut(&profile, &described, &coded, &cuts);
            prop_assert_eq!(sent.flow, StreamFlow::Continue);
            prop_assert_eq!(&sent.out, &text);
        }
    }
}
