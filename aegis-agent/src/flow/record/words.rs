//! Decisions, findings and what the agent chose, in the words of a record: nothing sensitive, nothing made up.

use aegis_audit::{Draft, FindingEntry};
use aegis_dlp::{DetectorSet, Finding, Place, Profile, scan_text, scan_url};
use aegis_policy::{Decision, Mode};
use http::Method;

/// The decision in the record's own words.
#[must_use]
pub fn written(decision: Decision) -> aegis_audit::Decision {
    match decision {
        Decision::Allow => aegis_audit::Decision::Allow,
        Decision::Deny => aegis_audit::Decision::Deny,
        Decision::Sanitize => aegis_audit::Decision::Sanitize,
        Decision::ApprovalNeeded => aegis_audit::Decision::ApprovalNeeded,
    }
}

pub(super) fn written_mode(mode: Mode) -> aegis_audit::Mode {
    match mode {
        Mode::Enforce => aegis_audit::Mode::Enforce,
        Mode::Shadow => aegis_audit::Mode::Shadow,
    }
}

pub(super) fn entries(findings: &[Finding]) -> Vec<FindingEntry> {
    findings.iter().map(entry).collect()
}

fn entry(finding: &Finding) -> FindingEntry {
    let place = match &finding.place {
        // The name is the agent's choice, as the value is.
        Place::Header(name) => Place::Header(safe_text(name)).record(),
        place => place.record(),
    };
    FindingEntry {
        detector: finding.detector.name().to_owned(),
        action: finding.action.name().to_owned(),
        place,
        confidence: finding.confidence.name().to_owned(),
        count: finding.count,
    }
}

/// Everything that the scanner knows: the record gets none of it, whatever the rule said of forwarding it.
static ALL: Profile = Profile::redacting(DetectorSet::ALL);

/// A path may carry data too.
pub(in crate::flow) fn safe_path(path: &str) -> String {
    scan_url(&ALL, path).text.into_owned()
}

/// Host names, reasons, errors and the path of its own executable hold words that the agent chose.
pub(super) fn redact(draft: &mut Draft) {
    for chosen in [&mut draft.host, &mut draft.tool, &mut draft.error].into_iter().flatten() {
        *chosen = safe_text(chosen);
    }
    draft.exe = safe_text(&draft.exe);
    draft.reason = safe_text(&draft.reason);
}

pub(in crate::flow) fn safe_text(text: &str) -> String {
    scan_text(&ALL, Place::Url, text).text.into_owned()
}

/// The method, if it is one: an extension method may be any word, and so any data.
pub(in crate::flow) fn method_word(method: &Method) -> &str {
    match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH" | "TRACE" | "CONNECT"
        | "PROPFIND" | "REPORT" | "MKCOL" | "COPY" | "MOVE" | "LOCK" | "UNLOCK" | "SEARCH") => known,
        _ => "OTHER",
    }
}

/// Trace and span of a `traceparent` (W3C Trace Context, section 3.2): `00-<32 hex>-<16 hex>-<2 hex>`.
pub(super) fn trace_parent(text: &str) -> Option<(&str, [u8; 8])> {
    let mut parts = text.split('-').skip(1);
    let (trace, span) = (parts.next()?, parts.next()?);
    let hex = |id: &str, length: usize| {
        id.len() == length
            && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
            && id.bytes().any(|byte| byte != b'0')
    };
    let span = u64::from_str_radix(span, 16).ok().filter(|_| hex(span, 16))?;
    hex(trace, 32).then_some((trace, span.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_traceparent_is_taken_up() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let good = format!("00-{trace}-00f067aa0ba902b7-01");
        assert_eq!(trace_parent(&good), Some((trace, [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7])));
        for bad in
            ["", "00", "00-xyz-00f067aa0ba902b7-01", &format!("00-{trace}"), &format!("00-{trace}-0000000000000000-01")]
        {
            assert_eq!(trace_parent(bad), None, "{bad}");
        }
        assert_eq!(trace_parent(&format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32))), None);
    }

    #[test]
    fn what_the_agent_chose_is_redacted_in_the_record() {
        assert_eq!(
            safe_text("host 536-22-8741.evil.test is not in the policy"),
            "host [SSN].evil.test is not in the policy"
        );
        assert!(!safe_path("/users/jane.doe@example.com").contains("jane"));
        let ssn = "an-536-22-8741";
        let field = |name: &str| Finding {
            detector: aegis_dlp::Detector::Email,
            action: aegis_dlp::Action::Report,
            confidence: aegis_dlp::Confidence::High,
            place: Place::Header(name.to_owned()),
            count: 1,
        };
        assert_eq!(entry(&field(ssn)).place, "header:an-[SSN]");
        let mut draft = Draft { error: Some(ssn.to_owned()), exe: format!("/tmp/{ssn}"), ..Draft::default() };
        redact(&mut draft);
        assert_eq!((draft.error.as_deref(), draft.exe.as_str()), (Some("an-[SSN]"), "/tmp/an-[SSN]"));
        assert_eq!(method_word(&Method::from_bytes(b"SECRETWORD").unwrap_or_default()), "OTHER");
    }
}
