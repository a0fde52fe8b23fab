#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_800_000_000;
const FEW: Limits = Limits { entries: 20, share: 5 };

fn id(text: &str) -> TokenId {
    TokenId::new("i", text).unwrap()
}

fn open(path: &Path) -> Embedded {
    Embedded::open(path, Limits::default()).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
}

#[tokio::test]
async fn a_token_is_one_holders_until_it_ends_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let store = open(&path);
    assert_eq!(store.claim(&id("a"), "x", NOW + 60, NOW).await, Ok(Claim::First));
    assert_eq!(store.claim(&id("a"), "x", NOW + 60, NOW).await, Ok(Claim::Same));
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert!(matches!(Embedded::open(&path, Limits::default()), Err(StateError::InUse { .. })), "one daemon a file");
    drop(store);
    let store = open(&path);
    assert_eq!(store.claim(&id("a"), "y", NOW + 60, NOW + 59).await, Ok(Claim::Other));
    assert_eq!(store.claim(&id("a"), "y", NOW + 90, NOW + 60).await, Ok(Claim::First), "it has ended");
    store.revoke(&id("a"), "", NOW + 90, NOW).await.unwrap();
    drop(store);
    let store = open(&path);
    assert_eq!(store.claim(&id("a"), "y", NOW + 90, NOW + 61).await, Ok(Claim::Revoked));
    let revoked = [store.revoked(&id("a"), NOW + 61).await, store.revoked(&id("b"), NOW + 61).await];
    assert_eq!(revoked, [Ok(true), Ok(false)]);
    assert_eq!(store.revoked(&id("a"), NOW + 90).await, Ok(false), "and forgotten when it has ended");
    let (total, list) = store.revocations(NOW + 61, 10).await.unwrap();
    assert_eq!((total, list), (1, vec![Revoked { id: id("a"), until: NOW + 90 }]));
}

#[tokio::test]
async fn the_first_definition_is_the_one_that_is_known_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let one = |tool: &str, hash: &str| Defined { tool: tool.into(), hash: hash.into() };
    let known = |hashes: &[&str]| Ok(hashes.iter().map(|hash| (*hash).to_owned()).collect::<Vec<_>>());
    let store = open(&path);
    assert_eq!(store.define("a", vec![one("s:1\nadd", "h1")], NOW).await, known(&["h1"]));
    assert_eq!(store.define("a", vec![one("s:1\nadd", "h2"), one("s:1\nsub", "h3")], NOW).await, known(&["h1", "h3"]));
    drop(store);
    let store = open(&path);
    assert_eq!(store.define("a", vec![one("s:1\nadd", "h2")], NOW).await, known(&["h1"]));
    assert_eq!(store.define("a", vec![one("s:2\nadd", "h2")], NOW).await, known(&["h2"]), "another server");
    assert_eq!(store.define("a-", vec![one("s:1\nadd", "h2")], NOW).await, known(&["h2"]), "another agent");
    let many = |n: usize| (0..n).map(|n| one(&format!("s:1\n{n}"), "h")).collect::<Vec<_>>();
    assert!(store.define("b", many(definitions::MOST + 1), NOW).await.is_err(), "nobody fills the store");
    assert_eq!(store.define("a", vec![one("s:3\nadd", "h9")], NOW).await, known(&["h9"]), "for others");
}

#[tokio::test]
async fn what_is_forgotten_is_known_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("state.redb"));
    assert_eq!(store.definitions("a", 10).await, Ok((0, Vec::new())), "a file of before there were any");
    let one = |tool: &str, hash: &str| Defined { tool: tool.into(), hash: hash.into() };
    let all = vec![one("s:1\nadd", "h1"), one("s:1\nsub", "h2"), one("s:2\nadd", "h3")];
    store.define("a", all.clone(), NOW).await.unwrap();
    store.define("a-b", vec![one("s:1\nadd", "h4")], NOW).await.unwrap();
    assert_eq!(store.definitions("a", 10).await, Ok((3, all.clone())));
    assert_eq!(store.definitions("a", 2).await, Ok((3, all[..2].to_vec())));
    let which = |server: Option<&str>, tool: Option<&str>| Which {
        server: server.map(str::to_owned),
        tool: tool.map(str::to_owned),
    };
    for (which, forgotten) in [
        (which(Some("s:3"), None), 0),
        (which(Some("s:1"), Some("add")), 1),
        (which(Some("s:1"), Some("add")), 0),
        (which(None, Some("add")), 1),
        (which(None, None), 1),
    ] {
        assert_eq!(store.forget("a", which.clone(), NOW).await, Ok(forgotten), "{which:?}");
    }
    assert_eq!(store.definitions("a-b", 10).await, Ok((1, vec![one("s:1\nadd", "h4")])), "of another agent");
    assert_eq!(store.define("a", vec![one("s:1\nadd", "h9")], NOW).await, Ok(vec!["h9".to_owned()]));
}

