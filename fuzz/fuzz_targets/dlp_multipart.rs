//! Parts of forms and mails, whole and broken ones: chunks change nothing, and what leaves is clean.
#![no_main]

#[path = "../../aegis-dlp/tests/support/packing.rs"]
mod packing;
#[path = "../../aegis-dlp/tests/support/streams.rs"]
mod streams;
#[path = "../../aegis-dlp/tests/support/structured.rs"]
mod structured;

libfuzzer_sys::fuzz_target!(|data: &[u8]| structured::check_multipart(data));
