//! Equal events become one record: a flood of refusals must not fill the audit queue, for everybody's requests wait
//! there for their place.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::kernel::{AgentIndex, EventKind, KernelEvent};

/// How often what was counted is recorded.
pub const PERIOD: Duration = Duration::from_secs(1);

/// Keys that are told apart within one period. Each makes two records at most, so that a period's records, and the next
/// one's first, fit in half of the audit queue.
const KEYS: usize = 512;

/// Events that one record tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrences {
    /// The first of them.
    pub event: KernelEvent,
    pub times: u64,
    /// When the first event was seen from which on these were counted.
    since: Instant,
    /// They have only the agent and the kind in common, and `event` says no more than that.
    various: bool,
}

impl Occurrences {
    /// The record's reason: how often, if it was more than once.
    pub fn reason(&self, reason: &str, now: Instant) -> String {
        if self.times == 1 {
            return reason.to_owned();
        }
        let elapsed = now.saturating_duration_since(self.since) + PERIOD / 2;
        let seconds = elapsed.as_secs().max(1);
        let of = if self.various { ", by several processes or to several destinations" } else { "" };
        format!("{reason}; {} times within {seconds} s{of}", self.times)
    }

    /// None yet, of events like these.
    fn none_like(&self, various: bool) -> Self {
        let mut event = self.event.clone();
        if various {
            event = KernelEvent { destination: None, protocol: 0, pid: 0, uid: 0, comm: String::new(), ..event };
        }
        Self { event, times: 0, since: self.since, various }
    }
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    agent: Option<AgentIndex>,
    kind: EventKind,
    destination: Option<SocketAddr>,
    protocol: u8,
    pid: u32,
}

impl Key {
    fn of(event: &KernelEvent) -> Self {
        let KernelEvent { kind, agent, destination, protocol, pid, .. } = *event;
        Self { agent, kind, destination, protocol, pid }
    }
}

/// What was seen in the present period. Its size is bounded whatever the agents do.
#[derive(Default)]
pub struct Merge {
    exact: HashMap<Key, Occurrences>,
    /// What finds no room in `exact`, by agent and label: the kind itself holds numbers of the agent's choice.
    rest: HashMap<(Option<AgentIndex>, &'static str), Occurrences>,
}

impl Merge {
    /// Returns the first event of its key, to be recorded at once; counts the others.
    pub fn seen(&mut self, event: KernelEvent, now: Instant) -> Option<Occurrences> {
        let one = Occurrences { event, times: 1, since: now, various: false };
        let (counted, is_first) = self.counted_with(&one);
        if is_first {
            return Some(one);
        }
        counted.times = counted.times.saturating_add(1);
        None
    }

    /// Counts what could not be recorded, for the next record.
    pub fn keep(&mut self, unrecorded: &Occurrences) {
        let (counted, _) = self.counted_with(unrecorded);
        counted.times = counted.times.saturating_add(unrecorded.times);
        counted.since = counted.since.min(unrecorded.since);
    }

    /// Ends the period: what was counted in it.
    pub fn due(&mut self) -> Vec<Occurrences> {
        let exact = self.exact.drain().map(|(_, counted)| counted);
        let rest = self.rest.drain().map(|(_, counted)| counted);
        exact.chain(rest).filter(|counted| counted.times > 0).collect()
    }

