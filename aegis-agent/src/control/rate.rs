//! How many tokens an agent may fetch: minting costs a signature, and each that is shown a place in the state store.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Tokens of one agent at once. An agent whose policy says `single_use` takes one a request.
const BURST: u32 = 200;
/// One more comes back after so long: 50 a second.
const EVERY: Duration = Duration::from_millis(20);
/// More agents than a host can have: beyond it, those that have their whole burst again are forgotten.
const MANY: usize = 8192;

/// What is left to each agent.
#[derive(Default)]
pub(super) struct Rate(Mutex<HashMap<String, Instant>>);

impl Rate {
    /// Whether `agent` may have one more at `now`; how long it must wait otherwise.
    ///
    /// # Errors
    /// The time after which there is one again.
    pub(super) fn take(&self, agent: &str, now: Instant) -> Result<(), Duration> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MANY {
            all.retain(|_, whole| *whole > now);
        }
        // The moment at which the burst is whole again (the generic cell rate algorithm).
        let whole = all.get(agent).copied().map_or(now, |whole| whole.max(now)) + EVERY;
        let ahead = whole.saturating_duration_since(now);
        let most = EVERY * BURST;
        if ahead > most {
            return Err(ahead.saturating_sub(most));
        }
        all.insert(agent.to_owned(), whole);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_as_many_as_time_gives_each_agent_its_own() {
        let (rate, now) = (Rate::default(), Instant::now());
        for n in 0..BURST {
            assert_eq!(rate.take("a", now), Ok(()), "{n}");
        }
        assert_eq!(rate.take("a", now), Err(EVERY));
        assert_eq!(rate.take("b", now), Ok(()));
        assert_eq!(rate.take("a", now + EVERY), Ok(()));
        assert_eq!(rate.take("a", now + EVERY), Err(EVERY), "refusals cost nothing");
        let later = now + EVERY * (BURST + 1);
        assert!((0..BURST).all(|_| rate.take("a", later).is_ok()) && rate.take("a", later).is_err());
    }

    #[test]
    fn who_has_not_asked_for_long_takes_no_memory() {
        let (rate, now) = (Rate::default(), Instant::now());
        for n in 0..MANY {
            assert_eq!(rate.take(&n.to_string(), now), Ok(()));
        }
        assert_eq!(rate.take("last", now + EVERY), Ok(()));
        assert_eq!(rate.0.lock().map(|all| all.len()).unwrap_or_default(), 1);
    }
}
