//! What was permitted and is still under way. When the policy changes, the new one is asked about each of it; what it does
//! not allow any more is cut off, and so is everything of an agent that was removed.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use aegis_dlp::Profile;
use aegis_policy::{Agent, Content, Denial, Handling, Snapshot, Usage, Verdict};
use futures_util::task::AtomicWaker;

use super::authorize::{self, Relayed};
use super::decide::{self, Moment};
use super::granted::{Flowing, Granted};
use super::identify::Identity;
use super::inspect::Head;
use super::tools::{self, Called};
use crate::daemon::Aegis;
use crate::kernel::AgentIndex;
use crate::policy::Store;

/// An upload that is not older than this when the policy changes goes on to its end as it was let through.
const BRIEF: Duration = Duration::from_secs(5);

/// All that is under way.
#[derive(Default)]
pub struct Standing(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    next: u64,
    all: HashMap<u64, Weak<Ongoing>>,
}

/// What was asked when it was permitted: it is asked again.
pub enum Subject {
    /// A connection that is relayed unread.
    Relay(Relayed),
    Request(Box<Asked>),
}

/// A request as it was asked about, and on which terms it was let through.
pub struct Asked {
    pub head: Arc<Head>,
    /// What it calls: of a batch one for each element.
    pub called: Vec<Called>,
    /// What the agent had used before it.
    pub usage: Usage,
    pub granted: Granted,
    /// When it was let through.
    pub began: Instant,
    /// Its body streams, and has not come to its end.
    pub sending: AtomicBool,
    /// Its answer has not come to its end.
    pub answering: AtomicBool,
}

/// One permitted exchange or relay, until it is dropped.
pub struct Ongoing {
    aegis: Arc<Aegis>,
    id: u64,
    index: AgentIndex,
    agent: Arc<Agent>,
    words: Words,
    subject: Subject,
    cut: OnceLock<Denial>,
    /// Who has to notice, each in a task of its own.
    forwarding: AtomicWaker,
    to_origin: AtomicWaker,
    to_agent: AtomicWaker,
}

/// Whose words the agent's scopes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words {
    /// No token was shown.
    Description,
    /// A token of ours: what it says was the agent's when it was made.
    Ours,
    /// A company's: what the agent may is its issuer's to say.
    Outside,
}

/// The parts of an exchange that a cut must wake.
#[derive(Clone, Copy, Debug)]
pub enum Side {
    Forwarding,
    ToOrigin,
    ToAgent,
}

impl Ongoing {
    /// Notes what `snapshot` has permitted to `identity`.
    #[must_use]
    pub fn begin(aegis: &Arc<Aegis>, identity: &Identity, snapshot: &Snapshot, subject: Subject) -> Arc<Self> {
        let mut entries = aegis.standing.entries();
        let id = entries.next;
        entries.next = entries.next.wrapping_add(1);
        let ongoing = Arc::new(Self {
            aegis: Arc::clone(aegis),
            id,
            index: identity.enrolled.index,
            agent: Arc::clone(&identity.agent),
            words: match &identity.token {
                None => Words::Description,
                Some(shown) if shown.claims.iss == aegis.issuer.tokens().issuer => Words::Ours,
                Some(_) => Words::Outside,
            },
            subject,
            cut: OnceLock::new(),
            forwarding: AtomicWaker::new(),
            to_origin: AtomicWaker::new(),
            to_agent: AtomicWaker::new(),
        });
        entries.all.insert(id, Arc::downgrade(&ongoing));
        drop(entries);
        // What changed between the decision and this moment has asked about everything but us.
        let current = aegis.policy.for_agent(&ongoing.agent);
        if !std::ptr::eq(&*current, snapshot) {
            ongoing.reconsider(&current);
        }
        match aegis.registry.by_index(ongoing.index) {
            None => drop(ongoing.cut(agent_removed(current.version()))),
            Some(now) if !Arc::ptr_eq(&now, &identity.enrolled) => drop(ongoing.reconsider(&current)),
            Some(_) => {}
        }
        ongoing
    }

    /// The request's body has come to its end.
    pub fn sent(&self) {
        if let Subject::Request(asked) = &self.subject {
            asked.sending.store(false, Ordering::Relaxed);
        }
    }

    /// The answer has come to its end.
    pub fn answered(&self) {
        if let Subject::Request(asked) = &self.subject {
            asked.answering.store(false, Ordering::Relaxed);
        }
    }

    #[must_use]
    pub fn agent(&self) -> AgentIndex {
        self.index
    }

    /// The path of its request; empty where nothing was read.
    #[must_use]
    pub fn path(&self) -> &str {
        match &self.subject {
            Subject::Relay(_) => "",
            Subject::Request(asked) => &asked.head.path,
        }
    }

    /// Why it must end, where it must; wakes `side` when that happens later.
    pub fn poll_cut(&self, side: Side, cx: &Context<'_>) -> Option<&Denial> {
        let waker = match side {
            Side::Forwarding => &self.forwarding,
            Side::ToOrigin => &self.to_origin,
            Side::ToAgent => &self.to_agent,
        };
        waker.register(cx.waker());
        self.cut.get()
    }

