//! The audit log against real disks, crashes and rotation, and spans against a real OTLP server. Needs root (it mounts a tmpfs).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod crash;
mod disk;
mod log;
mod notes;
mod otlp;
mod support;
