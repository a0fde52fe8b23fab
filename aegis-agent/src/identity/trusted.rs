//! The keys of outside issuers: fetched in the background, never on a request's way, and refreshed before they are old.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aegis_token::{KeySet, Verifier};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::AsyncReadExt;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Issuer;
use crate::config::{JwksSource, Trusted};
use crate::fetch::{Fetched, Fetcher};
use crate::state::secret::is_trusted_owner;

/// A key set of 64 RSA keys with certificates is about this large.
pub const MAX_JWKS_BYTES: usize = 256 * 1024;
/// After a look at the keys the next one waits this long, however many tokens name keys that are not known.
const FLOOR: Duration = Duration::from_secs(30);
/// What an issuer may say of how long its keys need not be asked for again.
const AGES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(3600));
/// Where it says nothing.
const AGE: Duration = Duration::from_secs(300);
/// How often a file is looked at.
const FILE_AGE: Duration = Duration::from_secs(5);
/// Without its issuer a key is believed for so long: a key that was withdrawn must not hold for ever because somebody keeps us from hearing of it.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// An outside issuer and what is known of its keys.
pub struct Outside {
    pub spec: Trusted,
    wanted: Notify,
    state: Mutex<OutsideState>,
}

/// How an issuer's keys stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutsideState {
    /// Keys that tokens are verified with.
    pub keys: usize,
    /// Keys of the document that are for something else.
    pub skipped: usize,
    /// When the keys were last confirmed.
    pub confirmed: Option<SystemTime>,
    /// Why the last look failed, where it did.
    pub error: Option<String>,
}

impl Outside {
    pub(super) fn new(spec: Trusted) -> Self {
        Self { spec, wanted: Notify::new(), state: Mutex::default() }
    }

    /// Asks for a look at the keys soon. Never waits.
    pub(super) fn want(&self) {
        self.wanted.notify_one();
    }

    #[must_use]
    pub fn state(&self) -> OutsideState {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, OutsideState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the keys of one issuer fresh, until it is dropped.
pub async fn keep(issuer: Arc<Issuer>, outside: Arc<Outside>, fetcher: Fetcher) {
    let source = outside.spec.jwks.clone();
    let get = move |etag: Option<String>| get(source.clone(), fetcher.clone(), etag).boxed();
    refresh(&issuer, &outside, get).await;
}

async fn get(source: JwksSource, fetcher: Fetcher, etag: Option<String>) -> Result<Fetched, String> {
    match source {
        JwksSource::Url(url) => {
            fetcher.get(&url, etag.as_deref(), MAX_JWKS_BYTES).await.map_err(|error| error.to_string())
        }
        JwksSource::File(path) => read(&path).await,
    }
}

/// A look at the keys, with the entity tag of the one before.
type Look = BoxFuture<'static, Result<Fetched, String>>;

/// What the last looks gave.
#[derive(Default)]
struct Known {
    bytes: Bytes,
    etag: Option<String>,
    age: Option<Duration>,
    confirmed: Option<Instant>,
}

async fn refresh(issuer: &Issuer, outside: &Outside, get: impl Fn(Option<String>) -> Look) {
    let mut known = Known::default();
    loop {
        let began = Instant::now();
        let taken = match get(known.etag.clone()).await {
            Ok(fetched) => take(issuer, outside, &mut known, fetched),
            Err(error) => Err(error),
        };
        let again = match taken {
            Ok(()) => known.age.unwrap_or(AGE).clamp(AGES.0, AGES.1),
            Err(error) => {
                failed(issuer, outside, &mut known, error);
                FLOOR
            }
        };
        tokio::select! {
            () = tokio::time::sleep(again) => {}
            () = outside.wanted.notified() => tokio::time::sleep_until(began + FLOOR.min(again)).await,
        }
    }
}

fn take(issuer: &Issuer, outside: &Outside, known: &mut Known, fetched: Fetched) -> Result<(), String> {
    if let Fetched::Body { bytes, etag, max_age } = fetched {
        if bytes != known.bytes || known.confirmed.is_none() {
            let text = std::str::from_utf8(&bytes).map_err(|_| "it is not a JWKS: no UTF-8".to_owned())?;
            let keys = KeySet::foreign(text).map_err(|error| error.to_string())?;
            let mut state = outside.locked();
            (state.keys, state.skipped) = (keys.kids().len(), keys.skipped());
            drop(state);
            tracing::info!(issuer = outside.spec.issuer, kids = ?keys.kids(), "an outside issuer's keys");
            issuer.outside_keys(&outside.spec, Some(keys));
        }
        (known.bytes, known.etag, known.age) = (bytes, etag, max_age);
    }
    known.confirmed = Some(Instant::now());
    let mut state = outside.locked();
    (state.confirmed, state.error) = (Some(SystemTime::now()), None);
    Ok(())
}

/// The last good keys stay, for a time.
fn failed(issuer: &Issuer, outside: &Outside, known: &mut Known, error: String) {
    let first = outside.locked().error.is_none();
    if first {
        tracing::warn!(
            issuer = outside.spec.issuer,
            error,
            "an outside issuer's keys cannot be had; those known stay for a day"
        );
    }
    outside.locked().error = Some(error);
    if known.confirmed.is_some_and(|confirmed| confirmed.elapsed() >= STALE) {
        *known = Known::default();
        (outside.locked().keys, outside.locked().skipped) = (0, 0);
        tracing::error!(issuer = outside.spec.issuer, "an outside issuer's keys are too old to be believed");
        issuer.outside_keys(&outside.spec, None);
    }
}

/// A key set in a file, which somebody else replaces. Whoever can write it decides who is let in.
async fn read(path: &Path) -> Result<Fetched, String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    // What is no file, such as a pipe, must not make us wait.
    let file =
        tokio::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).await.map_err(told)?;
    let meta = file.metadata().await.map_err(told)?;
    let mode = meta.mode();
    if !meta.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    if !is_trusted_owner(meta.uid()) {
        let (path, uid) = (path.display(), meta.uid());
        return Err(format!("{path} belongs to another user (uid {uid}), who can change it; fix: chown root {path}"));
    }
    if mode & 0o022 != 0 {
        let path = path.display();
        return Err(format!("{path} can be written by others (mode {:04o}); fix: chmod go-w {path}", mode & 0o7777));
    }
    let mut bytes = Vec::new();
    file.take(MAX_JWKS_BYTES as u64 + 1).read_to_end(&mut bytes).await.map_err(told)?;
    if bytes.len() > MAX_JWKS_BYTES {
        return Err(format!("{} is longer than {MAX_JWKS_BYTES} bytes", path.display()));
    }
    Ok(Fetched::Body { bytes: bytes.into(), etag: None, max_age: Some(FILE_AGE) })
}

pub(super) fn verifier(spec: &Trusted, keys: KeySet, leeway: u64) -> Verifier {
    Verifier::outside(keys, spec.issuer.as_str(), spec.audience.as_str(), leeway, spec.agent_claim.as_str())
}

#[cfg(test)]
#[path = "trusted_tests.rs"]
mod tests;