#[test]
fn of_many_at_once_exactly_one_is_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("state.redb"));
    let (store, id) = (&store, &id("contended"));
    let firsts: usize = std::thread::scope(|scope| {
        let claims: Vec<_> = (0..8)
            .map(|thread| {
                scope.spawn(move || {
                    let runtime = runtime();
                    let one = |n| async move { store.claim(id, &format!("{thread}/{n}"), NOW + 60, NOW).await };
                    let answers = runtime.block_on(futures_util::future::join_all((0..50).map(one)));
                    answers.into_iter().filter(|answer| *answer == Ok(Claim::First)).count()
                })
            })
            .collect();
        claims.into_iter().map(|claim| claim.join().unwrap()).sum()
    });
    assert_eq!(firsts, 1);
}

#[tokio::test]
async fn no_holder_fills_the_store_and_what_is_over_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let store = Embedded::open(&path, FEW).unwrap();
    for n in 0..5 {
        assert_eq!(store.claim(&id(&n.to_string()), "greedy", NOW + 60, NOW).await, Ok(Claim::First));
    }
    assert_eq!(store.claim(&id("5"), "greedy", NOW + 60, NOW).await, Ok(Claim::Full), "an answer, not silence");
    let full = store.revoke(&id("5"), "greedy", NOW + 60, NOW).await.unwrap_err();
    assert!(full.to_string().contains("5 tokens"), "its revocations are counted too: {full}");
    store.revoke(&id("5"), "", NOW + 60, NOW).await.unwrap();
    assert_eq!(store.claim(&id("other"), "modest", NOW + 60, NOW).await, Ok(Claim::First));
    drop(store);
    let store = Embedded::open(&path, FEW).unwrap();
    assert_eq!(store.claim(&id("6"), "greedy", NOW + 60, NOW + 59).await, Ok(Claim::Full), "counted over a restart");
    // The first write after the end takes away what is over.
    assert_eq!(store.claim(&id("later"), "modest", NOW + 99, NOW + 60).await, Ok(Claim::First));
    assert_eq!(store.claim(&id("6"), "greedy", NOW + 99, NOW + 60).await, Ok(Claim::First));
    assert_eq!(store.revocations(NOW + 60, 10).await.unwrap(), (0, vec![]));
}

#[tokio::test]
async fn a_part_of_the_revocations_is_for_administrators() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(&dir.path().join("state.redb"), FEW).unwrap();
    for n in 0..FEW.entries - 2 {
        store.revoke(&id(&n.to_string()), &format!("agent-{}", n % 9), NOW + 60, NOW).await.unwrap();
    }
    assert!(store.revoke(&id("one-more"), "agent-9", NOW + 60, NOW).await.is_err());
    for n in 0..2 {
        store.revoke(&id(&format!("admin-{n}")), "", NOW + 60, NOW).await.unwrap();
    }
    assert!(store.revoke(&id("too-many"), "", NOW + 60, NOW).await.is_err(), "bounded all the same");
}

#[tokio::test]
async fn after_an_error_only_the_file_that_was_there_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let (path, aside) = (dir.path().join("state.redb"), dir.path().join("aside"));
    let store = open(&path);
    assert_eq!(store.claim(&id("used"), "x", NOW + 60, NOW).await, Ok(Claim::First));
    // As the writer does it when the disk has failed; meanwhile the file gets lost.
    store.slot.set(None, Some("the disk".to_owned()));
    std::fs::rename(&path, &aside).unwrap();
    let claim = async |wanted: &str| {
        let began = std::time::Instant::now();
        loop {
            let answer = store.claim(&id("used"), "y", NOW + 60, NOW).await;
            match &answer {
                Err(why) if !why.to_string().contains(wanted) && began.elapsed() < Duration::from_secs(20) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                _ => return answer,
            }
        }
    };
    assert!(claim("it is gone").await.unwrap_err().to_string().contains("it is gone"));
    assert!(!path.exists(), "no empty one was made, in which every token is new");
    std::fs::write(&path, "").unwrap();
    assert!(claim("emptied").await.unwrap_err().to_string().contains("emptied"));
    // A file of ours that knows nothing.
    std::fs::remove_file(&path).unwrap();
    drop(Database::create(&path).unwrap());
    store.slot.set(None, Some("the disk".to_owned()));
    assert!(claim("emptied").await.unwrap_err().to_string().contains("emptied"));
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(claim("never").await, Ok(Claim::Other), "what was known is known again");
}

