//! Regular expressions and dictionaries of one's own, whatever they are: refused, or the same however a text is cut.
#![no_main]

#[path = "../../aegis-dlp/tests/support/packing.rs"]
mod packing;
#[path = "../../aegis-dlp/tests/support/streams.rs"]
mod streams;
#[path = "../../aegis-dlp/tests/support/structured.rs"]
mod structured;

libfuzzer_sys::fuzz_target!(|data: &[u8]| structured::check_own(data));
