//! Multipart bodies: every part read, files judged by what they are, and what goes out is multipart still.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "support/streams.rs"]
mod streams;

use std::task::{Context, Poll, Waker};

use aegis_dlp::{Attachment, Attachments, Deed, Reason, StreamFlow, Unreadable};
use streams::*;

const FORM: &str = "multipart/form-data; boundary=XX";
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89";

/// What an independent parser reads: name, file name, content type and content of each part.
type Field = (Option<String>, Option<String>, Option<String>, Vec<u8>);

fn parsed(body: &[u8]) -> Vec<Field> {
    let chunk = Ok::<_, std::io::Error>(bytes::Bytes::copy_from_slice(body));
    let mut parser = multer::Multipart::new(futures_util::stream::iter([chunk]), "XX");
    let all = async {
        let mut fields = Vec::new();
        while let Some(field) = parser.next_field().await.unwrap() {
            let (name, file) = (field.name().map(str::to_owned), field.file_name().map(str::to_owned));
            let kind = field.content_type().map(ToString::to_string);
            fields.push((name, file, kind, field.bytes().await.unwrap().to_vec()));
        }
        fields
    };
    // All of it is there: nothing is ever waited for.
    match std::pin::pin!(all).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(fields) => fields,
        Poll::Pending => panic!("the parser waits for more than there is"),
    }
}

fn part(headers: &str, content: &[u8]) -> Vec<u8> {
    [b"--XX\r\n", headers.as_bytes(), b"\r\n\r\n", content, b"\r\n"].concat()
}

fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat().as_slice(), b"--XX--\r\n"].concat()
}

fn field(name: &str, content: &str) -> Vec<u8> {
    part(&format!("Content-Disposition: form-data; name=\"{name}\""), content.as_bytes())
}

fn file(name: &str, kind: &str, content: &[u8]) -> Vec<u8> {
    part(
        &format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {kind}"),
        content,
    )
}

fn which(attachment: Attachment) -> Attachments {
    Attachments { strip: attachment, ..Attachments::default() }
}

