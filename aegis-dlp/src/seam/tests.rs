use super::*;
use crate::{Detector, DetectorSet};

const KEY: &str = "AKIAQ3EGRTZYXNMB2LKJ";

fn masking() -> Profile {
    Profile { redact: DetectorSet::PII, deny: DetectorSet::SECRETS, ..Profile::default() }
}

/// The messages as they go on; a stop ends them.
fn passed(profile: &Profile, messages: &[&str]) -> (Vec<String>, Option<Detector>) {
    let mut seam = Seam::new(profile);
    let mut out = Vec::new();
    for message in messages {
        let joined = seam.message(message.as_bytes());
        if let Some(Why::Detector(detector)) = joined.stopped {
            assert!(joined.changed.is_none() && !joined.findings.is_empty());
            return (out, Some(detector));
        }
        assert!(joined.changed.is_none() || !joined.findings.is_empty(), "{message}");
        out.push(joined.changed.map_or_else(|| (*message).to_owned(), |new| String::from_utf8(new).unwrap()));
    }
    (out, None)
}

#[test]
fn the_rest_of_a_value_is_masked_and_all_else_stays() {
    for (messages, expected) in [
        (&["my ssn is 536-22-", "8741, thanks"][..], &["my ssn is 536-22-", "[SSN], thanks"][..]),
        (&["ssn 536", "-22-", "8741."], &["ssn 536", "-22-", "[SSN]."]),
        (&["jane.doe@corp.", "example wrote"], &["jane.doe@corp.", "[EMAIL] wrote"]),
        (
            &[r#"{"type":"d","delta":"ssn 536-22-"}"#, r#"{"type":"d", "delta":"87\u00341 \"x\"","n":1.0}"#],
            &[r#"{"type":"d","delta":"ssn 536-22-"}"#, r#"{"type":"d", "delta":"[SSN] \"x\"","n":1.0}"#],
        ),
        // Each part of a model's answer by itself.
        (
            &[
                r#"{"choices":[{"index":0,"delta":{"content":"ssn 536-22-"}}]}"#,
                r#"{"choices":[{"index":1,"delta":{"content":"8741 apples"}}]}"#,
                r#"{"choices":[{"index":0,"delta":{"content":"8741"}}]}"#,
            ],
            &[
                r#"{"choices":[{"index":0,"delta":{"content":"ssn 536-22-"}}]}"#,
                r#"{"choices":[{"index":1,"delta":{"content":"8741 apples"}}]}"#,
                r#"{"choices":[{"index":0,"delta":{"content":"[SSN]"}}]}"#,
            ],
        ),
        // What an earlier message holds as a whole is that message's affair.
        (&["ssn 536-22-8741 and", " more", " and more"], &["ssn 536-22-8741 and", " more", " and more"]),
        (&["536-22", "8741-"], &["536-22", "8741-"]),
    ] {
        assert_eq!(passed(&masking(), messages), (expected.iter().map(|one| (*one).to_owned()).collect(), None));
    }
}

#[test]
fn what_is_denied_does_not_become_whole() {
    for cut in 1..KEY.len() {
        let (one, two) = KEY.split_at(cut);
        let json = |text: &str| format!(r#"{{"a":{{"text":"{text}"}},"id":"x"}}"#);
        assert_eq!(passed(&masking(), &[one, two]).1.map(Detector::name), Some("aws_key"), "{cut}");
        let (passed, stopped) = passed(&masking(), &[&json(one), &json(two)]);
        assert_eq!((passed, stopped.map(Detector::name)), (vec![json(one)], Some("aws_key")), "{cut}");
    }
}

#[test]
fn what_is_too_deep_only_together_goes_no_further() {
    let encode = |text: String| data_encoding::BASE64.encode(text.as_bytes());
    let deep = (0..4).fold("jane.doe@corp.example".to_owned(), |text, _| encode(text));
    let mut stopped = 0;
    for cut in 1..deep.len() {
        let (one, two) = deep.split_at(cut);
        let mut seam = Seam::new(&masking());
        assert_eq!(seam.message(one.as_bytes()), Joined::default());
        let alone = [one, two].iter().any(|text| is_too_deep(&scan(&masking(), text).2));
        let joined = seam.message(two.as_bytes());
        assert_eq!(is_too_deep(&joined.stopped), !alone, "{cut}");
        stopped += usize::from(!alone);
    }
    assert!(stopped >= 10, "{stopped}");
}

#[test]
fn names_and_what_never_changes_are_no_parts_of_a_value() {
    let constant = r#"{"who":"41111111","id":"536-22-","seq":"1"}"#;
    let (out, stopped) = passed(&masking(), &[constant, constant, constant, r#"{"id":"8741","seq":"2"}"#]);
    assert_eq!((out.len(), stopped), (4, None));
    assert_eq!(out[1], constant);
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let mut seam = Seam::new(&masking());
    for number in 0..1000 {
        let message = format!(r#"{{"place{number}":"{}","{}":"x"}}"#, "x".repeat(2000), "k".repeat(number));
        seam.message(message.as_bytes());
        seam.message("ä".repeat(number).as_bytes());
        seam.message(&[0xff, 0xfe]);
    }
    let tails = seam.tails.list();
    assert_eq!(tails.len(), tail::PLACES);
    assert!(tails.iter().all(|tail| tail.text().len() <= SEAM && tail.held() < 4096));
    assert!(seam.held() <= 512 * 1024, "{}", seam.held());
}

#[test]
fn deep_and_broken_json_is_read_without_harm() {
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    for message in [deep.as_str(), "{", "[1,", r#"{"a":"#, r#"{"a":"\ud800"}"#, "[]", "{}", ""] {
        assert_eq!(Seam::new(&masking()).message(message.as_bytes()), Joined::default(), "{message:.20}");
    }
}
