//! What the kernel refused or let through by itself, as a stream.

use std::net::SocketAddr;

use aegis_common::{Endpoint, Event, event_kind};
use aya::maps::{MapData, RingBuf};
use tokio::io::unix::AsyncFd;

use super::{AgentIndex, KernelError, flows::comm, syscall};

/// One thing the kernel did without asking the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelEvent {
    pub kind: EventKind,
    /// The socket's or the caller's agent, if it is one's.
    pub agent: Option<AgentIndex>,
    pub destination: Option<SocketAddr>,
    /// IP protocol number; 0 for protocols above 255 (MPTCP), see [`EventKind::DeniedSocket`].
    pub protocol: u8,
    /// Thread group id in the initial pid namespace.
    pub pid: u32,
    pub uid: u32,
    pub comm: String,
    pub cgroup_id: u64,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A connect was refused because the caller does not own the socket.
    DeniedConnect,
    /// UDP to a destination that is not allowlisted.
    DeniedUdp,
    /// A socket that is neither TCP nor UDP over IP (numbers as in socket(2)).
    DeniedSocket { family: u16, type_: u16, protocol: u16 },
    /// The caller is in the enforced subtree but is no agent.
    DeniedUnattributed,
    /// A connect to an allowlisted destination passed untouched.
    AllowedDirect,
    /// A redirected connection found no room in the flow table: the listener will refuse it.
    FlowTableFull,
    /// An agent tried to bind a port of Aegis' own listeners.
    DeniedBind,
    /// A packet that no verdict had admitted, such as an answer to an inbound connection.
    DeniedPacket,
    /// The proxy gave no sign of life.
    DeniedDown,
    /// The proxy gave no sign of life, and the agent passed without it.
    PassedDown,
    /// The proxy does not listen in the socket's network namespace.
    NoListener,
    /// The agent has as many connections open as it may.
    DeniedLimit,
    /// A socket option that leads around the other hooks (numbers as in setsockopt(2)).
    DeniedOption { level: u16, name: u16 },
    /// A socket that came in from elsewhere was refused.
    DeniedReceived,
    /// An attempt to put a process out of its agent's cgroup was refused.
    DeniedLeaving,
    /// bpf(2), or ptrace(2) and the like on somebody else's process, was refused.
    DeniedTampering,
    /// A process has left its agent's cgroup. `pid` and `comm` are its; `uid` is not known.
    Departed,
}

impl EventKind {
    /// A stable name, for metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::DeniedConnect => "denied_connect",
            Self::DeniedUdp => "denied_udp",
            Self::DeniedSocket { .. } => "denied_socket",
            Self::DeniedUnattributed => "denied_unattributed",
            Self::AllowedDirect => "allowed_direct",
            Self::FlowTableFull => "flow_table_full",
            Self::DeniedBind => "denied_bind",
            Self::DeniedPacket => "denied_packet",
            Self::DeniedDown => "denied_down",
            Self::PassedDown => "passed_down",
            Self::NoListener => "no_listener",
            Self::DeniedLimit => "denied_limit",
            Self::DeniedOption { .. } => "denied_option",
            Self::DeniedReceived => "denied_received",
            Self::DeniedLeaving => "denied_leaving",
            Self::DeniedTampering => "denied_tampering",
            Self::Departed => "departed",
        }
    }

    fn of(event: &Event) -> Option<Self> {
        Some(match event.kind {
            event_kind::DENIED_CONNECT => Self::DeniedConnect,
            event_kind::DENIED_UDP => Self::DeniedUdp,
            event_kind::DENIED_SOCKET => {
                Self::DeniedSocket { family: event.family, type_: event.socket_type, protocol: event.protocol }
            }
            event_kind::DENIED_UNATTRIBUTED => Self::DeniedUnattributed,
            event_kind::ALLOWED_DIRECT => Self::AllowedDirect,
            event_kind::FLOW_TABLE_FULL => Self::FlowTableFull,
            event_kind::DENIED_BIND => Self::DeniedBind,
            event_kind::DENIED_PACKET => Self::DeniedPacket,
            event_kind::DENIED_DOWN => Self::DeniedDown,
            event_kind::PASSED_DOWN => Self::PassedDown,
            event_kind::NO_LISTENER => Self::NoListener,
            event_kind::DENIED_LIMIT => Self::DeniedLimit,
            event_kind::DENIED_OPTION => Self::DeniedOption { level: event.socket_type, name: event.protocol },
            event_kind::DENIED_RECEIVED => Self::DeniedReceived,
            event_kind::DENIED_LEAVING => Self::DeniedLeaving,
            event_kind::DENIED_TAMPERING => Self::DeniedTampering,
            event_kind::DEPARTED => Self::Departed,
            _ => return None,
        })
    }
}

impl KernelEvent {
    /// `None` for bytes that are no event of this ABI version.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let event = Event::from_bytes(bytes)?;
        Some(Self {
            kind: EventKind::of(&event)?,
            agent: AgentIndex::new(event.agent),
            destination: (event.destination != Endpoint::default()).then(|| event.destination.into()),
            protocol: u8::try_from(event.protocol).unwrap_or(0),
            pid: event.process.pid,
            uid: event.process.uid,
            comm: comm(&event.process.comm),
            cgroup_id: event.cgroup_id,
        })
    }
}

/// The reading end of the kernel's ring buffer. What does not fit in it is counted in
/// [`super::Counters::events_dropped`].
pub struct EventStream {
    ring: AsyncFd<RingBuf<MapData>>,
}

impl EventStream {
    pub(super) fn new(ring: RingBuf<MapData>) -> Result<Self, KernelError> {
        let ring = syscall::watch(ring).map_err(KernelError::io("watch the kernel's event ring"))?;
        Ok(Self { ring })
    }

    /// The next event; `None` when the ring can no longer be read. Cancel safe. Costs no task budget (`tokio::task::coop`): who
    /// reads in a loop has to spend some.
    pub async fn next(&mut self) -> Option<KernelEvent> {
        loop {
            while let Some(item) = self.ring.get_mut().next() {
                if let Some(event) = KernelEvent::parse(&item) {
                    return Some(event);
                }
            }
            self.ring.readable_mut().await.ok()?.clear_ready();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_another_shape_are_no_event() {
        let event = |kind: u32| {
            let mut bytes = vec![0; size_of::<Event>()];
            bytes[8..12].copy_from_slice(&kind.to_ne_bytes());
            bytes
        };
        let parsed = KernelEvent::parse(&event(event_kind::DENIED_UDP)).unwrap();
        assert_eq!((parsed.kind, parsed.agent, parsed.destination), (EventKind::DeniedUdp, None, None));
        assert_eq!(KernelEvent::parse(&event(0)), None);
        assert_eq!(KernelEvent::parse(&event(99)), None);
        assert_eq!(KernelEvent::parse(&event(1)[1..]), None);
        assert_eq!(KernelEvent::parse(&[]), None);
    }
}
