//! Where the two bodies of an exchange meet again: the record is written when both have ended.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::StatusCode;

use super::body::Tally;
use super::record::Recorder;

/// The end of a permitted exchange: when the last of its two bodies is dropped, the record is written. An origin may answer
/// before it has read the request, and what still flows to it then belongs into the record.
pub struct Ending {
    recorder: Mutex<Option<Box<Recorder>>>,
    tally: Arc<Tally>,
    response: OnceLock<Result<(), String>>,
}

impl Ending {
    #[must_use]
    pub fn new(recorder: Box<Recorder>) -> Self {
        let tally = Arc::clone(recorder.tally());
        Self { recorder: Mutex::new(Some(recorder)), tally, response: OnceLock::new() }
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
        match self.response.get() {
            Some(Ok(())) => recorder.complete(),
            Some(Err(why)) => recorder.failed(why),
            None => drop(recorder),
        }
    }
}
