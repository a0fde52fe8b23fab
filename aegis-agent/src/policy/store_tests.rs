#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_policy::compile;

use super::super::change::Pushed;
use super::super::load::Kind;
use super::super::rollout::{Percent, Phase, Plan};
use super::super::trial::{Answer, Question, Said, Wanted};
use super::super::versions::KEPT;
use super::*;

fn masks() -> MaskSecret {
    MaskSecret::new([7; 32])
}

const START: SystemTime = SystemTime::UNIX_EPOCH;

/// A policy that allows `host` to everybody.
fn text(version: &str, host: &str) -> String {
    format!(
        "version: {version}\npolicies:\n  - name: p\n    agents: [\"*\"]\n    rules:\n      - {{name: r, hosts: [{host}], decision: allow}}\n"
    )
}

fn sources(version: &str) -> Vec<Source> {
    vec![Source { name: "p.yaml".into(), text: text(version, &format!("{version}.test")) }]
}

fn loaded(version: &str) -> Loaded {
    let sources = sources(version);
    Loaded { snapshot: compile(&sources).unwrap(), sources, kind: Kind::File, revision: None }
}

fn pushed(version: &str, plan: Option<Plan>) -> Pushed {
    let sources = sources(version);
    Pushed { snapshot: compile(&sources).unwrap(), sources, note: None, if_version: None, plan }
}

fn plan(percent: f64) -> Plan {
    Plan {
        percent: Percent::try_from(percent).unwrap(),
        auto_promote_after: Some(Duration::from_secs(60)),
        max_deny_delta: Percent::try_from(2.0).unwrap(),
        min_decisions: 10,
    }
}

fn agent(name: &str) -> Agent {
    Agent { name: name.to_owned(), ..Agent::default() }
}

struct Room {
    dir: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A start of the daemon that finds `version` at its source.
    fn start(&self, version: &str) -> (Store, Option<String>) {
        Store::open(Ok(loaded(version)), self.dir.path(), masks(), RolloutMetrics::default(), START).unwrap()
    }
}

fn broken() -> PolicyError {
    PolicyError::Read { path: "/p".into(), why: "it is broken".to_owned() }
}

fn push(store: &Store, version: &str) -> u64 {
    let (number, prepared) = store.push(pushed(version, None), Who::default(), START).unwrap();
    prepared.unwrap().make().unwrap();
    number
}

fn live(store: &Store) -> String {
    store.current().version().to_owned()
}

#[test]
fn whatever_becomes_live_is_kept_by_number_and_private() {
    use std::os::unix::fs::PermissionsExt;
    let room = Room::new();
    let (store, says) = room.start("v1");
    assert_eq!(says.unwrap(), "policy: version 1 (v1) is live, at the daemon's start, from the source");
    assert_eq!(push(&store, "v2"), 2);
    assert_eq!(push(&store, "v1"), 1, "one content has one number");
    let (index, _, _) = store.look();
    assert_eq!((index.live, index.previous, index.pinned), (1, Some(2), true));
    for entry in std::fs::read_dir(room.dir.path().join("policy/versions")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
    }
    assert_eq!(store.sources(2).unwrap()[0].text, sources("v2")[0].text);
}

#[test]
fn the_last_explicit_act_wins_over_restarts_until_the_source_changes() {
    let room = Room::new();
    let (store, _) = room.start("v1");
    push(&store, "v2");
    drop(store);
    let (store, says) = room.start("v1");
    assert_eq!((live(&store).as_str(), says), ("v2", None), "pinned, and the source is as it was");
    assert!(store.arrived(loaded("v1"), START).unwrap().is_none(), "nothing new at the source");
    store.rollback(None, None, Who::default(), START).unwrap().make().unwrap();
    assert_eq!(live(&store), "v1");
    drop(store);
    let (store, says) = room.start("v3");
    assert_eq!(live(&store), "v3");
    assert!(says.unwrap().contains("instead of version 1 (v1)"), "said to the log and the record");
    assert!(!store.look().0.pinned);

    push(&store, "v4");
    store.arrived(loaded("v5"), START).unwrap().unwrap().make().unwrap();
    assert_eq!(live(&store), "v5", "what is new at the source wins");
    push(&store, "v4");
    store.reload(loaded("v5"), Who::default(), START).unwrap().unwrap().make().unwrap();
    assert_eq!(live(&store), "v5", "so does a reload that somebody asked for");
    assert!(store.reload(loaded("v5"), Who::default(), START).unwrap().is_none(), "which changes nothing twice");
}

