//! A path and query stays one when redacted.
#![no_main]

#[path = "../../aegis-dlp/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::check_url(data));
