//! Requests that carry a signature: what would have to be redacted in them is never sent with the signature broken.

use aegis_dlp::DetectorSet;
use aegis_policy::{Decision, Denial, DenialKind, OnSigned, Permit};
use aegis_tools::{Signed, signed};
use bytes::Bytes;
use http::header::CONTENT_ENCODING;

use crate::flow::decide::Permitted;
use crate::flow::inspect::{Head, Payload};
use crate::flow::look::Rules;
use crate::flow::refusal::Refusal;

/// A signature over a request in which something may be changed.
pub struct Signature {
    signed: Signed,
    /// The body as it came, where it is there.
    body: Option<Bytes>,
}

impl Signature {
    /// Of a request, where it has one and the permit may change something.
    #[must_use]
    pub fn of(head: &Head, payload: &Payload, permit: &Permit) -> Option<Self> {
        let profile = permit.profile();
        if profile.is_empty() || !profile.enforces() {
            return None;
        }
        let signed = signed(head.query.as_deref(), &head.headers);
        let body = match payload {
            Payload::Whole(bytes) => Some(bytes.clone()),
            Payload::Empty | Payload::Streaming(_) | Payload::TooLarge => None,
        };
        signed.is_signed().then_some(Self { signed, body })
    }

    /// A body that streams is gone before its end is known: what would be redacted in it stops it instead.
    ///
    /// # Errors
    /// The denial of one that would be changed in any case: decoded, or without its attachments.
    pub fn stream(&self, head: &Head, permit: &Permit, mut rules: Rules) -> Result<Rules, Refusal> {
        if !self.signed.body {
            return Ok(rules);
        }
        if head.headers.contains_key(CONTENT_ENCODING) || !rules.profile.content().attachments.is_empty() {
            return Err(self.denial(permit, "its body could not be inspected without changing it").into());
        }
        let profile = &mut rules.profile;
        profile.deny = profile.deny.union(profile.redact);
        profile.redact = DetectorSet::EMPTY;
        Ok(rules)
    }

    /// The request as it may be sent.
    ///
    /// # Errors
    /// The denial, or that a human has to approve, where something that is signed was changed.
    pub fn unbroken(&self, head: &Head, permitted: Permitted) -> Result<Permitted, Refusal> {
        let target = match &head.query {
            Some(query) => {
                permitted.path_and_query.strip_prefix(head.path.as_str()) == Some(format!("?{query}").as_str())
            }
            None => permitted.path_and_query == head.path,
        };
        let head_changed = self.signed.head && !(target && permitted.headers == head.headers);
        let body_changed = match (&self.body, &permitted.payload) {
            (Some(before), Payload::Whole(after)) => self.signed.body && before != after,
            _ => false,
        };
        if head_changed || body_changed {
            let what = if body_changed {
                "data in its body has to be redacted"
            } else {
                "data in its head has to be redacted"
            };
            let denial = self.denial(&permitted.permit, what);
            return Err(Refusal { findings: permitted.findings, ..denial.into() });
        }
        Ok(permitted)
    }

    fn denial(&self, permit: &Permit, why: &str) -> Denial {
        let by = self.signed.by.unwrap_or("a signature");
        let reason = format!("the request is signed ({by}), and {why}: the signature would be broken");
        let denial = Denial::new(DenialKind::Policy, reason, permit.policy_version());
        let (rule, tool) = (permit.rule().map(str::to_owned), permit.tool().map(str::to_owned));
        let denial = Denial { rule, tool, ..denial }.next("Take the data out before the request is signed.");
        match permit.handling().signed {
            OnSigned::Deny => denial,
            OnSigned::ApprovalNeeded => Denial { decision: Decision::ApprovalNeeded, ..denial },
        }
    }
}
