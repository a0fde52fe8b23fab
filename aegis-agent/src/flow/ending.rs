//! Where the two bodies of an exchange meet again: the record is written when both have ended.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Context;

use http::StatusCode;

use super::body::Tally;
use super::record::Recorder;
use super::standing::{Ongoing, Side};

/// The end of a permitted exchange: when the last of its two bodies is dropped, the record is written. An origin may answer
/// before it has read the request, and what still flows to it then belongs into the record.
pub struct Ending {
    recorder: Mutex<Option<Box<Recorder>>>,
    tally: Arc<Tally>,
    response: OnceLock<Result<(), String>>,
    ongoing: Arc<Ongoing>,
    /// Why a body was cut off, where one was.
    cut: OnceLock<String>,
}

impl Ending {
    #[must_use]
    pub fn new(recorder: Box<Recorder>, ongoing: Arc<Ongoing>) -> Self {
        let tally = Arc::clone(recorder.tally());
        let recorder = Mutex::new(Some(recorder));
        Self { recorder, tally, response: OnceLock::new(), ongoing, cut: OnceLock::new() }
    }

    #[must_use]
    pub fn ongoing(&self) -> &Ongoing {
        &self.ongoing
    }

    /// Why the body of `side` must not go on, where it must not; it is woken when that happens later.
    pub fn poll_cut(&self, side: Side, cx: &Context<'_>) -> Option<String> {
        let denial = self.ongoing.poll_cut(side, cx)?;
        Some(self.cut.get_or_init(|| denial.reason.clone()).clone())
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

    /// The response's last byte is on its way.
    pub fn response_complete(&self) {
        let _ = self.response.set(Ok(()));
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
