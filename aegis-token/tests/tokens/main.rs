//! Tokens that must hold, and all those that must not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod delegation;
mod keys;
mod outside;
mod support;
mod verification;
