//! The addresses of this host: whoever dials one reaches the daemon's own side, public though it looks. When a dial is made
//! from within an agent's namespace, that namespace's addresses are own ones too.

use std::collections::HashSet;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::namespaces::Inside;

/// For how long a reading is used. Addresses change seldom, and a reading of a host with many links takes milliseconds.
const FRESH: Duration = Duration::from_secs(5);

/// The addresses of all interfaces in one network namespace, read again every few seconds.
#[derive(Default)]
pub struct OwnAddresses {
    read: Mutex<Option<(Instant, Arc<HashSet<IpAddr>>)>>,
}

impl OwnAddresses {
    /// Those of the daemon's namespace, as of the last few seconds.
    ///
    /// # Errors
    /// When the kernel does not tell them: nothing may be taken for an outside address then.
    pub async fn current(&self) -> io::Result<Arc<HashSet<IpAddr>>> {
        self.fresh(async { tokio::task::spawn_blocking(interfaces).await? }).await
    }

    /// Those of another namespace.
    ///
    /// # Errors
    /// As for [`OwnAddresses::current`], and when the namespace is not served any more.
    pub async fn within(&self, inside: &Inside) -> io::Result<Arc<HashSet<IpAddr>>> {
        self.fresh(async { inside.run(interfaces).await? }).await
    }

    async fn fresh(
        &self,
        reading: impl Future<Output = io::Result<HashSet<IpAddr>>>,
    ) -> io::Result<Arc<HashSet<IpAddr>>> {
        // Held while reading, so that a burst of dials shares one reading.
        let mut read = self.read.lock().await;
        if let Some((_, addresses)) = read.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(Arc::clone(addresses));
        }
        let addresses = Arc::new(reading.await?);
        *read = Some((Instant::now(), Arc::clone(&addresses)));
        Ok(addresses)
    }
}

fn interfaces() -> io::Result<HashSet<IpAddr>> {
    let addresses = getifaddrs()?.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    });
    Ok(addresses.collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[tokio::test]
    async fn loopback_is_own_and_a_reading_is_kept() {
        let own = OwnAddresses::default();
        let first = own.current().await.unwrap();
        assert!(first.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)), "{first:?}");
        assert!(!first.contains(&IpAddr::V6(Ipv6Addr::UNSPECIFIED)));
        assert!(Arc::ptr_eq(&first, &own.current().await.unwrap()));
    }
}
