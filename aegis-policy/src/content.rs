//! The scan of a request's URL and header fields: one reading, for what is forwarded and for what is explained.

use std::borrow::Cow;

use aegis_dlp::{DetectorSet, Finding, Opaque, Place, Profile, Why, scan_field, scan_url};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Where a client puts the credential that is meant for this very origin. Detectors of secrets would stop every call to an
/// API that needs a key, so these fields are looked through for personal data only.
const CREDENTIAL_FIELDS: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::COOKIE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("private-token"),
];

/// URL and header fields as they may be forwarded.
#[derive(Clone, Debug)]
pub struct RedactedHead {
    /// Path and query, what is to be redacted replaced by its mask.
    pub path_and_query: String,
    /// All fields, in the same way.
    pub headers: HeaderMap,
    /// What was found. Where one of them denies, nothing of the head may be sent.
    pub findings: Vec<Finding>,
    /// What of it cannot be looked into, where the rule does not let that pass: nothing of the head may be sent.
    pub opaque: Option<(Place, Opaque)>,
}

/// Scans `target` (path and query, percent-encoded as sent) and `headers` under `profile`.
pub fn redact_head(profile: &Profile, target: &str, headers: &HeaderMap) -> RedactedHead {
    if profile.is_empty() {
        let path_and_query = target.to_owned();
        return RedactedHead { path_and_query, headers: headers.clone(), findings: Vec::new(), opaque: None };
    }
    let url = scan_url(profile, target);
    let path_and_query = url.text.into_owned();
    let fields = HeaderMap::with_capacity(headers.len());
    let mut head = RedactedHead {
        path_and_query,
        headers: fields,
        findings: url.findings,
        opaque: opaque(url.stopped, Place::Url),
    };
    for (name, value) in headers {
        let value = redact_field(profile, name, value, &mut head);
        head.headers.append(name.clone(), value);
    }
    head
}

/// Findings that stop a request tell of themselves.
fn opaque(stopped: Option<Why>, place: Place) -> Option<(Place, Opaque)> {
    match stopped {
        Some(Why::Opaque(opaque)) => Some((place, opaque)),
        _ => None,
    }
}

fn redact_field(profile: &Profile, name: &HeaderName, value: &HeaderValue, head: &mut RedactedHead) -> HeaderValue {
    // Bytes that are not UTF-8 are looked at with a mark in their place; a field is never skipped.
    let text = String::from_utf8_lossy(value.as_bytes());
    let profile = field_profile(profile, name);
    let scanned = scan_field(&profile, Place::Header(name.as_str().into()), name.as_str(), &text);
    if scanned.findings.is_empty() && scanned.stopped.is_none() {
        return value.clone();
    }
    head.findings.extend(scanned.findings);
    head.opaque = head.opaque.take().or(opaque(scanned.stopped, Place::Header(name.as_str().into())));
    HeaderValue::from_str(&scanned.text).unwrap_or_else(|_| HeaderValue::from_static("[REDACTED]"))
}

