//! Files in base64 within JSON, as model APIs carry them: read as what they are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "support/packing.rs"]
mod packing;
#[path = "support/streams.rs"]
mod streams;

use aegis_dlp::{Attachment, Attachments, Deed, Reason, StreamFlow, Unreadable, Why};
use packing::*;
use streams::*;

const JSON: &str = "application/json";

fn message(file: &[u8]) -> Vec<u8> {
    let data = data_encoding::BASE64.encode(file);
    format!(r#"{{"messages":[{{"role":"user","content":[{{"type":"file","data":"{data}"}}]}}],"note":"{SSN}"}}"#)
        .into_bytes()
}

fn picture(text: &str) -> Vec<u8> {
    let noise: Vec<u8> = (0..30_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    // Among the noise what a scanner of text takes for an address.
    [b"\x89PNG\r\n\x1a\n".as_slice(), &noise, b"\xff\x01a@b.co\x02\xfetEXt", text.as_bytes(), b"\0", &noise].concat()
}

#[test]
fn pictures_pass_as_they_are_and_the_rest_is_redacted() {
    let body = message(&picture("a sunny day"));
    let sent = send(&redacting(), &typed(JSON), &body);
    let expected = String::from_utf8(body).unwrap().replace(SSN, "[SSN]");
    assert_eq!(String::from_utf8_lossy(sent.passed()), expected);
    assert_eq!(sent.places(), [format!("body:{}:/note", expected.find("[SSN]").unwrap())]);
}

#[test]
fn what_their_descriptions_say_is_found() {
    let sent = send(&redacting(), &typed(JSON), &message(&picture("taken by jane@example.com")));
    assert_eq!(sent.denied_by(), "email");
    assert!(sent.places()[0].ends_with(":/messages/0/content/0/data!base64"), "{:?}", sent.places());
}

#[test]
fn archives_are_opened() {
    let archive = zip(&[Entry("word/document.xml", b"<w:p><w:t>536-22-</w:t><w:t>8741</w:t></w:p>", true)], false);
    for file in [archive.clone(), gzip(format!("my number is {SSN}").as_bytes())] {
        let sent = send(&redacting(), &typed(JSON), &message(&file));
        assert_eq!(sent.denied_by(), "ssn");
        assert!(sent.places()[0].contains("/messages/0/content/0/data!base64"), "{:?}", sent.places());
    }
    let clean = message(&zip(&[Entry("a.txt", b"nothing in it", true)], true));
    assert_eq!(send(&redacting(), &typed(JSON), &clean).names(), ["ssn"], "the note alone");
}

#[test]
fn what_cannot_be_read_is_the_rules_choice() {
    let body = message(format!("%PDF-1.7\n{}", "x".repeat(200)).as_bytes());
    let sent = send(&redacting(), &typed(JSON), &body);
    assert_eq!(sent.reason(), Reason::Unreadable("application/pdf"));
    assert!(
        matches!(&sent.flow, StreamFlow::Deny(Why::Opaque(opaque)) if &*opaque.path == "/messages/0/content/0/data!base64")
    );
    let asking = send(&unreadable(redacting(), Unreadable::Approve), &typed(JSON), &body);
    assert!(matches!(&asking.flow, StreamFlow::Deny(Why::Opaque(opaque)) if opaque.approvable));
    let passing = send(&unreadable(redacting(), Unreadable::Pass), &typed(JSON), &body);
    assert_eq!(passing.text(), String::from_utf8(body.clone()).unwrap().replace(SSN, "[SSN]"));
    assert_eq!((passing.remarks.len(), passing.remarks[0].deed), (1, Deed::Unread));
    let observing = send(&redacting().report_only(), &typed(JSON), &body);
    assert_eq!((observing.passed(), observing.remarks.len()), (&body[..], 1));
}

#[test]
fn files_that_the_rule_does_not_let_out() {
    let deny = Attachment { types: vec!["image/*".into()], ..Attachment::default() };
    let profile = with_attachments(redacting(), Attachments { deny, ..Attachments::default() });
    assert_eq!(send(&profile, &typed(JSON), &message(&picture("x"))).reason(), Reason::Attachment("type"));
    assert_eq!(
        send(&profile, &typed(JSON), &message(b"a text of some length, and no picture at all")).names(),
        ["ssn"]
    );
}
