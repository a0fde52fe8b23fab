//! Where this host's policy comes from, and how it stands with that: the only thing that loads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::bundles::{Answer, Bundles, Taken};
use super::load::{Loaded, PolicyError, load};
use crate::config::{BundlePlace, Config, Policies};
use crate::telemetry::SourceMetrics;
use crate::tls::{self, TlsError};

/// The longest pause after failures, unless `poll_s` itself is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// How many times `poll_s` a server's `Cache-Control` may put a question off.
const MOST_PATIENCE: u32 = 10;

/// The place that policies come from.
pub struct Origin {
    place: Place,
    seen: Mutex<Seen>,
    /// Held from loading to having put into force: of two at once, the later one wins.
    turn: Mutex<()>,
    metrics: SourceMetrics,
}

enum Place {
    Embedded,
    Files(PathBuf),
    Bundle(Arc<Bundles>),
}

/// How it stands.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Why the last attempt was refused, where it was.
    pub last_error: Option<String>,
    /// Attempts that were refused since the last good one.
    pub failures: u32,
    /// When it was asked last.
    pub checked_at: Option<SystemTime>,
    /// The bundle that was taken last.
    pub taken: Option<Taken>,
    /// For how long the server says that it need not be asked.
    max_age: Option<Duration>,
}

impl Origin {
    /// The place that is configured; nothing is read yet.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(config: &Config, metrics: SourceMetrics) -> Result<Self, TlsError> {
        let place = match &config.policies {
            Policies::Embedded => Place::Embedded,
            Policies::Files(path) => Place::Files(path.clone()),
            Policies::Bundle(source) => {
                let tls = match source.place {
                    BundlePlace::Url(_) => Some(tls::upstream::client_config(&config.upstream)?),
                    BundlePlace::File(_) => None,
                };
                Place::Bundle(Arc::new(Bundles::new(source.clone(), tls, &config.state_dir)))
            }
        };
        Ok(Self { place, seen: Mutex::default(), turn: Mutex::default(), metrics })
    }

    /// The policy to start with. A server is not waited for where an earlier bundle of it is there: it is asked right after.
    ///
    /// # Errors
    /// Every problem of the policy, or why there is none at all.
    pub async fn first(&self, now: SystemTime) -> Result<Loaded, PolicyError> {
        let outcome = match &self.place {
            Place::Bundle(bundles) => bundles.first(now).await,
            Place::Embedded | Place::Files(_) => self.compiled().map(Answer::from),
        };
        self.note(outcome, now).and_then(|loaded| loaded.ok_or_else(|| self.vanished()))
    }

    /// To be held while something is loaded and put into force. Blocks.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a later bundle than that of `serial` was taken meanwhile.
    pub(super) fn is_behind(&self, serial: Option<u64>) -> bool {
        self.lock().taken.as_ref().map(|taken| taken.serial) > serial
    }

    /// Loads now, whether it has changed or not. Blocks: not on a thread of the runtime.
    ///
    /// # Errors
    /// Every problem of the policy.
    pub fn load(&self, now: SystemTime) -> Result<Loaded, PolicyError> {
        let outcome = match &self.place {
            Place::Bundle(bundles) => bundles.load(now),
            Place::Embedded | Place::Files(_) => self.compiled().map(Answer::from),
        };
        self.note(outcome, now).and_then(|loaded| loaded.ok_or_else(|| self.vanished()))
    }

    /// Asks the server whether there is something new, and gives it with its serial; none where there is not, or it was
    /// refused.
    pub(super) async fn poll(&self, now: SystemTime) -> Option<(Loaded, Option<u64>)> {
        let Place::Bundle(bundles) = &self.place else { return None };
        let outcome = bundles.poll(self.seen().taken, now).await;
        let serial = outcome.as_ref().ok().and_then(|answer| answer.taken.as_ref()).map(|taken| taken.serial);
        match self.note(outcome, now) {
            Ok(loaded) => loaded.map(|loaded| (loaded, serial)),
            Err(error) => {
                tracing::warn!("the policy in force stays: {}", error.in_lines());
                None
            }
        }
    }

    /// What was loaded could not be put into force: it counts as not taken, and is loaded again.
    pub fn not_applied(&self, why: &dyn std::fmt::Display) {
        let mut seen = self.lock();
        if let Some(taken) = &mut seen.taken {
            taken.applied = false;
        }
        self.failed(&mut seen, why.to_string());
    }

    /// How it stands.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.lock().clone()
    }

    /// The path or URL; `embedded` for the starter policy.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.place {
            Place::Embedded => "embedded".to_owned(),
            Place::Files(path) => path.display().to_string(),
            Place::Bundle(bundles) => bundles.from().to_owned(),
        }
    }

    /// How long to wait before asking again; none where there is nobody to ask. `chance` is from 0 to 1.
    pub(super) fn pause(&self, chance: f64) -> Option<Duration> {
        let Place::Bundle(bundles) = &self.place else { return None };
        let source = bundles.polled()?;
        let seen = self.lock();
        if seen.taken.as_ref().is_some_and(|taken| taken.from_kept && seen.checked_at.is_none()) {
            return Some(Duration::ZERO);
        }
        let pause = pause(source.poll, seen.failures, seen.max_age);
        Some(pause.mul_f64(1.0 + f64::from(source.jitter_pct) / 100.0 * (2.0 * chance - 1.0)))
    }

    /// The policy of files, or the starter policy.
    fn compiled(&self) -> Result<Loaded, PolicyError> {
        match &self.place {
            Place::Files(path) => load(Some(path)),
            Place::Embedded | Place::Bundle(_) => load(None),
        }
    }

    /// Notes how an attempt ended.
    fn note(&self, outcome: Result<Answer, PolicyError>, now: SystemTime) -> Result<Option<Loaded>, PolicyError> {
        let mut seen = self.lock();
        match outcome {
            Err(error) => {
                seen.checked_at = Some(now);
                self.failed(&mut seen, error.in_lines());
                Err(error)
            }
            Ok(Answer { loaded, taken, max_age, asked }) => {
                (seen.failures, seen.last_error) = (0, None);
                // "Not modified" leaves what was said with the bundle itself.
                if let Some(taken) = taken {
                    (seen.taken, seen.max_age) = (Some(taken), max_age);
                }
                if asked {
                    seen.checked_at = Some(now);
                }
                self.metrics.good(seen.taken.as_ref().map(|taken| taken.serial), seen.checked_at);
                Ok(loaded)
            }
        }
    }

    fn failed(&self, seen: &mut Seen, why: String) {
        seen.failures = seen.failures.saturating_add(1);
        seen.last_error = Some(why);
        self.metrics.refused(seen.failures);
    }

    /// A load always brings something; this keeps it from being believed.
    fn vanished(&self) -> PolicyError {
        PolicyError::Read { path: self.place().into(), why: "brought nothing".to_owned() }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Longer after each failure, and as long as the server says that its answer holds, in bounds.
fn pause(poll: Duration, failures: u32, max_age: Option<Duration>) -> Duration {
    match failures.checked_sub(1) {
        Some(again) => poll.saturating_mul(2_u32.saturating_pow(again.min(10))).min(LONGEST_PAUSE.max(poll)),
        None => max_age.unwrap_or(poll).clamp(poll, poll.saturating_mul(MOST_PATIENCE)),
    }
}

#[cfg(test)]
#[path = "origin_tests.rs"]
mod tests;