fn field_profile<'p>(profile: &'p Profile, name: &HeaderName) -> Cow<'p, Profile> {
    if CREDENTIAL_FIELDS.contains(name) {
        Cow::Owned(profile.only(profile.detectors().difference(DetectorSet::SECRETS)))
    } else {
        Cow::Borrowed(profile)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use aegis_dlp::{Action, Detector};

    const KEY: &str = "AKIAQ3EGRTZYXNMB2LKJ";

    fn everything() -> Profile {
        Profile { redact: DetectorSet::ALL, ..Profile::default() }
    }

    fn fields(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &[u8])| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_credential_field_may_hold_a_secret_and_no_personal_data() {
        for name in CREDENTIAL_FIELDS {
            let mut headers = HeaderMap::new();
            headers.insert(name.clone(), format!("{KEY} jane.doe@corp.example").parse().unwrap());
            let head = redact_head(&everything(), "/", &headers);
            assert_eq!(head.headers[&name], format!("{KEY} [EMAIL]"), "{name}");
            let found: Vec<Detector> = head.findings.iter().map(|finding| finding.detector).collect();
            assert_eq!(found, [Detector::Email], "{name}");
        }
    }

    #[test]
    fn any_other_field_may_hold_neither() {
        let head = redact_head(&everything(), "/", &fields(&[("x-note", KEY.as_bytes())]));
        assert_eq!(head.headers["x-note"], Detector::AwsKey.mask());
        assert_eq!(head.findings[0].place, Place::Header("x-note".into()));
    }

    #[test]
    fn names_say_what_a_value_is() {
        let told = |name, value: &str| {
            let head = redact_head(&everything(), "/", &fields(&[(name, value.as_bytes())]));
            head.headers[name].to_str().unwrap().to_owned()
        };
        assert_eq!(told("x-ssn", "523456789"), "[SSN]");
        assert_eq!(told("x-date-of-birth", "1980-01-02"), "[DOB]");
        assert_eq!(told("x-order", "523456789"), "523456789");
        assert_eq!(told("cookie", "a=b; ssn=523456789; c=d"), "a=b; ssn=[SSN]; c=d");
        // A token that is meant for the origin goes there, under whatever name it has its field.
        let token = "wJalrXUtnFEMIK7MDENGbPxRfiCYzEXAMPLEKEY1";
        assert_eq!(told("x-secret-key", token), token);
        for (query, expected) in [
            ("/?ssn=523456789", "/?ssn=%5BSSN%5D"),
            ("/?a=1&user%5Bssn%5D=523456789&b=2", "/?a=1&user%5Bssn%5D=%5BSSN%5D&b=2"),
            ("/?ssn=none&order=523456789", "/?ssn=none&order=523456789"),
        ] {
            assert_eq!(redact_head(&everything(), query, &HeaderMap::new()).path_and_query, expected);
        }
    }

    #[test]
    fn url_and_fields_are_redacted_and_all_else_stays() {
        let headers = fields(&[("x-a", b"one"), ("x-a", b"to jane.doe@corp.example"), ("x-b", b"caf\xe9")]);
        let head = redact_head(&everything(), "/u/jane.doe%40corp.example?q=a+b", &headers);
        assert!(head.path_and_query.starts_with("/u/%5BEMAIL%5D"), "{}", head.path_and_query);
        assert!(head.path_and_query.ends_with("?q=a+b"), "{}", head.path_and_query);
        let values: Vec<&[u8]> = head.headers.get_all("x-a").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(values, [b"one".as_slice(), b"to [EMAIL]"]);
        assert_eq!(head.headers["x-b"].as_bytes(), b"caf\xe9");
        assert_eq!(head.findings.len(), 2);
    }

    #[test]
    fn a_field_that_is_not_utf8_is_scanned_too() {
        let head = redact_head(&everything(), "/", &fields(&[("x-a", b"caf\xe9 jane.doe@corp.example")]));
        assert_eq!(head.findings.len(), 1);
        assert!(!head.headers["x-a"].as_bytes().ends_with(b"corp.example"));
    }

    #[test]
    fn what_cannot_be_looked_into_is_told_wherever_it_stands() {
        let deep =
            (0..4).fold("jane.doe@corp.example".to_owned(), |text, _| data_encoding::BASE64URL.encode(text.as_bytes()));
        let told = |target: &str, headers: &HeaderMap| redact_head(&everything(), target, headers).opaque;
        let none = HeaderMap::new();
        assert_eq!(told(&format!("/{deep}"), &none).map(|(place, _)| place), Some(Place::Url));
        assert_eq!(told(&format!("/?q={deep}"), &none).map(|(place, _)| place), Some(Place::Url));
        let (place, opaque) = told("/", &fields(&[("x-a", deep.as_bytes()), ("x-b", b"plain")])).unwrap();
        assert_eq!(opaque.told_of(Some(&place)), "the header x-a is over a bound: levels of encoding");
        assert_eq!(told("/", &fields(&[("x-a", b"plain")])), None);
    }

    #[test]
    fn the_action_is_the_profiles() {
        let profile = Profile { deny: Detector::AwsKey.into(), ..Profile::default() };
        let head = redact_head(&profile, &format!("/?k={KEY}"), &HeaderMap::new());
        assert_eq!(head.findings[0].action, Action::Deny);
        let head = redact_head(&Profile::default(), &format!("/?k={KEY}"), &HeaderMap::new());
        assert!(head.findings.is_empty());
    }
}
