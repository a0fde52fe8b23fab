//! Properties over streams made of fragments that provoke every detector, cut at random places.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use aegis_dlp::{DetectorSet, Flow, Format, Place, Profile, scan_text, scan_url};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use support::{FORMATS, check_invariants, reads_as_json, redact_all, run, run_cut, shallow};

/// Matches, almost-matches, contexts, escapes and glue.
const FRAGMENTS: &[&str] = &[
    "123-45-6789",
    "523 45 6789",
    "523456789",
    "123-45-",
    "6789",
    "ssn",
    "ssn ",
    "SSN: ",
    "social security ",
    "[SSN]",
    "a@b.com",
    "x.y+z@mail.example.org",
    "@",
    "@b.co",
    "é@ü.de",
    "git@github.com:",
    ".com",
    "b.com-",
    "dob: ",
    "born ",
    "birth",
    "\"dob\": ",
    "1980-01-02",
    "2 January 1980",
    "January 2, ",
    "1980",
    "19800102",
    "12 Sep ",
    "T00:00:00Z",
    "4111111111111111",
    "4111 1111 1111 1111",
    "3782-822463-10005",
    "4111",
    " 1111",
    "-1111",
    "30569309025904",
    "AKIAIOSFODNN7EXAMPLE",
    "AKIA",
    "secret_access_key",
    "secret key is ",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "Secret",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "ghp_",
    "github_pat_11ABCDEFG0abcdefghijkl_012345678901234567",
    "sk-proj-abcdefghij_klmnopqrst-1234567890",
    "sk-",
    "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789AA",
    "xoxb-123456789012-1234567890123-abcdefghijkl",
    "xapp-1-A0123456789-1234567890123-abcdef",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "GB82 WEST 1234 5698 7654 32",
    "DE89370400440532013000",
    "DE89",
    "046 454 286",
    "sin ",
    "111.444.777-35",
    "AB 12 34 56 C",
    "JG 10 37 59 A",
    "1 84 12 76 451 089 46",
    "12345678Z",
    "131052-308T",
    "RSSMRA85T10A562S",
    "+44 20 7946 0958",
    "(415) 555-2671",
    "415-555-2671",
    "+",
    "tel ",
    "phone: ",
    "01 42 68 53 00",
    "passport ",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
    "MRN ",
    "12 34",
    "10.0.0.1",
    "postgres://app:s3cret@db/x",
    "://",
    "https://",
    "password=",
    "password: ",
    "hunter2!",
    "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
    "api_key=",
    "token: ",
    "9fceb02d0ae598e95dc970b74767f193",
    "550e8400-e29b-41d4-a716-446655440000",
    "datadog ",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlMTIz",
    "123456789:AAabcdefghijklmnopqrstuvwxyz0123456",
    "glpat-a1b2c3d4e5f6g7h8i9j0",
    "access_token$production$",
    "?sig=",
    "0123456789abcdef0123456789abcdef-us12",
    "xY.7Q~CBfotxjbTRf7RLBPU1xYXkpeyeAZnHR",
    "~",
    "<",
    "(",
    "$",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----\\nMIIE",
    "-----END PRIVATE KEY-----",
    "-----",
    "BEGIN ",
    "-----END ",
    " ",
    "  ",
    "\n",
    "\t",
    ",",
    ".",
    "-",
    "/",
    "_",
    "+",
    "=",
    ":",
    ";",
    "&",
    "%",
    "%4",
    "%40",
    "%2B",
    "\"",
    "'",
    "\\",
    "\\\"",
    "\\n",
    "\\\\n",
    "\\u0040",
    "\\u00",
    "\\ud83d\\ude00",
    "{",
    "}",
    "[",
    "]",
    "{\"a\":",
    "\\u0035\\u0033\\u0036-22-8741",
    "%35%33%36-22-8741",
    "\u{feff}",
    "\":\"",
    "\",\"",
    "a",
    "Z",
    "0",
    "9",
    "n",
    "word",
    "\u{1F600}",
    "é",
    "１２３-45-6789",
    "\\uff11\\uff12\\uff13",
    "\u{200b}",
    "\\u200b",
    "\u{ad}-",
    "АKIA",
    "почта@",
    "\\\\",
    "\\\\u0031",
    "\\\\\"",
    "%2540",
    "%25",
    "%5C",
    "%EF%BC%91",
    "<",
    ">",
    "<a b='",
    "<ssn>",
    "</ssn>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "&#49;",
    "&#x40;",
    "&amp;",
    "&#",
    "MTIzLTQ1LTY3ODk=",
    "MTIzLTQ1LTY3ODk",
    "d3JpdGUgdG8gamFuZS5kb2VAZXhhbXBsZS5jb20sIHBsZWFzZQ",
    "d3JpdGUgdG8gamFuZS5kb2VAZXhhbXBsZS5jb20sIHBsZWFzZSwgYW5kIHNheSB0aGF0IDEyMy00NS02Nzg5IGlzIGdvbmU=",
    "V1ZkdlozTnZPaUJxWVc1bExtUnZaVUJsZUdGdGNHeGxMbU52YlE9PQ==",
    "TVRJekxUUTFMVFkzT0RrPQ==",
    "3132332d34352d36373839",
    "MQAyADMALQA0ADUALQA2ADcAOAA5AA",
    "eyJhIjoiYUBiLmNvbSJ9",
    ";base64,",
    "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9w\n",
];

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        12 => prop::sample::select(FRAGMENTS).prop_map(|s| s.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
        1 => "[a-z0-9]{0,80}".prop_map(String::into_bytes),
    ];
    let lead =
        ["", "", "", "{", "[", "\"", " \n{", "\u{feff}[", "a=1&", "q=%41", "&", "<", "<a>", "{\"a\":\"", "ssn,dob\n"];
    let lead = prop::sample::select(lead.to_vec());
    (lead, prop::collection::vec(fragment, 0..24)).prop_map(|(lead, rest)| [lead.as_bytes(), &rest.concat()].concat())
}