#[test]
fn a_broken_source_leaves_what_was_live_and_none_is_none() {
    let room = Room::new();
    let open = || Store::open(Err(broken()), room.dir.path(), masks(), RolloutMetrics::default(), START);
    assert!(matches!(open(), Err(ChangeError::Policy(_))), "there is nothing to fall back to");
    drop(room.start("v1"));
    let (store, says) = open().unwrap();
    assert_eq!(live(&store), "v1");
    assert!(says.unwrap().contains("version 1 (v1) stays live, the source is refused: /p: it is broken"));
}

#[test]
fn what_was_mixed_up_or_damaged_is_not_used() {
    let room = Room::new();
    let (store, _) = room.start("v1");
    push(&store, "v2");
    let file = |number: u64| room.dir.path().join(format!("policy/versions/{number:06}.tar.gz"));
    std::fs::copy(file(2), file(1)).unwrap();
    let error = store.rollback(Some(1), None, Who::default(), START).err().unwrap();
    assert!(error.to_string().contains("not what was kept"), "{error}");
    assert_eq!(live(&store), "v2");
    drop(store);
    // The pinned one itself: whoever pinned it counts on it, so nothing else is put in its place.
    std::fs::write(file(2), b"rubbish").unwrap();
    let opened = Store::open(Ok(loaded("v1")), room.dir.path(), masks(), RolloutMetrics::default(), START);
    assert!(matches!(opened, Err(ChangeError::Versions { .. })));
    std::fs::write(room.dir.path().join("policy/versions/index.json"), b"{").unwrap();
    let opened = Store::open(Ok(loaded("v1")), room.dir.path(), masks(), RolloutMetrics::default(), START);
    assert!(matches!(opened, Err(ChangeError::Versions { .. })));
}

#[test]
fn a_push_that_has_seen_another_version_is_refused() {
    let room = Room::new();
    let (store, _) = room.start("v1");
    push(&store, "v2");
    let late = Pushed { if_version: Some(1), ..pushed("v3", None) };
    let error = store.push(late, Who::default(), START).err().unwrap();
    assert!(matches!(error, ChangeError::Moved { live: 2, expected: 1 }), "{error}");
    let seen = Pushed { if_version: Some(2), ..pushed("v3", None) };
    store.push(seen, Who::default(), START).unwrap().1.unwrap().make().unwrap();
    assert_eq!(live(&store), "v3");
    let (number, prepared) = store.push(pushed("v3", None), Who::default(), START).unwrap();
    assert!(number == 3 && prepared.is_none(), "once is enough");
    assert!(matches!(store.rollback(Some(9), None, Who::default(), START), Err(ChangeError::NoVersion { number: 9 })));
    assert!(matches!(store.rollback(Some(3), None, Who::default(), START), Err(ChangeError::Live { number: 3 })));
}

#[test]
fn so_many_are_kept_and_never_the_live_one_is_dropped() {
    let room = Room::new();
    let (store, _) = room.start("v0");
    for number in 0..KEPT + 10 {
        // Flipping to and fro: the oldest is live again and again.
        push(&store, &format!("w{number}"));
        push(&store, "v0");
    }
    let (index, _, _) = store.look();
    assert_eq!(index.newest_first().count(), KEPT);
    assert_eq!((index.live, live(&store).as_str()), (1, "v0"));
    let files = std::fs::read_dir(room.dir.path().join("policy/versions")).unwrap().count();
    assert_eq!(files, KEPT + 1, "with the index");
    assert!(store.sources(2).is_err() && store.sources(1).is_ok());
}

