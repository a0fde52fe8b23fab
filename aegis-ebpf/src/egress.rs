//! The second line: every packet that leaves is held against its socket's state, whatever call made
//! it.

use aegis_common::{Address, Endpoint, SocketState, agent_flag, protocol, socket_flag};
use aya_ebpf::{
    bindings::{__sk_buff, BPF_TCP_LISTEN, bpf_sock},
    helpers::generated::{bpf_get_socket_cookie, bpf_sk_cgroup_id, bpf_sk_fullsock, bpf_skb_load_bytes},
    macros::cgroup_skb,
    programs::SkBuffContext,
};

use crate::{
    attribute::{self, Who},
    dns,
    intercept::about,
    maps::{settings, state_of},
    proxy,
    verdict::{Allow, Incident, Refusal, conclude, is_any_agents, is_direct, is_own, told},
};

/// The ends of a packet.
pub struct Packet {
    pub from: Endpoint,
    pub to: Endpoint,
    pub protocol: u8,
}

pub const ETH_P_IP: u32 = 0x0800u16.to_be() as u32;
pub const ETH_P_IPV6: u32 = 0x86ddu16.to_be() as u32;
const HOP_BY_HOP: u8 = 0;
/// The start of a hop-by-hop header that holds a jumbo length (RFC 2675), nothing else, and TCP
/// after it. The kernel itself puts it on segments above 64 KiB (BIG TCP), as on loopback; it says
/// nothing of where the packet goes.
const JUMBO_BEFORE_TCP: u32 = 0x0600_c204;
/// LOOPBACK_IFINDEX of the kernel, the same in every network namespace.
const LOOPBACK_DEVICE: u32 = 1;
/// TCP_SYN_SENT.
const SYN_SENT: u32 = 2;
/// TCP_ESTABLISHED, which a connected UDP socket is in too.
const CONNECTED: u32 = 1;

#[cgroup_skb(egress)]
pub fn egress(ctx: SkBuffContext) -> i32 {
    let skb = ctx.skb.skb;
    // SAFETY: a field of the context; `bpf_sk_fullsock` takes it when it is not null.
    let sk = unsafe {
        let sk = (*skb).__bindgen_anon_2.sk;
        if sk.is_null() {
            return 0;
        }
        bpf_sk_fullsock(sk)
    };
    if sk.is_null() {
        return 0;
    }
    let packet = parse(skb, 0);
    conclude(try_egress(skb, sk, packet.as_ref()), || {
        // SAFETY: a full socket of the context.
        let state = unsafe { state_of(sk) };
        let destination = packet.as_ref().map_or(Endpoint::EMPTY, |packet| packet.to);
        let protocol = packet.as_ref().map_or(0, |packet| u16::from(packet.protocol));
        match state {
            Some(state) => Incident { destination, protocol, ..about(state) },
            None => Incident {
                destination,
                protocol,
                // SAFETY: as above.
                cgroup_id: unsafe { bpf_sk_cgroup_id(sk.cast()) },
                ..about(&SocketState::EMPTY)
            },
        }
    })
}

#[inline(always)]
fn try_egress(skb: *mut __sk_buff, sk: *mut bpf_sock, packet: Option<&Packet>) -> Result<Allow, Refusal> {
    // SAFETY: a full socket of the context.
    let state = unsafe { state_of(sk) };
    if state.is_none() && matches!(attribute::maker(sk), Who::Outsider) {
        return Ok(Allow::Quietly);
    }
    let packet = packet.ok_or(Refusal::Packet)?;
    // SAFETY: fields of a full socket.
    let (protocol, socket_state) = unsafe { ((*sk).protocol, (*sk).state) };
    if protocol != u32::from(packet.protocol) {
        return Err(Refusal::Packet);
    }
    match packet.protocol {
        protocol::TCP => tcp(skb, state, socket_state, packet),
        protocol::UDP => udp(skb, state.ok_or(Refusal::Udp)?, socket_state, packet),
        _ => Err(Refusal::Packet),
    }
}