fn format() -> impl Strategy<Value = Format> {
    prop::sample::select(&FORMATS[..])
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let text = prop::collection::vec(prop::sample::select(FRAGMENTS), 0..5).prop_map(|f| f.concat());
    let number =
        prop::sample::select(&[523_456_789_i64, 4_111_111_111_111_111, -4_111_111_111_111_111, 19_800_102, 7][..]);
    let leaf = prop_oneof![
        text.clone().prop_map(serde_json::Value::from),
        number.prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null)
    ];
    leaf.prop_recursive(3, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            prop::collection::vec((text.clone(), inner), 0..5).prop_map(|pairs| pairs.into_iter().collect()),
        ]
    })
}

/// Writes a value as elements and attributes, each text in one of the ways that XML has.
fn write_xml(value: &serde_json::Value, out: &mut String) {
    use serde_json::Value::{Array, Object};
    let escaped =
        |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace("]]>", "]]&gt;");
    match value {
        Array(values) => {
            out.push_str("<list>");
            values.iter().for_each(|value| write_xml(value, out));
            out.push_str("</list>");
        }
        Object(members) => {
            let text = members.keys().map(|key| escaped(key)).collect::<String>();
            out.push_str(&format!("<n:ode xmlns:n=\"x\" ssn=\"{text}\" b='1'>"));
            members.values().for_each(|value| write_xml(value, out));
            out.push_str("</n:ode>");
        }
        value if out.len().is_multiple_of(3) => {
            let text = value.as_str().map_or_else(|| value.to_string(), |text| text.replace("]]>", ""));
            out.push_str(&format!("<c><![CDATA[{text}]]></c>"));
        }
        value => {
            let text = value.as_str().map_or_else(|| value.to_string(), escaped);
            out.push_str(&format!("<ssn>{text}</ssn>"));
        }
    }
}

