//! Any request: what it calls, within bounds.
#![no_main]

#[path = "../../aegis-tools/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::check_request(data));
