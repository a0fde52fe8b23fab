//! Which descriptor sets are read, and messages as JSON for conditions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "support/packing.rs"]
mod packing;
#[path = "support/people.rs"]
mod people;

use std::collections::HashMap;

use aegis_dlp::{DescriptorError, Descriptors, NotOneMessage};
use packing::{framed, gzip};
use people::*;
use prost::Message;
use prost_types::FileDescriptorSet;
use serde_json::{Value, json};

const ADD: &str = "/lab.v1.People/Add";

fn known() -> Descriptors {
    Descriptors::read(&[PEOPLE]).unwrap()
}

fn json_of(content_type: &'static str, body: &[u8]) -> Option<Result<Value, NotOneMessage>> {
    let header = |name: &str| match name {
        "content-type" => Some(content_type),
        "grpc-encoding" => Some("gzip"),
        _ => None,
    };
    known().request_json(ADD, header, body)
}

fn json_of_message(message: &[u8]) -> Option<Value> {
    json_of("application/grpc", &framed(0, message)).unwrap().ok()
}

#[test]
fn sets_that_are_broken_say_why() {
    let set = FileDescriptorSet::decode(PEOPLE).unwrap();
    let alone =
        FileDescriptorSet { file: set.file.iter().filter(|one| one.name() == "people.proto").cloned().collect() };
    let mut other = alone.clone();
    other.file[0].message_type[0].field.pop();
    let mut renamed = set.clone();
    renamed.file.last_mut().unwrap().name = Some("copy.proto".into());
    let mut twice = set.clone();
    let fields = &mut twice.file.last_mut().unwrap().message_type[0].field;
    fields[1].number = fields[0].number;
    let mut odd = set.clone();
    odd.file.last_mut().unwrap().message_type[0].name = Some("a b\u{1}".into());
    let mut untyped = set.clone();
    untyped.file.last_mut().unwrap().message_type[0].field[0].r#type = Some(77);
    let error = |sets: &[&[u8]]| Descriptors::read(sets).unwrap_err();
    let of = |set: &FileDescriptorSet| set.encode_to_vec();
    assert!(matches!(error(&[b"no descriptors"]), (0, DescriptorError::Malformed(_))));
    assert!(matches!(error(&[PEOPLE, b"\xff\xff"]), (1, DescriptorError::Malformed(_))));
    assert!(matches!(error(&[b""]), (0, DescriptorError::Empty)));
    assert!(matches!(error(&[&of(&alone)]), (0, DescriptorError::Missing { .. })));
    assert!(error(&[&of(&alone)]).1.to_string().contains("--include_imports"));
    assert!(matches!(error(&[PEOPLE, &of(&other)]), (1, DescriptorError::Twice(file)) if file == "people.proto"));
    assert!(matches!(error(&[PEOPLE, &of(&renamed)]), (1, DescriptorError::Twice(_))));
    assert!(matches!(error(&[&of(&twice)]), (0, DescriptorError::Twice(_))));
    assert!(matches!(error(&[&of(&odd)]), (0, DescriptorError::Name(_))));
    assert!(matches!(error(&[&of(&untyped)]), (0, DescriptorError::Field(name)) if name == "lab.v1.Person.name"));
    assert!(matches!(error(&[&vec![0; Descriptors::LONGEST + 1]]), (0, DescriptorError::TooLarge(_))));
    assert!(matches!(error(&vec![PEOPLE; Descriptors::MOST + 1]), (_, DescriptorError::TooLarge(_))));
    assert_eq!(Descriptors::read(&[]).unwrap(), Descriptors::NONE);
}

#[test]
fn the_same_file_may_be_in_several_sets() {
    let both = Descriptors::read(&[PEOPLE, PEOPLE, LEGACY]).unwrap();
    assert_eq!(both.message(".lab.v1.Person").unwrap().name(), "lab.v1.Person");
    assert!(both.message("lab.v1.Nobody").is_none() && both.message("lab.legacy.Order.Payer").is_some());
    assert_eq!(both.request(ADD).unwrap().name(), "lab.v1.Person");
    assert_eq!(both.response(ADD).unwrap().name(), "lab.v1.Answer");
    assert!(both.request("lab.v1.People/Add").is_none() && both.request("/lab.v1.People/add").is_none());
    assert!(both == both.clone() && both != known());
    assert!(both.names().any(|name| name == "google.protobuf.Struct"));
    assert!(!both.names().any(|name| name.ends_with("Entry")), "{:?}", both.names().collect::<Vec<_>>());
}

