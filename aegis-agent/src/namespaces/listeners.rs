//! The proxy's and the resolver's sockets inside of a namespace.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use tokio::net::TcpListener;
use tokio::runtime::Handle as Runtime;

use super::inside::Inside;
use crate::config::Listen;
use crate::daemon::listen;
use crate::dns;
use crate::handover::Inherited;
use crate::kernel::Listeners;

/// Listeners in one namespace, before anybody accepts from them.
pub struct Opened {
    pub proxy: Vec<TcpListener>,
    pub dns: dns::Sockets,
}

impl Opened {
    /// Opens them inside of a namespace. All or none: an agent must not find half of Aegis there.
    ///
    /// # Errors
    /// One line with the fix: a port is taken, the loopback interface is down.
    pub fn open(inside: &Inside, ports: &Listen, runtime: Runtime) -> Result<Self, String> {
        let (proxy_port, dns_port) = (ports.proxy_port, ports.dns_port);
        let open = move || {
            // Sockets register with the runtime they are made in.
            let _runtime = runtime.enter();
            open(proxy_port, dns_port)
        };
        inside.run_blocking(open).map_err(|error| error.to_string())?
    }

    /// What each listens on.
    #[must_use]
    pub fn addresses(&self) -> Vec<(&'static str, SocketAddr)> {
        let proxy = self.proxy.iter().filter_map(|listener| listener.local_addr().ok()).map(|at| ("proxy", at));
        proxy.chain(self.dns.udp_addresses().into_iter().map(|at| ("dns", at))).collect()
    }

    /// The families that agents can be sent to.
    #[must_use]
    pub fn families(&self) -> Listeners {
        let has = |v6: bool| self.addresses().iter().any(|(name, at)| *name == "proxy" && at.is_ipv6() == v6);
        Listeners { v4: has(false), v6: has(true) }
    }
}

fn open(proxy_port: u16, dns_port: u16) -> Result<Opened, String> {
    if !loopback_is_up() {
        return Err("its loopback interface is down, so nothing can listen there; \
             fix: `ip link set lo up` inside of it (a container runtime does that)"
            .to_owned());
    }
    // A service manager hands over listeners of the daemon's own namespace only.
    let mut none = Inherited::default();
    let proxy = listen::loopbacks(proxy_port).into_iter().map(|address| listen::bind(address, "proxy", &mut none));
    let proxy: Vec<TcpListener> = proxy.collect::<anyhow::Result<_>>().map_err(|error| error.to_string())?;
    let dns = dns::Sockets::bind(&listen::loopbacks(dns_port), &mut Inherited::default())
        .map_err(|error| error.to_string())?;
    Ok(Opened { proxy, dns })
}

/// The kernel gives `lo` its address when it is set up.
fn loopback_is_up() -> bool {
    let Ok(mut interfaces) = getifaddrs() else { return false };
    interfaces.any(|interface| {
        let address = interface.address.as_ref().and_then(|address| address.as_sockaddr_in());
        interface.flags.contains(InterfaceFlags::IFF_LOOPBACK | InterfaceFlags::IFF_UP)
            && address.is_some_and(|address| IpAddr::V4(address.ip()) == IpAddr::V4(Ipv4Addr::LOCALHOST))
    })
}
