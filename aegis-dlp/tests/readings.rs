//! What is read in more than one way: markup that cuts values, charsets, messages within messages, text within binary files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "support/packing.rs"]
mod packing;
#[path = "support/streams.rs"]
mod streams;

use aegis_dlp::{Deed, Reason, StreamFlow, Unreadable};
use packing::*;
use streams::*;

const ANY: &str = "application/octet-stream";

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn utf32(text: &str) -> Vec<u8> {
    text.chars().flat_map(|character| u32::from(character).to_le_bytes()).collect()
}

#[test]
fn what_markup_cuts_is_one_value() {
    for text in [
        "<a>536-<!-- -->22<![CDATA[-]]>8741</a>",
        "<a>536-22<?pi?>-8741</a>",
        "<p><b>536-22</b>-<b>8741</b></p>",
        "<p>536<b>-22-8741</b></p>",
        "<p><b>536-</b><i>22-</i><u class=\"x\">8741</u></p>",
        "<p>536-<x-y>22</x-y>-8741</p>",
        "<p>536-<x-y>22-</x-y>8741</p>",
        "<a><![CDATA[536-]]><![CDATA[22-8741]]></a>",
        "<a>&#53;36-<!--a--><!--b-->22-8741",
        "<a>536-<!-- a > b -- c -->22-8741</a>",
    ] {
        for content_type in ["text/xml", "text/html", ANY] {
            let sent = send(&redacting(), &typed(content_type), text.as_bytes());
            assert!(matches!(sent.reason(), Reason::Ambiguous(_)), "{text}");
            assert_eq!(sent.names(), ["ssn"], "{text}");
        }
        // What only reports changes nothing, and does not ask who would read it so.
        assert_eq!(send(&redacting().report_only(), &typed("text/xml"), text.as_bytes()).passed(), text.as_bytes());
    }
    let wide = utf16("\u{feff}<a>536-<!-- -->22-8741</a>");
    assert!(matches!(send(&redacting(), &typed("text/xml"), &wide).reason(), Reason::Ambiguous(_)));
    let far = format!("<a>{}536-<!-- {} -->22-8741</a>", "words ".repeat(2000), "x".repeat(20_000));
    let sent = send_cut(&redacting(), &typed("text/xml"), far.as_bytes(), &[5, 12_000, 20_000]);
    assert_eq!(sent.places(), [format!("body:{}", far.find("<!--").unwrap())]);
}

#[test]
fn data_in_elements_is_not_joined() {
    for text in [
        "<r><a>4111</a><c>1111</c><d>1111</d><e>1111</e></r>",
        "<r>\n  <a>536-</a>\n  <c>22-8741</c>\n</r>",
        "<table><tr><td>536-</td><td>22-</td><td>8741</td></tr></table>",
        "<p>536-<br/>22-8741</p>",
        "<p>536-</p><p>22-8741</p>",
        "<a x='536-'>22-8741</a>",
        "1 < 2, 536-<22-8741",
        "<a><!-- nothing --> but <b>words</b>, and 1 &lt; 2</a>",
    ] {
        assert_eq!(send(&redacting(), &typed("text/xml"), text.as_bytes()).passed(), text.as_bytes(), "{text}");
    }
    let whole = "<p><b>so: 536-22-8741</b>, and <i>more</i></p>";
    let sent = send(&redacting(), &typed("text/html"), whole.as_bytes());
    assert_eq!(sent.text(), whole.replace("536-22-8741", "[SSN]"));
}

/// A document of JSON with this text in a string, written plainly and with escapes.
fn in_json(text: &str) -> [String; 3] {
    let plain = serde_json::to_string(text).unwrap();
    let escaped = plain.replace('<', "\\u003c").replace('>', "\\u003E").replace('/', "\\/");
    [
        format!("{{\"a\":\"x <y\",\"html\":{plain},\"b\":\"1 < 2\"}}"),
        format!("[\"<!-- \",{escaped}]"),
        format!("{{\"long\":\"{}\",\"html\":{plain}}}", "no words, ".repeat(3000)),
    ]
}

