//! The decision. The only module that makes a [`Permit`].

mod permit;

pub use permit::{Grant, Permit};
