//! How many clues there are in what agents send every day: each costs as much as a hundred bytes of text.

use super::{Anchor, Prefilter};
use crate::DetectorSet;

const PROSE: &str = "The team met on Tuesday, went through the plan for the next quarter and agreed that the date of the release \
    moves by one week. Nobody objected; the second review, which 3 of the 17 members had asked for, is to be done by the people \
    who wrote the first draft (see section 4.2). Costs came to 1,250 dollars in May, that is 12.5 percent less than in 2025, \
    and the office opens at 09:15 from now on. What remains open is whether customers should be told before or after the \
    change - opinions differ, and so does experience. Whoever has an idea should write it down until Friday.\n";
const CHAT: &str = r#"{"model":"large-2","max_tokens":1024,"temperature":0.7,"stream":true,"messages":[{"role":"system","content":"You are a helpful assistant. Answer in the language of the question, and briefly."},{"role":"user","content":"What is the difference between a process and a thread?\nAnd when would I use which?"},{"role":"assistant","content":"A process has memory of its own, threads of one process share it. Use threads where work has to share data, and processes where one must not bring down another."}],"tools":[{"type":"function","function":{"name":"read_file","description":"Reads a file","parameters":{"type":"object","properties":{"path":{"type":"string"},"limit":{"type":"integer","default":200}}}}}]}"#;
const CODE: &str = "fn total(items: &[Item]) -> Result<u64, Error> {\n    let mut sum = 0;\n    for (number, item) in items.iter().enumerate() {\n        if item.price > LIMIT || number >= 64 {\n            return Err(Error::TooLarge { number, price: item.price });\n        }\n        sum += item.price * item.count; // in cents\n    }\n    Ok(sum)\n}\n";
const LOG: &str = "2026-11-23T01:22:05.123456Z INFO proxy flow=0194c1f0-7e2a-7c41-9d52-3f5c2b1a7e90 host=api.example.com \
    status=200 bytes=18231\n2026-11-23T01:22:06.004112Z WARN store: slow query took 1532 ms, 3 retries left\n";
const EMBEDDING: &str =
    "[0.0023064255,-0.009327292,0.015797347,-0.0077780345,-0.019325117,0.0062415865,-0.017882235,0.0034278701,";
const HASHES: &str = r#"{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","id":"550e8400-e29b-41d4-a716-446655440000"}"#;

/// Clues in about sixteen kilobytes, all built-in detectors wanted, for each kilobyte.
fn clues(text: &str) -> f64 {
    let text = text.repeat(16 * 1024 / text.len());
    let mut anchors: Vec<Anchor> = Vec::new();
    Prefilter::new(DetectorSet::ALL).headed(false).list(text.as_bytes(), 0, true, &mut anchors);
    anchors.len() as f64 * 1024.0 / text.len() as f64
}

#[test]
fn ordinary_content_has_few_clues() {
    let corpora = [
        ("prose", PROSE, 4.0),
        ("a chat", CHAT, 1.8),
        ("code", CODE, 0.0),
        ("log lines", LOG, 26.0),
        ("an embedding", EMBEDDING, 0.0),
        ("hashes and ids", HASHES, 26.0),
    ];
    let measured = corpora.map(|(name, text, most)| (name, clues(text), most));
    // And no more than a little fewer, or the bound would not be one.
    let right = measured.iter().all(|(_, clues, most)| (most * 0.8..=*most).contains(clues));
    assert!(right, "(corpus, clues in a kilobyte, how many are allowed): {measured:.1?}");
}
