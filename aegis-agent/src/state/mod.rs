//! What the daemon keeps on disk between starts.

pub mod secret;
