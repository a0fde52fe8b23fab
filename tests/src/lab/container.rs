//! A container, as far as the network is concerned: a network namespace of its own, a cable to the host's, and routes
//! over which anything that is not stopped gets to the internet, where the capture sees it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::netns::{Namespace, ip, ip_batch};
use super::wiring::{HOST_V4, HOST_V6, INET_LINK};
use super::{AgentCommand, Lab, remains};

/// The container's address.
pub const CONTAINER_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// The container's IPv6 address.
pub const CONTAINER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 3, 0, 0, 0, 0, 2);
const BRIDGE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const BRIDGE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 3, 0, 0, 0, 0, 1);
/// The host's end of the cable.
const HOST_END: &str = "cont0";
/// The container's end.
const INNER_END: &str = "eth0";

/// A container; goes away with its laboratory, or before.
pub struct Container {
    /// Where its processes are.
    pub namespace: Namespace,
}

impl Container {
    /// Path of the namespace, for a configuration.
    pub fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(self.namespace.name())
    }

    /// The number of the namespace, as `status` shows it.
    pub fn inode(&self) -> Result<u64> {
        use std::os::unix::fs::MetadataExt;
        Ok(std::fs::metadata(self.path())?.ino())
    }

    /// Sets its loopback interface up, as a container runtime does.
    pub fn loopback_up(&self) -> Result<()> {
        ip(["-n", self.namespace.name(), "link", "set", "lo", "up"])
    }

    /// Its end: the name goes, and with the last process the namespace.
    pub fn remove(self) {
        Namespace::remove(self.namespace.name());
    }
}

impl Lab {
    /// Makes a container that can reach the internet through the host.
    pub fn container(&self) -> Result<Container> {
        let container = self.bare_container()?;
        container.loopback_up()?;
        Ok(container)
    }

    /// The same, with its loopback interface still down. There is one at a time.
    pub fn bare_container(&self) -> Result<Container> {
        let _building = remains::building();
        let namespace = Namespace::create(&remains::container_namespace(&self.id))?;
        let (host, inner) = (self.host.name(), namespace.name());
        ip(["link", "add", HOST_END, "netns", host, "type", "veth", "peer", "name", INNER_END, "netns", inner])?;
        ip_batch(host, &host_lines())?;
        ip_batch(inner, &inner_lines())?;
        ip_batch(self.inet.name(), &inet_lines())?;
        self.host.within(forward)??;
        Ok(Container { namespace })
    }
}

impl AgentCommand<'_> {
    /// Runs the command in a container instead of on the host.
    pub fn within(self, container: &Container) -> Self {
        self.place(&container.namespace)
    }
}

/// /proc/sys/net is that of the thread that opens it.
fn forward() -> Result<()> {
    for switch in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        std::fs::write(format!("/proc/sys/net/{switch}"), "1").with_context(|| format!("setting {switch}"))?;
    }
    Ok(())
}

fn host_lines() -> Vec<String> {
    vec![
        format!("addr add {BRIDGE_V4}/24 dev {HOST_END}"),
        format!("addr add {BRIDGE_V6}/64 dev {HOST_END} nodad"),
        format!("link set {HOST_END} up"),
    ]
}

fn inner_lines() -> Vec<String> {
    vec![
        format!("addr add {CONTAINER_V4}/24 dev {INNER_END}"),
        format!("addr add {CONTAINER_V6}/64 dev {INNER_END} nodad"),
        format!("link set {INNER_END} up"),
        format!("route add default via {BRIDGE_V4}"),
        format!("route add ::/0 via {BRIDGE_V6} dev {INNER_END}"),
    ]
}

/// The way back, for a container made before as well.
fn inet_lines() -> Vec<String> {
    vec![
        format!("route replace {CONTAINER_V4}/32 via {HOST_V4} dev {INET_LINK}"),
        format!("route replace {CONTAINER_V6}/128 via {HOST_V6} dev {INET_LINK}"),
    ]
}
