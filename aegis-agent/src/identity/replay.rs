//! How often a token may be shown, and by whom: once (`single_use`), or by one agent instance until it ends (`bound`).
//!
//! An instance is one registration of an agent on one host: the host's own name (`state_dir/host.id`, made at the first start) and the agent's
//! index, which outlives the daemon and is never given to another registration. So an agent keeps its token over restarts of itself and of the
//! daemon; the same agent on another host is another instance, and so is one that was removed and registered anew.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aegis_policy::Replay as Mode;
use aegis_token::Claims;
use moka::sync::Cache;
use uuid::Uuid;

use super::Enrolled;
use super::revocation::Unsaved;
use crate::config::Config;
use crate::kernel::AgentIndex;
use crate::state::secret::{load_or_create, private_dir};
use crate::state::{Claim, StateError, StateHealth, Store, TokenId, Unavailable};
use crate::telemetry::Metrics;

/// How long a token is remembered after its `exp`: longer than clocks and leeways differ.
const AFTER: Duration = Duration::from_secs(600);
/// The farthest `exp` of a token that can be remembered.
pub(super) const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);
/// Tokens whose answer is remembered here. One that is forgotten is asked about again.
const KNOWN: u64 = 65_536;

/// Why a genuine token of the right agent is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayRefused {
    #[error("the token was used already; under this policy it holds for one request")]
    Used,
    #[error("the token is in use by another instance of the agent")]
    Elsewhere,
    #[error("the token is revoked")]
    Revoked,
    #[error("the token has no id (jti), by which its use could be remembered")]
    NoId,
    /// An answer of the store, unlike silence: no rule lets it pass.
    #[error("this agent has shown too many tokens that have not ended yet: the use of no more can be remembered")]
    Full,
    #[error("the token ends in more than {} days: its use cannot be remembered for so long", LONGEST.as_secs() / 86_400)]
    TooLong,
}

impl ReplayRefused {
    /// The word for records and metrics.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Used | Self::Elsewhere => "token_replayed",
            Self::Revoked => "token_revoked",
            Self::Full => "token_limit",
            Self::NoId | Self::TooLong => "token_invalid",
        }
    }
}

/// Why a token is not admitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    #[error(transparent)]
    Refused(#[from] ReplayRefused),
    /// Nobody knows: the decision says what that means.
    #[error("the token cannot be checked: {0}")]
    Unavailable(#[from] Unavailable),
}

/// What is known of a token without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// This agent has it, and it was not revoked when that was learned; in the era of then.
    Held(AgentIndex, u64),
    Used,
    Revoked,
}

/// The memory of which tokens were shown.
pub struct Replay {
    pub(super) store: Store,
    host: String,
    pub(super) known: Cache<TokenId, Known>,
    /// Grows with every revocation that is learned of: an answer from before is not remembered after it.
    pub(super) learned: AtomicU64,
    /// Another one begins when news of the store were lost: what was good before may be revoked. What was used or revoked stays so.
    pub(super) era: AtomicU64,
    pub(super) unsaved: Unsaved,
}

impl Replay {
    /// The memory in the store that `config` names.
    ///
    /// # Errors
    /// When the store, or this host's name in `state_dir`, cannot be used.
    pub fn open(config: &Config, metrics: &Metrics) -> Result<Self, StateError> {
        private_dir(&config.state_dir)?;
        let made = || Ok::<_, std::convert::Infallible>(Uuid::new_v4().to_string());
        let path = config.state_dir.join("host.id");
        let host = load_or_create(&path, made)?.trim().to_owned();
        if !is_host(&host) {
            let why =
                "it is not this host's name (1 to 64 letters, digits and `-`); remove it to get a new one".to_owned();
            return Err(StateError::Io { path, why });
        }
        let store = Store::open(config, &host, metrics)?;
        let (learned, era) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { store, host, known: Cache::new(KNOWN), learned, era, unsaved: Unsaved::default() })
    }

    /// Takes note that `agent` shows the token of `claims`, which has been verified, at `now`.
    ///
    /// # Errors
    /// When it may not, or when the store does not say.
    pub async fn admit(
        &self,
        claims: &Claims,
        agent: &Enrolled,
        mode: Mode,
        now: SystemTime,
    ) -> Result<(), NotAdmitted> {
        let id = TokenId::new(&claims.iss, &claims.jti).ok_or(ReplayRefused::NoId)?;
        let until = kept_until(claims.exp, now).ok_or(ReplayRefused::TooLong)?;
        let era = self.era.load(Ordering::SeqCst);
        match self.known.get(&id) {
            Some(Known::Revoked) => return Err(ReplayRefused::Revoked.into()),
            Some(Known::Used) if mode == Mode::SingleUse => return Err(ReplayRefused::Used.into()),
            Some(Known::Held(index, then))
                if mode == Mode::Bound && index == agent.index && then == era && self.store.fresh() =>
            {
                return Ok(());
            }
            _ => {}
        }
        if self.unsaved.holds(&id) {
            return Err(ReplayRefused::Revoked.into());
        }
        let learned = self.learned.load(Ordering::SeqCst);
        let claim = self.store.claim(&id, &self.holder(agent.index), until, now).await?;
        let (known, answer) = judge(claim, mode, agent.index, era);
        if let Some(known) = known {
            self.remember(&id, known, learned);
        }
        Ok(answer?)
    }

    /// Remembers what is good for as long as nobody revokes: not, where somebody has since the store was asked.
    fn remember(&self, id: &TokenId, known: Known, learned: u64) {
        self.known.entry_by_ref(id).and_upsert_with(|entry| match entry {
            Some(entry) if *entry.value() == Known::Revoked => Known::Revoked,
            _ => known,
        });
        // After the insertion: whoever learned of a revocation before it has counted before, and one later finds the entry.
        if matches!(known, Known::Held(..)) && self.learned.load(Ordering::SeqCst) != learned {
            self.known.invalidate(id);
        }
    }

    /// An instance's name in the store.
    pub(super) fn holder(&self, index: AgentIndex) -> String {
        format!("{}/{}", self.host, index.get())
    }

    /// The store, for what else has to outlive the daemon.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// How the store stands.
    #[must_use]
    pub fn health(&self) -> StateHealth {
        self.store.health()
    }
}

/// What an answer means under `mode`, and what of it holds for later.
fn judge(claim: Claim, mode: Mode, index: AgentIndex, era: u64) -> (Option<Known>, Result<(), ReplayRefused>) {
    match (claim, mode) {
        (Claim::Revoked, _) => (Some(Known::Revoked), Err(ReplayRefused::Revoked)),
        (Claim::Full, _) => (None, Err(ReplayRefused::Full)),
        (Claim::First, Mode::SingleUse) => (Some(Known::Used), Ok(())),
        (Claim::Same | Claim::Other, Mode::SingleUse) => (Some(Known::Used), Err(ReplayRefused::Used)),
        (Claim::First | Claim::Same, Mode::Bound) => (Some(Known::Held(index, era)), Ok(())),
        (Claim::Other, Mode::Bound) => (None, Err(ReplayRefused::Elsewhere)),
    }
}

/// Two hosts with one name would be one instance; and the name stands in keys of the store.
fn is_host(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Until when a token that ends at `exp` is remembered; none where that is too far away.
pub(super) fn kept_until(exp: u64, now: SystemTime) -> Option<SystemTime> {
    let end = UNIX_EPOCH.checked_add(Duration::from_secs(exp))?;
    let left = end.duration_since(now).unwrap_or_default();
    // A token that ended within the leeway is remembered from now.
    (left <= LONGEST).then(|| end.max(now).checked_add(AFTER)).flatten()
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
