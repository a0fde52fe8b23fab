//! A text in UTF-16 is scanned as it is in UTF-8.
#![no_main]

#[path = "../../aegis-dlp/tests/support/documents.rs"]
mod documents;
#[path = "../../aegis-dlp/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|data: &[u8]| documents::check_utf16(data));
