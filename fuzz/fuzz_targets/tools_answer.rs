//! Any answer in any protocol: the same however it is cut.
#![no_main]

#[path = "../../aegis-tools/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::check_answer(data));