/// Something that both policies answer as the test says.
struct Fixed(Answer);

impl Wanted for Fixed {
    fn ask(&self, _: &Snapshot) -> Said {
        Said::Answer(self.0.clone())
    }

    fn describe(&self) -> String {
        "GET https://x.test/".to_owned()
    }

    fn weight(&self) -> usize {
        1
    }
}

fn answer(denies: bool) -> Answer {
    let decision = if denies { aegis_policy::Decision::Deny } else { aegis_policy::Decision::Allow };
    Answer { decision, mode: aegis_policy::Mode::Enforce, rule: None }
}

/// `count` decisions of `name`: the one that decides says `decided`, the other one `other`.
fn decide(store: &Store, name: &str, count: u64, decided: bool, other: bool) {
    let before = store.look().1.unwrap().rollout.counts.compared;
    for _ in 0..count {
        let agent = Arc::new(agent(name));
        let choice = store.for_agent(&agent);
        let wanted = Box::new(Fixed(answer(other)));
        choice.beside().unwrap().ask(Question { agent, at: START, decided: answer(decided), wanted });
    }
    // The other one is asked by a thread of its own.
    while store.look().1.unwrap().rollout.counts.compared < before + count {
        std::thread::yield_now();
    }
}

fn make(step: Result<Option<super::super::change::Prepared<'_>>, ChangeError>) -> String {
    let prepared = step.unwrap().expect("a step is due");
    let says = prepared.says().to_owned();
    prepared.make().unwrap();
    says
}

#[test]
fn a_candidate_goes_from_shadow_to_some_to_all() {
    let room = Room::new();
    let (store, _) = room.start("v1");
    let says = make(store.push(pushed("v2", Some(plan(50.0))), Who::default(), START).map(|(_, prepared)| prepared));
    assert_eq!(
        says,
        "policy: version 2 (v2) is tried in shadow on 50 % of the agents beside version 1 (v1), by the daemon"
    );
    let names: Vec<String> = (0..200).map(|number| format!("a{number}")).collect();
    let tried: Vec<&String> = names.iter().filter(|name| store.for_agent(&agent(name)).beside().is_some()).collect();
    assert!((60..140).contains(&tried.len()), "{}", tried.len());
    assert!(names.iter().all(|name| store.for_agent(&agent(name)).version() == "v1"), "in shadow it decides nothing");

    assert!(store.advance(START + Duration::from_secs(60)).unwrap().is_none(), "nothing was compared");
    decide(&store, tried[0], 10, false, false);
    let later = START + Duration::from_secs(60);
    assert!(make(store.advance(later)).contains("decides for 50 % of the agents, by its schedule"));
    for name in &names {
        let expected = if tried.contains(&name) { "v2" } else { "v1" };
        assert_eq!(store.for_agent(&agent(name)).version(), expected, "the same agents as before");
    }
    assert_eq!(store.current().version(), "v1");

    decide(&store, tried[0], 10, false, false);
    assert!(
        make(store.advance(later + Duration::from_secs(60))).contains("version 2 (v2) is live instead of version 1")
    );
    assert!(names.iter().all(|name| store.for_agent(&agent(name)).version() == "v2"));
    let (index, found, _) = store.look();
    assert!(found.is_none() && index.pinned && index.previous == Some(1));
}