    /// Waits until it must end. One task may wait at a time.
    pub async fn cut_off(&self) -> &Denial {
        poll_fn(|cx| self.poll_cut(Side::Forwarding, cx).map_or(Poll::Pending, Poll::Ready)).await
    }

    /// Why it must end, where it must.
    #[must_use]
    pub fn denial(&self) -> Option<&Denial> {
        self.cut.get()
    }

    /// Wakes all who have to notice that it ends.
    pub fn wake(&self) {
        for waker in [&self.forwarding, &self.to_origin, &self.to_agent] {
            waker.wake();
        }
    }

    /// The agent as it is described now, with what the token had said.
    fn described_now(&self) -> Arc<Agent> {
        match self.aegis.registry.by_index(self.index) {
            None => Arc::clone(&self.agent),
            Some(now) => described(&now.agent, &self.agent, self.words),
        }
    }

    /// Asks `snapshot`; says whether it had to be cut off.
    fn reconsider(&self, snapshot: &Snapshot) -> bool {
        match self.subject.allowed_by(snapshot, &self.described_now()) {
            Ok(()) => false,
            Err(denial) => {
                let version = snapshot.version();
                let reason = format!("cut off: policy {version} does not allow it any more: {}", denial.reason);
                self.cut(Denial { reason, ..*denial })
            }
        }
    }

    fn cut(&self, denial: Denial) -> bool {
        let first = self.cut.set(denial).is_ok();
        self.wake();
        first
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.aegis.standing.entries().all.remove(&self.id);
    }
}

impl Subject {
    /// Whether `snapshot` permits to `agent` what another one has permitted.
    fn allowed_by(&self, snapshot: &Snapshot, agent: &Agent) -> Result<(), Box<Denial>> {
        match self {
            Self::Relay(relayed) => authorize::again(snapshot, agent, relayed),
            Self::Request(asked) => asked.allowed_by(snapshot, agent),
        }
    }
}

impl Asked {
    fn allowed_by(&self, snapshot: &Snapshot, agent: &Agent) -> Result<(), Box<Denial>> {
        let Self { head, called, usage, granted, began, sending, answering } = self;
        let version = snapshot.version();
        // A change of the policy drops no plain request: what has hardly begun is as good as sent.
        let lasts = head.websocket.is_some() || head.grpc || began.elapsed() >= BRIEF;
        let flowing =
            Flowing { out: lasts && sending.load(Ordering::Relaxed), back: answering.load(Ordering::Relaxed) };
        let intent = decide::intent(agent, head, Moment { usage: *usage, ..Moment::now() });
        if snapshot.needs(&intent).json {
            // The body has been read and is gone: what a rule says of its values cannot be asked again.
            let covers = |private: bool, profile: &Profile, handling: &Handling| {
                granted.covers((private, profile, handling), flowing, version)
            };
            return snapshot.stands(&intent, granted.rule.as_deref(), &covers);
        }
        for called in called {
            match tools::ask(snapshot, &intent, called, &Content::default()) {
                Verdict::Permit(permit) => {
                    let terms = (permit.private_ok(), permit.profile(), permit.handling());
                    granted.covers(terms, flowing, version)?;
                }
                Verdict::Denial(denial) => return Err(denial.into()),
            }
        }
        Ok(())
    }
}

/// The agent as it is described `now`, with what its token said when it was asked about `then`. A scope that was taken away is gone from tokens of ours too.
fn described(now: &Arc<Agent>, then: &Agent, words: Words) -> Arc<Agent> {
    let kept = |scope: &&String| words == Words::Outside || now.scopes.contains(scope);
    match words {
        Words::Description => Arc::clone(now),
        Words::Ours | Words::Outside => Arc::new(Agent {
            scopes: then.scopes.iter().filter(kept).cloned().collect(),
            actor: then.actor.clone(),
            ..(**now).clone()
        }),
    }
}

fn agent_removed(version: &str) -> Denial {
    Denial::attribution("cut off: the agent was removed", version)
}

impl Standing {
    /// Asks the policy that holds for each agent now about all that is under way; says how many had to be cut off.
    pub fn reconsider(&self, policy: &Store) -> usize {
        self.all().iter().filter(|ongoing| ongoing.reconsider(&policy.for_agent(&ongoing.agent))).count()
    }

    /// Asks about what `agent` has under way, whose description has changed; says how many had to be cut off.
    pub fn changed(&self, agent: AgentIndex, policy: &Store) -> usize {
        let all = self.all();
        let own = all.iter().filter(|ongoing| ongoing.index == agent);
        own.filter(|ongoing| ongoing.reconsider(&policy.for_agent(&ongoing.described_now()))).count()
    }

    /// Cuts off all that `agent` has under way; says how many.
    pub fn removed(&self, agent: AgentIndex, version: &str) -> usize {
        let all = self.all();
        all.iter().filter(|ongoing| ongoing.index == agent && ongoing.cut(agent_removed(version))).count()
    }

    /// Held outside of the lock: the last to go takes it.
    fn all(&self) -> Vec<Arc<Ongoing>> {
        self.entries().all.values().filter_map(Weak::upgrade).collect()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
