//! The host's end of the cable into an agent's network namespace: what comes out there has left the agent's reach, with
//! all that a root user could do to it inside. It closes AF_PACKET, tunnels and forwarding: an agent's packet has to come
//! from a TCP or UDP socket of its own, to a place that it may reach directly.
//!
//! A packet keeps its socket across the cable; nothing inside can put another one to it.

use aegis_common::{Endpoint, SocketState, protocol, socket_flag};
use aya_ebpf::{
    bindings::{__sk_buff, BPF_TCP_LISTEN, bpf_sock},
    helpers::generated::{
        bpf_get_listener_sock, bpf_get_socket_cookie, bpf_sk_fullsock, bpf_skb_ancestor_cgroup_id, bpf_skb_cgroup_id,
    },
    macros::classifier,
    programs::TcContext,
};

use crate::{
    attribute::{self, Who},
    egress::{self, ETH_P_IP, ETH_P_IPV6, Packet},
    intercept::about,
    maps::{settings, state_of},
    proxy,
    verdict::{Allow, Incident, Refusal, conclude, is_direct},
};

/// The next program on this interface decides, if there is one (TCX_NEXT, TC_ACT_UNSPEC).
const NEXT: i32 = -1;
/// TC_ACT_SHOT
const DROP: i32 = 2;

/// Behind it the IP header begins: a cable carries whole Ethernet frames.
const ETH_HLEN: u32 = 14;
const ETH_P_ARP: u32 = 0x0806u16.to_be() as u32;
const ICMPV6: u8 = 58;
/// RFC 4861: router solicitation, neighbour solicitation and advertisement. Who advertises a router is no host.
const NEIGHBOUR: [u8; 3] = [133, 135, 136];
/// An ARP packet (RFC 826), padded to the shortest frame that Ethernet has; what is longer carries something else.
const LONGEST_ARP: u32 = 60;
/// A solicitation or an advertisement with one link-layer address, or a nonce (RFC 7527), as the kernel makes them.
const LONGEST_DISCOVERY: u32 = 86;
/// RFC 4861 section 7.1.1: nobody has forwarded it.
const NEIGHBOUR_HOPS: u8 = 255;
/// TCP flags, RFC 9293 section 3.1.
const FIN_SYN: u8 = 0b11;

#[classifier]
pub fn host_link(ctx: TcContext) -> i32 {
    let skb = ctx.skb.skb;
    let packet = egress::parse(skb, ETH_HLEN);
    let outcome = try_host_link(skb, packet.as_ref());
    let lets_through = conclude(outcome, || {
        let destination = packet.as_ref().map_or(Endpoint::EMPTY, |packet| packet.to);
        let protocol = packet.as_ref().map_or(0, |packet| u16::from(packet.protocol));
        Incident { destination, protocol, ..sender(skb) }
    });
    if lets_through == 1 { NEXT } else { DROP }
}

#[inline(always)]
fn try_host_link(skb: *mut __sk_buff, packet: Option<&Packet>) -> Result<Allow, Refusal> {
    // SAFETY: a field of the context.
    let sk = unsafe { (*skb).__bindgen_anon_2.sk };
    if sk.is_null() {
        // Made by the kernel, or forwarded for somebody inside.
        return if resolves_neighbours(skb) { Ok(Allow::Quietly) } else { Err(Refusal::Packet) };
    }
    let settings = settings();
    // SAFETY: plain helpers on the context; 0 for a connection that only waits to be forgotten.
    let (own, root) = unsafe { (bpf_skb_cgroup_id(skb), bpf_skb_ancestor_cgroup_id(skb, settings.root_level as i32)) };
    if own != 0 && root != settings.root_cgroup_id {
        // The runtime's, the host's, Aegis' own.
        return Ok(Allow::Quietly);
    }
    // SAFETY: the context's socket, not null.
    let full = unsafe { bpf_sk_fullsock(sk) };
    if full.is_null() {
        // SAFETY: as above. A connection that is being accepted counts as its listener.
        let listener = unsafe { bpf_get_listener_sock(sk) };
        if listener.is_null() {
            return kernels_own(skb, packet);
        }
        // SAFETY: a socket that was not null.
        let state = unsafe { state_of(listener) }.ok_or(Refusal::Packet)?;
        return egress::inbound(state.agent, false);
    }
    // SAFETY: a full socket.
    match unsafe { state_of(full) } {
        Some(state) => of_agent(skb, full, state, packet.ok_or(Refusal::Packet)?),
        // No verdict admitted it: a raw socket, AF_PACKET, one from before.
        None if matches!(attribute::sender(skb), Who::Outsider) => Ok(Allow::Quietly),
        None => Err(Refusal::Packet),
    }
}

