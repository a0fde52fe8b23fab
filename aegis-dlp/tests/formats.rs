//! Redaction within formats: JSON stays JSON, forms stay forms, URLs stay URLs, and the rest stays as it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::sync::Arc;

use aegis_dlp::{
    Action, ContentRules, Details, Detector, DetectorSet, Flow, Format, HOLD_BACK, Place, Profile, Scanner, Unreadable,
    Why, scan_text, scan_url,
};
use support::{FORMATS, check_invariants, redact, redact_all, run, run_bytewise};

fn redacted(format: Format, input: &str) -> String {
    check_invariants(format, input.as_bytes()).text()
}

#[test]
fn json_stays_json() {
    for (input, output) in [
        (r#"{"ssn":"123-45-6789"}"#, r#"{"ssn":"[SSN]"}"#),
        (r#"{"ssn":523456789,"n":1}"#, r#"{"ssn":"[SSN]","n":1}"#),
        (r#"{"card":4111111111111111}"#, r#"{"card":"[CARD]"}"#),
        (r#"[4111111111111111, 1]"#, r#"["[CARD]", 1]"#),
        (r#"{"dob": 19800102}"#, r#"{"dob": "[DOB]"}"#),
        (r#"{"dob":["1980-01-02","1981-01-02"]}"#, r#"{"dob":["[DOB]","[DOB]"]}"#),
        (r#"{"a@b.com": true}"#, r#"{"[EMAIL]": true}"#),
        (r#"{"m":"x\u0040example.com"}"#, r#"{"m":"[EMAIL]"}"#),
        (r#"{"m":"\u0061\u0040b\u002ecom\n"}"#, r#"{"m":"[EMAIL]\n"}"#),
        (r#"{"m":"\nfoo@b.com\t\"q\""}"#, r#"{"m":"\n[EMAIL]\t\"q\""}"#),
        (r#"{"m":"http:\/\/x\/a@b.com\/"}"#, r#"{"m":"http:\/\/x\/[EMAIL]\/"}"#),
        (
            r#"{"a":"{\"dob\":\"1980-01-02\",\"e\":\"\\nx@b.com\"}"}"#,
            r#"{"a":"{\"dob\":\"[DOB]\",\"e\":\"\\n[EMAIL]\"}"}"#,
        ),
        (r#"{"n":-4111111111111111}"#, r#"{"n":"[CARD]"}"#),
        (r#"{"n":4111111111111111e0,"f":4111111111111111.5}"#, r#"{"n":"[CARD]","f":4111111111111111.5}"#),
        (r#"[-41111111111111110e-1, 411111111111111.1E1,1e5]"#, r#"["[CARD]", "[CARD]",1e5]"#),
        (r#"{"n":4111111111111111.0,"f":-4111111111111111.00}"#, r#"{"n":"[CARD]","f":"[CARD]"}"#),
        (r#"[4.111111111111111e15,4.111111111111111E+15]"#, r#"["[CARD]","[CARD]"]"#),
        (r#"[4.0000566556655e15,-4.111111111111111e15 ]"#, r#"[4.0000566556655e15,"[CARD]" ]"#),
        (r#"[4.111111111111112e15,4.111111111111111e-15]"#, r#"[4.111111111111112e15,4.111111111111111e-15]"#),
        (r#"{"ssn": 523456789.0}"#, r#"{"ssn": "[SSN]"}"#),
        (r#"{"ssn":{"value":"523456789"}}"#, r#"{"ssn":{"value":"[SSN]"}}"#),
        (r#"{"ssn":{"type":"us","number":523456789}}"#, r#"{"ssn":{"type":"us","number":"[SSN]"}}"#),
        (r#"{"ssn":["523456789",{"value":"523456780"}]}"#, r#"{"ssn":["[SSN]",{"value":"[SSN]"}]}"#),
        (r#"{"ssn":{"order":"523456789"}}"#, r#"{"ssn":{"order":"523456789"}}"#),
    ] {
        let out = redacted(Format::Json, input);
        assert_eq!(out, output, "{input}");
        serde_json::from_str::<serde_json::Value>(&out).unwrap();
    }
}

#[test]
fn what_is_not_json_is_scanned_all_the_same() {
    for input in
        ["mail a@b.com now", "{\"broken: a@b.com", "\\ a@b.com \\", "\"\"\" a@b.com", "{'a':'a@b.com'}\0\u{ff}"]
    {
        assert!(redacted(Format::Json, input).contains("[EMAIL]"), "{input}");
        assert!(!redacted(Format::Json, input).contains("b.com"), "{input}");
    }
    let lines = "{\"a\":\"a@b.com\"}\n{\"card\":4111111111111111}\n";
    assert_eq!(redacted(Format::Json, lines), "{\"a\":\"[EMAIL]\"}\n{\"card\":\"[CARD]\"}\n");
}

#[test]
fn forms_stay_forms() {
    for (input, output) in [
        ("email=a%40b.com&x=1+2%20", "email=%5BEMAIL%5D&x=1+2%20"),
        ("ssn=523456789&n=523456789", "ssn=%5BSSN%5D&n=523456789"),
        ("q=123+45+6789", "q=%5BSSN%5D"),
        ("q=%31%32%33-45-6789&dob=1980-01-02", "q=%5BSSN%5D&dob=%5BDOB%5D"),
        ("q=100%&r=%zz", "q=100%&r=%zz"),
    ] {
        assert_eq!(redacted(Format::Form, input), output);
    }
}

#[test]
fn a_type_does_not_hide_what_the_content_says() {
    let spaced = format!("{}{{\"s\":\"\\u0035\\u0033\\u0036-22-8741\"}}", " ".repeat(2 * HOLD_BACK));
    for (input, output) in [
        (r#""\u0035\u0033\u0036-22-8741""#, r#""[SSN]""#),
        (r#"{"s":"\u0035\u0033\u0036-22-8741","n":4111111111111111}"#, r#"{"s":"[SSN]","n":"[CARD]"}"#),
        ("\u{feff}\r\n[\"a\\u0040b.com\"]", "\u{feff}\r\n[\"[EMAIL]\"]"),
        (&spaced, &format!("{}{{\"s\":\"[SSN]\"}}", " ".repeat(2 * HOLD_BACK))),
        ("ssn=%35%33%36-22-8741", "ssn=%5BSSN%5D"),
        ("x=1&note=a/b c&q=123+45+6789\n", "x=1&note=a/b c&q=%5BSSN%5D\n"),
        ("%35%33%36-22-8741", "%5BSSN%5D"),
        ("536-22-8741 {\"a\"}", "[SSN] {\"a\"}"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI+K7MDENG+bPxRfiCYEXAMPLEKEY\n", "AWS_SECRET_ACCESS_KEY=[AWS_KEY]\n"),
        ("words, and a@b.com", "words, and [EMAIL]"),
    ] {
        for declared in [None, Some("text/plain"), Some("application/octet-stream")] {
            assert_eq!(redacted(Format::from_content_type(declared), input), output, "{declared:?}");
        }
    }
}

#[test]
fn a_declared_form_that_begins_as_json_is_read_as_both() {
    for (input, output) in [
        (r#"{"s":"\u0035\u0033\u0036-22-8741","n":523}"#, r#"{"s":"[SSN]","n":523}"#),
        (r#" ["%22", 4111111111111111]"#, r#" ["%22", "[CARD]"]"#),
        (
            r#"{"k":{"SecretAccessKey":"wJalrXUtnFEMI+K7MDENG+bPxRfiCYEXAMPLEKEY"}}"#,
            r#"{"k":{"SecretAccessKey":"[AWS_KEY]"}}"#,
        ),
        (r#"{"a=1&ssn=%35%33%36-22-8741"#, r#"{"a=1&ssn=[SSN]"#),
    ] {
        assert_eq!(redacted(Format::Form, input), output);
    }
}

#[test]
fn places_count_what_came_before_the_content() {
    let run = run_bytewise(redact_all(), Format::Unknown, b"\xef\xbb\xbf  \"a@b.com\"");
    assert_eq!(run.findings[0].place, Place::at(6));
}

#[test]
fn urls_stay_urls() {
    let scanned = |input: &str| scan_url(&redact_all(), input).text.into_owned();
    assert_eq!(scanned("/u/x+y%40b.com/z?q=4111+1111+1111+1111&ok=%2F"), "/u/%5BEMAIL%5D/z?q=%5BCARD%5D&ok=%2F");
    assert_eq!(scanned("/a%20b?c=d+e#"), "/a%20b?c=d+e#");
    // What is left of a longer run is no key.
    let cut = format!("/secretkeyis4111111111111111wJalrXUtnFEMI/K7MDENG/{}", "%5BEMAIL%5D");
    assert_eq!(scanned("/secretkeyis4111111111111111wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEYa@b.com"), cut);
    assert_eq!(scanned(&cut), cut);
    let found = scan_url(&redact_all(), "/ssn/523456789");
    assert_eq!((found.findings[0].place.clone(), found.stopped), (Place::Url, None));
    let deny = Profile { deny: DetectorSet::PII, ..Profile::default() };
    assert_eq!(scan_url(&deny, "/x?e=a@b.com").stopped, Some(Why::Detector(Detector::Email)));
}

#[test]
fn headers() {
    let place = Place::Header("x-note".into());
    let scanned = scan_text(&redact_all(), place.clone(), "from é@b.com and a@b.com");
    assert_eq!(scanned.text, "from [EMAIL] and [EMAIL]");
    assert!(scanned.findings.iter().all(|finding| finding.place == place));
    assert!(matches!(scan_text(&redact_all(), place, "plain").text, std::borrow::Cow::Borrowed("plain")));
}

#[test]
fn deny_lets_nothing_of_the_match_out() {
    let profile = Profile { deny: Detector::Ssn.into(), redact: Detector::Email.into(), ..Profile::default() };
    let input = br#"{"e":"a@b.com","s":"123-45-6789","t":"more"}"#;
    for run in [run(profile.clone(), Format::Json, input), run_bytewise(profile, Format::Json, input)] {
        assert_eq!(run.flow, Flow::Deny(Detector::Ssn));
        assert_eq!(run.text(), r#"{"e":"[EMAIL]","s":""#);
        assert_eq!(run.findings[1].action, Action::Deny);
        assert_eq!(run.findings[1].place, Place::Body { offset: 20, path: Some("/s".into()) });
    }
}

#[test]
fn deny_is_seen_inside_what_is_redacted() {
    let profile = Profile { deny: Detector::AwsKey.into(), redact: Detector::Email.into(), ..Profile::default() };
    let run = run(profile, Format::Text, b"to a@AKIAIOSFODNN7EXAMPLE.com now");
    assert_eq!(run.flow, Flow::Deny(Detector::AwsKey));
    assert!(!run.text().contains("AKIA"));
}

#[test]
fn report_changes_nothing() {
    let profile = redact_all().report_only();
    let input = "a@b.com_ 123-45-6789 -----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY----- x";
    let run = run_bytewise(profile, Format::Text, input.as_bytes());
    assert_eq!(run.text(), input);
    assert_eq!(run.names(), ["email", "ssn", "private_key"]);
    assert_eq!(run.findings[1].place, Place::at(9));
}

#[test]
fn a_private_key_of_any_length_goes_as_one() {
    let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\\n".repeat(700);
    let input =
        format!("{{\"k\":\"-----BEGIN PRIVATE KEY-----\\n{body}-----END PRIVATE KEY-----\\n\",\"e\":\"a@b.com\"}}");
    let run = check_invariants(Format::Json, input.as_bytes());
    assert_eq!(run.text(), r#"{"k":"[PRIVATE_KEY]\n","e":"[EMAIL]"}"#);
    let cut_off = r#"{"k":"-----BEGIN RSA PRIVATE KEY-----\nMIIE","e":1}"#;
    assert_eq!(redacted(Format::Json, cut_off), r#"{"k":"[PRIVATE_KEY]","e":1}"#);
}

#[test]
fn a_key_of_any_length_goes_as_one() {
    let input = format!("a sk-proj-{} b", "aB3-".repeat(20_000));
    assert_eq!(redacted(Format::Text, &input), "a [OPENAI_KEY] b");
}

fn encoded(text: &str) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text)
}

#[test]
fn what_is_held_back_is_bounded() {
    let hostile = [
        "a".repeat(50_000),
        "@".repeat(20_000),
        "a@b.".repeat(10_000),
        "4".repeat(20_000),
        "4111 1111 ".repeat(5_000),
        "12 September ".repeat(5_000),
        "\\u0061".repeat(10_000),
        "sk-".repeat(20_000),
        "-----BEGIN ".repeat(5_000),
        "secret key ".repeat(5_000),
        "secret_key=======".repeat(5_000),
        "a\u{200b}\u{200d}".repeat(10_000),
        "\\\\u0061".repeat(5_000),
        "%2525252525".repeat(5_000),
        "%25%32%35".repeat(5_000),
        "&amp;amp;".repeat(5_000),
        "А".repeat(20_000),
        "YXNkZiBxd2VydHkg".repeat(3_000),
        "4d5449".repeat(10_000),
        encoded(&encoded(&encoded(&"a@b.".repeat(5_000)))),
        format!("{}\n", "QUJD".repeat(19)).repeat(500),
    ];
    for (input, format) in hostile.iter().flat_map(|h| FORMATS.map(|format| (h, format))) {
        let mut scanner = Scanner::new(redact(DetectorSet::ALL), format);
        let (mut out, mut sent) = (Vec::new(), 0);
        for chunk in input.as_bytes().chunks(1000) {
            if scanner.push(chunk, &mut out) != Flow::Continue {
                break;
            }
            sent += chunk.len();
            assert!(sent - out.len() <= HOLD_BACK, "{:?}: {} held", input.get(..13), sent - out.len());
        }
        let _ = scanner.finish(&mut out);
        assert_eq!(out, input.as_bytes(), "{:?}", &input[..12]);
    }
}

#[test]
fn blanks_do_not_part_a_key_from_its_value() {
    for blanks in [" ".repeat(65), "\n \t\r".repeat(100), " ".repeat(9000)] {
        for (body, masked) in [
            (format!("{{\"ssn\":{blanks}523456789}}"), format!("{{\"ssn\":{blanks}\"[SSN]\"}}")),
            (format!("{{\"ssn\"{blanks}:\"523456789\"}}"), format!("{{\"ssn\"{blanks}:\"[SSN]\"}}")),
            (
                format!("[{blanks}{{\"ssn\":{blanks}[523456789]}}]"),
                format!("[{blanks}{{\"ssn\":{blanks}[\"[SSN]\"]}}]"),
            ),
        ] {
            assert_eq!(redacted(Format::Json, &body), masked);
            assert_eq!(redacted(Format::Unknown, &body), masked);
        }
    }
    // Blanks without end are let out as they come.
    let mut scanner = Scanner::new(redact_all(), Format::Json);
    let mut out = Vec::new();
    let _ = scanner.push(b"{\"a\":", &mut out);
    let _ = scanner.push(" ".repeat(100_000).as_bytes(), &mut out);
    assert!(out.len() > 99_000, "{}", out.len());
}

#[test]
fn what_nobody_sees_is_left_out_up_to_a_bound() {
    for padding in ["\u{200b}", "\u{336}", "\u{2800}", "\\u200b", "&#8203;", "%E2%80%8B"] {
        for (times, between) in [(40, "123-45-6789"), (100, "12"), (600, "1")] {
            let body = format!(
                "so: {}{}.",
                between.replace('1', &format!("1{}", padding.repeat(times))),
                &"123-45-6789"[between.len()..]
            );
            for format in [Format::Text, Format::Json, Format::Xml] {
                let run = check_invariants(format, body.as_bytes());
                assert_eq!(run.names(), ["ssn"], "{times} times {padding}");
            }
        }
        let over = format!("so: 1{}23-45-6789.", padding.repeat(9_000));
        let run = check_invariants(Format::Text, over.as_bytes());
        assert_eq!((run.flow, run.findings.len()), (Flow::Opaque, 0), "{padding}");
        let content = ContentRules { unreadable: Unreadable::Pass, ..ContentRules::default() };
        let passing = Profile { details: Some(Arc::new(Details { content, ..Details::default() })), ..redact_all() };
        assert_eq!(run_bytewise(passing, Format::Text, over.as_bytes()).text(), over);
    }
    // Every letter of a long address, padded.
    let letter = format!("x{}u200b", "\\".repeat(32));
    let address = format!("a@{}.com ", letter.repeat(253));
    let mut scanner = Scanner::new(redact_all(), Format::Json);
    let (mut out, mut most) = (Vec::new(), 0);
    for (sent, byte) in address.bytes().enumerate() {
        let _ = scanner.push(&[byte], &mut out);
        most = most.max(sent + 1 - out.len());
    }
    assert!(most < HOLD_BACK, "{most}");
}

#[test]
fn plain_words_are_not_held_back() {
    let mut scanner = Scanner::new(redact_all(), Format::Text);
    let mut out = Vec::new();
    let _ = scanner.push(b"data: a token of text \n\n", &mut out);
    assert_eq!(out, b"data: a token of text \n\n");
    let _ = scanner.push(b"half a wo", &mut out);
    assert!(out.ends_with(b"half a "));
}

#[test]
fn an_empty_profile_passes_all() {
    let run = run(Profile::default(), Format::Json, b"a@b.com");
    assert_eq!((run.text().as_str(), run.findings.len()), ("a@b.com", 0));
}

/// The lines of a key go with its header, whatever stands between them.
#[test]
fn a_private_key_goes_whole_however_its_lines_are_divided() {
    let lines = [
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7",
        "VJTUt9Us8cKjMzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNb",
    ];
    let header = "-----BEGIN PRIVATE KEY-----";
    for (format, open, between, close) in [
        (Format::Json, "[\"", "\",\"", "\"]"),
        (Format::Json, "[\n  \"", "\",\n  \"", "\"\n]"),
        (Format::Text, "> ", "\n> ", "\n"),
        (Format::Text, "", "<br>", "<br/>"),
        (Format::Xml, "<p>", "<br/>\n", "</p>"),
        (Format::Text, "", ";", ""),
        (Format::Text, "'", "' +\n  '", "'"),
        (Format::Text, "| ", " |\n| ", " |"),
    ] {
        let body = format!("{open}{header}{between}{}{between}{}{close}", lines[0], lines[1]);
        let out = check_invariants(format, body.as_bytes()).text();
        assert!(!out.contains("MIIE") && !out.contains("VJTU"), "{body:?} became {out:?}");
    }
}

/// Bytes that are no text hold no addresses, or redaction would damage what it does not understand.
#[test]
fn noise_holds_no_addresses() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(1 << 20)
    .collect();
    let run = run(redact(aegis_dlp::Detector::Email.into()), Format::Text, &noise);
    assert!(run.findings.len() <= 1, "{:?}", run.names());
}
