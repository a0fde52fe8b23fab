//! Who has which address in the laboratory's internet, and the one cable that leads there.
//!
//! The documentation ranges (RFC 5737, RFC 3849) are used as public addresses: they are not private, so
//! policies look as they do in production, and they are routed inside the two namespaces only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;

use super::netns::{Namespace, ip, ip_batch};

/// The side on which the daemon and the agents run.
pub const HOST_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// The same side's IPv6 address.
pub const HOST_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2);
/// The side of the internet: the default gateway.
pub const GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// The gateway's IPv6 address.
pub const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
/// The authoritative DNS server of `test.`.
pub const DNS_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 53);
/// Another resolver that an agent may try by address.
pub const OTHER_DNS_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 54);
/// MAC address of the host's end of the cable: the capture tells direction by it.
pub const HOST_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// Host's end of the cable.
pub const HOST_LINK: &str = "eth0";
/// The internet's end of the cable.
pub const INET_LINK: &str = "uplink";

const fn public(last: u8) -> (Ipv4Addr, Ipv6Addr) {
    (Ipv4Addr::new(203, 0, 113, last), Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, last as u16))
}

/// Every name that the DNS server knows, with its addresses.
pub const HOSTS: &[(&str, (Ipv4Addr, Ipv6Addr))] = &[
    ("api.allowed.test", public(10)),
    ("shadow.allowed.test", public(11)),
    ("index.allowed.test", public(12)),
    ("git.allowed.test", public(13)),
    ("llm.allowed.test", public(14)),
    ("passthrough.allowed.test", public(15)),
    ("tcp.allowed.test", public(16)),
    ("payments.allowed.test", public(17)),
    ("denied.test", public(66)),
    ("private.allowed.test", (Ipv4Addr::new(10, 77, 0, 10), Ipv6Addr::new(0xfd00, 0x77, 0, 0, 0, 0, 0, 0x10))),
];

/// Addresses of a laboratory host; panics for a name that is not in [`HOSTS`].
pub fn address(host: &str) -> (Ipv4Addr, Ipv6Addr) {
    HOSTS
        .iter()
        .find(|(name, _)| *name == host)
        .map(|(_, a)| *a)
        .unwrap_or_else(|| panic!("{host} is no host of the laboratory"))
}

/// The name that owns an address.
pub fn name_of(ip: IpAddr) -> Option<&'static str> {
    HOSTS
        .iter()
        .find(|(_, (v4, v6))| match ip.to_canonical() {
            IpAddr::V4(ip) => ip == *v4,
            IpAddr::V6(ip) => ip == *v6,
        })
        .map(|(name, _)| *name)
}

/// Lays the cable and gives every host its addresses. No duplicate address detection: it takes seconds.
pub fn connect(host: &Namespace, inet: &Namespace) -> Result<()> {
    let mac = HOST_MAC.map(|byte| format!("{byte:02x}")).join(":");
    ip([
        "link",
        "add",
        HOST_LINK,
        "address",
        &mac,
        "netns",
        host.name(),
        "type",
        "veth",
        "peer",
        "name",
        INET_LINK,
        "netns",
        inet.name(),
    ])?;
    ip_batch(host.name(), &host_lines())?;
    ip_batch(inet.name(), &inet_lines())
}

fn host_lines() -> Vec<String> {
    vec![
        "link set lo up".to_owned(),
        format!("addr add {HOST_V4}/24 dev {HOST_LINK}"),
        format!("addr add {HOST_V6}/64 dev {HOST_LINK} nodad"),
        format!("link set {HOST_LINK} up"),
        format!("route add default via {GATEWAY_V4}"),
        format!("route add ::/0 via {GATEWAY_V6} dev {HOST_LINK}"),
    ]
}

fn inet_lines() -> Vec<String> {
    let mut lines = vec![
        "link set lo up".to_owned(),
        format!("addr add {GATEWAY_V4}/24 dev {INET_LINK}"),
        format!("addr add {GATEWAY_V6}/64 dev {INET_LINK} nodad"),
        format!("addr add {DNS_V4}/32 dev {INET_LINK}"),
        format!("addr add {OTHER_DNS_V4}/32 dev {INET_LINK}"),
        // Promiscuous, so that the capture also gets what is addressed to nobody.
        format!("link set {INET_LINK} promisc on up"),
    ];
    for (_, (v4, v6)) in HOSTS {
        lines.push(format!("addr add {v4}/32 dev {INET_LINK}"));
        lines.push(format!("addr add {v6}/128 dev {INET_LINK} nodad"));
    }
    lines
}
