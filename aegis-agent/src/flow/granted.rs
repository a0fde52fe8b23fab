//! The terms on which something was let through, and whether it may go on where others hold: a policy that asks for more ends what it
//! could not have a look at any more, and nothing else.

use aegis_dlp::{Markers, Profile, Unreadable};
use aegis_policy::{Denial, DenialKind, Handling, Permit, ToolChanges};

/// The terms of a permit that was spent.
#[derive(Clone, Debug, Default)]
pub struct Granted {
    pub(super) private_ok: bool,
    pub(super) profile: Profile,
    pub(super) handling: Handling,
    /// The rule, as `policy/rule`.
    pub(super) rule: Option<String>,
}

/// What still flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flowing {
    /// To the origin. What has wholly gone, or was looked through as a whole before, does not.
    pub out: bool,
    /// To the agent.
    pub back: bool,
}

impl Granted {
    #[must_use]
    pub fn of(permit: &Permit) -> Self {
        let (profile, handling) = (permit.profile().clone(), permit.handling().clone());
        Self { private_ok: permit.private_ok(), profile, handling, rule: permit.rule().map(str::to_owned) }
    }

    /// Whether what flows on these terms may go on where others hold now. It is looked through as its own permit said, to its end.
    ///
    /// # Errors
    /// The denial, where it may not.
    pub fn covers(
        &self,
        (private, profile, handling): (bool, &Profile, &Handling),
        flowing: Flowing,
        version: &str,
    ) -> Result<(), Box<Denial>> {
        if self.private_ok && !private {
            let why = "the rule does not allow private addresses";
            return Err(Denial::new(DenialKind::Policy, why, version).into());
        }
        let compared = |handling: &Handling| (handling.tool_changes, handling.tool_pins.clone());
        let pinned = handling.tool_changes == ToolChanges::Deny && compared(handling) != compared(&self.handling);
        let more = flowing.out && asks_more(profile, &self.profile)
            || flowing.back && (pinned || asks_more_back(profile, &self.profile));
        if more {
            let why = "it is to be looked through in another way now";
            return Err(Denial::new(DenialKind::Policy, why, version).next("Send the request again.").into());
        }
        Ok(())
    }
}

/// Whether `now` stops or changes something that `then` did not, or not so strictly.
fn asks_more(now: &Profile, then: &Profile) -> bool {
    if now.observing || !now.enforces() {
        return false;
    }
    let none = Profile::NONE;
    let then = if then.observing { &none } else { then };
    let (denied, asked) = (then.deny, then.deny.union(then.approve));
    let (content, before) = (now.content(), then.content());
    !now.deny.difference(denied).is_empty()
        || !now.approve.difference(asked).is_empty()
        || !now.redact.difference(asked.union(then.redact)).is_empty()
        || !content.attachments.is_empty() && content.attachments != before.attachments
        || strictness(content.unreadable) > if then.enforces() { strictness(before.unreadable) } else { 0 }
}

fn asks_more_back(now: &Profile, then: &Profile) -> bool {
    let (Some(profile), Some(rules)) = (now.of_response(), now.responses()) else { return false };
    if profile.observing {
        return false;
    }
    let (before, known) = (then.of_response(), then.responses());
    let shorter = |most: u64| known.and_then(|known| known.max_bytes).is_none_or(|before| most < before);
    asks_more(&profile, before.as_ref().unwrap_or(&Profile::NONE))
        || rules.markers == Some(Markers::Deny) && known.and_then(|known| known.markers) != Some(Markers::Deny)
        || rules.max_bytes.is_some_and(shorter)
}

fn strictness(unreadable: Unreadable) -> u8 {
    match unreadable {
        Unreadable::Pass => 0,
        Unreadable::Approve => 1,
        Unreadable::Deny => 2,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use aegis_dlp::{ContentRules, Details, DetectorSet, ResponseRules};

    use super::*;

    fn with(profile: Profile, content: ContentRules) -> Profile {
        Profile { details: Some(Arc::new(Details { content, ..Details::default() })), ..profile }
    }

    #[test]
    fn only_what_is_stricter_is_more() {
        let none = Profile::NONE;
        let masks = Profile { redact: DetectorSet::PII, ..none.clone() };
        let stops = Profile { deny: DetectorSet::PII, ..none.clone() };
        let asks = Profile { approve: DetectorSet::PII, ..none.clone() };
        let other = Profile { redact: DetectorSet::SECRETS, ..none.clone() };
        let lenient = with(masks.clone(), ContentRules { unreadable: Unreadable::Pass, ..ContentRules::default() });
        for (what, then, now, more) in [
            ("nothing", &none, &none, false),
            ("from nothing", &none, &masks, true),
            ("to nothing", &stops, &none, false),
            ("the same", &masks, &masks.clone(), false),
            ("stricter", &masks, &stops, true),
            ("approval for masks", &masks, &asks, true),
            ("denial for approval", &asks, &stops, true),
            ("less strict", &stops, &masks, false),
            ("another kind", &masks, &other, true),
            ("only told of", &none, &masks.report_only(), false),
            ("was only told of", &masks.report_only(), &masks, true),
            ("what cannot be read", &lenient, &masks, true),
            ("what cannot be read may pass", &masks, &lenient, false),
        ] {
            assert_eq!(asks_more(now, then), more, "{what}");
        }
    }

    #[test]
    fn each_direction_counts_while_it_flows() {
        let back = |rules: ResponseRules| {
            with(Profile::NONE, ContentRules { responses: Some(rules), ..ContentRules::default() })
        };
        let secrets = back(ResponseRules { deny: DetectorSet::SECRETS, ..ResponseRules::default() });
        let marked = back(ResponseRules { markers: Some(Markers::Deny), ..ResponseRules::default() });
        let short = |most| back(ResponseRules { max_bytes: Some(most), ..ResponseRules::default() });
        let masks = Profile { redact: DetectorSet::PII, ..Profile::NONE };
        let goes_on = |then: &Profile, now: &Profile, out, back| {
            let granted = Granted { profile: then.clone(), ..Granted::default() };
            granted.covers((false, now, &Handling::default()), Flowing { out, back }, "v").is_ok()
        };
        assert!(goes_on(&Profile::NONE, &masks, false, true), "a request that has gone waits for its answer");
        assert!(!goes_on(&Profile::NONE, &masks, true, false));
        for (then, now, fine) in [
            (&Profile::NONE, &secrets, false),
            (&secrets, &secrets, true),
            (&secrets, &Profile::NONE, true),
            (&secrets, &marked, false),
            (&short(10), &short(20), true),
            (&short(20), &short(10), false),
        ] {
            assert_eq!(goes_on(then, now, false, true), fine, "{then:?} {now:?}");
            assert!(goes_on(then, now, true, false), "{then:?} {now:?}");
        }
    }
}
