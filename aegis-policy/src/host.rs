//! Host names and addresses, in one normal form, and the patterns over them.

use std::net::IpAddr;

use ipnet::IpNet;

/// A host as a request names it, normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// Lower case, no trailing dot, punycode left as it is.
    Name(String),
    /// An address literal; IPv4-mapped IPv6 is IPv4.
    Ip(IpAddr),
}

impl Host {
    /// `None` for what is neither a host name nor an address literal in its usual spelling.
    pub(crate) fn parse(text: &str) -> Option<Host> {
        let bare = text.strip_prefix('[').map_or(Some(text), |inner| inner.strip_suffix(']'))?;
        match bare.parse::<IpAddr>() {
            // Brackets are for IPv6 only (RFC 3986 section 3.2.2).
            Ok(IpAddr::V4(_)) if bare.len() != text.len() => None,
            Ok(ip) => Some(Host::Ip(ip.to_canonical())),
            Err(_) if bare.len() != text.len() => None,
            Err(_) => normal_name(text).map(Host::Name),
        }
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Host::Name(name) => name.clone(),
            Host::Ip(ip) => ip.to_string(),
        }
    }
}

fn normal_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let valid = name.len() <= 253 && name.split('.').all(valid_label);
    // `127.1`, `0x7f.1` and `2130706433` are addresses to some resolvers: a last label that is a number is no name.
    let last = name.rsplit('.').next()?;
    let number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    (valid && !number).then_some(name)
}

fn valid_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Which hosts a rule is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostPattern {
    /// One name.
    Exact(String),
    /// All names below a domain, not the domain itself; kept with its leading dot.
    Below(String),
    /// Every name. Address literals need a network.
    Any,
    /// Address literals in a network.
    Net(IpNet),
}

impl HostPattern {
    /// # Errors
    /// What is wrong with the pattern, for people.
    pub(crate) fn parse(text: &str) -> Result<HostPattern, String> {
        if text == "*" {
            return Ok(HostPattern::Any);
        }
        if let Some(domain) = text.strip_prefix("*.") {
            let domain = normal_name(domain).ok_or_else(|| format!("`{domain}` is not a host name"))?;
            return Ok(HostPattern::Below(format!(".{domain}")));
        }
        if text.contains('/') {
            return parse_net(text);
        }
        match Host::parse(text) {
            Some(Host::Name(name)) => Ok(HostPattern::Exact(name)),
            Some(Host::Ip(ip)) => Ok(HostPattern::Net(ip.into())),
            None if text.contains('*') => Err("a wildcard stands alone or as the first label, `*.example.com`".into()),
            None if text.contains(':') => Err(format!("`{text}` is not a host name; ports go under `ports`")),
            None => Err(format!("`{text}` is neither a host name, an address nor a network")),
        }
    }

    pub(crate) fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (HostPattern::Exact(exact), Host::Name(name)) => exact == name,
            (HostPattern::Below(domain), Host::Name(name)) => {
                name.len() > domain.len() && name.ends_with(domain.as_str())
            }
            (HostPattern::Any, Host::Name(_)) => true,
            (HostPattern::Net(net), Host::Ip(ip)) => net.contains(ip),
            _ => false,
        }
    }
}

impl HostPattern {
    /// Whether this pattern takes every host that `inner` takes.
    pub(crate) fn covers(&self, inner: &HostPattern) -> bool {
        match (self, inner) {
            (HostPattern::Any, HostPattern::Exact(_) | HostPattern::Below(_) | HostPattern::Any) => true,
            (HostPattern::Exact(name), HostPattern::Exact(other)) => name == other,
            (HostPattern::Below(domain), HostPattern::Exact(name)) => {
                name.len() > domain.len() && name.ends_with(domain.as_str())
            }
            (HostPattern::Below(domain), HostPattern::Below(below)) => below.ends_with(domain.as_str()),
            (HostPattern::Net(net), HostPattern::Net(other)) => net.contains(other),
            _ => false,
        }
    }
}

