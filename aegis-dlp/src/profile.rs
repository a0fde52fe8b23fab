//! What a policy wants done with which kind of data.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::content::{ContentRules, ResponseRules, Unreadable};
use crate::descriptor::{Descriptors, MessageType};
use crate::mask::{Mask, MaskKey, Masks};
use crate::own::OwnDetectors;
use crate::{Detector, DetectorSet};

/// What happens to a match; the stricter is the greater.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, Ord, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The match passes and is recorded.
    Report,
    /// The match is replaced by a mask.
    Redact,
    /// The match and all that follows is withheld until a human approves.
    Approve,
    /// The match and all that follows is withheld.
    Deny,
}

impl Action {
    /// Every action, the mildest first.
    pub const ALL: [Action; 4] = [Action::Report, Action::Redact, Action::Approve, Action::Deny];

    /// As policies and records write it.
    pub const fn name(self) -> &'static str {
        match self {
            Action::Report => "report",
            Action::Redact => "redact",
            Action::Approve => "approve",
            Action::Deny => "deny",
        }
    }

    /// The action of this name.
    pub fn parse(name: &str) -> Option<Action> {
        Action::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// The detectors at work, by what a match of theirs leads to, and how content is treated. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// Replaced by a mask.
    pub redact: DetectorSet,
    /// Stops the request.
    pub deny: DetectorSet,
    /// Stops the request until a human approves.
    pub approve: DetectorSet,
    /// Recorded only.
    pub report: DetectorSet,
    /// What a rule says beyond this; `None` where it says nothing.
    pub details: Option<Arc<Details>>,
    /// The key of the tenant's tokens; without it a token becomes the plain typed mask.
    pub key: Option<MaskKey>,
    /// Nothing is changed or stopped, whatever the details say: shadow mode.
    pub observing: bool,
}

/// What a rule says beyond which detector leads to what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// What stands in the place of matches.
    pub masks: Masks,
    /// What becomes of attachments, of what cannot be read, and of responses.
    pub content: ContentRules,
    /// The detectors that the policies declare; those that are at work stand in the profile's sets.
    pub own: OwnDetectors,
    /// What protocol buffers are called.
    pub descriptors: Descriptors,
    /// The type of a request whose body is a message of protocol buffers; `None` where its head says it, or nobody.
    pub message: Option<MessageType>,
    /// The agent is told in the response how much was replaced.
    pub tell: bool,
}

static PLAIN: Details = Details {
    masks: Masks::TYPED,
    content: ContentRules::plain(Unreadable::Deny),
    own: OwnDetectors::NONE,
    descriptors: Descriptors::NONE,
    message: None,
    tell: false,
};
/// In shadow.
static OBSERVING: ContentRules = ContentRules::plain(Unreadable::Pass);

impl Profile {
    /// A profile that replaces what these detectors match.
    pub const fn redacting(redact: DetectorSet) -> Profile {
        Profile { redact, ..Profile::NONE }
    }

    /// Nothing is looked for.
    pub const NONE: Profile = Profile {
        redact: DetectorSet::EMPTY,
        deny: DetectorSet::EMPTY,
        approve: DetectorSet::EMPTY,
        report: DetectorSet::EMPTY,
        details: None,
        key: None,
        observing: false,
    };

    /// What a match of `detector` leads to, the strictest of what is said of it; `None` where the detector is not at work.
    pub fn action(&self, detector: Detector) -> Option<Action> {
        if self.deny.contains(detector) {
            Some(Action::Deny)
        } else if self.approve.contains(detector) {
            Some(Action::Approve)
        } else if self.redact.contains(detector) {
            Some(Action::Redact)
        } else {
            self.report.contains(detector).then_some(Action::Report)
        }
    }

    /// Every detector at work.
    pub fn detectors(&self) -> DetectorSet {
        self.redact.union(self.deny).union(self.approve).union(self.report)
    }

    /// Those of which a match is more than recorded.
    pub(crate) fn acting(&self) -> DetectorSet {
        self.redact.union(self.deny).union(self.approve)
    }

    /// Whether nothing is asked of what is sent, so that content passes unread.
    pub fn is_empty(&self) -> bool {
        self.detectors().is_empty() && self.content().attachments.is_empty()
    }

    /// Whether anything can be changed or stopped, so that what cannot be read must not pass unasked.
    pub fn enforces(&self) -> bool {
        let changes = !(self.redact.is_empty() && self.deny.is_empty() && self.approve.is_empty());
        !self.observing && changes || !self.content().attachments.is_empty()
    }

    /// The same detectors, only reporting: what shadow mode runs.
    #[must_use]
    pub fn report_only(&self) -> Profile {
        Profile { report: self.detectors(), details: self.details.clone(), observing: true, ..Profile::NONE }
    }

    /// The same where nothing can be replaced: what would be changed or held for a human stops the stream.
    pub(crate) fn stop_or_report(&self) -> Profile {
        Profile { deny: self.acting(), redact: DetectorSet::EMPTY, approve: DetectorSet::EMPTY, ..self.clone() }
    }

    /// The same for these detectors alone.
    #[must_use]
    pub fn only(&self, set: DetectorSet) -> Profile {
        let both = |own: DetectorSet| own.difference(own.difference(set));
        Profile {
            redact: both(self.redact),
            deny: both(self.deny),
            approve: both(self.approve),
            report: both(self.report),
            ..self.clone()
        }
    }

