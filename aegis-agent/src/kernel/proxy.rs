//! What the kernel knows of the proxy: until when it counts as alive, and in which network namespaces it listens.

use std::time::Duration;

use aegis_common::namespace_flag;
use aya::maps::{Array, HashMap, Map, MapData, MapError};
use nix::time::{ClockId, clock_gettime};

use super::{KernelError, NetnsCookie};

/// Which loopback addresses the proxy and the resolver listen on in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listeners {
    pub v4: bool,
    /// Without it, IPv6 connections are sent to the IPv4 listener, and DNS queries over IPv6 are refused.
    pub v6: bool,
}

impl Listeners {
    fn flags(self) -> u32 {
        let flag = |there: bool, flag: u32| if there { flag } else { 0 };
        flag(self.v4, namespace_flag::V4) | flag(self.v6, namespace_flag::V6)
    }
}

/// The maps `LEASE` and `NAMESPACES`.
pub(super) struct ProxyState {
    lease: Array<MapData, u64>,
    namespaces: HashMap<MapData, u64, u32>,
}

impl ProxyState {
    pub(super) fn new(lease: Map, namespaces: Map) -> Result<Self, KernelError> {
        let wrong = || KernelError::bpf("open what the programs know of the proxy");
        Ok(Self { lease: lease.try_into().map_err(wrong())?, namespaces: namespaces.try_into().map_err(wrong())? })
    }

    /// The proxy counts as alive for `lease` from now on. Zero: it is gone.
    pub(super) fn renew(&mut self, lease: Duration) -> Result<(), KernelError> {
        // Gone means since now, not since ever: each absence has a value of its own.
        let now = monotonic()?;
        let until = if lease.is_zero() { now.saturating_sub(1) } else { now.saturating_add(nanoseconds(lease)) };
        self.lease.set(0, until, 0).map_err(KernelError::bpf("tell the kernel that the proxy is alive"))
    }

    pub(super) fn serve(&mut self, namespace: NetnsCookie, listeners: Listeners) -> Result<(), KernelError> {
        self.namespaces
            .insert(namespace.get(), listeners.flags(), 0)
            .map_err(KernelError::bpf("tell the kernel of the listeners in a network namespace"))
    }

    pub(super) fn leave(&mut self, namespace: NetnsCookie) -> Result<(), KernelError> {
        match self.namespaces.remove(&namespace.get()) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(error) => Err(KernelError::bpf("close a network namespace")(error)),
        }
    }

    /// Leaves all namespaces but one: at the start, nobody listens in those that an earlier daemon served.
    pub(super) fn leave_all_but(&mut self, own: NetnsCookie) -> Result<(), KernelError> {
        let cookies: Result<Vec<u64>, _> = self.namespaces.keys().collect();
        for cookie in cookies.map_err(KernelError::bpf("read the served network namespaces"))? {
            if cookie != own.get() {
                self.namespaces.remove(&cookie).map_err(KernelError::bpf("close a network namespace"))?;
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.namespaces.keys().count()
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The clock of `bpf_ktime_get_ns`.
fn monotonic() -> Result<u64, KernelError> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_err(|errno| KernelError::io("read CLOCK_MONOTONIC")(errno.into()))?;
    Ok(nanoseconds(Duration::from(now)))
}
