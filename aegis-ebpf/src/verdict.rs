//! The verdict on a destination, the same for IPv4 and IPv6 and for every hook; and the one place
//! where a refusal becomes a denial.

use aegis_common::{
    ADDRESS_BITS, DNS_PORT, DirectKey, Endpoint, Event, Process, RULE_HEAD_BITS, SocketState, counter, event_kind,
    protocol,
};
use aya_ebpf::{
    bindings::{
        BPF_F_CURRENT_NETNS, bpf_sock, bpf_sock_tuple, bpf_sock_tuple__bindgen_ty_1,
        bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1, bpf_sock_tuple__bindgen_ty_1__bindgen_ty_2,
    },
    btf_maps::lpm_trie::Key,
    helpers::generated::{bpf_sk_lookup_tcp, bpf_sk_lookup_udp, bpf_sk_release},
};
use aya_log_ebpf::debug;

use crate::{
    attribute::{self, Who},
    maps::{DIRECT, EVENTS, count, state_of},
    usage,
};

/// What is let through, and how it is counted.
#[derive(Clone, Copy)]
pub enum Allow {
    /// To the agent's own socket.
    Own,
    /// To an allowlisted destination.
    Direct,
    /// To the proxy instead.
    Proxy,
    /// To the resolver instead.
    Dns,
    /// Past the proxy, which is gone.
    Unwatched,
    /// Nothing to count.
    Quietly,
}

/// Why something is refused.
#[derive(Clone, Copy)]
pub enum Refusal {
    /// The caller is no agent, or the socket is nobody's.
    Unattributed,
    /// The socket is another agent's.
    NotOwner,
    /// UDP to a destination that is not allowlisted.
    Udp,
    /// A kind of socket that cannot be enforced.
    Socket,
    /// One of Aegis' own ports.
    Bind,
    /// A packet that no verdict admitted.
    Packet,
    /// The proxy gives no sign of life.
    Down,
    /// The proxy does not listen in the socket's network namespace.
    NoListener,
    /// The agent has as many connections open as it may.
    Limit,
    /// A socket option that leads around the other hooks.
    Option,
    /// A socket from elsewhere.
    Received,
    /// A way out of the agent's cgroup.
    Leaving,
    /// The kernel, or another's process.
    Tampering,
}

impl Refusal {
    #[inline(always)]
    fn event_and_counter(self) -> (u32, u32) {
        match self {
            Self::Unattributed => (event_kind::DENIED_UNATTRIBUTED, counter::DENIED_UNATTRIBUTED),
            Self::NotOwner => (event_kind::DENIED_CONNECT, counter::DENIED_CONNECT),
            Self::Udp => (event_kind::DENIED_UDP, counter::DENIED_UDP),
            Self::Socket => (event_kind::DENIED_SOCKET, counter::DENIED_SOCKET),
            Self::Bind => (event_kind::DENIED_BIND, counter::DENIED_BIND),
            Self::Packet => (event_kind::DENIED_PACKET, counter::DENIED_PACKET),
            Self::Down => (event_kind::DENIED_DOWN, counter::DENIED_DOWN),
            Self::NoListener => (event_kind::NO_LISTENER, counter::NO_LISTENER),
            Self::Limit => (event_kind::DENIED_LIMIT, counter::DENIED_LIMIT),
            Self::Option => (event_kind::DENIED_OPTION, counter::DENIED_OPTION),
            Self::Received => (event_kind::DENIED_RECEIVED, counter::DENIED_RECEIVED),
            Self::Leaving => (event_kind::DENIED_LEAVING, counter::DENIED_LEAVING),
            Self::Tampering => (event_kind::DENIED_TAMPERING, counter::DENIED_TAMPERING),
        }
    }
}

/// Who and what an event is about.
pub struct Incident {
    pub agent: u32,
    pub cgroup_id: u64,
    pub process: Process,
    pub destination: Endpoint,
    pub protocol: u16,
    pub family: u16,
    pub socket_type: u16,
}

