//! The kernel's half of Aegis, attached to the cgroup below which all agents live.
//!
//! Each hook is thin: it reads its context, asks a `try_` body that answers `Allow` or `Refusal`,
//! and hands that to `verdict::conclude`, the one place where a refusal becomes a denial. What is
//! unknown (no owner, no state, no room) is a refusal.
//!
//! | program | hook | concern |
//! | --- | --- | --- |
//! | `sock_create`, `sock_release` | cgroup/sock | attribute |
//! | `connect4`, `connect6`, `getpeername4`, `getpeername6` | cgroup/sock_addr | intercept |
//! | `sock_ops` | sockops | intercept |
//! | `sendmsg4`, `sendmsg6`, `bind4`, `bind6` | cgroup/sock_addr | guard |
//! | `setsockopt` | cgroup/setsockopt | options |
//! | `egress` | cgroup_skb | egress |
//! | `recvmsg4`, `recvmsg6` | cgroup/sock_addr | dns |
//! | `host_link` | tcx or tc ingress of the host's end of a veth | host_link |
//! | `lsm_*` | BPF LSM, where the kernel has it | lsm |
//! | `departure_*` | tp_btf | departure |

#![no_std]
#![no_main]
// For one instruction, see `maps::atomic_add`.
#![feature(asm_experimental_arch)]

mod attribute;
mod departure;
mod dns;
mod egress;
mod guard;
mod host_link;
mod intercept;
mod lsm;
mod maps;
mod options;
mod place;
mod proxy;
mod sockaddr;
mod usage;
mod verdict;

/// The verifier refuses a program that can reach this.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The kernel takes LSM programs, and lends some helpers, under its own license only. This crate can be had under it, see
/// its Cargo.toml.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
