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
        assert_eq!(replay.revoke(ISSUER, "z", exp, Revoker::Theft, now()).await.unwrap().1, longest);
    }
    let calls = replay.health().calls;
    assert_eq!(replay.revoke(ISSUER, "z", None, Revoker::Theft, now()).await.unwrap().0, Revocation::Stored);
    assert_eq!(replay.health().calls, calls, "a thief who goes on costs nothing");
    assert!(replay.revoke(ISSUER, "", None, Revoker::Theft, now()).await.is_none());
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
    replay.remember(&id, Known::Held(AgentIndex::new(1).unwrap()), before);
    assert_ne!(replay.known.get(&id), Some(Known::Held(AgentIndex::new(1).unwrap())));
    replay.known.invalidate(&id);
    replay.remember(&id, Known::Held(AgentIndex::new(1).unwrap()), before);
    assert_eq!(replay.known.get(&id), None);
    assert_eq!(shown(&replay, "x", &agent(1), Mode::Bound).await, refused(ReplayRefused::Revoked));
}
