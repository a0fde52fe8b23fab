//! Bytes as server-sent events that are looked through: pieces change nothing, and what goes on is as many events, clean.
#![no_main]
#![allow(dead_code, reason = "the daemon uses more of it")]

#[path = "../../aegis-agent/src/flow/events_corpus_tests.rs"]
mod corpus;
#[path = "../../aegis-agent/src/flow/events.rs"]
mod events;
#[path = "../../aegis-agent/src/flow/joins.rs"]
mod joins;
#[path = "../../aegis-agent/src/flow/look.rs"]
mod look;
#[path = "../../aegis-agent/src/flow/stop.rs"]
mod stop;
#[path = "../../aegis-agent/src/flow/tally.rs"]
mod tally;

libfuzzer_sys::fuzz_target!(|data: &[u8]| corpus::check(data));
