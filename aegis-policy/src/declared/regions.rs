//! Regions of data residency, named by hosts. The closest pattern says where a host is.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use ipnet::IpNet;

use crate::host::{Host, HostPattern};

/// The declared regions.
#[derive(Debug, Default, Clone)]
pub(crate) struct Regions {
    names: BTreeSet<Arc<str>>,
    exact: HashMap<String, Arc<str>>,
    below: HashMap<String, Arc<str>>,
    any: Option<Arc<str>>,
    /// The narrowest network first.
    nets: Vec<(IpNet, Arc<str>)>,
}

impl Regions {
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Puts the hosts of `pattern` into `region`; says which region has that very pattern already.
    pub(crate) fn declare(&mut self, pattern: HostPattern, region: &Arc<str>) -> Option<Arc<str>> {
        self.names.insert(region.clone());
        match pattern {
            HostPattern::Exact(name) => self.exact.insert(name, region.clone()),
            HostPattern::Below(domain) => self.below.insert(domain, region.clone()),
            HostPattern::Any => self.any.replace(region.clone()),
            HostPattern::Net(net) => {
                let taken = self.nets.iter().find(|(other, _)| *other == net).map(|(_, region)| region.clone());
                let narrower = self.nets.partition_point(|(other, _)| other.prefix_len() >= net.prefix_len());
                self.nets.insert(narrower, (net, region.clone()));
                taken
            }
        }
    }

    /// The region of `host`, where one was declared.
    pub(crate) fn of(&self, host: &Host) -> Option<&Arc<str>> {
        if self.names.is_empty() {
            return None;
        }
        match host {
            Host::Ip(ip) => self.nets.iter().find(|(net, _)| net.contains(ip)).map(|(_, region)| region),
            Host::Name(name) => self.exact.get(name).or_else(|| self.below(name)).or(self.any.as_ref()),
        }
    }

    fn below(&self, name: &str) -> Option<&Arc<str>> {
        let mut dots = name.match_indices('.').map(|(at, _)| at).filter(|at| *at > 0);
        dots.find_map(|at| self.below.get(name.get(at..)?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_pattern_says_where_a_host_is() {
        let mut regions = Regions::default();
        for (pattern, region) in [
            ("*", "world"),
            ("*.example.com", "us"),
            ("*.eu.example.com", "eu"),
            ("odd.eu.example.com", "us"),
            ("203.0.113.0/24", "eu"),
            ("203.0.113.128/25", "us"),
            ("203.0.0.0/16", "world"),
        ] {
            assert_eq!(regions.declare(HostPattern::parse(pattern).unwrap(), &region.into()), None);
        }
        for (host, expected) in [
            ("a.eu.example.com", Some("eu")),
            ("odd.eu.example.com", Some("us")),
            ("b.a.eu.example.com", Some("eu")),
            ("eu.example.com", Some("us")),
            ("example.com", Some("world")),
            ("203.0.113.5", Some("eu")),
            ("203.0.113.200", Some("us")),
            ("203.0.7.7", Some("world")),
            ("198.51.100.1", None),
        ] {
            assert_eq!(regions.of(&Host::parse(host).unwrap()).map(|name| &**name), expected, "{host}");
        }
        let taken = regions.declare(HostPattern::parse("203.0.113.0/24").unwrap(), &"us".into());
        assert_eq!(taken.as_deref(), Some("eu"));
    }
}