/// A connection that a verdict admitted may go on. Others (listening sockets and what they accepted) answer on loopback
/// only, unless the agent's flags say otherwise: data would leave by answers to inbound connections.
#[inline(always)]
fn tcp(
    skb: *mut __sk_buff,
    state: Option<&mut SocketState>,
    socket_state: u32,
    packet: &Packet,
) -> Result<Allow, Refusal> {
    let loopback = is_local(skb, packet);
    // From before the programs were here; on loopback it leaves nothing.
    let Some(state) = state else { return if loopback { Ok(Allow::Quietly) } else { Err(Refusal::Packet) } };
    // SAFETY: plain helper on the context. An accepted socket's state still has its listener's cookie.
    if socket_state == BPF_TCP_LISTEN || unsafe { bpf_get_socket_cookie(skb.cast()) } != state.cookie {
        return inbound(state.agent, loopback);
    }
    if loopback {
        return local(skb, state, socket_state, packet);
    }
    if packet.to.address.is_loopback() {
        return Err(Refusal::Packet);
    }
    if state.flags & socket_flag::UNWATCHED != 0 && proxy::unwatched(state.agent) {
        return Ok(Allow::Quietly);
    }
    // What was redirected has no business outside loopback: source routing would take it there.
    if state.flags & (socket_flag::ADMITTED | socket_flag::REDIRECTED) == socket_flag::ADMITTED {
        return Ok(Allow::Quietly);
    }
    Err(Refusal::Packet)
}

/// A segment to a socket on this host. Who gets a connection is settled by its SYN, and that may be another one than was
/// there when the agent connected (SO_REUSEPORT, a listener that came or went since).
#[inline(always)]
fn local(skb: *mut __sk_buff, state: &SocketState, socket_state: u32, packet: &Packet) -> Result<Allow, Refusal> {
    if socket_state != SYN_SENT {
        return Ok(Allow::Quietly);
    }
    let (from, to) = (&packet.from, &packet.to);
    let allowed = if state.flags & socket_flag::REDIRECTED != 0 {
        // The listener's port may be in an agent's hands while nobody serves it.
        !is_any_agents(skb, protocol::TCP, from, to)
    } else {
        is_own(skb, state.agent, protocol::TCP, from, to)
            || is_direct(state.agent, protocol::TCP, to)
            || state.flags & socket_flag::UNWATCHED != 0 && proxy::unwatched(state.agent)
    };
    if allowed { Ok(Allow::Quietly) } else { Err(Refusal::Packet) }
}

/// An answer to somebody who connected to the agent.
#[inline(always)]
pub fn inbound(agent: u32, loopback: bool) -> Result<Allow, Refusal> {
    let flags = proxy::flags(agent);
    let answers = if loopback { flags & agent_flag::LISTEN_NONE == 0 } else { flags & agent_flag::LISTEN_ALLOW != 0 };
    if answers { Ok(Allow::Quietly) } else { Err(Refusal::Packet) }
}

#[inline(always)]
fn udp(skb: *mut __sk_buff, state: &mut SocketState, socket_state: u32, packet: &Packet) -> Result<Allow, Refusal> {
    let local = is_local(skb, packet);
    if local {
        if packet.to.port == settings().dns_port {
            if is_any_agents(skb, protocol::UDP, &packet.from, &packet.to) {
                return Err(Refusal::Udp);
            }
            dns::record(state, &packet.from)?;
            return Ok(Allow::Quietly);
        }
        if is_own(skb, state.agent, protocol::UDP, &packet.from, &packet.to) {
            return Ok(Allow::Quietly);
        }
    }
    // On another device than loopback's: whatever allows the address means the one on this host.
    if packet.to.address.is_loopback() && !local {
        return Err(Refusal::Udp);
    }
    // The address may have been translated (DNAT) since a connect to it was admitted.
    let doubts = socket_flag::REDIRECTED | socket_flag::WANDERED;
    let admitted = state.flags & socket_flag::ADMITTED != 0
        && state.flags & doubts == 0
        && socket_state == CONNECTED
        && !packet.to.address.is_loopback();
    if admitted || is_direct(state.agent, protocol::UDP, &packet.to) {
        return tell(state, packet, Allow::Direct);
    }
    if proxy::unwatched(state.agent) { tell(state, packet, Allow::Unwatched) } else { Err(Refusal::Udp) }
}