#[test]
fn a_message_as_json() {
    let person = Person {
        name: "Ada".into(),
        card: u64::MAX,
        balance: -5,
        card_double: 0.5,
        cards: vec![1, 2],
        cards_unpacked: vec![-3],
        numbers: HashMap::from([("a".into(), 7)]),
        children: vec![Person { level: 2, ..Person::default() }],
        contact: Some(Contact::Phone(0)),
        photo: vec![0xff],
        level: 9,
        active: true,
        weight: 0.1,
        ..Person::default()
    };
    let mut message = person.encode_to_vec();
    // extra: {"k": [null, 1.5, "x"]}; limit: 3.
    message.extend(b"\x9a\x01\x1e\x0a\x1c\x0a\x01k\x12\x17\x32\x15\x0a\x02\x08\x00\x0a\x09\x11\x00\x00\x00\x00\x00\x00\xf8\x3f\x0a\x04\x1a\x02xy");
    message.extend(b"\xa2\x01\x02\x08\x03");
    let mut empty = json!({
        "name": "", "ssn": "", "card": 0, "ssnNumber": 0, "balance": 0, "cardFixed": 0, "cardDouble": 0.0, "cards": [],
        "cardsUnpacked": [], "attributes": {}, "numbers": {}, "children": [], "photo": "", "level": "LEVEL_UNSPECIFIED",
        "active": false, "weight": 0.0,
    });
    assert_eq!(json_of_message(b"").unwrap(), empty);
    let child = {
        empty["level"] = "LEVEL_HIGH".into();
        empty
    };
    let expected = json!({
        "name": "Ada", "ssn": "", "card": u64::MAX, "ssnNumber": 0, "balance": -5, "cardFixed": 0, "cardDouble": 0.5,
        "cards": [1, 2], "cardsUnpacked": [-3], "attributes": {}, "numbers": {"a": 7}, "children": [child], "phone": 0,
        "photo": "/w==", "level": 9, "active": true, "weight": 0.1, "extra": {"k": [null, 1.5, "xy"]}, "limit": 3,
    });
    assert_eq!(json_of_message(&message).unwrap(), expected);
    for (content_type, body) in [
        ("application/grpc", framed(0, &message)),
        ("application/grpc+proto; charset=x", framed(1, &gzip(&message))),
        ("application/grpc-web+proto", framed(0, &message)),
        ("Application/Proto", message.clone()),
    ] {
        assert_eq!(json_of(content_type, &body).unwrap().unwrap(), expected, "{content_type}");
    }
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_no_message() {
    let table: [(&str, &[u8]); 12] = [
        ("a text twice", b"\x0a\x01a\x0a\x01b"),
        ("a message twice", b"\x62\x00\x62\x00"),
        ("both of two alternatives", b"\x72\x01a\x78\x01"),
        ("a number that does not fit", b"\x20\xff\xff\xff\xff\x0f"),
        ("a truth of its own", b"\x90\x01\x02"),
        ("another type on the wire", b"\x08\x01"),
        ("no UTF-8", b"\x0a\x01\xff"),
        ("a key twice", b"\x52\x06\x0a\x01a\x12\x01x\x52\x06\x0a\x01a\x12\x01y"),
        ("a key twice in an entry", b"\x52\x06\x0a\x01a\x0a\x01b"),
        ("half a list", b"\x42\x01\x80"),
        ("no message", b"\x0a\x05a"),
        ("deeper than is read", b""),
    ];
    let mut deep = Person::default();
    for _ in 0..40 {
        deep = Person { friend: Some(Box::new(deep)), ..Person::default() };
    }
    let deep = deep.encode_to_vec();
    for (what, message) in table {
        let message = if message.is_empty() { &deep } else { message };
        assert_eq!(json_of_message(message), None, "{what}");
    }
    let good = Person { name: "Ada".into(), ..Person::default() }.encode_to_vec();
    assert!(json_of_message(&good).is_some());
    let twice = [framed(0, &good), framed(0, &good)].concat();
    for (what, body) in [
        ("two messages", twice),
        ("none", Vec::new()),
        ("half of one", framed(0, &good)[..8].to_vec()),
        ("more than one", [framed(0, &good), vec![0]].concat()),
        ("trailers", framed(0x80, &good)),
        ("no gzip", framed(1, &good)),
        ("something behind the gzip", framed(1, &[gzip(&good), gzip(b"")].concat())),
    ] {
        assert_eq!(json_of("application/grpc", &body), Some(Err(NotOneMessage)), "{what}");
    }
    let header = |name: &str| (name == "content-type").then_some("application/grpc");
    let body = framed(0, &good);
    assert_eq!(known().request_json("/lab.v1.People/Import", header, &body), Some(Err(NotOneMessage)), "a stream");
    assert_eq!(known().request_json(ADD, header, &framed(1, &gzip(&good))), Some(Err(NotOneMessage)), "no coding");
    assert_eq!(known().request_json("/lab.v1.People/None", header, &body), None);
    assert_eq!(Descriptors::NONE.request_json(ADD, header, &body), None);
    for other in ["application/json", "application/grpc+json", "application/grpc-web-text", "text/plain"] {
        assert_eq!(json_of(other, &body), None, "{other}");
    }
}

/// Defaults of fields that are not there could make much of little.
#[test]
fn what_a_message_becomes_is_bounded() {
    let many = Person { children: vec![Person::default(); 1_000], ..Person::default() };
    assert!(json_of_message(&many.encode_to_vec()).is_some());
    let more = Person { children: vec![Person::default(); 10_000], ..Person::default() };
    assert_eq!(json_of_message(&more.encode_to_vec()), None);
}
