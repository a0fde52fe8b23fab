#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::VecDeque;
use std::os::unix::fs::PermissionsExt;

use aegis_token::{Algorithm, SigningKey};

use super::*;
use crate::config::Config;

fn jwks(keys: &[&SigningKey]) -> Bytes {
    aegis_token::jwks(keys.iter().copied()).unwrap().into()
}

fn body(bytes: &Bytes, age: u64) -> Result<Fetched, String> {
    Ok(Fetched::Body { bytes: bytes.clone(), etag: Some("\"1\"".into()), max_age: Some(Duration::from_secs(age)) })
}

/// What was asked for, and when, in seconds since the start.
type Seen = Arc<Mutex<Vec<(u64, Option<String>)>>>;

struct Lab {
    issuer: Arc<Issuer>,
    outside: Arc<Outside>,
    answers: Arc<Mutex<VecDeque<Result<Fetched, String>>>>,
    seen: Seen,
    _dir: tempfile::TempDir,
}

impl Lab {
    /// An issuer that answers as told, and after that not at all.
    fn new(answers: Vec<Result<Fetched, String>>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let spec = Trusted {
            issuer: "https://login.test/".into(),
            audience: "us".into(),
            jwks: JwksSource::Url("https://login.test/keys".into()),
            agent_claim: "sub".into(),
        };
        let mut config = Config { state_dir: dir.path().to_owned(), ..Config::default() };
        config.tokens.trusted = vec![spec];
        let issuer = Arc::new(Issuer::open(&config, SystemTime::now()).unwrap());
        let outside = Arc::clone(&issuer.trusted()[0]);
        Self { issuer, outside, answers: Arc::new(Mutex::new(answers.into())), seen: Seen::default(), _dir: dir }
    }

    fn start(&self) {
        let (issuer, outside) = (Arc::clone(&self.issuer), Arc::clone(&self.outside));
        let (answers, seen) = (Arc::clone(&self.answers), Arc::clone(&self.seen));
        let began = Instant::now();
        tokio::spawn(async move {
            let get = move |etag: Option<String>| {
                seen.lock().unwrap().push((began.elapsed().as_secs(), etag));
                let answer = answers.lock().unwrap().pop_front().unwrap_or_else(|| Err("gone".into()));
                std::future::ready(answer).boxed()
            };
            refresh(&issuer, &outside, get).await;
        });
    }

    fn times(&self) -> Vec<u64> {
        self.seen.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_asked_for_again_as_the_issuer_says_within_bounds() {
    let set = jwks(&[&SigningKey::generate(Algorithm::EdDSA).unwrap()]);
    let none = Ok(Fetched::Body { bytes: set.clone(), etag: None, max_age: None });
    let lab = Lab::new(vec![body(&set, 0), body(&set, 60), Ok(Fetched::NotModified), body(&set, 1_000_000), none]);
    lab.start();
    pass(5 + 60 + 60 + 3600 + 300 + 1).await;
    assert_eq!(lab.times(), [0, 5, 65, 125, 3725, 4025]);
    let tags: Vec<_> = lab.seen.lock().unwrap().iter().map(|(_, etag)| etag.is_some()).collect();
    assert_eq!(tags, [false, true, true, true, true, false]);
    let state = lab.outside.state();
    assert_eq!((state.keys, state.error.as_deref()), (1, Some("gone")));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_asked_for_at_once_but_not_more_often_than_the_floor() {
    let set = jwks(&[&SigningKey::generate(Algorithm::EdDSA).unwrap()]);
    let lab = Lab::new(vec![body(&set, 3600); 4]);
    lab.start();
    pass(100).await;
    lab.outside.want();
    pass(1).await;
    assert_eq!(lab.times(), [0, 100]);
    // However many come, and whenever.
    for _ in 0..50 {
        lab.outside.want();
        pass(1).await;
    }
    assert_eq!(lab.times(), [0, 100, 130]);
}

#[tokio::test(start_paused = true)]
async fn the_last_good_keys_stay_for_a_day_and_no_longer() {
    let set = jwks(&[&SigningKey::generate(Algorithm::EdDSA).unwrap()]);
    let lab = Lab::new(vec![body(&set, 60), Ok(Fetched::Body { bytes: "junk".into(), etag: None, max_age: None })]);
    lab.start();
    pass(24 * 3600).await;
    let state = lab.outside.state();
    assert_eq!((state.keys, state.error.as_deref()), (1, Some("gone")));
    assert_eq!(&lab.times()[..4], [0, 60, 90, 120], "after a failure the floor is the period");
    pass(120).await;
    assert_eq!(lab.outside.state().keys, 0);
    // And when it is back, so are its keys.
    lab.answers.lock().unwrap().push_back(body(&set, 60));
    pass(31).await;
    assert_eq!((lab.outside.state().keys, lab.outside.state().error), (1, None));
}

#[tokio::test]
async fn a_file_that_others_can_write_is_no_key_set() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("login.jwks.json");
    assert!(read(&path).await.unwrap_err().contains("login.jwks.json: "));
    let set = jwks(&[&SigningKey::generate(Algorithm::EdDSA).unwrap()]);
    std::fs::write(&path, &set).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o664)).unwrap();
    assert!(read(&path).await.unwrap_err().contains("fix: chmod go-w"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(read(&path).await, Ok(Fetched::Body { bytes, .. }) if bytes == set));
    std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
    assert!(read(&path).await.unwrap_err().contains("(uid 65534), who can change it; fix: chown root"));
    std::os::unix::fs::chown(&path, Some(0), None).unwrap();
    assert!(read(dir.path()).await.unwrap_err().contains("is no file"));
    std::fs::write(&path, vec![b' '; MAX_JWKS_BYTES + 1]).unwrap();
    assert!(read(&path).await.unwrap_err().contains("longer than"));
}
