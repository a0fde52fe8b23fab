//! Attacks: every row of "Kernel and process" in SECURITY.md tried for real, judged by the packet capture outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attempt;
mod dns;
mod foreign;
mod handed;
mod inbound;
mod io_uring;
mod leave;
mod local;
mod namespaces;
mod others;
mod ports;
mod program;
mod raw;
mod roles;
mod routed;
mod stage;
mod tcp;
mod udp;