/// Numbers in groups, with any of the signs between them that there may be.
fn grouped() -> impl Strategy<Value = String> {
    const NUMBERS: [&[&str]; 9] = [
        &["528", "415", "4163"],
        &["1", "415", "555", "2671"],
        &["523", "45", "6789"],
        &["4111", "1111", "1111", "1111"],
        &["1EG4", "TE5", "MK73"],
        &["JG", "10", "37", "59", "A"],
        &["20", "7946", "0958"],
        &["1980", "01", "02"],
        &["12", "34"],
    ];
    let gap =
        || prop::sample::select(&["", "-", " ", ".", "/", ")-", ") ", " (", "-(", ")(", "))", " -", "- ", "\n"][..]);
    let lead = prop::sample::select(&["", "(", "+", "-", "tel ", "born ", "passport ", "-41361-\n", "a-"][..]);
    let number = (lead, prop::sample::select(&NUMBERS[..]), prop::collection::vec(gap(), 5));
    let number = number.prop_map(|(lead, groups, gaps)| {
        groups.iter().zip(gaps).fold(lead.to_owned(), |text, (group, gap)| text + group + gap)
    });
    prop::collection::vec(number, 1..3).prop_map(|numbers| numbers.concat())
}

fn cell() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(FRAGMENTS), 0..4).prop_map(|fragments| fragments.concat())
}

/// The cells of rows in which each is quoted.
fn cells(text: &str) -> Vec<&str> {
    text.split("\",\"").collect()
}