    /// Where events like these are counted, and whether they are the first there.
    fn counted_with(&mut self, like: &Occurrences) -> (&mut Occurrences, bool) {
        let key = Key::of(&like.event);
        if like.various || self.exact.len() >= KEYS && !self.exact.contains_key(&key) {
            let key = (like.event.agent, like.event.kind.label());
            return find(&mut self.rest, key, || like.none_like(true));
        }
        find(&mut self.exact, key, || like.none_like(false))
    }
}

fn find<K: Eq + Hash>(
    map: &mut HashMap<K, Occurrences>,
    key: K,
    none: impl FnOnce() -> Occurrences,
) -> (&mut Occurrences, bool) {
    match map.entry(key) {
        Entry::Occupied(counted) => (counted.into_mut(), false),
        Entry::Vacant(room) => (room.insert(none()), true),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn event(agent: u32, kind: EventKind, port: u16, pid: u32) -> KernelEvent {
        KernelEvent {
            kind,
            agent: AgentIndex::new(agent),
            destination: Some(SocketAddr::from(([192, 0, 2, 1], port))),
            protocol: 17,
            pid,
            uid: 1000,
            comm: "python3".to_owned(),
            cgroup_id: 7,
        }
    }

    fn denied(port: u16) -> KernelEvent {
        event(1, EventKind::DeniedUdp, port, 42)
    }

    fn total(all: &[Occurrences]) -> u64 {
        all.iter().map(|some| some.times).sum()
    }

    #[test]
    fn a_single_attempt_is_told_at_once_and_only_once() {
        let (mut merge, now) = (Merge::default(), Instant::now());
        let first = merge.seen(denied(9), now).unwrap();
        assert_eq!((&first.event, first.reason("no", now).as_str()), (&denied(9), "no"));
        assert_eq!(merge.due(), []);
    }

    #[test]
    fn repetitions_are_one_record_that_says_how_many() {
        let (mut merge, start) = (Merge::default(), Instant::now());
        let end = start + PERIOD;
        assert!(merge.seen(denied(9), start).is_some());
        for _ in 0..1234 {
            assert_eq!(merge.seen(denied(9), start + PERIOD / 3), None);
        }
        let due = merge.due();
        let [repeated] = due.as_slice() else { panic!("{due:?}") };
        assert_eq!(repeated.event, denied(9));
        assert_eq!(repeated.reason("no", end), "no; 1234 times within 1 s");
        assert!(merge.seen(denied(9), end).is_some(), "the next period begins anew");
        assert_eq!(merge.due(), []);
    }

    #[test]
    fn what_differs_is_told_apart() {
        let (mut merge, now) = (Merge::default(), Instant::now());
        let tcp = KernelEvent { protocol: 6, ..denied(9) };
        let others = [event(2, EventKind::DeniedUdp, 9, 42), event(1, EventKind::DeniedBind, 9, 42), tcp];
        let all = [&[denied(9), denied(10), event(1, EventKind::DeniedUdp, 9, 43)][..], &others[..]].concat();
        for event in &all {
            assert!(merge.seen(event.clone(), now).is_some(), "{event:?}");
        }
        for event in &all {
            assert_eq!(merge.seen(event.clone(), now), None);
        }
        assert_eq!(merge.due().len(), all.len());
    }

    #[test]
    fn a_flood_of_different_events_makes_few_records_that_add_up() {
        let (mut merge, now) = (Merge::default(), Instant::now());
        let (mut told, mut seen) = (Vec::new(), 0);
        for round in 0..3 {
            for port in 0..=u16::MAX {
                let kind = EventKind::DeniedSocket { family: port, type_: round, protocol: 0 };
                for event in [denied(port), event(2, kind, port, u32::from(port))] {
                    told.extend(merge.seen(event, now));
                    seen += 1;
                }
            }
        }
        // The keys, and one for the rest of each agent's kind.
        assert_eq!(told.len(), KEYS + 2);
        let due = merge.due();
        assert!(due.len() <= KEYS + 2, "{}", due.len());
        assert_eq!(total(&told) + total(&due), seen);
        let rest = due.iter().find(|some| some.various && some.event.agent == AgentIndex::new(1)).unwrap();
        assert_eq!((rest.event.destination, rest.event.pid, rest.event.comm.as_str()), (None, 0, ""));
        assert!(
            rest.reason("no", now + PERIOD)
                .ends_with(" times within 1 s, by several processes or to several destinations")
        );
    }

    #[test]
    fn what_could_not_be_recorded_is_counted_on() {
        let (mut merge, start) = (Merge::default(), Instant::now());
        let first = merge.seen(denied(9), start).unwrap();
        merge.keep(&first);
        assert_eq!(merge.seen(denied(9), start), None);
        for _ in 0..2 {
            let due = merge.due();
            assert_eq!(total(&due), 2);
            due.iter().for_each(|unrecorded| merge.keep(unrecorded));
        }
        assert_eq!(merge.seen(denied(9), start + 4 * PERIOD), None);
        let due = merge.due();
        let [all] = due.as_slice() else { panic!("{due:?}") };
        assert_eq!(all.reason("no", start + 5 * PERIOD), "no; 3 times within 5 s");
    }

    #[test]
    fn what_various_events_share_stays_apart_when_kept() {
        let (mut merge, now) = (Merge::default(), Instant::now());
        let ports = 0..=u16::try_from(KEYS + 1).unwrap();
        ports.for_each(|port| drop(merge.seen(denied(port), now)));
        let due = merge.due();
        let [rest] = due.as_slice() else { panic!("{due:?}") };
        merge.keep(rest);
        assert_eq!(merge.due(), due);
    }
}
