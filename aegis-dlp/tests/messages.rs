//! gRPC, gRPC-Web, Connect and protocol buffers: strings found by wire format, lengths kept right, the rest untouched.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "support/packing.rs"]
mod packing;
#[path = "support/streams.rs"]
mod streams;

use aegis_dlp::{Described, Reason, Unreadable};
use packing::*;
use prost::Message;
use streams::*;

/// A message as a schema has it.
#[derive(Clone, PartialEq, Message)]
struct Person {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, tag = "2")]
    number: i64,
    #[prost(message, optional, boxed, tag = "3")]
    friend: Option<Box<Person>>,
    #[prost(bytes = "vec", tag = "4")]
    picture: Vec<u8>,
    #[prost(string, repeated, tag = "5")]
    notes: Vec<String>,
    #[prost(double, repeated, tag = "6")]
    weights: Vec<f64>,
    #[prost(fixed32, tag = "7")]
    colour: u32,
    #[prost(map = "string, string", tag = "9")]
    labels: std::collections::HashMap<String, String>,
}

fn person(text: &str) -> Person {
    Person {
        name: "Ada".into(),
        number: -7,
        friend: Some(Box::new(Person {
            notes: vec!["a note".into(), text.into()],
            number: 1 << 40,
            ..Person::default()
        })),
        picture: vec![0, 159, 146, 150],
        weights: vec![1.5, -2.5],
        colour: 0xff00_ff00,
        labels: [("key".to_owned(), "value of the label".to_owned())].into(),
        ..Person::default()
    }
}

fn grpc() -> Described<'static> {
    Described { content_type: Some("application/grpc+proto"), grpc_encoding: Some("gzip"), ..Described::default() }
}

/// Messages of a stream: flags and content.
fn frames(mut body: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [flags, a, b, c, d, rest @ ..] = body {
        let (message, rest) = rest.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        frames.push((*flags, message.to_vec()));
        body = rest;
    }
    assert!(body.is_empty());
    frames
}

#[test]
fn a_match_in_a_message_within_a_message() {
    let long =
        format!("my number is {SSN}, and this text is longer than a length of one byte can say, {}", "so ".repeat(60));
    let body = [framed(0, &person("nothing").encode_to_vec()), framed(0, &person(&long).encode_to_vec())].concat();
    let sent = send(&redacting(), &grpc(), &body);
    assert_eq!(sent.places(), ["body:13:grpc:2/3.5"]);
    let frames = frames(sent.passed());
    assert_eq!(frames[0], (0, person("nothing").encode_to_vec()));
    let read = Person::decode(frames[1].1.as_slice()).unwrap();
    assert_eq!(read, person(&long.replace(SSN, "[SSN]")));
    assert_eq!(send(&redacting(), &grpc(), &sent.out).findings, []);
    assert_eq!(send(&denying(), &grpc(), &body).denied_by(), "ssn");
}

#[test]
fn what_is_denied_does_not_get_out_with_its_message() {
    let first = framed(0, &person("first").encode_to_vec());
    let body = [first.clone(), framed(0, &person(SSN).encode_to_vec())].concat();
    assert_eq!(send(&denying(), &grpc(), &body).out, first);
}

#[test]
fn compressed_messages_stay_compressed_where_they_are_clean() {
    let (clean, dirty) = (gzip(&person("clean").encode_to_vec()), gzip(&person(SSN).encode_to_vec()));
    let body = [framed(1, &clean), framed(1, &dirty), framed(1, &clean)].concat();
    let sent = send(&redacting(), &grpc(), &body);
    let frames = frames(sent.passed());
    assert_eq!((&frames[0], &frames[2]), (&(1, clean.clone()), &(1, clean)));
    assert_eq!((frames[1].0, Person::decode(frames[1].1.as_slice()).unwrap()), (0, person("[SSN]")));
}

#[test]
fn messages_that_cannot_be_read_are_the_rules_choice() {
    let body = |flags, message: &[u8]| framed(flags, message);
    let broken = body(1, b"not compressed");
    let half = body(0, &person("x").encode_to_vec());
    let half = &half[..half.len() - 1];
    let bomb = body(1, &gzip(&vec![0; 5 * 1024 * 1024]));
    for (body, expected) in [(&broken[..], "compressed"), (half, "message stream"), (&bomb, "bound")] {
        let reason = send(&redacting(), &grpc(), body).reason();
        assert!(reason.to_string().contains(expected), "{reason}");
        let passing = send(&unreadable(redacting(), Unreadable::Pass), &grpc(), body);
        assert_eq!((passing.passed(), passing.remarks.len()), (body, 1));
    }
    let without = Described { grpc_encoding: None, ..grpc() };
    assert!(matches!(send(&redacting(), &without, &body(1, &gzip(b""))).reason(), Reason::Ambiguous(_)));
    let unknown = Described { grpc_encoding: Some("snappy"), ..grpc() };
    assert!(aegis_dlp::Stream::new(&redacting(), &unknown).is_err());
}

