//! HTTPS and SVCB records (RFC 9460) as agents may see them.
//!
//! `ech` is taken out, so that the proxy reads the real server name in the ClientHello; `h3` is taken out of
//! `alpn`, because QUIC is refused and a client that believes in it loses time.

use hickory_proto::rr::rdata::SVCB;
use hickory_proto::rr::rdata::svcb::{SvcParamKey, SvcParamValue};
use hickory_proto::rr::{RData, Record};

/// `record` without what agents may not have; `None` where nothing usable is left of it.
pub(super) fn cleaned(mut record: Record) -> Option<Record> {
    let usable = match &mut record.data {
        RData::HTTPS(https) => clean(&mut https.0),
        RData::SVCB(svcb) => clean(svcb),
        _ => true,
    };
    usable.then_some(record)
}

/// Whether the record can still be used.
fn clean(svcb: &mut SVCB) -> bool {
    let has = |svcb: &SVCB, key| svcb.svc_params.iter().any(|(k, _)| *k == key);
    let had_alpn = has(svcb, SvcParamKey::Alpn);
    svcb.svc_params.retain_mut(|(key, value)| keep(*key, value));
    let lost_alpn = had_alpn && !has(svcb, SvcParamKey::Alpn);
    if lost_alpn && has(svcb, SvcParamKey::NoDefaultAlpn) {
        return false;
    }
    let left: Vec<SvcParamKey> = svcb.svc_params.iter().map(|(key, _)| *key).collect();
    svcb.svc_params.retain_mut(|(_, value)| match value {
        // A mandatory key that is not there makes the record malformed (RFC 9460 section 8).
        SvcParamValue::Mandatory(mandatory) => {
            mandatory.0.retain(|key| left.contains(key));
            !mandatory.0.is_empty()
        }
        _ => true,
    });
    true
}

fn keep(key: SvcParamKey, value: &mut SvcParamValue) -> bool {
    if key == SvcParamKey::EchConfigList {
        return false;
    }
    match value {
        SvcParamValue::EchConfigList(_) => false,
        SvcParamValue::Alpn(alpn) => {
            alpn.0.retain(|protocol| protocol != "h3" && !protocol.starts_with("h3-"));
            !alpn.0.is_empty()
        }
        _ => true,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hickory_proto::rr::Name;
    use hickory_proto::rr::rdata::HTTPS;
    use hickory_proto::rr::rdata::svcb::{Alpn, EchConfigList, Mandatory};

    use super::*;

    type Param = (SvcParamKey, SvcParamValue);

    fn record(params: Vec<Param>) -> Record {
        let name = Name::from_ascii("example.com.").unwrap();
        Record::from_rdata(name.clone(), 60, RData::HTTPS(HTTPS(SVCB::new(1, name, params))))
    }

    fn alpn(protocols: &[&str]) -> Param {
        let protocols = protocols.iter().map(|p| (*p).to_owned()).collect();
        (SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(protocols)))
    }

    fn mandatory(keys: &[SvcParamKey]) -> Param {
        (SvcParamKey::Mandatory, SvcParamValue::Mandatory(Mandatory(keys.to_vec())))
    }

    fn ech() -> Param {
        (SvcParamKey::EchConfigList, SvcParamValue::EchConfigList(EchConfigList(vec![1, 2, 3])))
    }

    fn no_default() -> Param {
        (SvcParamKey::NoDefaultAlpn, SvcParamValue::NoDefaultAlpn)
    }

    #[test]
    fn ech_and_h3_are_taken_out() {
        let port = (SvcParamKey::Port, SvcParamValue::Port(8443));
        let table = [
            (vec![alpn(&["h3", "h2"]), ech()], Some(vec![alpn(&["h2"])])),
            (vec![alpn(&["h3", "h3-29"])], Some(vec![])),
            (vec![alpn(&["h3"]), no_default()], None),
            (vec![alpn(&["h2"]), no_default()], Some(vec![alpn(&["h2"]), no_default()])),
            (
                vec![mandatory(&[SvcParamKey::Port, SvcParamKey::EchConfigList]), port.clone(), ech()],
                Some(vec![mandatory(&[SvcParamKey::Port]), port.clone()]),
            ),
            (vec![mandatory(&[SvcParamKey::EchConfigList]), ech()], Some(vec![])),
        ];
        for (before, after) in table {
            assert_eq!(cleaned(record(before.clone())), after.map(record), "{before:?}");
        }
    }
}
