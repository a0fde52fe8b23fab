//! What the fuzz target `sse` checks, and the replay of its corpus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use aegis_dlp::{ContentRules, Details, DetectorSet, Profile, ResponseRules};

use super::events::Events;
use super::look::Rules;
use super::stop::Stop;
use super::tally::Tally;

/// Longer than any input: where an event that is too long is cut depends on how it comes.
const LIMIT: usize = 1 << 20;

/// What goes on, and why no more of it does.
type Passed = (Vec<u8>, Option<Stop>);

fn rules(choice: u8) -> Rules {
    let responses = match choice % 3 {
        0 => ResponseRules { redact: DetectorSet::PII, ..ResponseRules::default() },
        1 => ResponseRules { deny: DetectorSet::PII, ..ResponseRules::default() },
        _ => ResponseRules { report: DetectorSet::PII, ..ResponseRules::default() },
    };
    let content = ContentRules { responses: Some(responses), ..ContentRules::default() };
    let details = Some(Arc::new(Details { content, ..Details::default() }));
    Rules::back(&Profile { details, ..Profile::default() }).unwrap()
}

fn read(stream: &[u8], size: usize, rules: &Rules) -> (Passed, usize) {
    let (mut events, tally) = (Events::new(rules.clone(), LIMIT), Tally::default());
    let mut out = Vec::new();
    let mut all = || {
        for piece in stream.chunks(size) {
            events.push(piece, &mut out, &tally)?;
            while events.more() {
                events.push(b"", &mut out, &tally)?;
            }
        }
        events.finish(&mut out, &tally)
    };
    let stopped = all().err();
    ((out, stopped), tally.findings().len())
}

/// How many events clients get of a stream, as the standard has them read it (WHATWG HTML, section 9.2.6).
fn dispatched(stream: &[u8]) -> usize {
    let mut lines = Vec::from([Vec::new()]);
    let mut bytes = stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream).iter().peekable();
    while let Some(byte) = bytes.next() {
        if *byte == b'\r' {
            bytes.next_if_eq(&&b'\n');
        }
        match byte {
            b'\r' | b'\n' => lines.push(Vec::new()),
            byte => lines.last_mut().unwrap().push(*byte),
        }
    }
    // A line that has not ended is none.
    lines.pop();
    let (mut count, mut data) = (0, false);
    for line in lines {
        if line.is_empty() {
            count += usize::from(std::mem::take(&mut data));
        } else {
            data |= line.split(|byte| *byte == b':').next() == Some(b"data");
        }
    }
    count
}

/// The first byte says what is asked and how long the pieces are; the rest is the stream.
pub fn check(data: &[u8]) {
    let [first, stream @ ..] = data else { return };
    let rules = rules(*first);
    let ((out, stopped), found) = read(stream, stream.len().max(1), &rules);
    for size in [1, usize::from(first >> 2) + 1] {
        assert_eq!(read(stream, size, &rules).0, (out.clone(), stopped.clone()), "in pieces of {size}");
    }
    if found == 0 && stopped.is_none() || !rules.enforces() {
        assert_eq!(out, stream);
        return;
    }
    let (before, after) = (dispatched(stream), dispatched(&out));
    if stopped.is_some() {
        // Events until the one that was stopped: what is denied, or cannot be read.
        assert!(first % 3 == 0 && found > 0 || stream.starts_with(&out), "where nothing is redacted, it is what came");
        assert!(before >= after);
        return;
    }
    assert_eq!(before, after, "as many events as there were");
    assert_eq!(read(&out, out.len().max(1), &rules).0, (out.clone(), None), "nothing is found in what was redacted");
}

#[cfg(test)]
mod replay {
    #[test]
    fn the_corpus_of_the_fuzz_target_is_read_alike_in_any_pieces() {
        crate::flow::corpus::replay("sse", 12, super::check);
    }
}
