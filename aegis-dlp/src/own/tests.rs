//! Own detectors over a stream that arrives in pieces.

use proptest::prelude::*;

use super::*;
use crate::{Details, Format, Profile, Scanner};

fn pattern(name: &str, text: &str) -> OwnDetector {
    let finder = Finder::Pattern(Pattern::new(text).unwrap());
    OwnDetector { name: OwnName::intern(name).unwrap(), confidence: Confidence::Medium, finder }
}

fn values(name: &str, text: &str) -> OwnDetector {
    let finder = Finder::Dictionary(Dictionary::read(text).unwrap());
    OwnDetector { name: OwnName::intern(name).unwrap(), confidence: Confidence::High, finder }
}

fn all() -> OwnDetectors {
    OwnDetectors::new(vec![
        pattern("own_cust", "CUST-[0-9]{4,8}"),
        pattern("own_badge", "[0-9]{3}-[A-Z]{2}(?: [0-9]{2})?"),
        pattern("own_fleet", r"(?i)fleet[ -]\w{2,5}\b"),
        values("own_people", "Jane O'Brien\nACME-0012 34\nÄrger Straße\nbluebird\nblue bird house\n"),
    ])
}

/// What is found in a text that arrives cut at these places.
fn found(own: &OwnDetectors, text: &[u8], cuts: &[usize]) -> Vec<(usize, usize, Detector)> {
    let (mut list, mut candidates, mut decided) = (Vec::new(), Vec::new(), None);
    let ends = cuts.iter().map(|cut| (*cut.min(&text.len()), false)).chain([(text.len(), true)]);
    let mut from = 0;
    for (to, end) in ends {
        let view = View { bytes: &text[..to], end, json: false, rows: false, heading: b"" };
        own.list(&view, from, own.names(), &mut candidates);
        let mut open = None;
        let last = decided;
        for one in candidates.iter().copied().filter(|one| last.is_none_or(|last| *one > last)) {
            match own.examine(&view, one) {
                Ok(hit) => {
                    list.extend(hit.map(|hit| (hit.start, hit.end, hit.detector)));
                    decided = Some(one);
                }
                Err(_) => {
                    open = Some(one.at);
                    break;
                }
            }
        }
        assert!(!end || open.is_none(), "nothing is open at the end");
        from = own.earliest(&view, open.unwrap_or(to)).max(from);
    }
    list
}

fn texts(own: &OwnDetectors, text: &str) -> Vec<String> {
    let named = |(start, end, detector): (usize, usize, Detector)| format!("{detector}:{}", &text[start..end]);
    found(own, text.as_bytes(), &[]).into_iter().map(named).collect()
}

#[test]
fn words_are_matched_whole() {
    let own = all();
    for (text, wanted) in [
        ("id CUST-123456.", vec!["own_cust:CUST-123456"]),
        ("xCUST-123456 CUST-123456789 CUST-1 /CUST-1234/", vec!["own_cust:CUST-1234"]),
        (
            "badge 123-AB 45, 123-AB; 123-AB\n45 1234-AB 123-ABC",
            vec!["own_badge:123-AB 45", "own_badge:123-AB", "own_badge:123-AB"],
        ),
        ("FLEET-ab Fleet toolongword fleet\nab", vec!["own_fleet:FLEET-ab"]),
        (r"a\nCUST-1234\tCUST-5678", vec!["own_cust:CUST-1234", "own_cust:CUST-5678"]),
    ] {
        assert_eq!(texts(&own, text), wanted, "{text}");
    }
}