impl std::fmt::Display for HostPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HostPattern::Exact(name) => f.write_str(name),
            HostPattern::Below(domain) => write!(f, "*{domain}"),
            HostPattern::Any => f.write_str("*"),
            HostPattern::Net(net) => write!(f, "{net}"),
        }
    }
}

fn parse_net(text: &str) -> Result<HostPattern, String> {
    let net: IpNet = text.parse().map_err(|_| format!("`{text}` is not a network such as 10.0.0.0/8"))?;
    if net.trunc() != net {
        return Err(format!("`{text}` has bits set beyond its prefix; did you mean {}?", net.trunc()));
    }
    match net {
        IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some() => Err("write IPv4-mapped networks as IPv4".into()),
        net => Ok(HostPattern::Net(net)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_one_spelling() {
        for (text, expected) in [
            ("API.Example.COM.", Some("api.example.com")),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("localhost", Some("localhost")),
            ("_dmarc.example.com", Some("_dmarc.example.com")),
            ("10.0.0.1", Some("10.0.0.1")),
            ("[::1]", Some("::1")),
            ("[::ffff:10.0.0.1]", Some("10.0.0.1")),
            ("", None),
            (".", None),
            ("a..b", None),
            ("a.b..", None),
            ("-a.b", None),
            ("a b", None),
            ("a\0b", None),
            ("bücher.example", None),
            ("127.1", None),
            ("0x7f.1", None),
            ("2130706433", None),
            ("example.0x1", None),
            ("[10.0.0.1]", None),
            ("[::1", None),
            ("fe80::1%eth0", None),
            ("a.b:443", None),
            ("user@a.b", None),
        ] {
            assert_eq!(Host::parse(text).map(|host| host.text()).as_deref(), expected, "{text}");
        }
        assert!(Host::parse(&format!("{}.b", "a".repeat(64))).is_none());
        assert!(Host::parse(&"a.".repeat(127)).is_some());
        assert!(Host::parse(&"a.".repeat(128)).is_none());
    }

    #[test]
    fn patterns() {
        for (pattern, host, expected) in [
            ("a.test", "a.test", true),
            ("A.test.", "a.test", true),
            ("*.a.test", "a.test", false),
            ("*.a.test", "b.a.test", true),
            ("*.a.test", "c.b.a.test", true),
            ("*.a.test", "ba.test", false),
            ("*", "anything.test", true),
            ("*", "10.0.0.1", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "[::ffff:10.1.2.3]", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("fd00::/8", "[fd00::1]", true),
        ] {
            let matches = HostPattern::parse(pattern).ok().zip(Host::parse(host)).map(|(p, h)| p.matches(&h));
            assert_eq!(matches, Some(expected), "{pattern} {host}");
        }
        for bad in [
            "",
            "a.*.b",
            "*a.test",
            "**",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "a/b",
            "a:443",
            "::ffff:10.0.0.0/104",
            "*.",
            "http://a",
        ] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_covers_another_only_if_it_takes_all_that_the_other_takes() {
        for (outer, inner, expected) in [
            ("a.test", "a.test", true),
            ("*.a.test", "x.a.test", true),
            ("*.a.test", "*.x.a.test", true),
            ("*.a.test", "a.test", false),
            ("*.a.test", "*.test", false),
            ("*.a.test", "*.ba.test", false),
            ("a.test", "*.a.test", false),
            ("*", "*.a.test", true),
            ("*", "*", true),
            ("*", "10.0.0.0/8", false),
            ("*.a.test", "*", false),
            ("10.0.0.0/8", "10.1.0.0/16", true),
            ("10.1.0.0/16", "10.0.0.0/8", false),
            ("10.0.0.0/8", "*", false),
        ] {
            let parse = |text: &str| HostPattern::parse(text).ok();
            let covers = parse(outer).zip(parse(inner)).map(|(outer, inner)| outer.covers(&inner));
            assert_eq!(covers, Some(expected), "{outer} {inner}");
        }
    }
}