#[test]
fn markup_in_a_string_of_json_cuts_no_value() {
    for text in [
        "536<b>-22-</b>8741",
        "SSN: <p>536-<!-- -->22<![CDATA[-]]>8741</p>",
        "<p><b>536-</b><i>22-</i><u class=\"x\" id='y'>8741</u></p>",
        "<p>536-<x-y>22-</x-y>8741</p>",
        "1 < 2 and 536-<b>22-8741",
        "<?xml version='1.0' encoding='IBM037'?><a>536-<!--x-->22-8741</a>",
    ] {
        for body in in_json(text) {
            let sent = send(&redacting(), &typed("application/json"), body.as_bytes());
            assert!(matches!(sent.reason(), Reason::Ambiguous(_)), "{body:.200}");
            assert_eq!(sent.names(), ["ssn"], "{body:.200}");
            assert_eq!(send(&redacting().report_only(), &typed("application/json"), body.as_bytes()).text(), body);
        }
    }
    for text in [
        "<p>536-</p><p>22-8741</p>",
        "<a x='536-'>22-8741</a>",
        "1 < 2, 536-<22-8741",
        "<!DOCTYPE a [<!ENTITY s \"words\">]><a>&s;</a>",
        "<?xml version='1.0' encoding='IBM037'?><a/>",
        "if a<b && c>d { Vec::<u8>::new() }",
    ] {
        for body in in_json(text) {
            assert_eq!(send(&redacting(), &typed("application/json"), body.as_bytes()).text(), body);
        }
    }
    // A string is a text of its own.
    for body in [r#"["536-<b>22-","8741</b>"]"#, r#"{"a<b>536-":"22-8741"}"#, r#"["536-","<b>22-8741</b>"]"#] {
        assert_eq!(send(&redacting(), &typed("application/json"), body.as_bytes()).text(), body);
    }
    let whole = r#"{"html":"<b>so: 536-22-8741</b>, <i>and</i> more"}"#;
    let sent = send(&redacting(), &typed("application/json"), whole.as_bytes());
    assert_eq!(sent.text(), whole.replace("536-22-8741", "[SSN]"));
}

#[test]
fn a_value_in_a_tag_goes_nowhere() {
    for text in ["<a 4111 1111 1111 1111>", "x<<<10 4111 1111 1111 1111", "<a><b 4111 1111 1111 1111 c=\"d\"/></a>"] {
        for profile in [redacting(), denying()] {
            let sent = send(&profile, &typed("text/xml"), text.as_bytes());
            assert!(sent.flow != StreamFlow::Continue, "{text}");
            assert_eq!(sent.names(), ["payment_card"], "{text}");
        }
    }
}

#[test]
fn a_document_that_reads_otherwise_than_it_is_written_is_the_rules_choice() {
    for text in [
        "<!DOCTYPE a [<!ENTITY s \"536-22-\">]><a>&s;8741</a>",
        "<?xml version=\"1.0\"?>\n<!DOCTYPE a [\n<!ELEMENT a ANY>\n<!ENTITY % s SYSTEM \"x\">\n]><a/>",
        "<?xml version=\"1.0\" encoding=\"UTF-7\"?><a>536+AC0-22+AC0-8741</a>",
        "<?xml version='1.0' encoding = 'IBM037'?><a/>",
    ] {
        let sent = send(&redacting(), &typed("application/xml"), text.as_bytes());
        assert!(matches!(sent.reason(), Reason::Unreadable(_)), "{text}");
        let passing = unreadable(redacting(), Unreadable::Pass);
        let sent = send(&passing, &typed("application/xml"), text.as_bytes());
        assert_eq!((sent.passed(), sent.remarks[0].deed), (text.as_bytes(), Deed::Unread), "{text}");
    }
    let entity = "<!DOCTYPE a [<!ENTITY s \"536-22-\">]><a>&s;8741</a>";
    let inside = send(&redacting(), &typed(ANY), &zip(&[Entry("a.xml", entity.as_bytes(), true)], false));
    assert!(matches!(inside.reason(), Reason::Unreadable(_)));
    for text in [
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \"http://www.w3.org/TR/x.dtd\"><html><p>x</p></html>",
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\" standalone=\"yes\"?><!DOCTYPE a [<!ELEMENT a ANY>]><a/>",
    ] {
        assert_eq!(send(&redacting(), &typed("application/xml"), text.as_bytes()).passed(), text.as_bytes());
    }
}