#[test]
fn one_that_denies_otherwise_is_rolled_back_in_either_phase() {
    for phase in [Phase::Shadow, Phase::Enforced] {
        let room = Room::new();
        let (store, _) = room.start("v1");
        make(store.push(pushed("v2", Some(plan(100.0))), Who::default(), START).map(|(_, prepared)| prepared));
        if phase == Phase::Enforced {
            make(store.promote(None, Who::default(), START).map(Some));
            assert_eq!(store.for_agent(&agent("a")).version(), "v2");
        }
        // In the enforced phase it is the candidate that decides.
        let candidate_decides = phase == Phase::Enforced;
        decide(&store, "a", 9, false, false);
        assert!(store.advance(START).unwrap().is_none());
        decide(&store, "a", 1, candidate_decides, !candidate_decides);
        let found = store.look().1.unwrap();
        assert_eq!((found.decisions_changed, found.ways.len()), (1, 1));
        assert_eq!((found.ways[0].0.live.decision, found.ways[0].0.candidate.decision), ("allow", "deny"));
        assert_eq!(found.recent[0].about, "GET https://x.test/");
        let says = make(store.advance(START));
        assert!(says.contains("of 10 decisions it denies 1 and the live policy 0"), "{says}");
        assert_eq!(store.for_agent(&agent("a")).version(), "v1");
        assert!(store.for_agent(&agent("a")).beside().is_none());
        assert!(store.sources(2).is_ok(), "it is kept, to be looked at");
    }
}

#[test]
fn a_rollout_survives_a_restart_with_its_counts_and_ends_with_its_live_policy() {
    let room = Room::new();
    let (store, _) = room.start("v1");
    make(store.push(pushed("v2", Some(plan(100.0))), Who::default(), START).map(|(_, prepared)| prepared));
    make(store.promote(None, Who::default(), START).map(Some));
    decide(&store, "a", 7, false, false);
    store.remember().unwrap();
    drop(store);
    let (store, says) = room.start("v1");
    assert_eq!(says, None);
    let rollout = store.look().1.unwrap().rollout;
    assert_eq!((rollout.phase, rollout.counts.compared), (Phase::Enforced, 7));
    assert_eq!(store.for_agent(&agent("a")).version(), "v2");
    let error = store.push(pushed("v3", Some(plan(1.0))), Who::default(), START).err().unwrap();
    assert!(matches!(error, ChangeError::UnderWay { number: 2 }), "{error}");
    let says = make(store.push(pushed("v3", None), Who::default(), START).map(|(_, prepared)| prepared));
    assert!(says.ends_with("the rollout of version 2 ends with it"), "{says}");
    assert_eq!(store.for_agent(&agent("a")).version(), "v3");

    make(store.push(pushed("v4", Some(plan(100.0))), Who::default(), START).map(|(_, prepared)| prepared));
    drop(store);
    let (store, says) = room.start("v5");
    assert!(says.unwrap().ends_with("the rollout of version 4 ends with it"));
    assert!(store.look().1.is_none());
    assert!(matches!(store.promote(None, Who::default(), START), Err(ChangeError::NoRollout)));
    assert!(matches!(store.abort(Who::default(), START), Err(ChangeError::NoRollout)));
}

/// One that is asked only when the test lets it.
struct Slow(Arc<Mutex<()>>);

impl Wanted for Slow {
    fn ask(&self, _: &Snapshot) -> Said {
        drop(self.0.lock());
        Said::Unknown
    }

    fn describe(&self) -> String {
        String::new()
    }

    fn weight(&self) -> usize {
        1 << 20
    }
}

#[test]
fn a_queue_that_is_full_drops_and_counts_and_never_waits() {
    let room = Room::new();
    let (store, _) = room.start("v1");
    make(store.push(pushed("v2", Some(plan(100.0))), Who::default(), START).map(|(_, prepared)| prepared));
    let gate = Arc::new(Mutex::new(()));
    let held = gate.lock().unwrap();
    let asker = Arc::new(agent("a"));
    for _ in 0..40 {
        let wanted = Box::new(Slow(Arc::clone(&gate)));
        let question = Question { agent: Arc::clone(&asker), at: START, decided: answer(false), wanted };
        store.for_agent(&asker).beside().unwrap().ask(question);
    }
    assert_eq!(store.look().1.unwrap().dropped, 8, "32 MiB wait, one of them at the thread");
    drop(held);
    while store.look().1.unwrap().unanswerable < 32 {
        std::thread::yield_now();
    }
}
