//! Any bytes as events, lines and frames: put together they are the stream.
#![no_main]

#[path = "../../aegis-tools/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::check_stream(data));