#[test]
fn parts_are_read_by_their_own_type() {
    let body = form(&[
        field("note", &format!("my ssn is {SSN}")),
        file("a.json", "application/json", br#"{"user":{"ssn":"536-22-8741","n":4111111111111111}}"#),
        field("empty", ""),
    ]);
    let sent = send(&redacting(), &typed(FORM), &body);
    let fields = parsed(sent.passed());
    assert_eq!(fields[0].3, b"my ssn is [SSN]");
    let json: serde_json::Value = serde_json::from_slice(&fields[1].3).unwrap();
    assert_eq!(json, serde_json::json!({"user": {"ssn": "[SSN]", "n": "[CARD]"}}));
    assert_eq!((fields[1].1.as_deref(), fields[2].3.as_slice()), (Some("a.json"), &b""[..]));
    assert_eq!(sent.places(), ["body:10:part:note", "body:16:part:file!/user/ssn", "body:33:part:file!/user/n"]);
}

#[test]
fn what_is_not_found_leaves_as_it_came() {
    let body = [
        b"a preamble\r\n".as_slice(),
        &part("content-disposition:form-data;name=a\r\nX-Folded: one\r\n\ttwo", b"line\r\nline\n--X\r\n--\r\n\r\n"),
        &part("Content-Disposition: form-data; name=\"b\"; filename=\"\u{e4}\"", &[0, 255, 13, 10, 45, 45, 88]),
        b"--XX  \r\n\r\nno headers\r\n--XX--  \r\nan epilogue",
    ]
    .concat();
    for profile in [redacting(), denying(), redacting().report_only()] {
        assert_eq!(send(&profile, &typed(FORM), &body).passed(), body);
    }
}

#[test]
fn names_of_fields_and_files_are_content() {
    for header in [
        format!("Content-Disposition: form-data; name=\"x\"; filename=\"{SSN}.txt\""),
        format!("Content-Disposition: form-data; name=\"{SSN}\""),
        "Content-Disposition: form-data; name=\"x\"; filename*=UTF-8''%35%33%36-22-8741.txt".to_owned(),
        format!("Content-Disposition: form-data; name=\"x\"\r\nX-Note: of\r\n {SSN}"),
    ] {
        let body = form(&[part(&header, b"text")]);
        let sent = send(&redacting(), &typed(FORM), &body);
        assert_eq!(sent.names(), ["ssn"], "{header}");
        let text = sent.text();
        assert!(!text.contains(SSN) && !text.contains("%35%33%36") && text.contains("SSN"), "{text}");
        assert_eq!(parsed(sent.passed()).len(), 1, "{text}");
        assert!(sent.places()[0].ends_with("headers") && !sent.places()[0].contains(SSN), "{:?}", sent.places());
        assert_eq!(send(&denying(), &typed(FORM), &body).denied_by(), "ssn");
    }
}

#[test]
fn matches_do_not_reach_over_parts_but_over_chunks() {
    let body = form(&[field("a", "536-22"), field("b", "-8741")]);
    assert_eq!(send(&redacting(), &typed(FORM), &body).names(), [""; 0]);
}

#[test]
fn files_are_taken_out_by_type_name_and_size() {
    let types = |kind: &str| Attachment { types: vec![kind.into()], ..Attachment::default() };
    let png = file("note.txt", "text/plain", PNG);
    let big = file("big.bin", "application/octet-stream", &b"0123456789".repeat(300));
    let cases = [
        (types("image/*"), &png, "type"),
        (types("text/plain"), &png, "type"),
        (Attachment { names: vec!["*.txt".into()], ..Attachment::default() }, &png, "name"),
        (Attachment { over: Some(2999), ..Attachment::default() }, &big, "size"),
    ];
    for (attachment, attached, why) in cases {
        let body = form(&[field("before", "kept"), attached.clone(), field("after", "kept, too")]);
        let plain = send(&redacting(), &typed(FORM), &body);
        assert_eq!(plain.passed(), body, "without the rule it passes");
        let sent = send(&with_attachments(redacting(), which(attachment.clone())), &typed(FORM), &body);
        let fields = parsed(sent.passed());
        assert_eq!((fields[0].3.as_slice(), fields[2].3.as_slice()), (&b"kept"[..], &b"kept, too"[..]));
        let (name, file, kind, text) = &fields[1];
        assert_eq!(
            (name.as_deref(), file.as_deref(), kind.as_deref()),
            (Some("file"), Some("removed.txt"), Some("text/plain"))
        );
        assert!(String::from_utf8_lossy(text).contains(&format!("because of its {why}")), "{text:?}");
        assert_eq!((sent.remarks.len(), sent.remarks[0].deed, &*sent.remarks[0].path), (1, Deed::Removed, "part:file"));
        assert!(!sent.untouched);
        let denying = Attachments { deny: attachment, ..Attachments::default() };
        assert_eq!(
            send(&with_attachments(redacting(), denying), &typed(FORM), &body).reason(),
            Reason::Attachment(why)
        );
    }
}

#[test]
fn fields_that_are_no_files_are_not_taken_out() {
    let all = Attachment { types: vec!["*".into()], over: Some(1), ..Attachment::default() };
    let body = form(&[
        field("a", "text of a field"),
        part("Content-Disposition: form-data; name=j\r\nContent-Type: application/json", b"{}"),
    ]);
    assert_eq!(send(&with_attachments(redacting(), which(all)), &typed(FORM), &body).passed(), body);
}

#[test]
fn a_file_that_grows_too_large_is_stopped_where_it_cannot_be_taken_out() {
    let over = 2 * 1024 * 1024;
    let profile = with_attachments(redacting(), which(Attachment { over: Some(over), ..Attachment::default() }));
    let body = form(&[file("a.bin", "application/octet-stream", &vec![b'x'; over as usize + 1])]);
    assert_eq!(send_cut(&profile, &typed(FORM), &body, &[]).reason(), Reason::Attachment("size"));
}

#[test]
fn a_body_that_is_a_file_is_judged_too() {
    let profile =
        with_attachments(redacting(), which(Attachment { types: vec!["image/*".into()], ..Attachment::default() }));
    assert_eq!(send(&profile, &typed("application/octet-stream"), PNG).reason(), Reason::Attachment("type"));
    assert_eq!(send(&profile, &typed("application/json"), b"{}").passed(), b"{}");
}

#[test]
fn encoded_parts_are_decoded_and_stay_as_they_are_where_they_are_clean() {
    let mixed = "multipart/mixed; boundary=\"XX\"";
    let clean =
        "SGVsbG8sIHdvcmxkLCB0aGlzIGlzIGEgdGVzdCBvZiBh\r\nIGxvbmcgdGV4dCBpbiBsaW5lcyBvZiA0NCBjaGFyYWN0\r\nZXJz\r\n";
    let base64 = |text: &str| part("Content-Type: text/plain\r\nContent-Transfer-Encoding: Base64", text.as_bytes());
    let quoted = |text: &str| part("Content-Transfer-Encoding: quoted-printable", text.as_bytes());
    let body = form(&[base64(clean), quoted("a =3D b=\r\n c =C3=A4 \r\nend")]);
    assert_eq!(send(&redacting(), &typed(mixed), &body).passed(), body);

    let encoded = data_encoding::BASE64.encode(format!("my number: {SSN}, and so on").as_bytes());
    let body = form(&[base64(&encoded), quoted("my number: 536=2D22=\r\n-8741, and =E4 so on")]);
    let sent = send(&redacting(), &typed(mixed), &body);
    assert_eq!(sent.places(), ["body:11:part:1", "body:11:part:2"]);
    let fields = parsed(sent.passed());
    let decoded = data_encoding::BASE64.decode(&fields[0].3).unwrap();
    assert_eq!(decoded, b"my number: [SSN], and so on");
    assert_eq!(String::from_utf8_lossy(&fields[1].3), "my number: [SSN], and =E4 so on");
    assert_eq!(send(&denying(), &typed(mixed), &body).denied_by(), "ssn");
}

#[test]
fn long_lines_of_a_changed_part_are_as_long_as_before() {
    let text = format!("{}{SSN} {}", "word ".repeat(40), "other ".repeat(60));
    let mut lines = String::new();
    for line in data_encoding::BASE64.encode(text.as_bytes()).as_bytes().chunks(60) {
        lines.push_str(std::str::from_utf8(line).unwrap());
        lines.push_str("\r\n");
    }
    let body = form(&[part("Content-Transfer-Encoding: base64", lines.as_bytes())]);
    let sent = send(&redacting(), &typed("multipart/mixed; boundary=XX"), &body);
    let content = parsed(sent.passed())[0].3.clone();
    let content = String::from_utf8(content).unwrap();
    assert!(content.lines().all(|line| line.len() <= 60) && content.lines().next().unwrap().len() == 60, "{content}");
    let joined: String = content.split_ascii_whitespace().collect();
    assert_eq!(
        String::from_utf8(data_encoding::BASE64.decode(joined.as_bytes()).unwrap()).unwrap(),
        text.replace(SSN, "[SSN]")
    );
}

#[test]
fn an_encoding_that_servers_of_forms_ignore_is_refused_there() {
    let body =
        form(&[part("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64", b"NDExMQ==")]);
    assert_eq!(send(&redacting(), &typed(FORM), &body).reason(), Reason::Ambiguous("a multipart body"));
}

#[test]
fn nested_to_a_depth() {
    let mut body = field("a", SSN);
    let mut inner = "YY".to_owned();
    body = [b"--YY\r\n".as_slice(), body.split_at(6).1, b"--YY--\r\n"].concat();
    let outer = form(&[part("Content-Type: multipart/mixed; boundary=YY", &body)]);
    let sent = send(&redacting(), &typed("multipart/mixed; boundary=XX"), &outer);
    assert_eq!(sent.places(), ["body:0:part:1!part:a"]);
    for number in 0..4 {
        let next = format!("Z{number}");
        body = [
            format!("--{next}\r\nContent-Type: multipart/mixed; boundary={inner}\r\n\r\n").as_bytes(),
            &body,
            format!("\r\n--{next}--\r\n").as_bytes(),
        ]
        .concat();
        inner = next;
    }
    let sent = send(&redacting(), &typed(&format!("multipart/mixed; boundary={inner}")), &body);
    assert!(matches!(sent.reason(), Reason::TooLarge(_)));
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let good = field("a", "x");
    let cases: [(&str, Vec<u8>); 10] = [
        ("no end", good.clone()),
        ("nothing", Vec::new()),
        ("text", b"my ssn".to_vec()),
        ("line ends of two kinds", [&good[..], b"--XX\n\r\nx\r\n--XX--"].concat()),
        ("a longer boundary", [&good[..], b"--XXX\r\n\r\nx\r\n--XX--"].concat()),
        ("a delimiter behind the last", [form(std::slice::from_ref(&good)), good.clone()].concat()),
        ("a bare line end in headers", form(&[part("A: b\nC: d", b"x")])),
        ("the same header twice", form(&[part("Content-Type: text/plain\r\ncontent-type: text/html", b"x")])),
        ("a header without a colon", form(&[part("Content-Type", b"x")])),
        ("a delimiter among headers", b"--XX\r\nA: b\r\n--XX\r\n\r\nx\r\n--XX--".to_vec()),
    ];
    for (name, body) in cases {
        let reason = send(&redacting(), &typed(FORM), &body).reason();
        assert!(matches!(reason, Reason::Broken(_) | Reason::Ambiguous(_)), "{name}: {reason:?}");
        let passing = send(&unreadable(redacting(), Unreadable::Pass), &typed(FORM), &body);
        assert_eq!(passing.passed(), body, "{name}");
        assert_eq!(passing.remarks[0].deed, Deed::Unread, "{name}");
    }
    for bad in ["multipart/form-data", "multipart/mixed; boundary=", "multipart/mixed; boundary=a; boundary=b"] {
        assert!(aegis_dlp::Stream::new(&redacting(), &typed(bad)).is_err(), "{bad}");
    }
}

#[test]
fn what_passes_unparsed_is_scanned_as_text() {
    let body = [&field("a", "x")[..], b"--XX\n\r\nssn: 536-22-8741\r\n--XX--"].concat();
    let sent = send(&unreadable(redacting(), Unreadable::Pass), &typed(FORM), &body);
    assert!(sent.text().contains("ssn: [SSN]") && sent.flow == StreamFlow::Continue);
}

#[test]
fn line_ends_of_one_character_as_some_clients_send_them() {
    let body = String::from_utf8(form(&[field("a", SSN), field("b", "x")])).unwrap().replace("\r\n", "\n");
    let sent = send(&redacting(), &typed("multipart/related; boundary=XX"), body.as_bytes());
    assert_eq!(sent.text(), body.replace(SSN, "[SSN]"));
}

#[test]
fn too_many_or_too_long_headers() {
    let long = form(&[part(&format!("X: {}", "y".repeat(20_000)), b"x")]);
    assert!(matches!(send_cut(&redacting(), &typed(FORM), &long, &[]).reason(), Reason::TooLarge(_)));
    let many = form(&vec![b"--XX\r\n\r\n\r\n".to_vec(); 10_001]);
    assert!(matches!(send_cut(&redacting(), &typed(FORM), &many, &[]).reason(), Reason::TooLarge(_)));
}
