//! A token that was shown and verified, and the memory of those.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aegis_policy::Agent;
use aegis_token::Claims;
use moka::sync::Cache;

/// Memory for tokens that verified, in bytes, about: some 16,000 usual ones; an agent uses one or two at a time, and there are at most 4096 agents.
pub(super) const CACHED_BYTES: u64 = 32 << 20;
/// So long a token is remembered as good, and so long after it was shown last: what nobody shows any more takes no memory.
const CACHED_FOR: Duration = Duration::from_secs(3600);
const CACHED_IDLE: Duration = Duration::from_secs(600);

/// A token that was shown and that verified. Never the token itself: memory is readable too.
#[derive(Debug)]
pub struct Shown {
    pub claims: Claims,
    /// Of the keys that it was verified by.
    pub(super) generation: u64,
    /// The agent that it was shown for, and the same with what the token adds.
    derived: OnceLock<(Arc<Agent>, Arc<Agent>)>,
}

impl Shown {
    pub(super) fn new(claims: Claims, generation: u64) -> Self {
        Self { claims, generation, derived: OnceLock::new() }
    }

    /// `agent` with what the token adds: its scopes, and the sub-agent that acts.
    #[must_use]
    pub fn agent(&self, agent: &Arc<Agent>) -> Arc<Agent> {
        let (base, derived) = self.derived.get_or_init(|| (Arc::clone(agent), Arc::new(self.derive(agent))));
        // The agent may have been registered anew since.
        if Arc::ptr_eq(base, agent) { Arc::clone(derived) } else { Arc::new(self.derive(agent)) }
    }

    /// About what it takes of memory, in bytes; the claims are there twice, once in the agent.
    pub(super) fn weight(&self) -> u32 {
        const EACH: usize = size_of::<String>() + 16;
        let claims = &self.claims;
        let scopes: usize = claims.scopes.iter().map(|scope| scope.len() + EACH).sum();
        let rest = claims.iss.len() + claims.aud.len() + claims.agent_id.len() * 4 + claims.jti.len();
        u32::try_from(size_of::<Self>() + size_of::<Agent>() + rest + 2 * scopes).unwrap_or(u32::MAX)
    }

    fn derive(&self, agent: &Agent) -> Agent {
        let claims = &self.claims;
        let actor = (claims.agent_id != claims.sub).then(|| claims.agent_id.clone());
        Agent { scopes: claims.scopes.clone(), actor, ..agent.clone() }
    }
}

/// By what memory they take, not by their number: one token may be eight times as large as another.
pub(super) fn remembered() -> Cache<[u8; 32], Arc<Shown>> {
    Cache::builder()
        .max_capacity(CACHED_BYTES)
        .weigher(|_, shown: &Arc<Shown>| shown.weight())
        .time_to_live(CACHED_FOR)
        .time_to_idle(CACHED_IDLE)
        .build()
}