#[test]
fn charsets_that_are_not_read_are_the_rules_choice() {
    let plain = b"{\"ssn\":\"536-22-8741\"}";
    let wide = utf32("{\"ssn\":\"536-22-8741\"}");
    let marked = utf32("\u{feff}so: 536-22-8741");
    let big: Vec<u8> = wide.as_chunks::<4>().0.iter().flat_map(|unit| [unit[3], unit[2], unit[1], unit[0]]).collect();
    for body in [&wide, &marked, &big] {
        for content_type in ["application/json", "text/plain", ANY] {
            let sent = send(&redacting(), &typed(content_type), body);
            assert_eq!(sent.reason(), Reason::Unreadable("text in UTF-32"));
            assert!(sent.out.iter().all(|byte| *byte == 0));
        }
        let sent = send(&unreadable(redacting(), Unreadable::Pass), &typed(ANY), body);
        assert_eq!((sent.passed(), sent.remarks.len()), (body.as_slice(), 1));
        let inside = format!("{{\"a\":\"{}\"}}", data_encoding::BASE64.encode(body));
        let sent = send(&redacting(), &typed("application/json"), inside.as_bytes());
        assert_eq!(sent.reason(), Reason::Unreadable("text in UTF-32"), "in base64 within JSON");
    }
    for charset in ["utf-7", "ibm037", "hz-gb-2312", "iso-2022-jp", "utf-32", "x-own"] {
        let content_type = format!("text/plain; charset={charset}");
        assert!(
            matches!(send(&redacting(), &typed(&content_type), plain).reason(), Reason::Unreadable(_)),
            "{charset}"
        );
        let part = format!("--XX\r\nContent-Type: {content_type}\r\n\r\nso: 536-22-8741\r\n--XX--\r\n");
        let sent = send(&redacting(), &typed("multipart/form-data; boundary=XX"), part.as_bytes());
        assert!(matches!(sent.reason(), Reason::Unreadable(_)), "{charset}");
    }
    for charset in ["utf-8", "us-ascii", "iso-8859-1", "windows-1252", "shift_jis", "gbk"] {
        let sent = send(&redacting(), &typed(&format!("application/json; charset={charset}")), plain);
        assert_eq!(sent.text(), "{\"ssn\":\"[SSN]\"}", "{charset}");
    }
}

#[test]
fn utf16_that_only_its_zeros_tell() {
    // As parsers of JSON do: the first character is of ASCII, and the second need not be.
    let text = "\"\u{4e2d}\u{6587} 536-22-8741\"";
    for body in [utf16(text), text.encode_utf16().flat_map(u16::to_be_bytes).collect()] {
        assert_eq!(send(&redacting(), &typed("application/json"), &body).names(), ["ssn"]);
    }
    let declared = utf16("\u{62a5}\u{544a} 536-22-8741");
    let part = [b"--XX\r\nContent-Type: text/plain; charset=utf-16le\r\n\r\n", declared.as_slice(), b"\r\n--XX--\r\n"]
        .concat();
    assert_eq!(send(&redacting(), &typed("multipart/form-data; boundary=XX"), &part).names(), ["ssn"]);
}

#[test]
fn other_readings_of_utf16_go_to_the_end_and_into_encodings() {
    for text in ["ssn 536-22-8741", "so: NTM2LTIyLTg3NDEgaXMgaXQ=", "so: 3533362d32322d38373431 "] {
        let body = [b"\xff\xfe", text.as_bytes()].concat();
        let sent = send(&redacting(), &typed("text/plain"), &body);
        assert!(matches!(sent.reason(), Reason::Ambiguous(_)), "{text}");
        assert_eq!(sent.names(), ["ssn"], "{text}");
    }
}