    /// The same with the key of a tenant, where a mask needs it.
    #[must_use]
    pub fn keyed(self, key: impl FnOnce() -> Option<MaskKey>) -> Profile {
        let key = if self.wants_key() { key() } else { None };
        Profile { key, ..self }
    }

    /// Whether a mask needs a key.
    pub fn wants_key(&self) -> bool {
        !self.observing && self.details().masks.has_tokens()
    }

    /// What stands in the place of what `detector` matched.
    pub fn mask(&self, detector: Detector) -> Mask {
        self.details().masks.of(detector)
    }

    /// The text for a redacted match. It has no character that JSON, XML, CSV or a header value escapes, and is no match itself.
    pub fn replacement(&self, detector: Detector, matched: &[u8]) -> Cow<'static, str> {
        self.mask(detector).text(detector, matched, self.key.as_ref())
    }

    /// What becomes of attachments and of what cannot be read. In shadow: nothing.
    pub fn content(&self) -> &ContentRules {
        if self.observing { &OBSERVING } else { &self.details().content }
    }

    /// What responses are looked through for.
    pub fn responses(&self) -> Option<&ResponseRules> {
        self.details().content.responses.as_ref()
    }

    /// The profile for the response to what this one is for; `None` where responses pass unread.
    pub fn of_response(&self) -> Option<Profile> {
        let rules = self.responses()?;
        let profile = Profile {
            redact: rules.redact,
            deny: rules.deny,
            approve: DetectorSet::EMPTY,
            report: rules.report,
            ..self.clone()
        };
        Some(if self.observing { profile.report_only() } else { profile })
    }

    /// The detectors that the policies declare.
    pub fn own(&self) -> &OwnDetectors {
        &self.details().own
    }

    /// What protocol buffers are called.
    pub fn descriptors(&self) -> &Descriptors {
        &self.details().descriptors
    }

    /// The type of a request's body, where the rule says it.
    pub(crate) fn message(&self) -> Option<&MessageType> {
        self.details().message.as_ref()
    }

    /// Whether the agent is told in the response how much was replaced.
    pub fn tell(&self) -> bool {
        self.details().tell && !self.observing
    }

    fn details(&self) -> &Details {
        self.details.as_deref().unwrap_or(&PLAIN)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::content::Attachments;

    #[test]
    fn the_strictest_action_wins() {
        let all = DetectorSet::ALL;
        let approve = [Detector::Ssn, Detector::AwsKey].into_iter().collect();
        let profile = Profile { redact: all, deny: Detector::Ssn.into(), approve, report: all, ..Profile::default() };
        assert_eq!(profile.action(Detector::Ssn), Some(Action::Deny));
        assert_eq!(profile.action(Detector::AwsKey), Some(Action::Approve));
        assert_eq!(profile.action(Detector::Email), Some(Action::Redact));
        assert_eq!(profile.report_only().action(Detector::Ssn), Some(Action::Report));
        assert_eq!(Profile::default().action(Detector::Ssn), None);
        assert!(Action::ALL.is_sorted() && Action::ALL.iter().all(|one| Action::parse(one.name()) == Some(*one)));
    }

    #[test]
    fn only_some_of_them() {
        let profile = Profile { deny: Detector::Ssn.into(), ..Profile::redacting(DetectorSet::ALL) };
        let personal = profile.only(DetectorSet::PII);
        assert_eq!(personal.action(Detector::Ssn), Some(Action::Deny));
        assert_eq!(personal.action(Detector::Email), Some(Action::Redact));
        assert_eq!(personal.action(Detector::AwsKey), None);
    }

    #[test]
    fn in_shadow_content_passes() {
        let attachments =
            Attachments { deny: crate::Attachment { over: Some(1), ..Default::default() }, ..Default::default() };
        let content = ContentRules { attachments, ..ContentRules::default() };
        let details = Some(Arc::new(Details { content, ..Details::default() }));
        let profile = Profile { details, ..Profile::default() };
        assert!(!profile.is_empty() && profile.enforces());
        assert_eq!(profile.content().unreadable, Unreadable::Deny);
        let shadow = profile.report_only();
        assert!(shadow.is_empty() && !shadow.enforces());
        assert_eq!(shadow.content().unreadable, Unreadable::Pass);
    }

    #[test]
    fn responses_have_detectors_of_their_own() {
        let responses = ResponseRules { deny: DetectorSet::SECRETS, ..ResponseRules::default() };
        let content = ContentRules { responses: Some(responses), ..ContentRules::default() };
        let details = Some(Arc::new(Details { content, ..Details::default() }));
        let profile = Profile { details, ..Profile::redacting(DetectorSet::PII) };
        let back = profile.of_response().unwrap();
        assert_eq!((back.action(Detector::AwsKey), back.action(Detector::Email)), (Some(Action::Deny), None));
        let shadow = profile.report_only().of_response().unwrap();
        assert_eq!(shadow.action(Detector::AwsKey), Some(Action::Report));
        assert_eq!(Profile::redacting(DetectorSet::PII).of_response(), None);
    }
}
