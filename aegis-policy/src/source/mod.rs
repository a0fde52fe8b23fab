//! From text to a tree of YAML nodes, and from a node back to its place in the text.

pub(crate) mod diagnostics;
