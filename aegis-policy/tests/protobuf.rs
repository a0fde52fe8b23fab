//! Descriptor sets beside a policy: named in it, part of its bundle, and what conditions see with them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::{Read, Write};

use aegis_policy::bundle::Bundle;
use aegis_policy::{Decision, Permit, ReadBody, Snapshot, Source, Verdict, compile};
use common::{policy, source};
use http::{HeaderMap, HeaderValue};
use serde_json::json;

const PEOPLE: &[u8] = include_bytes!("../../aegis-dlp/tests/support/proto/people.binpb");
const LEGACY: &[u8] = include_bytes!("../../aegis-dlp/tests/support/proto/legacy.binpb");

fn descriptors(name: &str, bytes: &[u8]) -> Source {
    Source::of_file(name.to_owned(), bytes.to_vec()).unwrap()
}

fn files(head: &str, rules: &str) -> Vec<Source> {
    vec![
        source("p/rules.yaml", &format!("{head}\n{}", policy(rules))),
        descriptors("p/people.binpb", PEOPLE),
        descriptors("p/legacy.binpb", LEGACY),
        descriptors("p/broken.binpb", b"\xff no descriptors"),
        descriptors("other/people.binpb", PEOPLE),
    ]
}

const HEAD: &str = "protobuf: [{descriptors: people.binpb}, {descriptors: legacy.binpb}]";
const RULE: &str = "- {name: r, hosts: [a.test], decision: allow, dlp: {redact: [ssn], message: lab.legacy.Order}}";

fn compiled() -> Snapshot {
    compile(&files(HEAD, RULE)).unwrap_or_else(|problems| panic!("{:#?}", problems.problems()))
}

fn permit(snapshot: &Snapshot) -> Permit {
    match common::ask("POST https://a.test/").decide(snapshot) {
        Verdict::Permit(permit) => permit,
        Verdict::Denial(denial) => panic!("{denial:?}"),
    }
}

fn problem(head: &str, rules: &str) -> String {
    let found = compile(&files(head, rules)).unwrap_err();
    found.problems().iter().map(|one| format!("{one} ({})\n", one.help.as_deref().unwrap_or(""))).collect()
}

#[test]
fn rules_that_look_for_something_know_the_types() {
    let permit = permit(&compiled());
    assert_eq!(permit.decision(), Decision::Sanitize);
    assert_eq!(permit.profile().descriptors().request("/lab.v1.People/Add").unwrap().name(), "lab.v1.Person");
    let details = permit.profile().details.as_ref().unwrap();
    assert_eq!(details.message.as_ref().unwrap().name(), "lab.legacy.Order");
    // Read anew from the same files they are the same: what is under way may go on.
    assert_eq!(permit.profile().descriptors(), self::permit(&compiled()).profile().descriptors());
}

#[test]
fn what_is_wrong_is_told_with_file_and_reason() {
    let plain = "- {name: r, hosts: [a.test], decision: allow}";
    let typed = |name: &str| {
        format!("- {{name: r, hosts: [a.test], decision: allow, dlp: {{redact: [ssn], message: {name}}}}}")
    };
    for (head, rules, wanted) in [
        ("protobuf: [{descriptors: none.binpb}]", plain, "there is no descriptor set `none.binpb`"),
        ("protobuf: [{descriptors: ../other/people.binpb}]", plain, "there is no descriptor set"),
        ("protobuf: [{descriptors: rules.yaml}]", plain, "it ends with .binpb and lies beside this file"),
        ("protobuf: [{descriptors: broken.binpb}]", plain, "p/broken.binpb: no compiled descriptor set"),
        ("protobuf: [{descriptors: people.binpb}, {descriptors: people.binpb}]", plain, "is named already"),
        ("protobuf: []", plain, "the list is empty"),
        ("protobuf: [{descriptor: people.binpb}]", plain, "`descriptors` is missing"),
        (HEAD, &typed("lab.v1.Persona"), "did you mean `lab.v1.Person`?"),
        (HEAD, &typed("Person"), "write its full name"),
        ("version: v1", &typed("lab.v1.Person"), "protobuf: [{descriptors: FILE.binpb}]"),
    ] {
        let told = problem(head, rules);
        assert!(told.contains(wanted) && told.contains("p/rules.yaml:"), "{head}: {told}");
    }
    let text = source("p/people.binpb", "not base64!");
    let files =
        [source("p/rules.yaml", &format!("{HEAD}\n{}", policy(plain))), text, descriptors("p/legacy.binpb", LEGACY)];
    assert!(compile(&files).unwrap_err().to_string().contains("not the base64"));
}

