//! Prints how many gigabytes a second one core scans: `cargo run -p aegis-dlp --release --example throughput`.
//! An argument names the bodies to scan, as printed.

use std::time::{Duration, Instant};

use aegis_dlp::{Described, DetectorSet, Profile, Stream};

/// What a body arrives in: the chunk size of an HTTP stack.
const CHUNK: usize = 16 * 1024;
/// The size of the body scanned over and over.
const BODY: usize = 4 << 20;
/// Each body is measured so often, for so long: the best of them tells what it costs on a machine that others use as well.
const TIMES: usize = 10;
const TIME: Duration = Duration::from_millis(150);

fn main() {
    let title = format!("body, all {} detectors, redacting", DetectorSet::ALL.iter().count());
    println!("{title:<44} {:>7} {:>9}", "GB/s", "findings");
    let only = std::env::args().nth(1).unwrap_or_default();
    for (name, content_type, unit) in bodies().into_iter().filter(|(name, ..)| name.contains(&only)) {
        let body = unit.repeat(BODY / unit.len());
        let (rate, findings) = measure(content_type, &body);
        println!("{name:<44} {rate:>7.2} {findings:>9}");
    }
    for size in [350, 1 << 10, 4 << 10, 10 << 10] {
        let name = format!("a clean JSON body of {size:>5} bytes");
        if name.contains(&only) {
            let body = CLEAN_JSON.repeat(size / CLEAN_JSON.len());
            let (rate, _) = measure(JSON, body.as_bytes());
            println!("{name}: {:.2} us", body.len() as f64 / rate / 1e3);
        }
    }
}

/// A value of `Content-Type`.
type Type = Option<&'static str>;

const TEXT: Type = Some("text/plain");
const JSON: Type = Some("application/json");
const FORM: Type = Some("application/x-www-form-urlencoded");
const MARKUP: Type = Some("application/xml");
const TABLE: Type = Some("text/csv");

const LINES: Type = Some("application/x-ndjson");
const GRPC: Type = Some("application/grpc");

const CLEAN_TEXT: &str = "The enforcer attributes each socket to the agent whose cgroup made it, and what the agent \
    sends is read as it passes: nothing is kept longer than the word it ends in. In 2026 there were 3 hosts, \
    17 rules and (at 09:15) one refusal - see section 4.2, or ask somebody who knows.\n";
const CLEAN_JSON: &str = r#"{"model":"large-2","max_tokens":1024,"stream":true,"messages":[{"role":"user","content":"Summarise the minutes of the meeting in three sentences, please."},{"role":"assistant","content":"The team agreed on the plan, moved the date by a week and asked for a second review."}],"temperature":0.7,"user":"finance-agent","ids":[17,42,1048576]}"#;
const ESCAPED_JSON: &str = r#"{"role":"user","content":"fn main() {\n    let name = \"world\";\n    println!(\"hello {name}\");\n}\n\nWhy does it not compile?\tTell me.\n"}"#;
const NUMBERS: &str = "[0.4929401929401923,-0.0378282246310005,1700000000,1764000000123,0.1111111111111111,-0.93]";
const LOG: &str = "2026-11-23T01:22:05.123456Z INFO proxy flow=0194c1f0-7e2a-7c41-9d52-3f5c2b1a7e90 host=api.example.com status=200 bytes=18231\n";
const DIRTY_JSON: &str = r#"{"name":"Jane Doe","email":"jane.doe@example.com","ssn":"123-45-6789","dob":"1980-01-02","card":"4111 1111 1111 1111","note":"Customer called about the late delivery and asked for a refund to the card on file; see the ticket for the full history."}"#;

/// Two records, so that no text is that of the line before.
const RECORDS: &str = concat!(
    r#"{"at":"2026-11-23T01:22:05Z","level":"INFO","message":"The order was taken in by the night shift","customer":"Jane Doe","items":3,"path":"/v1/orders/17"}"#,
    "\n",
    r#"{"at":"2026-11-23T01:22:07Z","level":"WARN","message":"It could not be delivered: nobody was at home","customer":"Li Wei","items":1,"path":"/v1/orders/18"}"#,
    "\n",
);
/// The same with a match in each, and with what only looks like one.
const DIRTY_RECORDS: &str = concat!(
    r#"{"at":"2026-11-23T01:22:05Z","level":"INFO","message":"Order 4711-A of jane.doe@example.com left at 09:15, 3 items","customer":"Jane Doe","ssn":"536-22-8741"}"#,
    "\n",
    r#"{"at":"2026-11-23T01:22:07Z","level":"WARN","message":"Délivery 4712-B failed: nobody was at home (3rd time)","customer":"Li Wei","ssn":"536-22-8742"}"#,
    "\n",
);
const PATHS: &str = r#"{"file":"/usr/local/lib/python3.11/site-packages/requests/adapters.py","url":"https://api.example.com/v1/organizations/members","trace_id":"550e8400-e29b-41d4-a716-446655440000","digest":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}"#;
const WORDS: &str =
    "Der Zähler läuft über die Straße, und die Prüfung war früher als nötig. Отчёт о проверке готов, 报告已经完成。";
const XML: &str = r#"<order id="17"><customer>Jane &amp; Joe</customer><note lang="en">Deliver it to the back door, please &#8212; it is open.</note></order>"#;
const CSV: &str = "17,Jane Doe,Ulm,\"late, but complete\",42.50\n";

