#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use super::super::{Revocation, Revoker, Source};
use super::*;
use crate::config::AgentSpec;

const ISSUER: &str = "aegis:default";

fn replay(dir: &Path) -> Replay {
    let config = Config { state_dir: dir.to_owned(), ..Config::default() };
    Replay::open(&config, &Metrics::new()).unwrap()
}

fn agent(index: u32) -> Enrolled {
    let spec: AgentSpec = serde_json::from_value(serde_json::json!({"name": "a"})).unwrap();
    Enrolled::new(AgentIndex::new(index).unwrap(), spec, Source::Config, "/cgroup".into())
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn claims(jti: &str, lives: u64) -> Claims {
    let iat = 1_800_000_000;
    serde_json::from_value(serde_json::json!({
        "iss": ISSUER, "aud": "aegis", "sub": "a", "org": "o", "tenant": "t", "agent_id": "a",
        "iat": iat, "nbf": iat, "exp": iat + lives, "jti": jti,
    }))
    .unwrap()
}

async fn shown(replay: &Replay, jti: &str, agent: &Enrolled, mode: Mode) -> Result<(), NotAdmitted> {
    replay.admit(&claims(jti, 600), agent, mode, now()).await
}

fn refused<T>(why: ReplayRefused) -> Result<T, NotAdmitted> {
    Err(NotAdmitted::Refused(why))
}

#[tokio::test]
async fn bound_to_the_first_instance_over_restarts_but_not_over_a_new_registration() {
    let dir = tempfile::tempdir().unwrap();
    let first = replay(dir.path());
    for _ in 0..3 {
        assert_eq!(shown(&first, "x", &agent(1), Mode::Bound).await, Ok(()));
    }
    assert_eq!(shown(&first, "x", &agent(2), Mode::Bound).await, refused(ReplayRefused::Elsewhere));
    assert_eq!(shown(&first, "x", &agent(1), Mode::Bound).await, Ok(()), "refusing another changes nothing");
    drop(first);
    let second = replay(dir.path());
    assert_eq!(shown(&second, "x", &agent(1), Mode::Bound).await, Ok(()));
    assert_eq!(shown(&second, "x", &agent(2), Mode::Bound).await, refused(ReplayRefused::Elsewhere));
    // Another issuer's token with the same jti is another token.
    let foreign = Claims { iss: "https://login.example.com/".into(), ..claims("x", 600) };
    assert_eq!(second.admit(&foreign, &agent(2), Mode::Bound, now()).await, Ok(()));
}

#[tokio::test]
async fn bound_asks_the_store_once() {
    let dir = tempfile::tempdir().unwrap();
    let replay = replay(dir.path());
    for _ in 0..100 {
        assert_eq!(shown(&replay, "x", &agent(1), Mode::Bound).await, Ok(()));
    }
    assert_eq!(replay.health().calls, 1);
}

#[tokio::test]
async fn a_stricter_policy_counts_what_was_shown_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let replay = replay(dir.path());
    assert_eq!(shown(&replay, "x", &agent(1), Mode::Bound).await, Ok(()));
    assert_eq!(shown(&replay, "x", &agent(1), Mode::SingleUse).await, refused(ReplayRefused::Used));
    assert_eq!(shown(&replay, "y", &agent(1), Mode::SingleUse).await, Ok(()));
    assert_eq!(shown(&replay, "y", &agent(1), Mode::SingleUse).await, refused(ReplayRefused::Used));
}

#[tokio::test]
async fn what_cannot_be_remembered_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let replay = replay(dir.path());
    assert_eq!(shown(&replay, "", &agent(1), Mode::Bound).await, refused(ReplayRefused::NoId));
    for (lives, expected) in [(LONGEST.as_secs(), Ok(())), (LONGEST.as_secs() + 1, refused(ReplayRefused::TooLong))] {
        let token = claims("long", lives);
        assert_eq!(replay.admit(&token, &agent(1), Mode::Bound, now()).await, expected);
    }
    let never = Claims { exp: u64::MAX, ..claims("never", 1) };
    assert_eq!(replay.admit(&never, &agent(1), Mode::Bound, now()).await, refused(ReplayRefused::TooLong));
}