impl Incident {
    /// About nobody.
    pub const EMPTY: Self = Self {
        agent: 0,
        cgroup_id: 0,
        process: Process { pid: 0, uid: 0, comm: [0; 16] },
        destination: Endpoint::EMPTY,
        protocol: 0,
        family: 0,
        socket_type: 0,
    };

    /// About the calling process.
    #[inline(always)]
    pub fn of_caller() -> Self {
        let (agent, cgroup_id) = match attribute::caller() {
            Who::Agent(caller) => (caller.agent, caller.cgroup_id),
            Who::Nobody | Who::Outsider => (0, attribute::caller_cgroup_id()),
        };
        Self { agent, cgroup_id, process: attribute::process(), ..Self::EMPTY }
    }
}

/// Counts and reports the outcome and gives it to the kernel: 1 lets through, 0 denies.
#[inline(always)]
pub fn conclude(outcome: Result<Allow, Refusal>, incident: impl FnOnce() -> Incident) -> i32 {
    match outcome {
        Ok(Allow::Quietly) => 1,
        Ok(Allow::Own) => allowed(counter::ALLOWED_OWN),
        Ok(Allow::Proxy) => allowed(counter::REDIRECTED),
        Ok(Allow::Dns) => allowed(counter::REDIRECTED_DNS),
        Ok(allow @ (Allow::Direct | Allow::Unwatched)) => i32::from(told(allow, &incident())),
        Err(refusal) => {
            let (kind, index) = refusal.event_and_counter();
            count(index);
            let about = incident();
            usage::denied(about.agent);
            // Denied whether or not there is room to tell.
            let _ = report(kind, &about);
            0
        }
    }
}

/// Tells of what passes without the proxy, and counts it. Nobody but these events tells of it: what cannot be told is not to
/// be let through. Of what passed while the daemon was gone, it reads when it is back.
#[inline(always)]
pub fn told(allow: Allow, about: &Incident) -> bool {
    let (kind, index) = match allow {
        Allow::Unwatched => (event_kind::PASSED_DOWN, counter::PASSED_DOWN),
        _ => (event_kind::ALLOWED_DIRECT, counter::ALLOWED_DIRECT),
    };
    let told = report(kind, about);
    if told {
        count(index);
    }
    told
}

#[inline(always)]
fn allowed(index: u32) -> i32 {
    count(index);
    1
}

/// Tells the daemon, and says whether it could: what finds no room, or is above the agent's share, is counted.
#[inline(always)]
pub fn report(kind: u32, about: &Incident) -> bool {
    if !usage::may_report(about.agent) {
        count(counter::EVENTS_SUPPRESSED);
        return false;
    }
    tell(kind, about)
}

/// As [`report`], without regard to shares: for what the daemon has to act on.
#[inline(always)]
pub fn tell(kind: u32, about: &Incident) -> bool {
    debug!(
        (),
        "event {} agent {} pid {} protocol {} port {}",
        kind,
        about.agent,
        about.process.pid,
        about.protocol,
        about.destination.port
    );
    let Some(mut room) = EVENTS.reserve(0) else {
        count(counter::EVENTS_DROPPED);
        return false;
    };
    room.write(Event {
        cgroup_id: about.cgroup_id,
        kind,
        agent: about.agent,
        process: about.process,
        destination: about.destination,
        protocol: about.protocol,
        family: about.family,
        socket_type: about.socket_type,
        padding: [0; 3],
    });
    room.submit(0);
    true
}

/// Where a destination leads.
#[derive(Clone, Copy)]
pub enum Route {
    /// A loopback socket of the same agent.
    Own,
    /// An allowlisted destination.
    Direct,
    /// The proxy's listener.
    Proxy,
    /// The resolver's listener.
    Resolver,
    /// Nowhere (UDP that is neither allowlisted nor DNS).
    Nowhere,
}

