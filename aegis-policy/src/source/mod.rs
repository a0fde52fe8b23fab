//! From text to a tree of YAML nodes, and from a node back to its place in the text.

pub(crate) mod cursor;
pub(crate) mod diagnostics;
pub(crate) mod nearest;
pub(crate) mod node;
pub(crate) mod routes;
