//! Socket options that lead around the other hooks: they make the kernel itself send what the agent chose (joining a
//! multicast group announces it), or send an agent's packets elsewhere than their address says (another device, a source
//! route) or from an address that is not this host's.

use aya_ebpf::{bindings::bpf_sockopt, macros::cgroup_sockopt, programs::SockoptContext};

use crate::{
    attribute::{self, Who},
    verdict::{Allow, Incident, Refusal, conclude},
};

/// asm-generic/socket.h: SO_BINDTODEVICE, SO_MARK, SO_ATTACH_REUSEPORT_CBPF, SO_ATTACH_REUSEPORT_EBPF (who of several listeners
/// gets a connection is asked before it is made), SO_BINDTOIFINDEX.
const SOCKET: i32 = 1;
/// linux/in.h, linux/in6.h.
const IP: i32 = 0;
const IPV6: i32 = 41;
/// linux/tcp.h.
const TCP: i32 = 6;

/// Where the kernel stops copying an option's value for the hooks.
const PAGE: i32 = 4096;

#[cgroup_sockopt(setsockopt)]
pub fn setsockopt(ctx: SockoptContext) -> i32 {
    // SAFETY: fields of the context.
    let (level, option) = unsafe { ((*ctx.sockopt).level, (*ctx.sockopt).optname) };
    pass_long_values(ctx.sockopt);
    conclude(try_setsockopt(level, option), || Incident {
        // Read as they stand in the record: setsockopt(2)'s level and name.
        socket_type: level as u16,
        protocol: option as u16,
        ..Incident::of_caller()
    })
}

#[inline(always)]
fn try_setsockopt(level: i32, option: i32) -> Result<Allow, Refusal> {
    if !leads_around(level, option) || matches!(attribute::caller(), Who::Outsider) {
        return Ok(Allow::Quietly);
    }
    Err(Refusal::Option)
}

#[inline(always)]
fn leads_around(level: i32, option: i32) -> bool {
    match level {
        SOCKET => matches!(option, 25 | 36 | 51 | 52 | 62),
        // IP_OPTIONS; IP_FREEBIND; IP_TRANSPARENT; memberships and source filters (IP_ADD_MEMBERSHIP to IP_MSFILTER, MCAST_JOIN_GROUP to
        // MCAST_MSFILTER); IP_UNICAST_IF; IP_LOCAL_PORT_RANGE (a way to our listeners' ports without a bind).
        IP => matches!(option, 4 | 15 | 19 | 35..=48 | 50 | 51),
        // The RFC 2292 forms of extension headers; IPV6_ADD_MEMBERSHIP, IPV6_DROP_MEMBERSHIP; anycast; MCAST_JOIN_GROUP to
        // MCAST_MSFILTER; IPV6_HOPOPTS, IPV6_RTHDRDSTOPTS, IPV6_RTHDR, IPV6_DSTOPTS; IPV6_TRANSPARENT, IPV6_UNICAST_IF, IPV6_FREEBIND.
        IPV6 => matches!(option, 3..=6 | 20 | 21 | 27 | 28 | 42..=48 | 54 | 55 | 57 | 59 | 75 | 76 | 78),
        // TCP_REPAIR; TCP_MD5SIG, TCP_MD5SIG_EXT; TCP_AO_ADD_KEY to TCP_AO_INFO: the other end drops what comes then, and a
        // half-made connection would hold its place.
        TCP => matches!(option, 14 | 19 | 32 | 38..=40),
        _ => false,
    }
}

/// Values longer than a page would be refused where a hook does not say that it has not looked at them.
#[inline(always)]
fn pass_long_values(sockopt: *mut bpf_sockopt) {
    // SAFETY: a field of the context that this hook may write.
    unsafe {
        if (&raw const (*sockopt).optlen).read_volatile() > PAGE {
            (&raw mut (*sockopt).optlen).write_volatile(0);
        }
    }
}