#[tokio::test]
async fn used_within_the_leeway_is_remembered_beyond_it() {
    let dir = tempfile::tempdir().unwrap();
    let replay = replay(dir.path());
    let late = now() + Duration::from_secs(600 + 290);
    let token = claims("late", 600);
    assert_eq!(replay.admit(&token, &agent(1), Mode::SingleUse, late).await, Ok(()));
    replay.known.invalidate_all();
    let later = late + Duration::from_secs(599);
    assert_eq!(replay.admit(&token, &agent(1), Mode::SingleUse, later).await, refused(ReplayRefused::Used));
}

#[tokio::test]
async fn a_revocation_counts_at_once_also_for_what_is_remembered_as_good() {
    let dir = tempfile::tempdir().unwrap();
    let replay = replay(dir.path());
    assert_eq!(shown(&replay, "x", &agent(1), Mode::Bound).await, Ok(()));
    let exp = Some(claims("x", 600).exp);
    let (revocation, until) = replay.revoke(ISSUER, "x", exp, Revoker::Administrator, now()).await.unwrap();
    assert_eq!((revocation, until), (Revocation::Stored, now() + Duration::from_secs(600) + AFTER));
    for mode in [Mode::Bound, Mode::SingleUse] {
        assert_eq!(shown(&replay, "x", &agent(1), mode).await, refused(ReplayRefused::Revoked));
    }
    replay.known.invalidate_all();
    assert_eq!(shown(&replay, "x", &agent(1), Mode::Bound).await, refused(ReplayRefused::Revoked), "stored");
    assert_eq!(replay.is_revoked(&claims("x", 600), now()).await, Ok(true));
    assert_eq!(replay.is_revoked(&claims("y", 600), now()).await, Ok(false));
    // Without an end, and with one that nobody believes: as long as any token can be admitted.
    let longest = now() + LONGEST + AFTER;
    for exp in [None, Some(u64::MAX)] {
        assert_eq!(replay.revoke(ISSUER, "z", exp, Revoker::Theft(&agent(1)), now()).await.unwrap().1, longest);
    }
    let calls = replay.health().calls;
    assert_eq!(replay.revoke(ISSUER, "z", None, Revoker::Theft(&agent(1)), now()).await.unwrap().0, Revocation::Stored);
    assert_eq!(replay.health().calls, calls, "a thief who goes on costs nothing");
    assert!(replay.revoke(ISSUER, "", None, Revoker::Theft(&agent(1)), now()).await.is_none());
    let (total, list) = replay.revocations(10, now()).await.unwrap();
    assert_eq!((total, list.len()), (2, 2));
}

#[tokio::test]
async fn an_answer_from_before_a_revocation_is_not_remembered_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let replay = replay(dir.path());
    let id = TokenId::new(ISSUER, "x").unwrap();
    let before = replay.learned.load(Ordering::SeqCst);
    replay.revoke(ISSUER, "x", None, Revoker::Administrator, now()).await.unwrap();
    // The answer to a claim that the store gave before now comes in: whether or not the mark is still there.
    replay.remember(&id, Known::Held(AgentIndex::new(1).unwrap(), 0), before);
    assert_ne!(replay.known.get(&id), Some(Known::Held(AgentIndex::new(1).unwrap(), 0)));
    replay.known.invalidate(&id);
    replay.remember(&id, Known::Held(AgentIndex::new(1).unwrap(), 0), before);
    assert_eq!(replay.known.get(&id), None);
    assert_eq!(shown(&replay, "x", &agent(1), Mode::Bound).await, refused(ReplayRefused::Revoked));
}

