//! Decisions that take as long as an agent's body makes them. An agent makes one at a time and the host as many as it has
//! processors, on threads that nothing else waits for: the beat, the names and everybody else's requests go on beside them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::available_parallelism;
use std::time::Duration;

use aegis_policy::{Denial, DenialKind};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::flow::refusal::Refusal;
use crate::kernel::AgentIndex;

/// How long a request waits for its turn: its agent has asked for more than can be decided.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whose turn it is.
#[derive(Debug)]
pub struct Turns {
    agents: Mutex<HashMap<AgentIndex, Weak<Semaphore>>>,
    host: Semaphore,
}

/// No turn came.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Busy;

impl Default for Turns {
    fn default() -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        Self { agents: Mutex::default(), host: Semaphore::new(processors) }
    }
}

impl Turns {
    /// Makes a decision for `agent` when its turn comes. For a runtime of several threads.
    ///
    /// # Errors
    /// When the turn does not come.
    pub async fn decide<T>(&self, agent: AgentIndex, decide: impl FnOnce() -> T) -> Result<T, Busy> {
        self.decide_within(PATIENCE, agent, decide).await
    }

    async fn decide_within<T>(
        &self,
        patience: Duration,
        agent: AgentIndex,
        decide: impl FnOnce() -> T,
    ) -> Result<T, Busy> {
        let own = self.of(agent);
        let turn = async {
            // First among its own: an agent stands in the host's queue once.
            let own = own.acquire().await.map_err(|_| Busy)?;
            Ok((own, self.host.acquire().await.map_err(|_| Busy)?))
        };
        let _turn = timeout(patience, turn).await.map_err(|_| Busy)??;
        Ok(tokio::task::block_in_place(decide))
    }

    fn of(&self, agent: AgentIndex) -> Arc<Semaphore> {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = agents.get(&agent).and_then(Weak::upgrade) {
            return own;
        }
        // Nothing is kept of an agent that waits for nothing.
        agents.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(1));
        agents.insert(agent, Arc::downgrade(&own));
        own
    }
}

impl Busy {
    #[must_use]
    pub fn refusal(self, version: &str) -> Refusal {
        let why = "too many of this agent's requests wait for a decision that takes long";
        Denial::new(DenialKind::Rate, why, version).next("Send fewer at once, or smaller bodies.").into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn agent(number: u32) -> AgentIndex {
        AgentIndex::new(number).unwrap()
    }

    /// On as many threads as the runtime has, decisions that never end leave the beat alone.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn decisions_that_take_long_hold_up_nobody_else() {
        let turns = Arc::new(Turns { host: Semaphore::new(2), ..Turns::default() });
        let (end, ended) = channel::<()>();
        let ended = Arc::new(Mutex::new(ended));
        let (began, mut begun) = tokio::sync::mpsc::unbounded_channel();
        let long = |number: u32| {
            let (turns, ended, began) = (Arc::clone(&turns), Arc::clone(&ended), began.clone());
            let work = move || {
                began.send(number).unwrap();
                // Until the test is over.
                let _ = ended.lock().unwrap().recv();
            };
            tokio::spawn(async move { turns.decide(agent(number), work).await })
        };
        let (first, second) = (long(1), long(2));
        begun.recv().await.unwrap();
        begun.recv().await.unwrap();
        // Both threads of the runtime would be gone; this one still gets around to its tasks.
        tokio::spawn(async { tokio::time::sleep(Duration::from_millis(1)).await }).await.unwrap();
        let short = Duration::from_millis(20);
        assert_eq!(turns.decide_within(short, agent(1), || ()).await, Err(Busy), "one at a time for an agent");
        assert_eq!(turns.decide_within(short, agent(3), || ()).await, Err(Busy), "as many as the host has processors");
        drop(end);
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (Ok(()), Ok(())));
        assert_eq!(turns.decide(agent(1), || 7).await, Ok(7));
        drop(turns.of(agent(4)));
        drop(turns.of(agent(5)));
        assert_eq!(turns.agents.lock().unwrap().len(), 1, "nothing is kept of an agent that waits for nothing");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_agent_waits_for_itself_and_not_for_the_others() {
        let turns = Turns { host: Semaphore::new(2), ..Turns::default() };
        let own = turns.of(agent(1));
        let _held = own.acquire().await.unwrap();
        assert_eq!(turns.decide_within(Duration::from_millis(20), agent(1), || ()).await, Err(Busy));
        assert_eq!(turns.decide(agent(2), || 7).await, Ok(7));
    }
}
