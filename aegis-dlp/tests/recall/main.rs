//! How much of what other scanners and their tests look for is found, in which documents and encodings, and what is found
//! where nothing is.
//!
//! The values are made by published forms and check digits (nothing here reads a detector), put into documents as agents
//! send them, and those are sent in all encodings. Each detector has a floor; `docs/detectors-recall.md` has the figures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod carriers;
mod check_digits;
mod clean;
mod composed;
mod draw;
#[path = "../support/encode.rs"]
mod encode;
mod encodings;
mod keys;
#[path = "../support/packing.rs"]
mod packing;
mod people;
mod tally;

use aegis_dlp::Detector;

use draw::Draw;
use keys::Told;
use tally::Tally;

/// The least share of what is planted that is found.
const RECALL: f64 = 0.97;
/// The least share of what is found that was planted.
const PRECISION: f64 = 0.95;

/// A value to be found.
struct Value {
    detector: &'static str,
    name: &'static str,
    told: Told,
    text: String,
}

/// Values of each kind.
fn values() -> Vec<Value> {
    let mut values = Vec::new();
    for key in keys::ALL.iter().copied().flatten() {
        let keys::Key(detector, name, told, forms) = *key;
        let mut draw = Draw::new(&format!("{detector} {name}"));
        let each = if forms.len() > 3 { 2 } else { 4 };
        for form in forms.iter().flat_map(|form| std::iter::repeat_n(form, each)) {
            values.push(Value { detector, name, told, text: draw.form(form) });
        }
    }
    for people::Personal(detector, name, told, make, printed) in people::ALL {
        let mut draw = Draw::new(&format!("{detector} {name}"));
        let made: Vec<String> = (0..8).map(|_| make(&mut draw)).collect();
        for text in made.into_iter().chain(printed.iter().map(|text| (*text).to_owned())) {
            values.push(Value { detector, name, told: *told, text });
        }
    }
    for composed::Composed(detector, name, told, make) in composed::ALL {
        let mut draw = Draw::new(&format!("{detector} {name}"));
        for text in (0..6).map(|_| make(&mut draw)) {
            values.push(Value { detector, name, told: *told, text });
        }
    }
    values
}

/// One document or another, but no table pasted into other text for what only its heading tells.
fn carrier_for(number: usize, told: Told) -> &'static carriers::Carrier {
    let fit: Vec<_> = carriers::ALL.iter().filter(|one| told == Told::ByForm || one.name != carriers::TABLE).collect();
    fit[number % fit.len()]
}

/// Each value in each document as plain text, in one document in each encoding, and in each disguise.
fn measure(values: &[Value]) -> Tally {
    let mut tally = Tally::default();
    let plain = encodings::PLAIN.send;
    for (number, Value { detector, name, told, text }) in values.iter().enumerate() {
        for (nth, carrier) in carriers::ALL.iter().enumerate() {
            // What its form tells is found under names that say nothing, too.
            let name = if *told == Told::ByForm && (number + nth) % 2 == 0 { "remark" } else { name };
            let mut body = plain(&carrier.with(name, text));
            if carrier.name == carriers::TABLE {
                body.content_type = "text/csv";
            }
            tally.planted(detector, &body, || format!("{name} {text:?} in {}", carrier.name));
        }
        for (nth, encoding) in encodings::ALL.iter().enumerate() {
            let carrier = carrier_for(number + nth, *told);
            let body = (encoding.send)(&carrier.with(name, text));
            tally.planted(detector, &body, || format!("{name} {text:?} in {} as {}", carrier.name, encoding.name));
        }
        for (nth, disguise) in encodings::DISGUISES.iter().enumerate() {
            let carrier = carrier_for(number + nth, *told);
            let body = plain(&carrier.with(name, &(disguise.write)(text)));
            tally.planted(detector, &body, || format!("{name} {text:?} in {} in {}", carrier.name, disguise.name));
        }
    }
    tally
}

/// Documents in which nothing is to be found.
fn measure_clean() -> Tally {
    let mut tally = Tally::default();
    let plain = encodings::PLAIN.send;
    for encoding in encodings::ALL {
        for carrier in carriers::ALL {
            tally.clean(None, &(encoding.send)(&carrier.clean()), || format!("{} as {}", carrier.name, encoding.name));
        }
    }
    for (name, text) in clean::texts() {
        for encoding in encodings::ALL {
            tally.clean(None, &(encoding.send)(&text), || format!("{name} as {}", encoding.name));
        }
    }
    for (detector, text) in clean::NEAR_MISSES {
        let text = Draw::new(text).form(text);
        tally.clean(Some(detector), &plain(&text), || format!("{text:?}"));
    }
    tally
}

#[test]
fn each_detector_finds_what_it_is_for_and_little_else() {
    let values = values();
    let (one, other) = values.split_at(values.len() / 2);
    let mut tally = std::thread::scope(|scope| {
        let other = scope.spawn(|| measure(other));
        let mut tally = measure(one);
        tally.add(other.join().unwrap());
        tally
    });
    tally.add(measure_clean());
    if let Some(path) = std::env::var_os("AEGIS_RECALL_CASES") {
        std::fs::write(path, format!("{}\n{:#?}\n{:#?}\n", tally.table(), tally.missed, tally.wrong)).unwrap();
    }
    let mut below = Vec::new();
    for detector in Detector::ALL {
        let name = detector.name();
        let Some(count) = tally.counts.get(name).filter(|count| count.planted >= 20) else {
            below.push(format!("{name}: nothing is planted for it"));
            continue;
        };
        if count.recall() < RECALL {
            below.push(format!("{name}: recall {:.3}, missed {:#?}", count.recall(), tally.missed.get(name)));
        }
        if count.precision() < PRECISION {
            below.push(format!("{name}: precision {:.3}, found in {:#?}", count.precision(), tally.wrong.get(name)));
        }
    }
    assert!(below.is_empty(), "{} below their floors:\n{}", below.len(), below.join("\n"));
    documented(&tally);
}

/// `docs/detectors-recall.md` has a row for each detector, and promises no more than is measured. `AEGIS_WRITE_RECALL=1` writes it.
fn documented(tally: &Tally) {
    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/detectors-recall.md");
    /// Half of the last digit that is written.
    const ROUNDED: f64 = 0.000_51;
    let page = std::fs::read_to_string(PAGE).unwrap();
    if std::env::var_os("AEGIS_WRITE_RECALL").is_some() {
        let (text, _) = page.split_at(page.find("| detector |").unwrap());
        std::fs::write(PAGE, format!("{text}{}", tally.table())).unwrap();
        return;
    }
    for detector in Detector::ALL {
        let name = detector.name();
        let count = tally.counts.get(name).cloned().unwrap_or_default();
        let row = page.lines().find_map(|line| line.strip_prefix(&format!("| `{name}` | ")));
        let row = row.unwrap_or_else(|| panic!("{PAGE}: {name} is missing; AEGIS_WRITE_RECALL=1 writes it"));
        let cells: Vec<f64> = row.trim_matches([' ', '|']).split(" | ").map(|cell| cell.parse().unwrap()).collect();
        let [_, _, recall, _, precision] = cells[..] else { panic!("{row}") };
        let kept = recall <= count.recall() + ROUNDED && precision <= count.precision() + ROUNDED;
        assert!(kept, "{PAGE}: {name} is now {count:?}; mend it, or write the page with AEGIS_WRITE_RECALL=1");
    }
}

/// This repository: its sources, documents and lock files.
#[test]
fn nothing_is_found_in_this_repository() {
    let found = clean::repository();
    assert!(found.is_empty(), "{found:#?}");
}
