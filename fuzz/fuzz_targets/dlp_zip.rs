//! Archives of any entries, and such of which a byte is another: chunks change nothing, and nothing panics.
#![no_main]

#[path = "../../aegis-dlp/tests/support/packing.rs"]
mod packing;
#[path = "../../aegis-dlp/tests/support/streams.rs"]
mod streams;
#[path = "../../aegis-dlp/tests/support/structured.rs"]
mod structured;

libfuzzer_sys::fuzz_target!(|data: &[u8]| structured::check_zip(data));