/// As `egress` has it, and once more against the rules as they are now: inside, the packet may have been rewritten.
#[inline(always)]
fn of_agent(skb: *mut __sk_buff, sk: *mut bpf_sock, state: &SocketState, packet: &Packet) -> Result<Allow, Refusal> {
    // SAFETY: fields of a full socket and of the context.
    let (protocol, stage, vlan) = unsafe { ((*sk).protocol, (*sk).state, (*skb).vlan_present) };
    if protocol != u32::from(packet.protocol) || packet.to.address.is_loopback() || vlan != 0 {
        return Err(Refusal::Packet);
    }
    // SAFETY: plain helper on the context. An accepted socket's state still has its listener's cookie.
    let cookie = unsafe { bpf_get_socket_cookie(skb.cast()) };
    if packet.protocol == protocol::TCP && (stage == BPF_TCP_LISTEN || cookie != state.cookie) {
        return egress::inbound(state.agent, false);
    }
    let redirected = state.flags & socket_flag::REDIRECTED != 0;
    if !redirected && is_direct(state.agent, packet.protocol, &packet.to) || proxy::unwatched(state.agent) {
        return Ok(Allow::Quietly);
    }
    Err(if packet.protocol == protocol::UDP { Refusal::Udp } else { Refusal::Packet })
}

/// ARP, and its IPv6 successor.
#[inline(always)]
fn resolves_neighbours(skb: *mut __sk_buff) -> bool {
    // SAFETY: fields of the context.
    let (protocol, length) = unsafe { ((*skb).protocol, (*skb).len) };
    match protocol {
        ETH_P_ARP => length <= LONGEST_ARP,
        ETH_P_IPV6 => length <= LONGEST_DISCOVERY && neighbour_discovery(skb).unwrap_or(false),
        _ => false,
    }
}

#[inline(always)]
fn neighbour_discovery(skb: *mut __sk_buff) -> Option<bool> {
    let words: [u32; 11] = egress::load(skb, ETH_HLEN)?;
    let [_, _, next, hops] = words[1].to_ne_bytes();
    let [kind, ..] = words[10].to_ne_bytes();
    Some(next == ICMPV6 && hops == NEIGHBOUR_HOPS && NEIGHBOUR.contains(&kind))
}

/// What the kernel says by itself about a connection: an acknowledgement or a reset, without data.
#[inline(always)]
fn kernels_own(skb: *mut __sk_buff, packet: Option<&Packet>) -> Result<Allow, Refusal> {
    let tcp = packet.is_some_and(|packet| packet.protocol == protocol::TCP);
    if tcp && bare(skb).unwrap_or(false) { Ok(Allow::Quietly) } else { Err(Refusal::Packet) }
}

/// Whether a TCP segment has neither data nor SYN nor FIN.
#[inline(always)]
fn bare(skb: *mut __sk_buff) -> Option<bool> {
    // SAFETY: a field of the context.
    let (tcp_at, tcp_length) = match unsafe { (*skb).protocol } {
        ETH_P_IP => {
            let words: [u32; 1] = egress::load(skb, ETH_HLEN)?;
            (20, (u32::from_be(words[0]) & 0xffff).checked_sub(20)?)
        }
        ETH_P_IPV6 => {
            let words: [u32; 2] = egress::load(skb, ETH_HLEN)?;
            (40, u32::from_be(words[1]) >> 16)
        }
        _ => return None,
    };
    let words: [u32; 4] = egress::load(skb, ETH_HLEN + tcp_at)?;
    let [offset, flags, ..] = words[3].to_ne_bytes();
    let header = u32::from(offset >> 4) * 4;
    Some(tcp_length == header && flags & FIN_SYN == 0)
}

/// Whose packet it was, as far as its socket tells.
#[inline(always)]
fn sender(skb: *mut __sk_buff) -> Incident {
    // SAFETY: a field of the context; the helpers take it when it is not null.
    unsafe {
        let sk = (*skb).__bindgen_anon_2.sk;
        if sk.is_null() {
            return Incident::EMPTY;
        }
        let full = bpf_sk_fullsock(sk);
        if full.is_null() {
            return Incident::EMPTY;
        }
        let family = (*full).family as u16;
        match state_of(full) {
            Some(state) => Incident { family, ..about(state) },
            None => {
                let (agent, cgroup_id) = match attribute::sender(skb) {
                    Who::Agent(agent) => (agent.agent, agent.cgroup_id),
                    Who::Nobody | Who::Outsider => (0, bpf_skb_cgroup_id(skb)),
                };
                Incident { agent, cgroup_id, family, ..Incident::EMPTY }
            }
        }
    }
}
