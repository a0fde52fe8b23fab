//! Answers that were given before: bounded in number and time.

use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::{Name, RecordType};
use moka::sync::Cache;
use tokio::time::Instant;

use super::answer::Answer;
use super::resolver::ResolveError;

/// A question; `name` in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) name: Name,
    pub(super) kind: RecordType,
}

/// What came of a question.
pub(super) type Outcome = Result<Arc<Answer>, ResolveError>;

/// Failures are kept too, for this long: else every try of every agent asks a dead server again (RFC 9520).
const FAILURE: Duration = Duration::from_secs(1);
/// So many records weigh as much as one entry more.
const RECORDS_AN_ENTRY: usize = 8;

#[derive(Clone)]
struct Kept {
    outcome: Outcome,
    until: Instant,
}

pub(super) struct Answers {
    kept: Cache<Question, Kept>,
}

impl Answers {
    pub(super) fn new(entries: u64, max_ttl: Duration) -> Self {
        let kept = Cache::builder()
            .max_capacity(entries)
            .weigher(|_, kept: &Kept| {
                let records = kept.outcome.as_ref().map_or(0, |answer| answer.records.len());
                u32::try_from(1 + records / RECORDS_AN_ENTRY).unwrap_or(u32::MAX)
            })
            // Only to give memory back: `until` decides.
            .time_to_live(max_ttl.max(FAILURE))
            .build();
        Self { kept }
    }

    pub(super) fn get(&self, question: &Question, now: Instant) -> Option<Outcome> {
        self.kept.get(question).filter(|kept| now < kept.until).map(|kept| kept.outcome)
    }

    pub(super) fn put(&self, question: Question, outcome: &Outcome, now: Instant) {
        let holds = outcome.as_ref().map_or(FAILURE, |answer| answer.holds);
        if !holds.is_zero() {
            self.kept.insert(question, Kept { outcome: outcome.clone(), until: now + holds });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_bounded_in_number_and_failures_are_kept_a_moment() {
        let (answers, now) = (Answers::new(100, Duration::from_secs(300)), Instant::now());
        let question =
            |n: u32| Question { name: Name::from_ascii(format!("host-{n}.test.")).unwrap(), kind: RecordType::A };
        for n in 0..10_000 {
            answers.put(question(n), &Err(ResolveError::Timeout), now);
        }
        answers.kept.run_pending_tasks();
        assert!(answers.kept.entry_count() <= 100, "{}", answers.kept.entry_count());
        answers.put(question(1), &Err(ResolveError::Timeout), now);
        assert!(answers.get(&question(1), now).is_some());
        assert!(answers.get(&question(1), now + FAILURE).is_none());
    }
}
