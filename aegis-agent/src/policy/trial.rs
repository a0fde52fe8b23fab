//! The other policy of a rollout, asked beside the one that decides. It is asked when the agent has its answer already, by a
//! thread of its own that stands behind those that serve requests, from a queue that is bounded in questions and bytes: what
//! does not fit is counted and not asked. So a rollout costs a request no more than a copy of its head.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::SystemTime;

use aegis_policy::{Agent, Decision, Mode, Snapshot};

use super::rollout::{Percent, Phase, selected};
use super::tally::Tally;
use crate::priority;

/// Questions that wait.
const QUEUE: usize = 1024;
/// Bytes of bodies that wait.
const QUEUE_BYTES: usize = 32 << 20;

/// What a policy answers, as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub decision: Decision,
    pub mode: Mode,
    pub rule: Option<String>,
}

impl Answer {
    /// Whether the agent is refused.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.mode == Mode::Enforce && !self.decision.permits()
    }
}

/// What the other policy says to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Answer(Answer),
    /// It would have needed what is not at hand any more.
    Unknown,
    /// As the one that decided, it leaves the decision to what comes next.
    Nothing,
}

/// What an agent wanted, so that it can be asked again.
pub trait Wanted: Send {
    fn ask(&self, other: &Snapshot) -> Said;

    /// It in one line, with nothing sensitive in it.
    fn describe(&self) -> String;

    /// Bytes that it keeps.
    fn weight(&self) -> usize;
}

/// One decision that was made, to be asked of the other policy.
pub struct Question {
    pub agent: Arc<Agent>,
    pub at: SystemTime,
    pub decided: Answer,
    pub wanted: Box<dyn Wanted>,
}

/// A phase of a rollout, as flows see it.
pub struct Trial {
    phase: Phase,
    percent: Percent,
    digest: String,
    candidate: Arc<Snapshot>,
    questions: SyncSender<Question>,
    waiting: Arc<AtomicUsize>,
    tally: Arc<Tally>,
}

impl Trial {
    /// Starts asking. The thread ends when the trial is dropped.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(
        phase: Phase,
        percent: Percent,
        digest: String,
        live: Arc<Snapshot>,
        candidate: Arc<Snapshot>,
        tally: Arc<Tally>,
    ) -> std::io::Result<Self> {
        let other = match phase {
            Phase::Shadow => Arc::clone(&candidate),
            Phase::Enforced => live,
        };
        let (questions, asked) = sync_channel(QUEUE);
        let waiting = Arc::new(AtomicUsize::new(0));
        let (left, counted) = (Arc::clone(&waiting), Arc::clone(&tally));
        std::thread::Builder::new().name("policy-trial".to_owned()).spawn(move || {
            priority::after_requests();
            answer_all(&asked, phase, &other, &counted, &left);
        })?;
        Ok(Self { phase, percent, digest, candidate, questions, waiting, tally })
    }

    /// Whether the candidate is tried on `agent`.
    #[must_use]
    pub fn covers(&self, agent: &Agent) -> bool {
        selected(agent, &self.digest, self.percent)
    }

    /// The candidate, where it decides.
    #[must_use]
    pub fn enforced(&self) -> Option<&Arc<Snapshot>> {
        (self.phase == Phase::Enforced).then_some(&self.candidate)
    }

    /// Puts a question into the queue, or counts that there was no room. Never waits.
    pub fn ask(&self, question: Question) {
        let weight = question.wanted.weight();
        let before = self.waiting.fetch_add(weight, Ordering::Relaxed);
        let room = before.saturating_add(weight) <= QUEUE_BYTES;
        if !room || self.questions.try_send(question).is_err() {
            self.waiting.fetch_sub(weight, Ordering::Relaxed);
            self.tally.dropped();
        }
    }
}

fn answer_all(asked: &Receiver<Question>, phase: Phase, other: &Snapshot, tally: &Tally, waiting: &AtomicUsize) {
    for question in asked {
        let Question { agent, at, decided, wanted } = question;
        let weight = wanted.weight();
        // What a candidate's evaluation may do to this thread, it must not do to the rest of the rollout.
        let said = catch_unwind(AssertUnwindSafe(|| wanted.ask(other))).unwrap_or(Said::Unknown);
        match (phase, said) {
            (Phase::Shadow, Said::Answer(answer)) => tally.compared(&agent, &*wanted, at, decided, answer),
            (Phase::Enforced, Said::Answer(answer)) => tally.compared(&agent, &*wanted, at, answer, decided),
            (_, Said::Unknown) => tally.unanswerable(),
            (_, Said::Nothing) => {}
        }
        waiting.fetch_sub(weight, Ordering::Relaxed);
    }
}