#[test]
fn a_damaged_file_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let store = open(&path);
    runtime().block_on(store.claim(&id("used"), "x", NOW + 60, NOW)).unwrap();
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let used = whole.windows(6).rposition(|window| window == b"i/used").unwrap();
    let mut flipped = whole.clone();
    flipped[used] ^= 1;
    let half = whole[..whole.len() / 2].to_vec();
    for (what, bytes) in [("garbage", b"not a database".repeat(1000)), ("cut off", half), ("one bit", flipped)] {
        std::fs::write(&path, &bytes).unwrap();
        let error = Embedded::open(&path, Limits::default()).err().unwrap_or_else(|| panic!("{what} was taken"));
        assert!(matches!(error, StateError::Unusable { .. }), "{what}: {error}");
        assert!(error.to_string().contains("Fix: restore it, or move it away"), "{what}: {error}");
    }
    std::fs::write(&path, &whole).unwrap();
    let store = open(&path);
    assert_eq!(runtime().block_on(store.claim(&id("used"), "x", NOW + 60, NOW)), Ok(Claim::Same));
}

const CHILD: &str = "AEGIS_TEST_STATE_CHILD";

/// Not a test of its own: what [`what_was_answered_survives_a_kill`] kills.
#[test]
fn child_that_claims_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = open(Path::new(&path));
    let runtime = runtime();
    for n in 0.. {
        assert_eq!(runtime.block_on(store.claim(&id(&n.to_string()), "child", NOW + 60, NOW)), Ok(Claim::First));
        println!("claimed {n}");
    }
}

#[test]
fn what_was_answered_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "state::embedded::tests::child_that_claims_until_it_is_killed", "--nocapture"])
        .env(CHILD, &path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let number = |line: String| line.strip_prefix("claimed ")?.parse::<u64>().ok();
    let mut claimed = lines.map_while(Result::ok).filter_map(number);
    let seen: Vec<u64> = claimed.by_ref().take(40).collect();
    assert_eq!(seen.len(), 40, "the child claims");
    child.kill().unwrap();
    let seen: Vec<u64> = seen.into_iter().chain(claimed).collect();
    child.wait().unwrap();
    let store = open(&path);
    for n in &seen {
        let again = runtime().block_on(store.claim(&id(&n.to_string()), "next", NOW + 60, NOW));
        assert_eq!(again, Ok(Claim::Other), "claim {n} of {} was answered and is lost", seen.len());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Claim { id: u8, holder: u8, lives: u64 },
    Revoke { id: u8, lives: u64 },
    Wait(u64),
    Sweep,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let claim = (0..4_u8, 0..3_u8, 1..50_u64).prop_map(|(id, holder, lives)| Step::Claim { id, holder, lives });
    let revoke = (0..4_u8, 1..50_u64).prop_map(|(id, lives)| Step::Revoke { id, lives });
    prop_oneof![6 => claim, 2 => revoke, 4 => (1..40_u64).prop_map(Step::Wait), 1 => Just(Step::Sweep), 1 => Just(Step::Restart)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Against two maps that forget when they should.
    #[test]
    fn claims_and_revocations_end_when_they_should(steps in proptest::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.redb");
        let runtime = runtime();
        let mut store = open(&path);
        let (mut held, mut revoked): (HashMap<u8, (u8, u64)>, HashMap<u8, u64>) = Default::default();
        let mut now = NOW;
        for step in steps {
            match step {
                Step::Claim { id: n, holder, lives } => {
                    held.retain(|_, (_, until)| *until > now);
                    revoked.retain(|_, until| *until > now);
                    let expected = match (revoked.get(&n), held.get(&n)) {
                        (Some(_), _) => Claim::Revoked,
                        (None, Some((by, _))) if *by == holder => Claim::Same,
                        (None, Some(_)) => Claim::Other,
                        (None, None) => {
                            held.insert(n, (holder, now + lives));
                            Claim::First
                        }
                    };
                    let (id, holder) = (id(&n.to_string()), holder.to_string());
                    let claimed = store.claim(&id, &holder, now + lives, now);
                    prop_assert_eq!(runtime.block_on(claimed), Ok(expected));
                }
                Step::Revoke { id: n, lives } => {
                    runtime.block_on(store.revoke(&id(&n.to_string()), "", now + lives, now)).unwrap();
                    let until = revoked.entry(n).or_default();
                    *until = (*until).max(now + lives);
                }
                Step::Wait(seconds) => now += seconds,
                Step::Sweep => store.sweep(now),
                Step::Restart => {
                    drop(store);
                    store = open(&path);
                }
            }
        }
    }
}
