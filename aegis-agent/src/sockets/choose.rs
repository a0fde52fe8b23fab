//! Which sockets have to go: the rule of this module's documentation, without the kernel.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::diag::{Socket, TCP_LISTEN};
use crate::kernel::{AgentRules, DirectRule, Inbound, Protocol};

/// Why a socket is destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Why {
    /// No hook of Aegis holds it: it was made before its process was enrolled, or handed to it from outside.
    Unenforced,
    /// It was made under enforcement, and its peer is on the agent's direct list no more.
    NotDirect,
    /// Its agent was removed.
    Removed,
}

impl Why {
    /// For the metric.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unenforced => "unenforced",
            Self::NotDirect => "not_direct",
            Self::Removed => "removed",
        }
    }

    /// For the record.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Unenforced => {
                "the socket was destroyed: it was made outside of enforcement (before enrolment, or handed in)"
            }
            Self::NotDirect => "the connection was destroyed: its peer is not on the agent's direct list",
            Self::Removed => "the connection was destroyed: the agent was removed",
        }
    }
}

/// What is looked for among the sockets of one network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The agent is enrolled, or enrolled again with another direct list.
    Enrolment,
    /// The agent was removed: nothing of it stays.
    Removal,
    /// Nothing happened; only what came in from outside is looked for.
    Sweep,
}

/// What is known of one agent.
pub struct View<'a> {
    /// The ids of its cgroup and of all below it.
    pub cgroups: &'a HashSet<u64>,
    /// Whether the hooks hold a socket, whoever made it.
    pub enforced: &'a dyn Fn(&Socket) -> bool,
    /// The inodes of the sockets that its processes hold.
    pub held: &'a HashSet<u64>,
    pub rules: &'a AgentRules,
    pub occasion: Occasion,
}

impl View<'_> {
    /// Made by a process of the agent, so that the hooks hold it from the moment of enrolment on.
    fn made(&self, socket: &Socket) -> bool {
        socket.cgroup.is_some_and(|cgroup| self.cgroups.contains(&cgroup))
    }

    /// Held by a process of the agent, and made where no hook of Aegis is.
    fn came_in(&self, socket: &Socket) -> bool {
        socket.inode != 0 && self.held.contains(&socket.inode) && !(self.enforced)(socket)
    }
}

/// The sockets of one namespace that have to go, and why.
#[must_use]
pub fn choose<'s>(sockets: &'s [Socket], view: &View<'_>) -> Vec<(&'s Socket, Why)> {
    let ends: HashSet<(Protocol, SocketAddr, SocketAddr)> = sockets
        .iter()
        .filter(|socket| view.made(socket) || view.came_in(socket))
        .map(|socket| (socket.protocol, socket.local, socket.remote))
        .collect();
    // Ports that are answered from: what was accepted there did not connect anywhere.
    let served: HashSet<u16> = sockets
        .iter()
        .filter(|socket| view.rules.listen == Inbound::Allow && view.made(socket) && listens(socket))
        .map(|socket| socket.local.port())
        .collect();
    let harmless = |socket: &Socket| {
        let direct = view.rules.direct.iter().any(|rule| covers(rule, socket.protocol, socket.remote));
        let on_loopback = loopback(socket.remote);
        if view.made(socket) {
            let accepted = socket.protocol == Protocol::Tcp && served.contains(&socket.local.port());
            return !socket.connected() || direct || on_loopback || accepted;
        }
        // The other end of a connection within the host, where it is the agent's as well.
        let among_itself = || ends.contains(&(socket.protocol, socket.remote, socket.local));
        match socket.connected() {
            true => direct || on_loopback && among_itself(),
            // What a listener accepts is as little enforced as itself; an unconnected UDP socket sends anywhere.
            false => listens(socket) && loopback(socket.local),
        }
    };
    sockets.iter().filter_map(|socket| verdict(socket, view, &harmless).map(|why| (socket, why))).collect()
}

fn verdict(socket: &Socket, view: &View<'_>, harmless: &dyn Fn(&Socket) -> bool) -> Option<Why> {
    let (made, came_in) = (view.made(socket), view.came_in(socket));
    match view.occasion {
        Occasion::Removal if made || came_in => Some(Why::Removed),
        Occasion::Enrolment if made && !harmless(socket) => Some(Why::NotDirect),
        Occasion::Enrolment | Occasion::Sweep if came_in && !harmless(socket) => Some(Why::Unenforced),
        _ => None,
    }
}

fn listens(socket: &Socket) -> bool {
    socket.protocol == Protocol::Tcp && socket.state == TCP_LISTEN
}

fn loopback(end: SocketAddr) -> bool {
    end.ip().to_canonical().is_loopback()
}

/// As the kernel compares: all addresses are of IPv6, those of IPv4 mapped.
fn covers(rule: &DirectRule, protocol: Protocol, to: SocketAddr) -> bool {
    let mapped = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let bits = match rule.cidr {
        ipnet::IpNet::V4(net) => net.prefix_len() + 96,
        ipnet::IpNet::V6(net) => net.prefix_len(),
    };
    let head = |ip: Ipv6Addr| u128::from(ip).checked_shr(128 - u32::from(bits)).unwrap_or(0);
    rule.protocol == protocol
        && rule.port.is_none_or(|port| port == to.port())
        && head(mapped(rule.cidr.network())) == head(mapped(to.ip()))
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
