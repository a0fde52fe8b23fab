use crate::{Endpoint, Process, assert_layout};

/// One message of the ring buffer `EVENTS`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Event {
    /// The agent's cgroup, or the caller's own when it is no agent's.
    pub cgroup_id: u64,
    /// One of [`event_kind`].
    pub kind: u32,
    /// 0: no agent.
    pub agent: u32,
    pub process: Process,
    /// All zero when there is none.
    pub destination: Endpoint,
    /// IP protocol number; wide because MPTCP is 262.
    pub protocol: u16,
    /// Address family of a refused socket (`AF_*`).
    pub family: u16,
    /// Type of a refused socket (`SOCK_*`).
    pub socket_type: u16,
    pub padding: [u16; 3],
}

assert_layout!(Event, size 72, align 8);

/// Values of [`Event::kind`].
pub mod event_kind {
    /// A connect was refused: the caller is not the socket's owner.
    pub const DENIED_CONNECT: u32 = 1;
    /// UDP to a destination that is not allowlisted.
    pub const DENIED_UDP: u32 = 2;
    /// A socket of another kind than TCP or UDP over IP.
    pub const DENIED_SOCKET: u32 = 3;
    /// The caller is in the enforced subtree and is no agent.
    pub const DENIED_UNATTRIBUTED: u32 = 4;
    /// A connect to an allowlisted destination, let through untouched.
    pub const ALLOWED_DIRECT: u32 = 5;
    /// A redirected connection could not be recorded and will be refused.
    pub const FLOW_TABLE_FULL: u32 = 6;
    /// An agent tried to bind one of Aegis' own ports.
    pub const DENIED_BIND: u32 = 7;
    /// A packet that no verdict admitted, such as an answer to an inbound connection.
    pub const DENIED_PACKET: u32 = 8;
    /// The proxy gives no sign of life.
    pub const DENIED_DOWN: u32 = 9;
    /// The proxy gives no sign of life, and the agent may pass without it.
    pub const PASSED_DOWN: u32 = 10;
    /// The proxy has no listener in the socket's network namespace.
    pub const NO_LISTENER: u32 = 11;
    /// The agent has as many redirected connections open as it may.
    pub const DENIED_LIMIT: u32 = 12;
    /// A socket that came in from elsewhere, as by a unix socket.
    pub const DENIED_RECEIVED: u32 = 13;
    /// An attempt to put a process out of its agent's cgroup.
    pub const DENIED_LEAVING: u32 = 14;
    /// bpf(2), or ptrace(2) and the like on a process of somebody else's.
    pub const DENIED_TAMPERING: u32 = 15;
    /// A process has left its agent's cgroup; `process` is that one, its user unknown.
    pub const DEPARTED: u32 = 16;
    /// A socket option that leads around the other hooks; `socket_type` is its level, `protocol` its name.
    pub const DENIED_OPTION: u32 = 17;
}

#[cfg(feature = "user")]
impl Event {
    /// Reads a message of the ring buffer; `None` when it is not exactly one event long.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != size_of::<Self>() {
            return None;
        }
        // SAFETY: as long as the type, which is plain data valid for any bytes; the read makes no
        // assumption about alignment.
        Some(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
    }
}
