//! The kernel programs on the running kernel: each case in a network namespace and a cgroup
//! subtree of its own. These tests need root; without it they fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "kernel/attribution.rs"]
mod attribution;
#[path = "kernel/departure.rs"]
mod departure;
#[path = "kernel/dns.rs"]
mod dns;
#[path = "kernel/enrolment.rs"]
mod enrolment;
#[path = "kernel/events.rs"]
mod events;
#[path = "kernel/host_link.rs"]
mod host_link;
#[path = "kernel/lab.rs"]
mod lab;
#[path = "kernel/lifecycle.rs"]
mod lifecycle;
#[path = "kernel/local.rs"]
mod local;
#[path = "kernel/lsm.rs"]
mod lsm;
#[path = "kernel/options.rs"]
mod options;
#[path = "kernel/proxy.rs"]
mod proxy;
#[path = "kernel/tcp.rs"]
mod tcp;
#[path = "kernel/udp.rs"]
mod udp;
