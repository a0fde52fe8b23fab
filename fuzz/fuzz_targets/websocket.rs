//! Bytes as the frames of one side of a WebSocket: pieces change nothing, and what is compressed is undone within its bound.
#![no_main]
#![allow(dead_code, reason = "the daemon uses more of it")]

#[path = "../../aegis-agent/src/flow/websocket/close.rs"]
mod close;
#[path = "../../aegis-agent/src/flow/websocket/corpus_tests.rs"]
mod corpus;
#[path = "../../aegis-agent/src/flow/websocket/deflate.rs"]
mod deflate;
#[path = "../../aegis-agent/src/flow/websocket/frame.rs"]
mod frame;
#[path = "../../aegis-agent/src/flow/websocket/message.rs"]
mod message;

libfuzzer_sys::fuzz_target!(|data: &[u8]| corpus::check(data));
