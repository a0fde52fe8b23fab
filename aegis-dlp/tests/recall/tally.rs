//! What was planted, what of it was found, and what else was.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aegis_dlp::{Described, Detector, DetectorSet, Profile, Stream};

use crate::encodings::Body;

/// The detectors that say what a name says where no other knows the value: they may answer beside or around one that does.
const FALLBACK: [&str; 4] = ["generic_secret", "password", "connection_string", "basic_auth"];

#[derive(Clone, Debug, Default)]
pub struct Count {
    pub planted: u32,
    pub found: u32,
    pub false_findings: u32,
}

impl Count {
    pub fn recall(&self) -> f64 {
        if self.planted == 0 { 1.0 } else { f64::from(self.found) / f64::from(self.planted) }
    }

    pub fn precision(&self) -> f64 {
        let all = self.found + self.false_findings;
        if all == 0 { 1.0 } else { f64::from(self.found) / f64::from(all) }
    }
}

/// Counts by detector, and the cases behind what is not right.
#[derive(Debug, Default)]
pub struct Tally {
    pub counts: BTreeMap<&'static str, Count>,
    pub missed: BTreeMap<&'static str, Vec<String>>,
    pub wrong: BTreeMap<&'static str, Vec<String>>,
}

/// What is found in a body by all detectors and this one.
fn findings(also: Option<&str>, body: &Body) -> Vec<&'static str> {
    let also = also.and_then(Detector::built_in).map_or(DetectorSet::EMPTY, DetectorSet::from);
    let profile = Profile::redacting(DetectorSet::ALL.union(also));
    let described = Described {
        content_type: Some(body.content_type),
        content_encoding: body.content_encoding,
        grpc_encoding: body.grpc_encoding,
        ..Described::default()
    };
    let mut stream = Stream::new(&profile, &described).unwrap();
    let mut out = Vec::new();
    let _ = stream.push(&body.bytes, &mut out);
    let _ = stream.finish(&mut out);
    stream.findings().iter().map(|finding| finding.detector.name()).collect()
}

impl Tally {
    /// A body with one value that this detector is for.
    pub fn planted(&mut self, detector: &'static str, body: &Body, case: impl Fn() -> String) {
        let mut names = findings(Some(detector), body);
        let count = self.counts.entry(detector).or_default();
        count.planted += 1;
        if let Some(at) = names.iter().position(|name| *name == detector) {
            count.found += 1;
            names.swap_remove(at);
        } else {
            self.missed.entry(detector).or_default().push(format!("{}: found {names:?}", case()));
        }
        names.retain(|name| !FALLBACK.contains(name));
        self.wrongly(names, &case);
    }

    /// A body in which nothing is to be found, or not by this detector.
    pub fn clean(&mut self, only: Option<&str>, body: &Body, case: impl Fn() -> String) {
        let mut names = findings(only, body);
        names.retain(|name| only.is_none_or(|only| only == *name));
        self.wrongly(names, &case);
    }

    fn wrongly(&mut self, names: Vec<&'static str>, case: &impl Fn() -> String) {
        for name in names {
            self.counts.entry(name).or_default().false_findings += 1;
            self.wrong.entry(name).or_default().push(case());
        }
    }

    pub fn add(&mut self, other: Tally) {
        for (name, count) in other.counts {
            let sum = self.counts.entry(name).or_default();
            sum.planted += count.planted;
            sum.found += count.found;
            sum.false_findings += count.false_findings;
        }
        for (name, cases) in other.missed {
            self.missed.entry(name).or_default().extend(cases);
        }
        for (name, cases) in other.wrong {
            self.wrong.entry(name).or_default().extend(cases);
        }
    }

    /// The rows of the documented table, in the catalogue's order.
    pub fn table(&self) -> String {
        let mut table = String::from(
            "| detector | planted | found | recall | false findings | precision |\n| --- | --- | --- | --- | --- | --- |\n",
        );
        let empty = Count::default();
        for detector in Detector::ALL {
            let count = self.counts.get(detector.name()).unwrap_or(&empty);
            let Count { planted, found, false_findings } = count;
            let (recall, precision) = (count.recall(), count.precision());
            let name = detector.name();
            writeln!(table, "| `{name}` | {planted} | {found} | {recall:.3} | {false_findings} | {precision:.3} |")
                .unwrap();
        }
        table
    }
}
