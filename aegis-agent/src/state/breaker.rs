//! Keeps requests from waiting for a server that does not answer: after a few failures in a row nobody asks it any more, until the probe that runs
//! beside them was answered.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// Failures in a row after which it opens.
const FAILURES: u32 = 3;

#[derive(Debug, Default)]
pub(super) struct Breaker {
    open: AtomicBool,
    failures: AtomicU32,
}

impl Breaker {
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Relaxed)
    }

    /// A request was answered. One that was sent long ago says nothing of now, so it does not close.
    pub(super) fn answered(&self) {
        // The line stays shared between cores as long as all goes well.
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }

    /// A request or the probe failed; says whether that opened it.
    pub(super) fn failed(&self) -> bool {
        let failures = self.failures.fetch_add(1, Relaxed).saturating_add(1);
        failures >= FAILURES && !self.open.swap(true, Relaxed)
    }

    /// The probe was answered; says whether that closed it.
    pub(super) fn probed(&self) -> bool {
        self.failures.store(0, Relaxed);
        self.open.swap(false, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_failures_in_a_row_and_closes_by_the_probe_only() {
        let breaker = Breaker::default();
        assert!(!breaker.failed() && !breaker.failed());
        breaker.answered();
        assert!(!breaker.failed() && !breaker.failed() && !breaker.is_open());
        assert!(breaker.failed() && breaker.is_open());
        assert!(!breaker.failed(), "told once");
        breaker.answered();
        assert!(breaker.is_open(), "a late answer does not close it");
        assert!(breaker.probed() && !breaker.is_open() && !breaker.probed());
    }
}
