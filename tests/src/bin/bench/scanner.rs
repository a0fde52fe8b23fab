//! The scanner alone, with every detector, redacting: gigabytes a second of one core's time, and what one body waits.

use std::time::{Duration, Instant};

use aegis_dlp::{Described, DetectorSet, Profile, Stream};
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;

use crate::load::{Quantiles, document};

/// What a body arrives in: the chunk size of an HTTP stack.
const CHUNK: usize = 16 * 1024;
const BODY: usize = 1 << 20;
const BODIES: usize = 5_000;

const TEXT: &str = "The quick brown fox jumps over the lazy dog, and what it leaves behind is read as it passes. In 2026 \
    there were 3 hosts, 17 rules and (at 09:15) one refusal - see section 4.2, or ask somebody who knows.\n";
const JSON: &str = r#"{"model":"large-2","max_tokens":1024,"stream":true,"messages":[{"role":"user","content":"Summarise the minutes of the meeting in three sentences, please."},{"role":"assistant","content":"The team agreed on the plan, moved the date by a week and asked for a second review."}],"temperature":0.7,"user":"finance-agent","ids":[17,42,1048576]}"#;
const NUMBERS: &str = "[0.4929401929401923,-0.0378282246310005,1700000000,1764000000123,0.1111111111111111,-0.93]";
const LOG: &str = "2026-11-23T01:22:05.123456Z INFO proxy flow=0194c1f0-7e2a-7c41-9d52-3f5c2b1a7e90 host=api.example.com status=200 bytes=18231\n";
const DIRTY: &str = r#"{"name":"Jane Doe","email":"jane.doe@example.com","ssn":"536-22-8741","dob":"1980-01-02","card":"4111 1111 1111 1111","note":"Customer called about the late delivery and asked for a refund to the card on file; see the ticket for the full history."}"#;

/// A kind of body, how fast it was read, and how many matches one body of 1 MB has.
pub struct Throughput {
    pub body: &'static str,
    pub gigabytes: f64,
    pub matches: u64,
}

/// What one body waits for the scanner, from the first byte to the last.
pub struct Wait {
    pub kilobytes: usize,
    pub quantiles: Quantiles,
}

/// Each kind of body for `time`.
pub fn throughput(time: Duration) -> Result<Vec<Throughput>> {
    let picture: Vec<u8> = (0..48_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    const PLAIN: &str = "text/plain";
    const OBJECT: &str = "application/json";
    let bodies = [
        ("clean text", PLAIN, TEXT.to_owned()),
        ("clean JSON", OBJECT, JSON.to_owned()),
        ("JSON of numbers", OBJECT, NUMBERS.to_owned()),
        ("lines of JSON", "application/x-ndjson", format!("{JSON}\n")),
        ("log lines with dates and ids", PLAIN, LOG.to_owned()),
        ("JSON with a picture in base64", OBJECT, message_with(&picture)),
        ("JSON with clean text in base64", OBJECT, message_with(TEXT.repeat(200).as_bytes())),
        ("dirty JSON, four matches in 250 bytes", OBJECT, DIRTY.to_owned()),
    ];
    bodies.into_iter().map(|(body, content_type, unit)| measured(body, content_type, &unit, time)).collect()
}

/// As chat APIs take files in.
fn message_with(file: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(file);
    format!(r#"{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{text}"}}}}"#)
}

/// Reads a body over and over as the proxy does.
fn measured(name: &'static str, content_type: &str, unit: &str, time: Duration) -> Result<Throughput> {
    let (profile, described) = (everything(), Described { content_type: Some(content_type), ..Described::default() });
    let body = unit.repeat(BODY.div_ceil(unit.len()));
    let mut out = Vec::with_capacity(CHUNK * 2);
    let (mut bytes, mut matches) = (0_usize, 0);
    let (started, before) = (Instant::now(), processor_time()?);
    while started.elapsed() < time {
        let mut stream = Stream::new(&profile, &described).ok().context("a body is not looked through")?;
        for chunk in body.as_bytes().chunks(CHUNK) {
            out.clear();
            let _ = stream.push(chunk, &mut out);
        }
        let _ = stream.finish(&mut out);
        bytes += body.len();
        matches = stream.findings().iter().map(|finding| finding.count).sum();
    }
    let took = processor_time()? - before;
    Ok(Throughput { body: name, gigabytes: bytes as f64 / took, matches })
}

fn everything() -> Profile {
    Profile { redact: DetectorSet::ALL, ..Profile::default() }
}

/// Nanoseconds that this thread was on a processor: the machine may have more to do than this.
fn processor_time() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_whitespace().next().context("an empty schedstat")?.parse()?)
}

/// A clean JSON body as the proxy looks through it, all in one piece.
pub fn wait(kilobytes: usize) -> Result<Wait> {
    let (body, profile) = (document(kilobytes * 1024, |_| String::new()), everything());
    let described = Described { content_type: Some("application/json"), ..Described::default() };
    let mut seen = Histogram::<u64>::new(3)?;
    for _ in 0..BODIES {
        let begin = Instant::now();
        let mut out = Vec::with_capacity(body.len());
        let stream = Stream::new(&profile, &described);
        let mut stream = stream.ok().context("JSON is not looked through")?;
        let _ = stream.push(body.as_bytes(), &mut out);
        let _ = stream.finish(&mut out);
        seen.record(u64::try_from(begin.elapsed().as_nanos())?)?;
        ensure!(out == body.as_bytes(), "a clean body was changed");
    }
    Ok(Wait { kilobytes, quantiles: Quantiles::of(&seen) })
}
