//! What all layers of one stream share: the rules, what was found, and what may still unfold.

use crate::finding::{Finding, Findings, Place};
use crate::{ContentRules, DetectorSet, Joined, Profile, Unreadable};

use super::outcome::{Deed, Opaque, Reason, Remark, Why};

/// What a layer of a stream gives: it goes on, or stops for good.
pub(crate) type Step = Result<(), Why>;

/// Remarks of one stream; further ones are left out.
const MAX_REMARKS: usize = 64;

/// Unfolded bytes after which the ratio counts: little content is often nothing but repetition.
const RATIO_FROM: u64 = 1024 * 1024;
/// Bytes that one byte may unfold to, beyond [`RATIO_FROM`]. Logs and JSON of many like records reach 50.
pub(crate) const MAX_RATIO: u64 = 250;

/// What all layers of one stream share.
pub(crate) struct Content {
    /// As the rule says.
    pub(crate) profile: Profile,
    /// For what can be read but not rewritten: what would be redacted stops the stream.
    pub(crate) fixed: Profile,
    /// Something came in that was in nothing that it decoded to, and did not go out.
    pub(crate) hidden: bool,
    findings: Findings,
    remarks: Vec<Remark>,
    /// Bytes that came in, before anything was unfolded.
    taken: u64,
    unfolded: u64,
    unfolded_most: u64,
}

impl Content {
    pub(crate) fn new(profile: &Profile) -> Self {
        Content {
            profile: profile.clone(),
            fixed: fixed(profile),
            hidden: false,
            findings: Findings::default(),
            remarks: Vec::new(),
            taken: 0,
            unfolded: 0,
            unfolded_most: profile.content().unfolded,
        }
    }

    pub(crate) fn rules(&self) -> &ContentRules {
        self.profile.content()
    }

    pub(crate) fn findings(&self) -> &[Finding] {
        self.findings.as_slice()
    }

    pub(crate) fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// Counts what came in.
    pub(crate) fn take(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(bytes as u64);
    }

    /// Counts what was unfolded, and refuses what grows too much: a bomb.
    pub(crate) fn unfold(&mut self, bytes: usize) -> Result<(), Reason> {
        self.unfolded = self.unfolded.saturating_add(bytes as u64);
        if self.unfolded > self.unfolded_most {
            return Err(Reason::TooLarge("it unfolds to more bytes than the rule allows"));
        }
        if self.unfolded > RATIO_FROM && self.unfolded / MAX_RATIO > self.taken {
            return Err(Reason::TooLarge("it unfolds to more than 250 times its size"));
        }
        Ok(())
    }

    /// Takes over what a scanner found in what `path` names; the empty path is the body.
    pub(crate) fn found(&mut self, found: Vec<Finding>, path: &str) {
        for mut finding in found {
            if let (Place::Body { path: inner, .. }, false) = (&mut finding.place, path.is_empty()) {
                *inner = Some(join(path, inner.as_deref()));
            }
            self.findings.merge(finding);
        }
    }

    /// Takes over what was found in a record together with those before it; gives the record as it goes on, where it changes.
    pub(crate) fn joined(&mut self, joined: Joined, path: &str) -> Result<Option<Vec<u8>>, Why> {
        if !joined.findings.is_empty() {
            self.found(joined.findings, path);
        }
        match joined.stopped {
            Some(Why::Opaque(opaque)) => Err(Why::Opaque(Opaque { path: join(path, Some("joined")), ..opaque })),
            Some(why) => Err(why),
            None => Ok(joined.changed),
        }
    }

    /// What becomes of content that cannot be read: a stop, or where the rule lets it pass, a remark.
    pub(crate) fn opaque(&mut self, reason: Reason, path: &str) -> Step {
        let approvable = match self.rules().unreadable {
            Unreadable::Pass => {
                self.remark(Deed::Unread, reason, path);
                return Ok(());
            }
            Unreadable::Approve => true,
            Unreadable::Deny => false,
        };
        Err(Why::Opaque(Opaque { reason, approvable, path: path.into() }))
    }

    pub(crate) fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings).into_vec()
    }

    pub(crate) fn take_remarks(&mut self) -> Vec<Remark> {
        std::mem::take(&mut self.remarks)
    }

    /// A file that the rule does not let out, because of its type, name or size.
    pub(crate) fn attachment(&self, which: &'static str, path: &str) -> Why {
        Why::Opaque(Opaque { reason: Reason::Attachment(which), approvable: false, path: path.into() })
    }

    /// A stop also where the rule lets unreadable content pass: part of it has left in another form already.
    pub(crate) fn broken(&self, reason: Reason, path: &str) -> Why {
        let approvable = self.rules().unreadable == Unreadable::Approve;
        Why::Opaque(Opaque { reason, approvable, path: path.into() })
    }

    pub(crate) fn remark(&mut self, deed: Deed, reason: Reason, path: &str) {
        if self.remarks.len() < MAX_REMARKS {
            self.remarks.push(Remark { deed, reason, path: path.into() });
        }
    }
}

/// The path of something within what `path` names.
pub(crate) fn join(path: &str, inner: Option<&str>) -> Box<str> {
    match inner {
        Some(inner) if path.is_empty() => inner.into(),
        Some(inner) => format!("{path}!{inner}").into(),
        None => path.into(),
    }
}

/// The profile for content that cannot be rewritten. What would be redacted is denied, or asked for where the
/// rule has unreadable content asked for: it was found, so it never just passes.
fn fixed(profile: &Profile) -> Profile {
    let redact = profile.redact.difference(profile.deny).difference(profile.approve);
    let mut fixed = Profile { redact: DetectorSet::EMPTY, ..profile.clone() };
    match profile.content().unreadable {
        Unreadable::Approve => fixed.approve = fixed.approve.union(redact),
        Unreadable::Deny | Unreadable::Pass => fixed.deny = fixed.deny.union(redact),
    }
    fixed
}

/// Whether a profile may change what it lets pass.
pub(crate) fn rewrites(profile: &Profile) -> bool {
    // Asked for each body: what is denied or held for a human is not redacted.
    let redacts = !profile.redact.difference(profile.deny.union(profile.approve)).is_empty();
    redacts || !profile.content().attachments.strip.is_empty()
}
