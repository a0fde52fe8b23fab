//! Streams cut into their messages, however they are cut into chunks. Each holds one message at most, up to [`MAX_MESSAGE`].

mod eventstream;
mod lines;
mod sse;

pub use eventstream::{Frame, Frames};
pub use lines::Lines;
pub use sse::{Blocks, Event};

/// The longest message that is held, in bytes. A longer one is left out.
pub const MAX_MESSAGE: usize = 1 << 20;