fn bodies() -> Vec<(&'static str, Type, Vec<u8>)> {
    let text = [
        ("clean text", TEXT, CLEAN_TEXT),
        ("clean JSON", JSON, CLEAN_JSON),
        ("clean JSON, many escapes", JSON, ESCAPED_JSON),
        ("clean text of no declared type", None, CLEAN_TEXT),
        ("clean JSON of no declared type", None, CLEAN_JSON),
        ("clean form", FORM, "name=Jane+Doe&city=Ulm&note=a+word+or+two%2C+and+more&x=1&"),
        ("clean XML", MARKUP, XML),
        ("clean CSV", TABLE, CSV),
        ("text beyond ASCII", TEXT, WORDS),
        ("JSON of paths, URLs, UUIDs and hashes", JSON, PATHS),
        ("numbers (JSON, an embedding)", JSON, NUMBERS),
        ("log lines (text, dates and ids)", TEXT, LOG),
        ("dirty JSON (4 matches in 250 bytes)", JSON, DIRTY_JSON),
        ("lines of JSON (records of a log)", LINES, RECORDS),
        ("lines of JSON, a match in each", LINES, DIRTY_RECORDS),
    ];
    let mut bodies: Vec<_> = text.map(|(name, format, unit)| (name, format, unit.as_bytes().to_vec())).into();
    bodies.push(("clean JSON, sentences with numbers", JSON, orders(|_| String::new())));
    let dirty = |number: usize| format!("536-22-{}, jane.{number}@mail.test, ", 1000 + number % 9000);
    bodies.push((
        "the same, a match in every 140 bytes",
        JSON,
        orders(|number| if number % 4 == 0 { dirty(number) } else { String::new() }),
    ));
    bodies.push(("messages of gRPC (records of a log)", GRPC, messages()));
    let utf16 = CLEAN_TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
    bodies.push(("clean text in UTF-16", None, utf16));
    let noise: Vec<u8> = (0..48_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    bodies.push(("base64 of noise in JSON", JSON, in_json(&noise)));
    let header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\0\0\0\x02\0\x08\x02\0\0\0";
    bodies.push(("base64 of a picture in JSON", JSON, in_json(&[header, noise.as_slice()].concat())));
    bodies.push(("base64 of clean text in JSON", JSON, in_json(CLEAN_TEXT.repeat(200).as_bytes())));
    bodies.push(("base64 of dirty JSON in JSON", JSON, in_json(DIRTY_JSON.repeat(200).as_bytes())));
    bodies
}

/// The strings of the records, each record a message.
fn messages() -> Vec<u8> {
    let mut messages = Vec::new();
    for record in RECORDS.lines() {
        let mut message = Vec::new();
        for (number, text) in (1..).zip(record.split('"').skip(3).step_by(4)) {
            message.extend([number << 3 | 2, text.len() as u8]);
            message.extend_from_slice(text.as_bytes());
        }
        messages.push(0);
        messages.extend((message.len() as u32).to_be_bytes());
        messages.extend(message);
    }
    messages
}

/// What the benchmark of the proxy posts: 1 MB of sentences, each of which begins with what `insert` makes of its number.
fn orders(insert: impl Fn(usize) -> String) -> Vec<u8> {
    let notes: String = (0..18_000)
        .map(|number| format!(r#""{}entry {number} of an ordinary order, nothing secret in it","#, insert(number)))
        .collect();
    format!(r#"{{"amount":4999,"currency":"usd","notes":[{notes}"end"]}}"#).into_bytes()
}

/// A message as chat APIs take files in.
fn in_json(file: &[u8]) -> Vec<u8> {
    let digit =
        |value: usize| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[value & 63]);
    let group = |group: &[u8; 3]| {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| digit(bits >> shift))
    };
    let text: String = file.as_chunks::<3>().0.iter().flat_map(group).collect();
    format!(r#"{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{text}"}}}}"#).into_bytes()
}

/// Scans the body over and over: gigabytes a second of processor time, and matches in one body.
fn measure(content_type: Type, body: &[u8]) -> (f64, u64) {
    (0..TIMES).map(|_| measure_once(content_type, body)).fold((0.0, 0), |best, (rate, found)| (rate.max(best.0), found))
}

fn measure_once(content_type: Type, body: &[u8]) -> (f64, u64) {
    let profile = Profile { redact: DetectorSet::ALL, ..Profile::default() };
    let mut out = Vec::with_capacity(CHUNK * 2);
    let (mut bytes, mut findings) = (0_usize, 0);
    let (started, used) = (Instant::now(), processor_time());
    while started.elapsed() < TIME {
        let Ok(mut stream) = Stream::new(&profile, &Described { content_type, ..Described::default() }) else { break };
        for chunk in body.chunks(CHUNK) {
            out.clear();
            let _ = stream.push(chunk, &mut out);
        }
        let _ = stream.finish(&mut out);
        bytes += body.len();
        findings = stream.findings().iter().map(|finding| finding.count).sum();
    }
    let took = match (used, processor_time()) {
        (Some(before), Some(after)) => (after - before) / 1e9,
        _ => started.elapsed().as_secs_f64(),
    };
    (bytes as f64 / took / 1e9, findings)
}

/// Nanoseconds this thread was on a processor: the machine may have more to do than this.
fn processor_time() -> Option<f64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split_whitespace().next()?.parse().ok()
}