/// What stands beside a value is told by character, not by byte.
#[test]
fn values_are_found_beside_characters_beyond_ascii() {
    let own = all();
    for text in [
        "“ACME-001234”",
        "‘ACME-001234’",
        "•ACME-001234",
        "ACME-001234…",
        "€ACME-001234",
        "«ACME-001234»",
        "客户ACME-001234已付款",
        "。ACME-001234、",
        "고객ACME-001234를",
        "\u{3000}ACME-001234\u{3000}",
        "–ACME-001234–",
        "№ACME-001234",
    ] {
        assert_eq!(texts(&own, text), ["own_people:ACME-001234"], "{text}");
    }
    assert_eq!(texts(&own, "Jane O’Brien’s"), ["own_people:Jane O’Brien"]);
    assert_eq!(texts(&own, "“ACME”–0012•34"), ["own_people:ACME”–0012•34"]);
    assert_eq!(texts(&own, "in der Ärger-Straße!"), ["own_people:Ärger-Straße"]);
    // Letters of any script make it another word.
    for text in ["éACME-001234", "ACME-001234é", "яACME-001234", "ACME-001234\u{301}", "ACME”–“•0012-34"] {
        assert!(texts(&own, text).is_empty(), "{text}");
    }
    // Cut anywhere it is the same.
    for text in ["x “ACME-001234” y", "客户ACME-001234已", "é“Jane O’Brien’s…”", "•bluebird…blue – bird"]
    {
        let whole = found(&own, text.as_bytes(), &[]);
        assert!(!whole.is_empty(), "{text}");
        for cut in 0..text.len() {
            assert_eq!(found(&own, text.as_bytes(), &[cut]), whole, "{text} at {cut}");
        }
    }
}

#[test]
fn values_are_found_however_they_are_written() {
    let own = all();
    for (text, wanted) in [
        ("hi Jane O'Brien!", vec!["own_people:Jane O'Brien"]),
        ("jane.obrien@x or obrien, jane", vec!["own_people:jane.obrien"]),
        ("acme/001234 ACME 00-12-34; ACME  0012 345", vec!["own_people:acme/001234", "own_people:ACME 00-12-34"]),
        ("ÄRGER STRASSE, ärger-straße", vec!["own_people:ärger-straße"]),
        ("the Blue Bird House, a bluebird and Blue  birds", vec!["own_people:Blue Bird House", "own_people:bluebird"]),
        ("blue\nbird blue    bird mybluebird bluebirds", vec![]),
        (r"x\nbluebird", vec!["own_people:bluebird"]),
    ] {
        assert_eq!(texts(&own, text), wanted, "{text}");
    }
}

#[test]
fn what_is_not_wanted_is_not_looked_for() {
    let own = all();
    let view = View { bytes: b"CUST-1234 bluebird", end: true, json: false, rows: false, heading: b"" };
    let mut candidates = Vec::new();
    own.list(&view, 0, Detector::Own(OwnName::intern("own_people").unwrap()).into(), &mut candidates);
    assert_eq!(candidates, [Candidate { at: 10, number: 3 }]);
    own.list(&view, 0, DetectorSet::ALL, &mut candidates);
    assert!(candidates.is_empty());
    OwnDetectors::NONE.list(&view, 0, own.names(), &mut candidates);
    assert!(candidates.is_empty() && OwnDetectors::NONE.names().is_empty());
}

#[test]
fn a_detector_must_not_find_its_own_masks() {
    let own = OwnDetectors::new(vec![
        pattern("own_brackets", r"\[[A-Z_]{3,20}"),
        pattern("own_letters", "[a-z]{4,12}"),
        values("own_words", "redacted\n"),
        pattern("own_fine", "CUST-[0-9]{4}"),
    ]);
    let mask = |name: &str| own.matches_mask(OwnName::intern(name).unwrap());
    assert!(mask("own_brackets").is_some() && mask("own_letters").is_some());
    assert_eq!((mask("own_words").as_deref(), mask("own_fine")), (Some("[REDACTED]"), None));
}

