//! The laboratory of Aegis: a small internet in network namespaces, a real daemon on the real kernel, and
//! unmodified clients run as agents.
//!
//! Everything that is asserted about enforcement is judged from *outside*: by what an origin received, what a
//! DNS server was asked and what a packet capture saw. A missing privilege is an error, never a reason to skip.

// This crate is test equipment: a broken laboratory has to stop at once, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod demo;
pub mod internet;
pub mod lab;

pub use internet::{Background, Datagram, Internet, Packet, Protocol, SeenRequest};
pub use lab::{AGENT, AgentCommand, Answer, Daemon, Lab, Outcome, Running, Service, Settings, python};
