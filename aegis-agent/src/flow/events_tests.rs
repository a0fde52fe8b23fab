#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use aegis_dlp::{ContentRules, Details, DetectorSet, Profile, ResponseRules};
use proptest::prelude::*;

use super::*;

fn rules(responses: ResponseRules) -> Rules {
    let content = ContentRules { responses: Some(responses), ..ContentRules::default() };
    let details = Some(Arc::new(Details { content, ..Details::default() }));
    Rules::back(&Profile { details, ..Profile::default() }).unwrap()
}

fn redacting() -> Rules {
    rules(ResponseRules { redact: DetectorSet::PII, ..ResponseRules::default() })
}

/// What comes out, piece by piece of `size` bytes.
fn read(stream: &[u8], size: usize, rules: &Rules, limit: usize) -> Result<Vec<Vec<u8>>, Stop> {
    let (mut events, tally) = (Events::new(rules.clone(), limit), Tally::default());
    let mut pieces = Vec::new();
    for chunk in stream.chunks(size.max(1)) {
        let mut out = Vec::new();
        events.push(chunk, &mut out, &tally)?;
        pieces.push(out);
    }
    let mut out = Vec::new();
    events.finish(&mut out, &tally)?;
    pieces.push(out);
    Ok(pieces)
}

#[test]
fn an_event_goes_on_when_it_is_whole_and_not_before() {
    for ending in ["\n", "\r\n", "\r"] {
        let event = |text: &str| format!("event: message{ending}data: {text}{ending}{ending}");
        let (one, two) = (event("{\"a\":\"one\"}"), event("two"));
        let tally = Tally::default();
        let mut events = Events::new(redacting(), 1000);
        let mut out = Vec::new();
        events.push(one.as_bytes(), &mut out, &tally).unwrap();
        assert_eq!(out, one.as_bytes(), "{ending:?}");
        out.clear();
        let (begin, end) = two.split_at(two.len() - 1);
        events.push(begin.as_bytes(), &mut out, &tally).unwrap();
        let early = if ending == "\r\n" { begin } else { "" };
        assert_eq!(out, early.as_bytes(), "{ending:?}");
        events.push(end.as_bytes(), &mut out, &tally).unwrap();
        assert_eq!(out, two.as_bytes(), "{ending:?}");
    }
}

#[test]
fn data_is_read_as_a_whole_and_stays_well_formed() {
    let stream = b": hello\nid: 7\ndata: {\"to\":\"jane.doe\\u0040corp.example\",\ndata: \"n\":1}\n\ndata: [DONE]\n\n";
    let whole = read(stream, 1000, &redacting(), 1000).unwrap().concat();
    let text = String::from_utf8(whole).unwrap();
    assert_eq!(text, ": hello\nid: 7\ndata: {\"to\":\"[EMAIL]\",\ndata: \"n\":1}\n\ndata: [DONE]\n\n");
}

#[test]
fn names_and_comments_of_events_are_read_too() {
    let whole = read(
        b"event: jane.doe@corp.example\n: 536-22-8741\ndatabase: jane.doe@corp.example\n\n",
        1000,
        &redacting(),
        1000,
    )
    .unwrap()
    .concat();
    let text = String::from_utf8(whole).unwrap();
    assert!(text.starts_with("event: [EMAIL]\n: [SSN]\ndatabase: [EMAIL]\n") && text.ends_with("\n\n"), "{text}");
}

#[test]
fn a_denied_event_says_which_and_where_and_nothing_of_it_goes_on() {
    let rules = rules(ResponseRules { deny: DetectorSet::PII, ..ResponseRules::default() });
    let (mut events, tally) = (Events::new(rules, 1000), Tally::default());
    let mut out = Vec::new();
    let stop = events.push(b"data: fine\n\ndata: {\"a\":\"536-22-8741\"}\n\n", &mut out, &tally).unwrap_err();
    assert_eq!(out, b"data: fine\n\n");
    assert!(stop.place.unwrap().record().contains("response!event:2"), "{:?}", tally.findings());
    assert_eq!(tally.findings().len(), 1);
}

#[test]
fn what_has_no_data_gets_none_and_a_mark_at_the_beginning_hides_nothing() {
    let stream = b"\xEF\xBB\xBFdata: {\"to\":\"jane.doe\\u0040corp.example\"}\n\nid: jane.doe@corp.example\n\n";
    let whole = read(stream, 1000, &redacting(), 1000).unwrap().concat();
    assert_eq!(String::from_utf8(whole).unwrap(), "data: {\"to\":\"[EMAIL]\"}\n\nid: [EMAIL]\n\n");
}

#[test]
fn many_events_at_once_take_turns_and_their_time() {
    let stream = b"data: 536-22-8741\n\n".repeat(1000);
    let (mut events, tally) = (Events::new(redacting(), 100), Tally::default());
    let mut out = Vec::new();
    events.push(&stream, &mut out, &tally).unwrap();
    assert!(events.more() && out.len() < stream.len() / 2);
    while events.more() {
        events.push(b"", &mut out, &tally).unwrap();
    }
    assert_eq!(out, b"data: [SSN]\n\n".repeat(1000));
    // An event a byte: were the rest moved for each, this would take minutes.
    let empty = vec![b'\n'; 2_000_000];
    assert_eq!(read(&empty, empty.len(), &redacting(), 100).unwrap().concat(), empty);
}

#[test]
fn bounds_hold() {
    let endless = b"data: 0123456789";
    assert!(read(endless, 1, &redacting(), 10).is_err());
    let reporting = rules(ResponseRules { report: DetectorSet::PII, ..ResponseRules::default() });
    assert_eq!(read(endless, 1, &reporting, 10).unwrap().concat(), endless);
    let capped = rules(ResponseRules { max_bytes: Some(20), ..ResponseRules::default() });
    assert!(read(b"data: 012345\n\n", 3, &capped, 1000).is_ok());
    assert!(read(b"data: 012345\n\ndata: 012345\n\n", 3, &capped, 1000).is_err());
}

proptest! {
    #[test]
    fn what_holds_nothing_leaves_as_it_came(
        lines in prop::collection::vec(("(data: |data:|event: |: |id: |)[a-z{}\" ]{0,12}", "(\n|\r\n|\r)"), 0..30),
        size in 1_usize..50,
    ) {
        let stream: String = lines.into_iter().map(|(line, ending)| line + &ending).collect();
        let out = read(stream.as_bytes(), size, &redacting(), 10_000).unwrap().concat();
        prop_assert_eq!(String::from_utf8(out).unwrap(), stream);
    }

    #[test]
    fn however_it_is_cut(size in 1_usize..60) {
        let stream = b"data: {\"a\":\"536-22-8741\"}\r\n\r\nid: 1\r\ndata: jane.doe@corp.example\r\n\r\n";
        let out = read(stream, size, &redacting(), 10_000).unwrap().concat();
        let whole = read(stream, 1000, &redacting(), 10_000).unwrap().concat();
        prop_assert_eq!(String::from_utf8(out).unwrap(), String::from_utf8(whole).unwrap());
    }
}
