//! What stands in base64 or hexadecimal digits becomes what it becomes by itself.
#![no_main]

#[path = "../../aegis-dlp/tests/support/documents.rs"]
mod documents;
#[path = "../../aegis-dlp/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|data: &[u8]| documents::check_encoded(data));
