//! Any bytes in any format: output and findings do not depend on chunks, and the output is clean.
#![no_main]

#[path = "../../aegis-dlp/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::check_stream(data));