#[test]
fn messages_over_the_bound_are_not_held() {
    let head = [0, 0, 64, 0, 1];
    let reason = send(&redacting(), &grpc(), &head).reason();
    assert!(matches!(reason, Reason::TooLarge(_)));
    let large = framed(0, &vec![b'x'; 4 * 1024 * 1024 + 1]);
    let body = [large.clone(), framed(0, &person(SSN).encode_to_vec())].concat();
    let passing = send_cut(&unreadable(redacting(), Unreadable::Pass), &grpc(), &body, &[70_000, 3_000_000]);
    assert!(passing.passed().starts_with(&large));
    assert_eq!(passing.names(), ["ssn"], "the next one is read");
}

#[test]
fn grpc_web_and_its_text_form() {
    let body =
        [framed(0, &person(SSN).encode_to_vec()), framed(0x80, format!("grpc-message: {SSN}\r\n").as_bytes())].concat();
    let web = Described { content_type: Some("application/grpc-web+proto"), ..Described::default() };
    let sent = send(&redacting(), &web, &body);
    assert_eq!(frames(sent.passed())[1], (0x80, b"grpc-message: [SSN]\r\n".to_vec()));

    let clean = framed(0, &person("clean").encode_to_vec());
    let text = Described { content_type: Some("application/grpc-web-text"), ..Described::default() };
    let segments =
        |one: &[u8], two: &[u8]| [data_encoding::BASE64.encode(one), data_encoding::BASE64.encode(two)].concat();
    let encoded = segments(&clean, &clean);
    assert_eq!(send(&redacting(), &text, encoded.as_bytes()).text(), encoded);
    let sent = send(&redacting(), &text, segments(&clean, &body).as_bytes());
    assert_eq!(sent.places().len(), 2);
    // Segment by segment: padding may stand anywhere.
    let decoded: Vec<u8> = decode_segments(&sent.text());
    let frames = frames(&decoded);
    assert_eq!(frames[0].1, person("clean").encode_to_vec());
    assert_eq!(Person::decode(frames[1].1.as_slice()).unwrap(), person("[SSN]"));
}

fn decode_segments(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(4).flat_map(|group| data_encoding::BASE64.decode(group).unwrap()).collect()
}

#[test]
fn json_in_messages() {
    let connect = Described { content_type: Some("application/connect+json"), ..Described::default() };
    let body = [framed(0, br#"{"ssn":"536-22-8741"}"#), framed(2, b"{}")].concat();
    let sent = send(&redacting(), &connect, &body);
    assert_eq!(frames(sent.passed()), [(0, br#"{"ssn":"[SSN]"}"#.to_vec()), (2, b"{}".to_vec())]);
    assert_eq!(sent.places(), ["body:8:grpc:1!/ssn"]);
}

#[test]
fn a_body_that_is_one_message() {
    for kind in ["application/x-protobuf", "application/protobuf; messageType=x", "application/proto"] {
        let sent = send(&redacting(), &typed(kind), &person(SSN).encode_to_vec());
        assert_eq!(Person::decode(sent.passed()).unwrap(), person("[SSN]"), "{kind}");
    }
    let large = vec![b'x'; 4 * 1024 * 1024 + 1];
    assert!(matches!(send_cut(&redacting(), &typed("application/proto"), &large, &[]).reason(), Reason::TooLarge(_)));
}

#[test]
fn text_that_parses_as_a_message_is_text() {
    // By the wire format also field 6 of eight bytes, and field 7: no text anywhere in it.
    let ssn = "123-45-6789";
    let text = Person { name: ssn.into(), ..Person::default() };
    let sent = send(&redacting(), &grpc(), &framed(0, &text.encode_to_vec()));
    assert_eq!(Person::decode(frames(sent.passed())[0].1.as_slice()).unwrap().name, "[SSN]");
    // The same with something that no text has: it cannot be replaced, so it stops.
    let hidden = Person { picture: [ssn.as_bytes(), b"\x08\x01"].concat(), ..Person::default() };
    assert_eq!(send(&redacting(), &grpc(), &framed(0, &hidden.encode_to_vec())).denied_by(), "ssn");
}

#[test]
fn json_and_files_in_fields() {
    let json = Person { name: r#"{"card":"4111 1111 1111 111\u0031"}"#.into(), ..Person::default() };
    let sent = send(&redacting(), &grpc(), &framed(0, &json.encode_to_vec()));
    assert_eq!(sent.places(), ["body:9:grpc:1/1!/card"], "{:?}", json.name);
    let packed = Person { picture: gzip(format!("ssn {SSN}").as_bytes()), ..Person::default() };
    assert_eq!(send(&redacting(), &grpc(), &framed(0, &packed.encode_to_vec())).denied_by(), "ssn");
}

#[test]
fn deep_messages_end() {
    let mut message = person("innermost").encode_to_vec();
    for _ in 0..40 {
        let mut outer = vec![0x1a];
        prost::encoding::encode_varint(message.len() as u64, &mut outer);
        outer.extend(message);
        message = outer;
    }
    assert!(matches!(send(&redacting(), &grpc(), &framed(0, &message)).reason(), Reason::TooLarge(_)));
}
