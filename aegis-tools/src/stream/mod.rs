//! Streams cut into their messages, however they are cut into chunks. Each holds one message at most, up to [`MAX_MESSAGE`].

mod eventstream;
mod lines;
mod sse;

pub use eventstream::{Frame, Frames};
pub use lines::Lines;
pub use sse::{Block, Blocks, Event};

/// The longest message that is held, in bytes. A longer one is left out, or given out in parts.
pub const MAX_MESSAGE: usize = 1 << 20;