#[test]
fn teams_name_none() {
    let files = [
        source("delegated/red/p.yaml", "protobuf: [{descriptors: people.binpb}]\npolicies: []"),
        descriptors("delegated/red/people.binpb", PEOPLE),
        source("p.yaml", &policy("- {name: r, hosts: [a.test], decision: allow}")),
    ];
    let found = compile(&files).unwrap_err();
    assert!(found.problems().iter().any(|one| one.message.contains("protobuf")), "{found:?}");
}

#[test]
fn a_bundle_holds_the_sets_as_they_are() {
    let bundle = Bundle::build(files(HEAD, RULE), None, 1).unwrap();
    let bytes = bundle.write(None).unwrap();
    let read = Bundle::read(&bytes, None).unwrap();
    let set = read.sources.iter().find(|one| one.name == "p/people.binpb").unwrap();
    assert_eq!(set.to_bytes(), PEOPLE);
    assert_eq!(set.text, descriptors("x.binpb", PEOPLE).text);
    let mut archive = Vec::new();
    flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut archive).unwrap();
    assert!(archive.windows(PEOPLE.len()).any(|part| part == PEOPLE), "not in base64");
    assert_eq!(permit(&read.snapshot).profile().descriptors(), permit(&bundle.snapshot).profile().descriptors());
}

#[test]
fn conditions_see_the_message_of_a_unary_call() {
    let headers = |content_type: &'static str| {
        HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type))])
    };
    let snapshot = compiled();
    let read = |path: &str, content_type, body: &[u8]| snapshot.read_body(path, &headers(content_type), body);
    // name: "Ada", ssn_number: 7.
    let body = b"\x00\x00\x00\x00\x07\x0a\x03Ada\x20\x07";
    let ReadBody::Message(message) = read("/lab.v1.People/Add", "application/grpc", body) else { panic!() };
    assert_eq!((&message["name"], &message["ssnNumber"], &message["ssn"]), (&json!("Ada"), &json!(7), &json!("")));
    assert_eq!(read("/lab.v1.People/Import", "application/grpc", body), ReadBody::Invalid);
    assert_eq!(read("/lab.v1.People/None", "application/grpc", body), ReadBody::Invalid);
    assert_eq!(read("/lab.v1.People/Add", "application/json", body), ReadBody::Invalid);
    assert_eq!(read("/lab.v1.People/Add", "application/json", b"{\"a\":1}"), ReadBody::Json(json!({"a": 1})));
    // A number of JSON that is a fixed64 in field 6 as well: what may be both is neither.
    assert_eq!(read("/lab.v1.People/Add", "application/proto", b"123456789"), ReadBody::Invalid);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(&body[5..]).unwrap();
    let packed = packer.finish().unwrap();
    let packed = [b"\x01", u32::try_from(packed.len()).unwrap().to_be_bytes().as_slice(), &packed].concat();
    let mut coded = headers("application/grpc");
    coded.append("grpc-encoding", HeaderValue::from_static("gzip"));
    assert!(matches!(snapshot.read_body("/lab.v1.People/Add", &coded, &packed), ReadBody::Message(_)));
    coded.append("grpc-encoding", HeaderValue::from_static("gzip"));
    assert_eq!(snapshot.read_body("/lab.v1.People/Add", &coded, &packed), ReadBody::Invalid, "two codings");
}