/// The same cases each time, so that a red run says something of the change that it ran on; `PROPTEST_RNG_SEED` gives others.
fn config() -> ProptestConfig {
    let config = ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() };
    let rng_seed = if config.rng_seed == RngSeed::Random { RngSeed::Fixed(20_261_123) } else { config.rng_seed };
    ProptestConfig { rng_seed, ..config }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn cuts_change_nothing_and_output_is_clean(
        input in stream(), format in format(), cuts in prop::collection::vec(0_usize..600, 0..8),
    ) {
        let whole = check_invariants(format, &input);
        prop_assume!(whole.flow != Flow::Opaque);
        prop_assert_eq!(run_cut(redact_all(), format, &input, &cuts), whole, "{:?} {:?}", format, String::from_utf8_lossy(&input));
    }

    #[test]
    fn a_profile_of_any_actions_is_independent_of_cuts(
        input in stream(), format in format(), cuts in prop::collection::vec(0_usize..600, 0..8),
        redact in any::<u64>(), deny in any::<u64>(), approve in any::<u64>(), report in any::<u64>(),
    ) {
        // Of detectors that are 64 apart all or none.
        let set = |bits: u64| aegis_dlp::Detector::ALL.into_iter().enumerate()
            .filter(|(n, _)| bits >> (n % 64) & 1 == 1).map(|(_, d)| d).collect::<DetectorSet>();
        let (deny, approve) = (set(deny & deny >> 2), set(approve & approve >> 2));
        let profile = Profile { redact: set(redact), deny, approve, report: set(report), ..Profile::default() };
        let whole = run(profile.clone(), format, &input);
        prop_assume!(whole.flow != Flow::Opaque);
        prop_assert_eq!(run_cut(profile.clone(), format, &input, &cuts), whole, "{:?} {:?} {:?}", format, String::from_utf8_lossy(&input), profile);
    }

    #[test]
    fn reporting_passes_every_byte(input in stream(), format in format()) {
        let reported = run(redact_all().report_only(), format, &input);
        prop_assert_eq!((reported.out, reported.flow), (input, Flow::Continue));
    }

    #[test]
    fn utf16_is_scanned_as_the_same_text_is(
        input in stream(), format in format(), cuts in prop::collection::vec(0_usize..600, 0..8), big in any::<bool>(),
    ) {
        let text = format!("{{}}{}", String::from_utf8_lossy(&input).replace('\0', "0"));
        let units = |text: &str| -> Vec<u8> {
            text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
        };
        let expected = run(redact_all(), format, text.as_bytes());
        let wide = run_cut(redact_all(), format, &units(&text), &cuts);
        prop_assert_eq!(wide.names(), expected.names(), "{:?}", text);
        // A match that begins within a character takes all of it.
        if let Ok(expected) = String::from_utf8(expected.out) {
            prop_assert_eq!(wide.out, units(&expected), "{:?}", text);
        }
    }

    #[test]
    fn redacted_xml_is_xml(value in json(), comment in "[a-z0-9@. <>&]{0,20}") {
        let mut text = format!("<?xml version=\"1.0\"?><!--{comment}-->");
        write_xml(&value, &mut text);
        prop_assume!(roxmltree::Document::parse(&text).is_ok());
        let run = check_invariants(Format::Xml, text.as_bytes());
        prop_assume!(run.flow == Flow::Continue);
        let out = run.text();
        prop_assert!(roxmltree::Document::parse(&out).is_ok(), "{} became {}", text, out);
    }

    #[test]
    fn a_table_keeps_its_cells(rows in prop::collection::vec(prop::collection::vec(cell(), 3), 1..6)) {
        let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
        let text = rows.iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(",") + "\r\n").collect::<String>();
        let run = check_invariants(Format::Csv, text.as_bytes());
        prop_assume!(run.flow == Flow::Continue);
        let out = run.text();
        prop_assert_eq!(cells(&out).len(), cells(&text).len(), "{} became {}", text, out);
    }

    #[test]
    fn redacted_json_is_json_of_the_same_shape(value in json(), pretty in any::<bool>(), format in format()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let json = format != Format::Text && reads_as_json(format, text.as_bytes());
        let format = if json { format } else { Format::Json };
        let run = check_invariants(format, text.as_bytes());
        prop_assume!(run.flow == Flow::Continue);
        let out = run.out;
        let parsed: serde_json::Value = serde_json::from_slice(&out)
            .map_err(|e| TestCaseError::fail(format!("{e}: {text} became {}", String::from_utf8_lossy(&out))))?;
        prop_assert_eq!(std::mem::discriminant(&parsed), match &value {
            number @ serde_json::Value::Number(_) if parsed.is_string() => {
                prop_assert!(number.to_string().len() >= 8);
                std::mem::discriminant(&parsed)
            }
            value => std::mem::discriminant(value),
        });
    }

    #[test]
    fn text_and_urls_stay_text(input in stream()) {
        let text = String::from_utf8_lossy(&input).into_owned();
        let scanned = scan_text(&shallow(), Place::Url, &text);
        prop_assert!(scan_text(&shallow(), Place::Url, &scanned.text).findings.is_empty(), "{:?} became {:?}", text, scanned.text);
        let url: String = text.bytes().filter(|b| b.is_ascii_graphic()).map(char::from).collect();
        let scanned = scan_url(&redact_all(), &url);
        prop_assert!(scanned.text.bytes().all(|b| b.is_ascii_graphic()));
        let scanned = scan_url(&shallow(), &url);
        prop_assert!(scan_url(&shallow(), &scanned.text).findings.is_empty(), "{} became {}", url, scanned.text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..config() })]

    /// What has not arrived of a number may not keep its first group from being looked at before what begins behind it.
    #[test]
    fn a_number_is_found_wherever_it_is_cut(text in grouped(), format in prop::sample::select(&[Format::Text, Format::Xml][..])) {
        let whole = check_invariants(format, text.as_bytes());
        for cut in 1..text.len() {
            prop_assert_eq!(&run_cut(redact_all(), format, text.as_bytes(), &[cut]), &whole, "{:?} at {}", text, cut);
        }
    }
}
