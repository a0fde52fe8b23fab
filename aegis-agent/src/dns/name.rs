//! Host names, between text and the wire.

use hickory_proto::rr::{Name, RecordType};

/// The longest host name in text, without the trailing dot (RFC 1035 section 2.3.4, less the root's byte).
const MAX_TEXT: usize = 253;

/// `host` as a name on the wire, in lower case; `None` where it is not a host name (letters, digits, `-`, `_`).
/// International names come as their A-labels (`xn--`).
pub(super) fn to_name(host: &str) -> Option<Name> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() || host.len() > MAX_TEXT {
        return None;
    }
    let labels: Vec<String> = host.split('.').map(str::to_ascii_lowercase).collect();
    if !labels.iter().all(|label| is_label(label.as_bytes())) {
        return None;
    }
    let mut name = Name::from_labels(labels.iter().map(String::as_bytes)).ok()?;
    name.set_fqdn(true);
    Some(name)
}

fn is_label(label: &[u8]) -> bool {
    (1..=63).contains(&label.len())
        && label.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        && label.first() != Some(&b'-')
        && label.last() != Some(&b'-')
}

/// The host that a question is about, in lower case without the trailing dot: what policy decides on. `None` for
/// what no host is called.
///
/// A service name, `_8443._https.example.com` (RFC 9460 section 9.1), is about `example.com`. Only that form, and
/// only for HTTPS and SVCB: labels in front of an allowed host that policy does not see could carry data.
pub(super) fn host_of(name: &Name, kind: RecordType) -> Option<String> {
    let mut labels: Vec<&[u8]> = name.iter().collect();
    if matches!(kind, RecordType::HTTPS | RecordType::SVCB)
        && let [port, scheme, ..] = labels.as_slice()
        && is_port_label(port)
        && scheme.eq_ignore_ascii_case(b"_https")
    {
        labels.drain(..2);
    }
    let plain = !labels.is_empty() && labels.iter().all(|label| is_label(label) && !label.starts_with(b"_"));
    let host = labels.iter().map(|label| String::from_utf8_lossy(label)).collect::<Vec<_>>().join(".");
    (plain && host.len() <= MAX_TEXT).then(|| host.to_ascii_lowercase())
}

fn is_port_label(label: &[u8]) -> bool {
    label
        .strip_prefix(b"_")
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .is_some_and(|digits| !digits.starts_with(['0', '+']) && digits.parse::<u16>().is_ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_host_names_become_names() {
        assert_eq!(to_name("WWW.Example.COM.").unwrap().to_ascii(), "www.example.com.");
        let long_label = format!("{}.com", "a".repeat(64));
        let long_name = format!("{}a", "abcdefg.".repeat(32));
        for bad in ["", ".", "a..b", "a b.com", "a\\.com", "-a.com", "a-.com", "bücher.de", &long_label, &long_name] {
            assert!(to_name(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_service_name_is_about_its_host() {
        let host = |text: &str, kind| host_of(&Name::from_ascii(text).unwrap(), kind);
        assert_eq!(host("API.example.com.", RecordType::A).unwrap(), "api.example.com");
        assert_eq!(host("_8443._https.example.com.", RecordType::HTTPS).unwrap(), "example.com");
        for (bad, kind) in [
            ("_8443._https.example.com.", RecordType::A),
            ("_c2VjcmV0._https.example.com.", RecordType::HTTPS),
            ("_08443._https.example.com.", RecordType::HTTPS),
            ("_443._https.", RecordType::HTTPS),
            ("_dmarc.example.com.", RecordType::A),
            ("a\\.b.example.com.", RecordType::A),
            (".", RecordType::A),
        ] {
            assert_eq!(host(bad, kind), None, "{bad}");
        }
    }
}
