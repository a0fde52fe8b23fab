//! Decisions, findings and what the agent chose, in the words of a record: nothing sensitive, nothing made up.

use std::borrow::Cow;

use aegis_audit::{Draft, FindingEntry};
use aegis_dlp::{Finding, Place, Profile, masked, scan_url};
use aegis_policy::{Decision, Denial, Mode, Snapshot};
use http::Method;

use crate::flow::refusal::Refusal;

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

/// Takes out of what is written everything that a detector knows, a tenant's own included, whatever the rule said of
/// forwarding it.
#[derive(Clone, Debug)]
pub struct Masks(Profile);

impl Masks {
    /// What the policies of a snapshot know.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        Self(snapshot.everything().clone())
    }

    /// What is masked.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.0
    }

    /// Text that the agent or the other side chose.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        masked(&self.0, text).into_owned()
    }

    /// The same, where it stands: most texts hold nothing and stay what they are.
    fn mask(&self, text: &mut String) {
        if let Cow::Owned(masked) = masked(&self.0, text) {
            *text = masked;
        }
    }

    /// A path may carry data too.
    #[must_use]
    pub fn path(&self, path: &str) -> String {
        scan_url(&self.0, path).text.into_owned()
    }

    pub(super) fn entries(&self, findings: &[Finding]) -> Vec<FindingEntry> {
        findings.iter().map(|finding| self.entry(finding)).collect()
    }

    fn entry(&self, finding: &Finding) -> FindingEntry {
        FindingEntry {
            detector: finding.detector.name().to_owned(),
            action: finding.action.name().to_owned(),
            place: self.place(&finding.place).record(),
            confidence: finding.confidence.name().to_owned(),
            count: finding.count,
        }
    }

    /// Names of header fields, keys and files are the agent's choice, as values are.
    fn place(&self, place: &Place) -> Place {
        place.map_names(|name| self.text(name))
    }

    /// Host names, reasons, errors and the path of its own executable hold words that the agent chose.
    pub fn redact(&self, draft: &mut Draft) {
        for chosen in [&mut draft.host, &mut draft.tool, &mut draft.error].into_iter().flatten() {
            self.mask(chosen);
        }
        self.mask(&mut draft.exe);
        self.mask(&mut draft.reason);
        for finding in &mut draft.findings {
            finding.place = self.place(&Place::parse(&finding.place)).record();
        }
    }

    /// A refusal as it is told: clients write down what they are told.
    pub(super) fn refusal(&self, refusal: &Refusal) -> Refusal {
        let denial = Denial {
            reason: self.text(&refusal.denial.reason),
            tool: refusal.denial.tool.as_deref().map(|tool| self.text(tool)),
            next_steps: refusal.denial.next_steps.iter().map(|step| self.text(step)).collect(),
            ..(*refusal.denial).clone()
        };
        let place = |finding: &Finding| Finding { place: self.place(&finding.place), ..finding.clone() };
        let findings = refusal.findings.iter().map(place).collect();
        Refusal { denial: Box::new(denial), status: refusal.status, findings }
    }
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
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use aegis_policy::DenialKind;

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

    fn masks(detectors: &str) -> Masks {
        let text = format!(
            "{detectors}\npolicies: [{{name: p, agents: ['*'], rules: [{{name: r, hosts: [a.test], decision: allow}}]}}]"
        );
        let source = aegis_policy::Source { name: "p.yaml".into(), text };
        Masks::of(&aegis_policy::compile(&[source]).unwrap_or_else(|problems| panic!("{:#?}", problems.problems())))
    }

    #[test]
    fn what_the_agent_chose_is_redacted_in_the_record() {
        let masks = masks("");
        assert_eq!(
            masks.text("host 536-22-8741.evil.test is not in the policy"),
            "host [SSN].evil.test is not in the policy"
        );
        assert!(!masks.path("/users/jane.doe@example.com").contains("jane"));
        let ssn = "an-536-22-8741";
        let field = |name: &str| Finding {
            detector: aegis_dlp::Detector::Email,
            action: aegis_dlp::Action::Report,
            confidence: aegis_dlp::Confidence::High,
            place: Place::Header(name.to_owned()),
            count: 1,
        };
        assert_eq!(masks.entry(&field(ssn)).place, "header:an-[SSN]");
        let mut draft = Draft { error: Some(ssn.to_owned()), exe: format!("/tmp/{ssn}"), ..Draft::default() };
        masks.redact(&mut draft);
        assert_eq!((draft.error.as_deref(), draft.exe.as_str()), (Some("an-[SSN]"), "/tmp/an-[SSN]"));
        assert_eq!(method_word(&Method::from_bytes(b"SECRETWORD").unwrap_or_default()), "OTHER");
    }

    #[test]
    fn a_tenants_own_values_are_in_nothing_that_is_told() {
        let masks = masks("detectors: [{name: words_ledger, values: [acme-0012-34]}]");
        let place = Place::Body { offset: 3, path: Some("/acme-0012-34/ssn".into()) };
        let finding = Finding {
            detector: aegis_dlp::Detector::Ssn,
            action: aegis_dlp::Action::Deny,
            confidence: aegis_dlp::Confidence::High,
            place,
            count: 1,
        };
        let denial = Denial::new(DenialKind::Policy, "host ACME001234.test is not in the policy", "v1");
        let denial = Denial { tool: Some("acme_0012_34".to_owned()), ..denial }.next("Ask for Acme 0012-34.");
        let told = masks.refusal(&Refusal { findings: vec![finding.clone()], ..denial.into() });
        assert_eq!(told.denial.reason, "host [WORDS_LEDGER].test is not in the policy");
        assert_eq!(told.denial.tool.as_deref(), Some("[WORDS_LEDGER]"));
        assert_eq!(told.denial.next_steps, ["Ask for [WORDS_LEDGER]."]);
        let place = "body:3:/[WORDS_LEDGER]/ssn";
        assert_eq!((told.findings[0].place.record().as_str(), masks.entry(&finding).place.as_str()), (place, place));
        assert_eq!(masks.path("/v1/acme%2D0012%2D34?q=ACME001234"), "/v1/%5BWORDS_LEDGER%5D?q=%5BWORDS_LEDGER%5D");
    }
}