/// Tells of a socket's datagrams once for each destination that they turn to, and again after each time without a proxy.
#[inline(always)]
fn tell(state: &mut SocketState, packet: &Packet, allow: Allow) -> Result<Allow, Refusal> {
    let under = match allow {
        Allow::Unwatched => proxy::absence(),
        _ => settings().generation,
    };
    if state.told_under == under && state.told == packet.to {
        return Ok(Allow::Quietly);
    }
    let about = Incident { destination: packet.to, protocol: u16::from(protocol::UDP), ..about(state) };
    if !told(allow, &about) {
        return Err(Refusal::Udp);
    }
    state.told = packet.to;
    state.told_under = under;
    Ok(Allow::Quietly)
}

/// Whether the packet stays on this host. Its address does not say: a socket that is bound to another device sends
/// packets to loopback addresses out there.
#[inline(always)]
fn is_local(skb: *mut __sk_buff, packet: &Packet) -> bool {
    // SAFETY: a field of the context.
    packet.to.address.is_loopback() && unsafe { (*skb).ifindex } == LOOPBACK_DEVICE
}

/// IPv4 without options and IPv6 without extension headers; anything else could carry the packet
/// elsewhere than its address says. `start` is where the IP header begins.
#[inline(always)]
pub fn parse(skb: *mut __sk_buff, start: u32) -> Option<Packet> {
    // SAFETY: a field of the context.
    match unsafe { (*skb).protocol } {
        ETH_P_IP => parse_v4(&load(skb, start)?),
        ETH_P_IPV6 => parse_v6(skb, start, &load(skb, start)?),
        _ => None,
    }
}

/// `N` words of the packet, from a byte on.
#[inline(always)]
pub fn load<const N: usize>(skb: *mut __sk_buff, from: u32) -> Option<[u32; N]> {
    let mut words = [0u32; N];
    // SAFETY: the buffer is as long as said.
    let result =
        unsafe { bpf_skb_load_bytes(skb.cast(), from, words.as_mut_ptr().cast(), size_of::<[u32; N]>() as u32) };
    (result == 0).then_some(words)
}

/// RFC 791, followed by the ports.
#[inline(always)]
fn parse_v4(words: &[u32; 6]) -> Option<Packet> {
    let header = u32::from_be(words[0]);
    // Version 4, five words of header; not a later fragment.
    if header >> 24 != 0x45 || u32::from_be(words[1]) & 0x1fff != 0 {
        return None;
    }
    let protocol = (u32::from_be(words[2]) >> 16) as u8;
    Some(Packet {
        from: Endpoint::new(Address::v4(words[3]), source_port(words[5])),
        to: Endpoint::new(Address::v4(words[4]), destination_port(words[5])),
        protocol,
    })
}

/// RFC 8200, followed by the ports.
#[inline(always)]
fn parse_v6(skb: *mut __sk_buff, start: u32, words: &[u32; 11]) -> Option<Packet> {
    let (mut protocol, mut ports) = ((u32::from_be(words[1]) >> 8) as u8, words[10]);
    if protocol == HOP_BY_HOP && u32::from_be(words[10]) == JUMBO_BEFORE_TCP {
        let behind: [u32; 1] = load(skb, start + 48)?;
        (protocol, ports) = (protocol::TCP, behind[0]);
    }
    Some(Packet {
        from: Endpoint::new(Address::v6([words[2], words[3], words[4], words[5]]), source_port(ports)),
        to: Endpoint::new(Address::v6([words[6], words[7], words[8], words[9]]), destination_port(ports)),
        protocol,
    })
}

#[inline(always)]
fn source_port(ports: u32) -> u16 {
    (u32::from_be(ports) >> 16) as u16
}

#[inline(always)]
fn destination_port(ports: u32) -> u16 {
    u32::from_be(ports) as u16
}
