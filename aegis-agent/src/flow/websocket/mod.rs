//! WebSocket (RFC 6455) through the proxy: two handshakes, and between them messages that are looked into one by one.

mod call;
mod close;
#[cfg(test)]
mod corpus_tests;
mod deflate;
mod frame;
mod gate;
mod handshake;
mod message;
mod open;
mod pump;
mod wire;

pub use handshake::Asked;
pub use open::Opening;