#[test]
fn little_is_held_back() {
    let own = all();
    for (text, kept) in [
        ("data: all is well\n\n", 19),
        ("the word bluebi", 9),
        ("the word CU", 9),
        ("the word hello", 14),
        ("plain words in a row ", 17),
    ] {
        let view = View { bytes: text.as_bytes(), end: false, json: false, rows: false, heading: b"" };
        // Without the pattern that has no literal, which waits for whatever it could match.
        let wanted = own.names().difference(Detector::Own(OwnName::intern("own_badge").unwrap()).into());
        let mut candidates = Vec::new();
        own.list(&view, 0, wanted, &mut candidates);
        let open = candidates.iter().find(|one| own.examine(&view, **one).is_err()).map_or(text.len(), |one| one.at);
        assert_eq!(own.earliest(&view, open), kept, "{text:?}");
    }
}

/// What a literal is cut in the middle of is not decided by what else stands in it: matches of other detectors, Aegis' own and one's own.
#[test]
fn what_has_begun_is_waited_for_whatever_stands_in_it() {
    let own = OwnDetectors::new(vec![
        pattern("own_outer", "offoobarbfoo"),
        pattern("own_inner", "foo|arb"),
        pattern("own_either", "bar|obarbarobar"),
        pattern("own_dated", "CUST-2024-0115-[0-9]{4}"),
        pattern("own_mailed", "to:x@a.example/[a-z]{4}"),
    ]);
    let redact = own.names().union(DetectorSet::PII).union(DetectorSet::SECRETS);
    let profile =
        Profile { redact, details: Some(Arc::new(Details { own, ..Details::default() })), ..Profile::default() };
    for (text, masked) in [
        ("|offoobarbfoo| foo", "|[OWN_OUTER]| [OWN_INNER]"),
        ("x|obarbarobar|y", "x|[OWN_EITHER]|y"),
        ("x CUST-2024-0115-1234 y", "x [OWN_DATED] y"),
        ("x CUST-2024-0115-12345 y", "x CUST-2024-0115-12345 y"),
        ("(to:x@a.example/abcd)", "([OWN_MAILED])"),
    ] {
        for size in 1..=text.len() {
            let (mut scanner, mut out) = (Scanner::new(profile.clone(), Format::Text), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                let _ = scanner.push(piece, &mut out);
            }
            let _ = scanner.finish(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), masked, "in pieces of {size}");
        }
    }
}

/// Pieces of what the detectors look for, and what is next to it.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "CUST-", "1234", "5678", "123-AB", " 45", "fleet ", "FLEET-ab", "Jane", " O'Brien", "blue", "bird", " house",
        "Ärger", " Straße", "\u{c4}", "acme", "0012", " ", "-", "\n", ".", "x", r"\n", "@", "Z",
    ]);
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn what_is_found_does_not_depend_on_cuts(
        text in stream(),
        mut cuts in prop::collection::vec(0_usize..120, 0..6),
    ) {
        let own = all();
        cuts.sort_unstable();
        let whole = found(&own, &text, &[]);
        prop_assert_eq!(found(&own, &text, &cuts), whole.clone(), "{:?} {:?}", String::from_utf8_lossy(&text), cuts);
        let bytewise: Vec<usize> = (0..text.len()).collect();
        prop_assert_eq!(found(&own, &text, &bytewise), whole, "{:?}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn a_value_is_in_its_dictionary(word in "[a-zA-Z0-9]{4,20}", other in "[a-zA-Z0-9]{4,20}") {
        let dictionary = Dictionary::read(&word).unwrap();
        prop_assert!(dictionary.has(&word.to_uppercase()));
        prop_assert_eq!(dictionary.has(&other), other.eq_ignore_ascii_case(&word));
    }
}

/// The promise of docs/dlp.md: a million values in little memory, soon built.
#[test]
fn a_million_values() {
    let text: String = (0..1_000_000).map(|number| format!("CUST-{number:08}\n")).collect();
    let dictionary = Dictionary::read(&text).unwrap();
    assert_eq!(dictionary.len(), 1_000_000);
    assert!(dictionary.memory() < 11 << 20, "{}", dictionary.memory());
    assert!(dictionary.has("cust 00 999 999") && !dictionary.has("CUST-01000000"));
    let one_more = format!("{text}one more\n");
    assert_eq!(Dictionary::read(&one_more).unwrap_err(), DictionaryError::Full);
}
