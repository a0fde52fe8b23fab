//! Content in every coding is found as it is uncoded, and what is no code does no harm.
#![no_main]

#[path = "../../aegis-dlp/tests/support/packing.rs"]
mod packing;
#[path = "../../aegis-dlp/tests/support/streams.rs"]
mod streams;
#[path = "../../aegis-dlp/tests/support/structured.rs"]
mod structured;

libfuzzer_sys::fuzz_target!(|data: &[u8]| structured::check_coding(data));
