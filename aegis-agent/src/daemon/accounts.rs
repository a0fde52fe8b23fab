//! Reconciliation: the kernel's count of each agent's connections against the proxy's. Every redirected connection was
//! taken, waits, or ended before; one that is none of these went somewhere that nobody watched.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Aegis;
use crate::kernel::{AgentIndex, AgentUsage, KernelError, NetnsCookie};
use crate::sockets;

/// Time between two readings.
const PERIOD: Duration = Duration::from_secs(5);
/// So many readings are between two sweeps of the kernel's tables; by the first, every connection that waited for this
/// daemon has been accepted.
const SETTLED: u64 = 12;

/// The last reading, and what was missing in the last two.
#[derive(Debug, Default)]
pub struct Accounts(Mutex<Readings>);

#[derive(Debug, Default)]
struct Readings {
    usage: HashMap<AgentIndex, AgentUsage>,
    /// What was missing in this reading and the one before: the counts are not read at one moment, so a connection that
    /// moved meanwhile can be missing in one.
    missing: HashMap<AgentIndex, u64>,
}

impl Readings {
    fn next(&self, usage: HashMap<AgentIndex, AgentUsage>) -> Self {
        let settled = |(agent, now): (&AgentIndex, &AgentUsage)| {
            let before = self.usage.get(agent).map_or(0, AgentUsage::unaccounted);
            (*agent, before.min(now.unaccounted()))
        };
        let missing = usage.iter().map(settled).filter(|(_, missing)| *missing > 0).collect();
        Self { usage, missing }
    }
}

impl Accounts {
    /// Takes a reading in. Gives the agents of which more is missing than before.
    fn read(&self, usage: HashMap<AgentIndex, AgentUsage>) -> Vec<(AgentIndex, u64)> {
        let mut readings = self.locked();
        let next = readings.next(usage);
        let grown = |(agent, missing): (&AgentIndex, &u64)| {
            (*missing > readings.missing.get(agent).copied().unwrap_or(0)).then_some((*agent, *missing))
        };
        let grown = next.missing.iter().filter_map(grown).collect();
        *readings = next;
        grown
    }

    /// Connections of the agent that nobody can tell of.
    #[must_use]
    pub fn missing(&self, agent: AgentIndex) -> u64 {
        self.locked().missing.get(&agent).copied().unwrap_or(0)
    }

    /// The same of all agents together.
    #[must_use]
    pub fn missing_in_all(&self) -> u64 {
        self.locked().missing.values().copied().fold(0, u64::saturating_add)
    }

    fn locked(&self) -> MutexGuard<'_, Readings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads and compares until `stop`.
pub async fn run(aegis: Arc<Aegis>, stop: CancellationToken) {
    let mut period = tokio::time::interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for reading in 1.. {
        tokio::select! {
            _ = period.tick() => {}
            () = stop.cancelled() => return,
        }
        let reader = Arc::clone(&aegis);
        // A full table takes a while to read.
        let read = tokio::task::spawn_blocking(move || {
            if reading % SETTLED == 0 {
                sweep(&reader);
            }
            reader.kernel.usage()
        });
        match read.await {
            Ok(Ok(usage)) => alarm(&aegis, &aegis.accounts.read(usage)),
            Ok(Err(error)) => tracing::error!("the kernel's counts cannot be compared: {error}"),
            Err(error) => tracing::error!(%error, "the kernel's counts could not be compared"),
        }
    }
}

/// Clears the kernel's tables of what nobody will come for. Blocks.
fn sweep(aegis: &Aegis) {
    let swept = aegis.kernel.forget_former().and_then(|()| {
        let own = NetnsCookie::current()
            .map_err(|source| KernelError::Io { action: "tell the namespace".to_owned(), source })?;
        aegis.kernel.forget_dead_dns(own, sockets::udp_cookies)
    });
    if let Err(error) = swept {
        tracing::error!("{error}; what is left in the kernel's tables holds its place");
    }
}

fn alarm(aegis: &Aegis, grown: &[(AgentIndex, u64)]) {
    for (agent, missing) in grown {
        let enrolled = aegis.registry.by_index(*agent);
        let name = enrolled.as_ref().map_or("(removed)", |enrolled| enrolled.agent.name.as_str());
        tracing::error!(
            agent = name,
            missing,
            "connections that the kernel redirected reached neither the proxy nor the resolver; see `aegisctl status`"
        );
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn reading(redirected: u64, taken: u64) -> HashMap<AgentIndex, AgentUsage> {
        HashMap::from([(agent(), AgentUsage { redirected, taken, ..AgentUsage::default() })])
    }

    fn agent() -> AgentIndex {
        AgentIndex::new(1).unwrap()
    }

    #[test]
    fn what_is_missing_twice_is_an_alarm_and_once_is_not() {
        let accounts = Accounts::default();
        let table = [
            // Redirected, taken, alarms, missing.
            (10, 9, 0, 0),
            (12, 12, 0, 0),
            (14, 13, 0, 0),
            (20, 18, 1, 1),
            (20, 19, 0, 1),
            (22, 19, 0, 1),
            (22, 19, 1, 3),
        ];
        for (redirected, taken, alarms, missing) in table {
            let grown = accounts.read(reading(redirected, taken));
            assert_eq!((grown.len(), accounts.missing(agent())), (alarms, missing), "{redirected} {taken}");
        }
        assert_eq!(accounts.missing_in_all(), 3);
    }
}
