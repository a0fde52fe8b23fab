//! Addresses that lead to the sink and nowhere else: a /24 out of the benchmarking range (RFC 2544) and a /64 of unique local
//! addresses (RFC 4193), drawn anew for each run.

use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::failure::Failure;

/// 198.18.0.0/15, as number.
const BENCHMARKING: u32 = u32::from_be_bytes([198, 18, 0, 0]);
const BENCHMARKING_MASK: u32 = u32::MAX << 17;
/// Routes shorter than this cover the range by accident (a default route cut in two by a VPN): ours is more specific.
const ROUTE_MASK: u32 = u32::MAX << 24;

/// The addresses of a run.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    v4: u32,
    v6: u128,
    /// Marks what this run sends.
    pub marker: u64,
}

impl Range {
    /// Draws one.
    pub fn draw() -> io::Result<Self> {
        let mut bytes = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let [a, b, c, d, e, f, g, h, marker @ ..] = bytes;
        let v4 = BENCHMARKING | (u32::from_be_bytes([0, a & 1, b, 0]));
        let v6 = u128::from_be_bytes([0xfd, c, d, e, f, g, h, a, 0, 0, 0, 0, 0, 0, 0, 0]);
        Ok(Self { v4, v6, marker: u64::from_be_bytes(marker) })
    }

    /// Refuses where this network namespace already leads the range somewhere.
    pub fn refuse_if_routed(&self) -> Result<(), Failure> {
        let routes =
            procfs::net::route().map_err(|error| Failure::No(format!("cannot read /proc/net/route: {error}")))?;
        for route in routes {
            let (destination, mask) = (u32::from(route.destination), u32::from(route.mask));
            let overlaps = (destination ^ self.v4) & mask & BENCHMARKING_MASK == 0;
            if mask & ROUTE_MASK == ROUTE_MASK && overlaps {
                return Err(Failure::No(format!(
                    "this host routes {}/{} (part of 198.18.0.0/15) to {}: the attempts could leave it\n  next: aegisctl verify --private",
                    route.destination,
                    mask.count_ones(),
                    route.iface
                )));
            }
        }
        Ok(())
    }

    /// The probes' own address.
    pub fn own_v4(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.v4 | 1)
    }

    /// The probes' own IPv6 address.
    pub fn own_v6(&self) -> Ipv6Addr {
        Ipv6Addr::from(self.v6 | 1)
    }

    /// Where fences go.
    pub fn fence(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.v4 | 2)
    }

    /// Everybody.
    pub fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.v4 | 255)
    }

    /// The address of a vector, which no other vector has.
    pub fn target_v4(&self, vector: u8) -> Ipv4Addr {
        Ipv4Addr::from(self.v4 | u32::from(vector.saturating_add(10)))
    }

    /// The same for IPv6.
    pub fn target_v6(&self, vector: u8) -> Ipv6Addr {
        Ipv6Addr::from(self.v6 | u128::from(vector.saturating_add(10)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_the_ranges_that_nobody_routes() {
        for _ in 0..100 {
            let range = Range::draw().unwrap();
            for address in [range.own_v4(), range.fence(), range.broadcast(), range.target_v4(0), range.target_v4(200)]
            {
                assert_eq!(u32::from(address) & BENCHMARKING_MASK, BENCHMARKING, "{address}");
            }
            assert!(range.own_v6().is_unique_local() && range.target_v6(3).is_unique_local());
        }
    }
}
