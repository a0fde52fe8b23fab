//! The host's own nameservers (resolv.conf(5)).

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

const PORT: u16 = 53;

/// The `nameserver` lines of `text`. An IPv6 address may have a zone (`fe80::1%eth0` or `%2`).
pub(super) fn nameservers(text: &str) -> Vec<SocketAddr> {
    text.lines().filter_map(nameserver).collect()
}

fn nameserver(line: &str) -> Option<SocketAddr> {
    let mut words = line.split_ascii_whitespace();
    if words.next()? != "nameserver" {
        return None;
    }
    let word = words.next()?;
    let Some((address, zone)) = word.split_once('%') else {
        return Some(SocketAddr::new(word.parse::<IpAddr>().ok()?, PORT));
    };
    let scope = zone.parse().or_else(|_| nix::net::if_::if_nametoindex(zone)).ok()?;
    Some(SocketAddrV6::new(address.parse().ok()?, PORT, 0, scope).into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nameservers_are_read_and_the_rest_is_not() {
        let text = "# comment\nsearch a.example\nnameserver 192.0.2.1 extra\n nameserver\t2001:db8::1\nnameserver fe80::1%7\n\
                    ;nameserver 192.0.2.2\nnameserver name.example\noptions ndots:2\n";
        let expected = ["192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1%7]:53"];
        assert_eq!(nameservers(text), expected.map(|a| a.parse::<SocketAddr>().unwrap()));
    }
}