#[test]
fn content_of_no_known_kind() {
    let pickle = |text: &str| {
        [b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x0b", text.as_bytes(), b"\x94u."].concat()
    };
    // As a picture is: what is readable in it is read, and it is never rewritten.
    assert_eq!(send(&redacting(), &typed(ANY), &pickle("some words here")).passed(), pickle("some words here"));
    assert_eq!(send(&redacting(), &typed(ANY), &pickle(SSN)).denied_by(), "ssn");
    let noise: Vec<u8> = (0..30_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let noise = [b"\x93\x01".as_slice(), &noise, b"\xff\x01a@b.co\x02\xfe"].concat();
    assert_eq!(send(&redacting(), &typed(ANY), &noise).passed(), noise);
    // Declared to be text it is not what it says.
    for content_type in ["application/json", "text/plain", "text/csv"] {
        assert!(matches!(send(&redacting(), &typed(content_type), &noise).reason(), Reason::Unreadable(_)));
    }
    for packed in [
        zlib(b"ssn 536-22-8741"),
        b"\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        b"\xff\x06\x00\x00sNaPpY".to_vec(),
        b"\x04\x22\x4d\x18\x64\x40\xa7".to_vec(),
        b"\x02\x21\x4c\x18\x0b\x00\x00\x00".to_vec(),
        b"Obj\x01\x04\x14avro.codec".to_vec(),
        b"PAR1\x15\x04\x15\x1e".to_vec(),
        b"\x51\x2a\x4d\x18\x00\x00\x00\x00".to_vec(),
        b"LZIP\x01\x0c".to_vec(),
    ] {
        let sent = send(&redacting(), &typed(ANY), &packed);
        assert!(matches!(sent.reason(), Reason::Unreadable(_)), "{packed:?}");
        let sent = send(&unreadable(redacting(), Unreadable::Pass), &typed(ANY), &packed);
        assert_eq!((sent.passed(), sent.remarks.len()), (packed.as_slice(), 1), "{packed:?}");
    }
}

#[test]
fn text_of_two_bytes_a_character_within_binary_files() {
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let file = |text: &[u8]| [b"SQLite format 3\x00\x10\x00\x02\x01", text, b"\x07\x83\x11rest"].concat();
    for text in [utf16(SSN), big(SSN), utf16(&format!("so: {SSN} ")), big(&format!("it is {SSN}"))] {
        for gap in [&b""[..], b"\x01", b"a\x01", b"\0\0\0"] {
            let body = file(&[gap, &text, gap].concat());
            let sent = send(&redacting(), &typed(ANY), &body);
            assert_eq!(sent.denied_by(), "ssn", "{body:?}");
            assert!(sent.out.len() < file(gap).len() + text.len() - 8, "{:?}", sent.text());
        }
    }
    let clean = file(&utf16("a text that says nothing, 1 2 3 4 5 6 7 8"));
    assert_eq!(send(&redacting(), &typed(ANY), &clean).passed(), clean);
    // Four letters and a word do not make a sound.
    let fake = |ssn: &str, mail: &str| format!("RIFFabcdWAVE {{\"ssn\":\"{ssn}\", \"mail\":\"{mail}\"}}");
    let sent = send(&redacting(), &typed(ANY), fake("\\u00353622-8741", "jane@example.com").as_bytes());
    assert_eq!(sent.text(), fake("[SSN]", "[EMAIL]"));
}

fn mail(fields: &str, body: &str) -> String {
    format!("Received: by a\r\nReceived: by b\r\nSubject: hi\r\n{fields}\r\n\r\n{body}\r\n")
}

#[test]
fn messages_are_read_by_what_they_say_of_themselves() {
    let quoted =
        mail("Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable", "=35=33=36-22-=\r\n8741 it is");
    let encoded = mail("Content-Type: text/plain\r\nContent-Transfer-Encoding: base64", "NTM2LTIyLTg3NDEgaXQg\r\naXM=");
    let parts = mail(
        "Content-Type: multipart/mixed; boundary=YY",
        "--YY\r\nContent-Transfer-Encoding: base64\r\n\r\nNTM2LTIyLTg3NDEgaXQg\r\n--YY--",
    );
    for text in [&quoted, &encoded, &parts] {
        let sent = send(&redacting(), &typed("message/rfc822"), text.as_bytes());
        assert_eq!((sent.flow.clone(), sent.names()), (StreamFlow::Continue, vec!["ssn"]), "{text}");
        assert!(sent.text().starts_with("Received: by a\r\nReceived: by b\r\n"));
        let attached = format!("--XX\r\nContent-Type: message/rfc822\r\n\r\n{text}\r\n--XX--\r\n");
        let sent = send(&redacting(), &typed("multipart/mixed; boundary=XX"), attached.as_bytes());
        assert_eq!((sent.flow.clone(), sent.names()), (StreamFlow::Continue, vec!["ssn"]), "{attached}");
        let places = sent.places();
        assert!(places[0].contains("part:1!mail"), "{places:?}");
    }
    let clean = mail("Content-Type: text/plain; charset=utf-8", "Nothing to see.");
    assert_eq!(send(&redacting(), &typed("message/rfc822"), clean.as_bytes()).passed(), clean.as_bytes());
    let request = "POST /x HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nssn=536%2D22%2D8741";
    let sent = send(&redacting(), &typed("application/http"), request.as_bytes());
    assert_eq!(sent.text(), request.replace("536%2D22%2D8741", "%5BSSN%5D"));
    let line = "GET /?q=jane@example.com HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(send(&redacting(), &typed("application/http"), line.as_bytes()).names(), ["email"]);
    for broken in ["no fields at all", "POST /x HTTP/1.1\r\nContent-Encoding: gzip\r\n\r\nx", "GET /\r\nA: b\r\n\r\n"] {
        let sent = send(&redacting(), &typed("application/http"), broken.as_bytes());
        assert!(matches!(sent.flow, StreamFlow::Deny(_)), "{broken}");
        let passing = unreadable(redacting(), Unreadable::Pass);
        assert_eq!(send(&passing, &typed("application/http"), broken.as_bytes()).passed(), broken.as_bytes());
    }
    let deep = (0..5).fold("x: y\r\n\r\nz".to_owned(), |text, _| format!("Content-Type: message/rfc822\r\n\r\n{text}"));
    assert!(matches!(send(&redacting(), &typed("message/rfc822"), deep.as_bytes()).reason(), Reason::TooLarge(_)));
}

#[test]
fn fields_are_read_as_their_readers_do() {
    let field = |field: &str| format!("--XX\r\n{field}\r\n\r\nx\r\n--XX--\r\n");
    for hidden in [
        "Subject: =?utf-8?Q?536=2D22=2D8741?=",
        "Subject: =?utf-8?B?NTM2LTIy?=\r\n =?utf-8?B?LTg3NDE=?=",
        "Content-Disposition: attachment; filename*0=\"536-22-\"; filename*1=\"8741\"",
        "Content-Type: text/plain; name*1=\"8741\"; name*0*=utf-8''536%2D22%2D",
    ] {
        let sent = send(&redacting(), &typed("multipart/mixed; boundary=XX"), field(hidden).as_bytes());
        assert_eq!(sent.denied_by(), "ssn", "{hidden}");
    }
    let unread =
        send(&redacting(), &typed("multipart/mixed; boundary=XX"), field("Subject: =?utf-7?Q?536+AC0-?=").as_bytes());
    assert!(matches!(unread.reason(), Reason::Unreadable(_)));
    let clean = field("Subject: =?utf-8?Q?J=C3=BCrgen?= and 2 * 3");
    assert_eq!(send(&redacting(), &typed("multipart/mixed; boundary=XX"), clean.as_bytes()).passed(), clean.as_bytes());
}
