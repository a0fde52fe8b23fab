//! Findings say where in a document they are, and never what was there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "support/encode.rs"]
mod encode;
mod support;

use aegis_dlp::{Format, Place, Scanner};
use encode::{base64, hex};
use support::{check_invariants, redact_all, run_bytewise};

/// Paths of what is found, the same however the body is cut, and the bytes that stand at the offsets.
fn places(format: Format, body: &str) -> Vec<String> {
    let found = check_invariants(format, body.as_bytes()).findings;
    let reported = run_bytewise(redact_all().report_only(), format, body.as_bytes()).findings;
    let place = |place: &Place| match place {
        Place::Body { offset, path } => {
            let rest = &body.as_bytes()[usize::try_from(*offset).unwrap()..];
            let start: String = String::from_utf8_lossy(rest).chars().take(3).collect();
            format!("{} {start}", path.as_deref().unwrap_or_default())
        }
        other => panic!("{other}"),
    };
    let found: Vec<String> = found.iter().map(|finding| place(&finding.place)).collect();
    let reported: Vec<String> = reported.iter().map(|finding| place(&finding.place)).collect();
    assert_eq!(found, reported, "{body}");
    found
}

#[test]
fn in_json() {
    for (body, found) in [
        (r#"{"user":{"ssn":"123-45-6789"}}"#, &["/user/ssn 123"][..]),
        (r#"{"users":[{"m":"x"},{"m":"a@b.com"},"c@d.org"]}"#, &["/users/1/m a@b", "/users/2 c@d"]),
        (r#"{"a/b":{"m~n":"say a@b.com, c@d.org"}}"#, &["/a~1b/m~0n a@b", "/a~1b/m~0n c@d"]),
        (r#"{"card" : 4111111111111111, "x":-4111111111111111}"#, &["/card 411", "/x 411"]),
        ("{\"a\":1}\n{\"b\":\"\\u0061@b.com\"}", &["/b \\u0"]),
        (r#"[[["a@b.com"]]]"#, &["/0/0/0 a@b"]),
        (r#""a@b.com""#, &[" a@b"]),
        (r#"{"a":"{\"b\":\"c@d.org\"}"}"#, &["/a c@d"]),
    ] {
        assert_eq!(places(Format::Json, body), found, "{body}");
    }
}

#[test]
fn names_are_told_without_what_must_not_be_told() {
    assert_eq!(places(Format::Json, r#"{"to a@b.com!":{"x":"c@d.org"}}"#), ["/to [EMAIL]# a@b", "/to [EMAIL]!/x c@d"]);
    let long = "k".repeat(500);
    assert_eq!(places(Format::Json, &format!("{{\"{long}\":\"c@d.org\"}}")), [format!("/{} c@d", &long[..64])]);
    let deep = format!("{}\"a@b.com\"", "{\"name\":".repeat(100));
    assert_eq!(places(Format::Json, &deep), [format!("{} a@b", "/name".repeat(32))]);
    let wide = format!("{}\"a@b.com\"", format!("{{\"{}\":", "k".repeat(64)).repeat(100));
    assert!(places(Format::Json, &wide)[0].len() < 600);
}

#[test]
fn in_xml_and_tables() {
    let order = "<order n=\"a@b.com\"><to>Jane &lt;c@d.org&gt;</to><!-- e@f.net --><i/><ssn>523456789</ssn></order>";
    assert_eq!(places(Format::Xml, order), ["/order/@n a@b", "/order/to c@d", "/order e@f", "/order/ssn 523"]);
    let table = "name,dob,ssn\nJane,1980-01-02,523456789\n\"Joe, \"\"J\"\" <a@b.com>\",none,\n";
    assert_eq!(places(Format::Csv, table), ["row:2/col:2 198", "row:2/col:3 523", "row:3/col:1 a@b"]);
}

#[test]
fn inside_of_what_is_encoded() {
    let inner = base64(r#"{"user":{"mail":"jane.doe@example.com","n":4111111111111111}}"#);
    let body = format!("{{\"file\":{{\"data\":\"data:application/json;base64,{inner}\"}}}}");
    let found = places(Format::Json, &body);
    assert_eq!(found.len(), 2);
    assert!(found[0].starts_with("/file/data!base64!/user/mail "), "{found:?}");
    assert!(found[1].starts_with("/file/data!base64!/user/n "), "{found:?}");
    let twice = format!("x {}", hex(&base64("write to jane.doe@example.com")));
    assert!(places(Format::Text, &twice)[0].starts_with("hex!base64 "));
    // The offset is the one of the character that the match begins in.
    let text = format!("x {}", base64("abcdefghi jane.doe@example.com"));
    let run = run_bytewise(redact_all(), Format::Text, text.as_bytes());
    assert_eq!(run.findings[0].place, Place::Body { offset: 2 + 13, path: Some("base64".into()) });
}

#[test]
fn within_what_encloses_the_body() {
    let mut scanner = Scanner::new(redact_all(), Format::Json).with_place_prefix("part:file");
    let mut out = Vec::new();
    let _ = scanner.push(br#"{"a":"a@b.com"}"#, &mut out);
    let _ = scanner.finish(&mut out);
    let place = Place::Body { offset: 6, path: Some("part:file!/a".into()) };
    assert_eq!(scanner.findings()[0].place, place);
}