/// The verdict on a destination. `from` is the socket's own end as far as it is known (zeros
/// otherwise); `ctx` is the context of the running program.
#[inline(always)]
pub fn route<C>(ctx: *mut C, agent: u32, protocol: u8, from: &Endpoint, to: &Endpoint) -> Route {
    if to.address.is_loopback() && is_own(ctx, agent, protocol, from, to) {
        return Route::Own;
    }
    if is_direct(agent, protocol, to) {
        return Route::Direct;
    }
    if to.port == DNS_PORT {
        return Route::Resolver;
    }
    if protocol == protocol::TCP {
        return Route::Proxy;
    }
    Route::Nowhere
}

/// Whether the agent may reach `to` without being inspected: the exact port's rules first, then
/// those for every port.
#[inline(always)]
pub fn is_direct(agent: u32, protocol: u8, to: &Endpoint) -> bool {
    let key = |port: u16| {
        let data = DirectKey { agent, port, protocol, padding: 0, address: to.address };
        Key::new(RULE_HEAD_BITS + ADDRESS_BITS, data)
    };
    DIRECT.get(&key(to.port)).is_some() || DIRECT.get(&key(0)).is_some()
}

/// Whether a socket of the same agent receives at `to`, in the socket's own network namespace.
#[inline(always)]
pub fn is_own<C>(ctx: *mut C, agent: u32, protocol: u8, from: &Endpoint, to: &Endpoint) -> bool {
    with_receiver(ctx, protocol, from, to, |state| state.is_some_and(|state| state.agent == agent))
}

/// Whether a socket of any agent receives at `to`.
#[inline(always)]
pub fn is_any_agents<C>(ctx: *mut C, protocol: u8, from: &Endpoint, to: &Endpoint) -> bool {
    with_receiver(ctx, protocol, from, to, |state| state.is_some())
}

/// Asks about the state of the socket that receives at `to`, in the calling socket's network namespace; no when nobody
/// does.
#[inline(always)]
fn with_receiver<C>(
    ctx: *mut C,
    protocol: u8,
    from: &Endpoint,
    to: &Endpoint,
    ask: impl FnOnce(Option<&mut SocketState>) -> bool,
) -> bool {
    let sk = receiver(ctx, protocol, from, to);
    if sk.is_null() {
        return false;
    }
    // SAFETY: a referenced socket from the lookup, released on the one way out.
    unsafe {
        let answer = ask(state_of(sk));
        bpf_sk_release(sk.cast());
        answer
    }
}

#[inline(always)]
fn receiver<C>(ctx: *mut C, protocol: u8, from: &Endpoint, to: &Endpoint) -> *mut bpf_sock {
    let (sport, dport) = (from.port.to_be(), to.port.to_be());
    let mut tuple = bpf_sock_tuple {
        __bindgen_anon_1: bpf_sock_tuple__bindgen_ty_1 {
            ipv6: bpf_sock_tuple__bindgen_ty_1__bindgen_ty_2 {
                saddr: from.address.words(),
                daddr: to.address.words(),
                sport,
                dport,
            },
        },
    };
    let mut size = size_of::<bpf_sock_tuple__bindgen_ty_1__bindgen_ty_2>() as u32;
    if to.address.is_v4() {
        tuple.__bindgen_anon_1.ipv4 = bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1 {
            saddr: from.address.v4_word(),
            daddr: to.address.v4_word(),
            sport,
            dport,
        };
        size = size_of::<bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1>() as u32;
    }
    let netns = BPF_F_CURRENT_NETNS as i64 as u64;
    // SAFETY: the tuple lives on the stack and is as long as said.
    unsafe {
        match protocol {
            protocol::TCP => bpf_sk_lookup_tcp(ctx.cast(), &mut tuple, size, netns, 0),
            _ => bpf_sk_lookup_udp(ctx.cast(), &mut tuple, size, netns, 0),
        }
    }
}