#[tokio::test]
async fn when_news_are_lost_only_what_was_good_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let replay = replay(dir.path());
    assert_eq!(shown(&replay, "held", &agent(1), Mode::Bound).await, Ok(()));
    assert_eq!(shown(&replay, "used", &agent(1), Mode::SingleUse).await, Ok(()));
    replay.revoke(ISSUER, "revoked", None, Revoker::Administrator, now()).await.unwrap();
    let calls = replay.health().calls;
    replay.lost();
    // The store may have lost them, this host has not.
    assert_eq!(shown(&replay, "used", &agent(1), Mode::SingleUse).await, refused(ReplayRefused::Used));
    assert_eq!(shown(&replay, "revoked", &agent(1), Mode::Bound).await, refused(ReplayRefused::Revoked));
    assert!(replay.known_revoked(&claims("revoked", 600)) && !replay.known_revoked(&claims("held", 600)));
    assert_eq!(replay.health().calls, calls);
    for _ in 0..2 {
        assert_eq!(shown(&replay, "held", &agent(1), Mode::Bound).await, Ok(()));
    }
    assert_eq!(replay.health().calls, calls + 1, "asked again, once");
}

#[tokio::test]
async fn a_share_that_is_full_is_no_silence_of_the_store() {
    for mode in [Mode::Bound, Mode::SingleUse] {
        let (known, answer) = judge(Claim::Full, mode, AgentIndex::new(1).unwrap(), 0);
        assert_eq!((known, answer), (None, Err(ReplayRefused::Full)), "no rule's fail_mode lets it pass");
    }
    assert_eq!(ReplayRefused::Full.kind(), "token_limit");
}

#[test]
fn what_waits_for_the_store_leaves_room_for_others_and_is_not_shortened() {
    let unsaved = Unsaved::default();
    let id = |text: String| TokenId::new(ISSUER, &text).unwrap();
    let of = |by: &str, most: usize| (0..most).filter(|n| unsaved.add(&id(format!("{by}-{n}")), now(), by)).count();
    assert_eq!(of("host/1", 600), 500, "one agent's");
    assert_eq!((2..20).map(|n| of(&format!("host/{n}"), 600)).sum::<usize>(), 4500, "all agents'");
    assert_eq!(of("", 6000), 5000, "the other half is for administrators");
    let (own, later) = (id("host/1-0".to_owned()), now() + Duration::from_secs(60));
    assert!(unsaved.add(&own, later, "") && unsaved.add(&own, now(), "host/2"), "there already");
    unsaved.saved(&own, now());
    assert!(unsaved.holds(&own), "what is to last longer waits on");
    unsaved.saved(&own, later);
    assert!(!unsaved.holds(&own));
}

#[tokio::test]
async fn a_theft_is_counted_as_the_owners_share() {
    let dir = tempfile::tempdir().unwrap();
    let replay = replay(dir.path());
    replay.revoke(ISSUER, "stolen", None, Revoker::Theft(&agent(7)), now()).await.unwrap();
    replay.revoke(ISSUER, "by-hand", None, Revoker::Administrator, now()).await.unwrap();
    let by = replay.holder(AgentIndex::new(7).unwrap());
    drop(replay);
    let db = redb::Database::open(dir.path().join("state.redb")).unwrap();
    let table: redb::TableDefinition<'_, &str, (u64, &str)> = redb::TableDefinition::new("revoked");
    let table = redb::ReadableDatabase::begin_read(&db).unwrap().open_table(table).unwrap();
    let booked = |jti: &str| {
        let entry = table.get(TokenId::new(ISSUER, jti).unwrap().as_str()).unwrap().unwrap();
        entry.value().1.to_owned()
    };
    assert_eq!((booked("stolen"), booked("by-hand")), (by, String::new()));
}

#[test]
fn a_host_without_a_name_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { state_dir: dir.path().to_owned(), ..Config::default() };
    drop(Replay::open(&config, &Metrics::new()).unwrap());
    let path = dir.path().join("host.id");
    for wrong in ["", "\n", "a/b", "a b", &"x".repeat(65)] {
        std::fs::write(&path, wrong).unwrap();
        let error = Replay::open(&config, &Metrics::new()).err().unwrap().to_string();
        assert!(error.contains("host.id") && error.contains("remove it to get a new one"), "{wrong:?}: {error}");
    }
    std::fs::remove_file(&path).unwrap();
    drop(Replay::open(&config, &Metrics::new()).unwrap());
}
