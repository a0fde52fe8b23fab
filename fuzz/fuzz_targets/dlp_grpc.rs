//! Messages of gRPC and protobuf of right lengths: chunks change nothing, and what leaves is clean.
#![no_main]

#[path = "../../aegis-dlp/tests/support/packing.rs"]
mod packing;
#[path = "../../aegis-dlp/tests/support/streams.rs"]
mod streams;
#[path = "../../aegis-dlp/tests/support/structured.rs"]
mod structured;

libfuzzer_sys::fuzz_target!(|data: &[u8]| structured::check_grpc(data));
