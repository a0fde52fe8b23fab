use crate::{Endpoint, assert_layout};

/// Who made a call: taken from the calling task, never from anything it sends.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Process {
    /// Thread group id in the initial pid namespace.
    pub pid: u32,
    /// User id in the initial user namespace.
    pub uid: u32,
    /// NUL-padded command name (TASK_COMM_LEN).
    pub comm: [u8; 16],
}

assert_layout!(Process, size 24, align 4);

/// What the kernel remembers of one socket, in socket-local storage: it lives and dies with the
/// socket, so nothing can evict it.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SocketState {
    pub cookie: u64,
    /// The network namespace the socket was made in.
    pub netns_cookie: u64,
    /// The cgroup of the agent (the enrolled one, not a child of it).
    pub cgroup_id: u64,
    pub agent: u32,
    /// [`socket_flag`]s.
    pub flags: u32,
    /// The last process that made the socket or connected it or sent with it.
    pub process: Process,
    /// Where the agent wanted to go with its last redirected connect or send.
    pub original: Endpoint,
    /// The agent's own end, once known; the key of its entry in `FLOWS` or `DNS_CLIENTS`.
    pub local: Endpoint,
    /// Port of the listener it was redirected to, host byte order.
    pub listener: u16,
    pub padding: u16,
    /// [`crate::Settings::generation`] under which its connection was recorded.
    pub generation: u32,
    /// UDP: where the datagrams go that an event told of last.
    pub told: Endpoint,
    /// Under what it was told: once told is enough for as long as this stays the same.
    pub told_under: u32,
}

assert_layout!(SocketState, size 128, align 8);

impl SocketState {
    /// Nobody's socket, going nowhere.
    pub const EMPTY: Self = Self {
        cookie: 0,
        netns_cookie: 0,
        cgroup_id: 0,
        agent: 0,
        flags: 0,
        process: Process { pid: 0, uid: 0, comm: [0; 16] },
        original: Endpoint::EMPTY,
        local: Endpoint::EMPTY,
        listener: 0,
        padding: 0,
        generation: 0,
        told: Endpoint::EMPTY,
        told_under: 0,
    };
}

/// Bits of [`SocketState::flags`].
pub mod socket_flag {
    /// TCP: a connect verdict let it through or redirected it. UDP: connected to an allowlisted
    /// destination.
    pub const ADMITTED: u32 = 1;
    /// Its connection goes to one of Aegis' listeners instead of `original`.
    pub const REDIRECTED: u32 = 1 << 1;
    /// The redirect target is an IPv4 address.
    pub const TARGET_V4: u32 = 1 << 2;
    /// `local` keys an entry of `FLOWS` (TCP) or `DNS_CLIENTS` (UDP).
    pub const RECORDED: u32 = 1 << 3;
    /// UDP: was connected to a destination that is not allowlisted. Never taken back: another thread may be sending
    /// while the socket is connected elsewhere, so what a later connect admits says nothing of a packet.
    pub const WANDERED: u32 = 1 << 4;
    /// TCP: counted in [`crate::Usage::open`].
    pub const COUNTED: u32 = 1 << 5;
    /// Connected while the proxy was gone, by an agent that may then pass ([`crate::agent_flag::OPEN_WHEN_DOWN`]): its
    /// packets pass only as long as that lasts.
    pub const UNWATCHED: u32 = 1 << 6;
}
