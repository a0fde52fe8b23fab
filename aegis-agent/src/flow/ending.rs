//! Where the two bodies of an exchange meet again: the record is written when both have ended.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Context;

use aegis_audit::FindingEntry;
use aegis_dlp::{Action, Finding};
use aegis_policy::{Denial, Grant};
use http::{HeaderValue, StatusCode};

use super::record::Recorder;
use super::standing::{Ongoing, Side};
use super::stop::Stop;
use super::tally::Tally;

/// The end of a permitted exchange: when the last of its two bodies is dropped, the record is written. An origin may answer
/// before it has read the request, and what still flows to it then belongs into the record.
pub struct Ending {
    recorder: Mutex<Option<Box<Recorder>>>,
    tally: Arc<Tally>,
    response: OnceLock<Result<(), String>>,
    ongoing: Arc<Ongoing>,
    grant: Arc<Grant>,
    /// What was redacted, and what was taken out, before anything was sent.
    removed: OnceLock<(Vec<Finding>, Vec<FindingEntry>)>,
    /// Why a body was cut off, where one was.
    cut: OnceLock<String>,
}

impl Ending {
    #[must_use]
    pub fn new(recorder: Box<Recorder>, ongoing: Arc<Ongoing>, grant: Arc<Grant>) -> Self {
        let tally = Arc::clone(recorder.tally());
        let recorder = Mutex::new(Some(recorder));
        Self {
            recorder,
            tally,
            response: OnceLock::new(),
            ongoing,
            grant,
            removed: OnceLock::new(),
            cut: OnceLock::new(),
        }
    }

    #[must_use]
    pub fn ongoing(&self) -> &Ongoing {
        &self.ongoing
    }

    /// What the exchange was permitted with.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Notes what was found in head and body before anything was sent.
    pub fn removed_already(&self, findings: &[Finding], notes: &[FindingEntry]) {
        if self.grant.profile.tell() && !(findings.is_empty() && notes.is_empty()) {
            let _ = self.removed.set((findings.to_vec(), notes.to_vec()));
        }
    }

    /// What was redacted or taken out so far, where the rule has it told: `attachment=1, email=1, ssn=2`.
    #[must_use]
    pub fn removed(&self) -> Option<HeaderValue> {
        if !self.grant.profile.tell() {
            return None;
        }
        let (before, noted) = self.removed.get().map(|(found, noted)| (&found[..], &noted[..])).unwrap_or_default();
        let (later, noted_later) = (self.tally.findings(), self.tally.notes());
        let found = before.iter().chain(&later).filter(|finding| finding.action == Action::Redact);
        let taken = noted.iter().chain(&noted_later).filter(|note| note.action == Action::Redact.name());
        let mut counts = BTreeMap::<&str, u64>::new();
        for (name, count) in found
            .map(|finding| (finding.detector.name(), finding.count))
            .chain(taken.map(|note| (note.detector.as_str(), note.count)))
        {
            *counts.entry(name).or_default() += count;
        }
        let told: Vec<String> = counts.iter().map(|(name, count)| format!("{name}={count}")).collect();
        if told.is_empty() { None } else { HeaderValue::from_str(&told.join(", ")).ok() }
    }

    /// Content was found that must not go on: both directions end, and the record says why. The first stop counts.
    pub fn stop(&self, stop: &Stop) {
        self.tally.stop(stop.denial(&self.grant));
        self.ongoing.wake();
    }

    /// The denial of what was stopped on its way, where something was.
    #[must_use]
    pub fn stopped(&self) -> Option<&Denial> {
        self.tally.stopped()
    }

    /// Why the body of `side` must not go on, where it must not; it is woken when that happens later.
    pub fn poll_cut(&self, side: Side, cx: &Context<'_>) -> Option<String> {
        if let Some(denial) = self.ongoing.poll_cut(side, cx) {
            return Some(self.cut.get_or_init(|| denial.reason.clone()).clone());
        }
        self.stopped().map(|denial| denial.reason.clone())
    }

    #[must_use]
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// The recorder, to end it another way.
    pub fn take(&self) -> Option<Box<Recorder>> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The origin's status.
    pub fn status(&self, status: StatusCode) {
        if let Some(recorder) = self.recorder.lock().unwrap_or_else(PoisonError::into_inner).as_mut()
            && let Some(draft) = recorder.draft()
        {
            draft.status = Some(status.as_u16());
        }
    }

    /// The exchange has become a WebSocket.
    pub fn websocket(&self) {
        if let Some(recorder) = self.recorder.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            recorder.websocket();
        }
    }

    /// The response's last byte is on its way.
    pub fn response_complete(&self) {
        let _ = self.response.set(Ok(()));
        self.ongoing.answered();
    }

    /// The response broke off.
    pub fn response_failed(&self, why: &str) {
        let _ = self.response.set(Err(why.to_owned()));
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let Some(mut recorder) = self.take() else { return };
        match (self.cut.get(), self.response.get()) {
            (Some(why), _) | (None, Some(Err(why))) => recorder.failed(why),
            (None, Some(Ok(()))) => recorder.complete(),
            (None, None) => drop(recorder),
        }
    }
}
