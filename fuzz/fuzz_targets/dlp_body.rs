//! Any bytes in any coding and container: chunks change nothing, nothing panics, and what leaves is clean.
#![no_main]

#[path = "../../aegis-dlp/tests/support/streams.rs"]
mod streams;

libfuzzer_sys::fuzz_target!(|data: &[u8]| streams::check_body(data));
