//! Attacks: every row of "Kernel and process" in SECURITY.md tried for real, judged by the packet capture outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod handed;
mod io_uring;
mod leave;
mod others;
mod raw;
mod roles;
mod routed;
mod stage;
mod tcp;
mod udp;
