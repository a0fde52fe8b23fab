//! Bundles from a file or a server: fetched, verified, compared with what was taken before, kept.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aegis_policy::bundle::{Bundle, VerificationKey, VerificationKeys};
use rustls::ClientConfig;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::kept::{Kept, Note, digest, read_bounded};
use super::load::{Kind, Loaded, PolicyError};
use crate::config::{BundlePlace, BundleSource};
use crate::fetch::{FetchError, Fetched, Fetcher};

/// A public key in PEM is some hundred bytes long.
const MAX_KEY: usize = 64 << 10;

/// A place of bundles.
pub(super) struct Bundles {
    source: BundleSource,
    from: String,
    /// For a server; its TLS roots are those of origins.
    tls: Option<ClientConfig>,
    kept: Kept,
    /// One attempt at a time: of two at once, the later one sees what the earlier one has taken.
    turn: Mutex<()>,
}

/// The bundle that was taken last.
#[derive(Clone, Debug)]
pub struct Taken {
    pub revision: String,
    pub serial: u64,
    pub signed_by: Option<String>,
    pub etag: Option<String>,
    pub at: SystemTime,
    /// It was not at the place, but kept here from an earlier time.
    pub from_kept: bool,
    /// Whether it was put into force.
    pub(super) applied: bool,
    digest: String,
}

/// How an attempt ended well.
pub(super) struct Answer {
    /// None where it is what was taken before.
    pub(super) loaded: Option<Loaded>,
    pub(super) taken: Option<Taken>,
    pub(super) max_age: Option<Duration>,
    /// Whether the place itself was asked.
    pub(super) asked: bool,
}

impl From<Loaded> for Answer {
    fn from(loaded: Loaded) -> Self {
        Self { loaded: Some(loaded), taken: None, max_age: None, asked: true }
    }
}

/// A bundle as it came.
struct Arrived {
    bytes: Vec<u8>,
    etag: Option<String>,
    max_age: Option<Duration>,
}

impl Bundles {
    pub(super) fn new(source: BundleSource, tls: Option<ClientConfig>, state_dir: &Path) -> Self {
        let from = match &source.place {
            BundlePlace::File(path) => path.display().to_string(),
            BundlePlace::Url(url) => url.clone(),
        };
        Self { source, from, tls, kept: Kept::new(state_dir), turn: Mutex::new(()) }
    }

    pub(super) fn from(&self) -> &str {
        &self.from
    }

    /// Its settings, where it is asked again and again.
    pub(super) fn polled(&self) -> Option<&BundleSource> {
        matches!(self.source.place, BundlePlace::Url(_)).then_some(&self.source)
    }

    /// Of a server what is kept, before it is asked; of a file what it holds. Each where the other fails.
    pub(super) async fn first(self: &Arc<Self>, now: SystemTime) -> Result<Answer, PolicyError> {
        let _turn = self.turn.lock().await;
        let mut unkept = String::from("nothing is kept of an earlier time");
        if self.polled().is_some() {
            match self.blocking(move |bundles| bundles.take_kept(now)).await {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {}
                Err(error) => unkept = format!("what is kept of an earlier time is refused: {error}"),
            }
        }
        let error = match self.arrive(None).await {
            Ok(None) => self.unasked(),
            Ok(Some(arrived)) => match self.blocking(move |bundles| bundles.take(arrived, now)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            },
            Err(error) => error,
        };
        if self.polled().is_none()
            && let Ok(Some(answer)) = self.blocking(move |bundles| bundles.take_kept(now)).await
        {
            tracing::error!("{}; starting with the bundle that is kept", error.in_lines());
            return Ok(answer);
        }
        Err(PolicyError::Nothing { now: Box::new(error), kept: unkept })
    }

    /// Fetches and takes it, changed or not. Blocks.
    pub(super) fn load(&self, now: SystemTime) -> Result<Answer, PolicyError> {
        let _turn = self.turn.blocking_lock();
        let arrived = Handle::current().block_on(self.arrive(None))?;
        self.take(arrived.ok_or_else(|| self.unasked())?, now)
    }

    /// Asks for what is newer than `taken`.
    pub(super) async fn poll(self: &Arc<Self>, taken: Option<Taken>, now: SystemTime) -> Result<Answer, PolicyError> {
        let _turn = self.turn.lock().await;
        let in_force = taken.filter(|taken| taken.applied);
        let etag = in_force.as_ref().and_then(|taken| taken.etag.clone());
        let Some(arrived) = self.arrive(etag.as_deref()).await? else {
            return Ok(Answer { loaded: None, taken: None, max_age: None, asked: true });
        };
        let mut answer = self.blocking(move |bundles| bundles.take(arrived, now)).await?;
        // A server without entity tags sends the same again and again.
        if let (Some(taken), Some(before)) = (&mut answer.taken, in_force)
            && taken.digest == before.digest
        {
            taken.at = before.at;
            answer.loaded = None;
        }
        Ok(answer)
    }

    /// The bytes at the place; none where they are still what `etag` stands for.
    async fn arrive(&self, etag: Option<&str>) -> Result<Option<Arrived>, PolicyError> {
        let source = &self.source;
        match &source.place {
            BundlePlace::File(path) => {
                let (file, max) = (path.clone(), source.max_bytes);
                let read = tokio::task::spawn_blocking(move || read_bounded(&file, max)).await;
                let failed = |why: String| PolicyError::Read { path: path.clone(), why };
                let bytes =
                    read.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
                Ok(Some(Arrived { bytes, etag: None, max_age: None }))
            }
            BundlePlace::Url(url) => {
                let failed = |why| PolicyError::Fetch { url: url.clone(), why };
                let no_tls = || failed(FetchError::Client("no TLS roots".to_owned()));
                let tls = self.tls.clone().ok_or_else(no_tls)?;
                // A client of its own for each question: no connection is kept open between polls.
                let fetcher = Fetcher::new(tls, source.timeout, source.token_file.clone()).map_err(failed)?;
                match fetcher.get(url, etag, source.max_bytes).await.map_err(failed)? {
                    Fetched::NotModified => Ok(None),
                    Fetched::Body { bytes, etag, max_age } => {
                        Ok(Some(Arrived { bytes: bytes.to_vec(), etag, max_age }))
                    }
                }
            }
        }
    }

    /// Verifies, compares and keeps it. Compiles a whole policy: not on a thread of the runtime.
    fn take(&self, arrived: Arrived, now: SystemTime) -> Result<Answer, PolicyError> {
        let Arrived { bytes, etag, max_age } = arrived;
        let (bundle, digest) = self.verified(&bytes)?;
        let note = Note {
            from: self.from.clone(),
            revision: bundle.manifest.revision.clone(),
            serial: bundle.manifest.serial,
            digest: digest.clone(),
            etag: etag.clone(),
            others: std::collections::BTreeMap::new(),
        };
        self.kept.keep(&bytes, &note)?;
        let mut answer = answer(bundle, digest, etag, now);
        answer.max_age = max_age;
        Ok(answer)
    }

    /// What was taken from this place in an earlier life, verified again; none where nothing is kept of it.
    fn take_kept(&self, now: SystemTime) -> Result<Option<Answer>, PolicyError> {
        let failed = |error: std::io::Error| PolicyError::Keep { from: self.from.clone(), why: error.to_string() };
        let Some(note) = self.kept.note(&self.from).map_err(failed)? else { return Ok(None) };
        let bytes = self.kept.bytes(self.source.max_bytes).map_err(failed)?;
        let (bundle, digest) = self.verified(&bytes)?;
        let mut answer = answer(bundle, digest, note.etag, now);
        answer.asked = false;
        if let Some(taken) = &mut answer.taken {
            taken.from_kept = true;
        }
        Ok(Some(answer))
    }

    /// "Not modified", to a question without an entity tag.
    fn unasked(&self) -> PolicyError {
        PolicyError::Fetch { url: self.from.clone(), why: FetchError::Status(http::StatusCode::NOT_MODIFIED) }
    }

    fn verified(&self, bytes: &[u8]) -> Result<(Bundle, String), PolicyError> {
        let refused = |error| PolicyError::of_bundle(&self.from, error);
        let keys = self.keys()?;
        let bundle = Bundle::read(bytes, keys.as_ref()).map_err(refused)?;
        let digest = digest(&bundle).map_err(refused)?;
        self.kept.may_follow(&self.from, &bundle, &digest)?;
        Ok((bundle, digest))
    }

    /// The configured keys, read anew: a key file may be replaced while the daemon runs.
    fn keys(&self) -> Result<Option<VerificationKeys>, PolicyError> {
        let mut keys = Vec::new();
        for key in &self.source.keys {
            let bytes = read_bounded(&key.file, MAX_KEY);
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).map_err(std::io::Error::other));
            let text = text.map_err(|error| PolicyError::Read { path: key.file.clone(), why: error.to_string() })?;
            let read = VerificationKey::from_pem(&key.id, key.algorithm, &text, key.scope.clone());
            keys.push(read.map_err(|why| PolicyError::Key { path: key.file.clone(), why })?);
        }
        if keys.is_empty() {
            return Ok(None);
        }
        let wrong = |why| PolicyError::Key { path: "policies.keys".into(), why };
        VerificationKeys::new(keys).map(Some).map_err(wrong)
    }

    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, PolicyError> + Send + 'static,
    ) -> Result<T, PolicyError> {
        let bundles = Arc::clone(self);
        let worked = tokio::task::spawn_blocking(move || work(&bundles)).await;
        worked.map_err(|error| PolicyError::Keep { from: self.from.clone(), why: error.to_string() })?
    }
}

fn answer(bundle: Bundle, digest: String, etag: Option<String>, now: SystemTime) -> Answer {
    let Bundle { manifest, sources, snapshot, signed_by } = bundle;
    let taken = Taken {
        revision: manifest.revision.clone(),
        serial: manifest.serial,
        signed_by,
        etag,
        at: now,
        from_kept: false,
        applied: true,
        digest,
    };
    let loaded = Loaded { snapshot, sources, kind: Kind::Bundle, revision: Some(manifest.revision) };
    Answer { loaded: Some(loaded), taken: Some(taken), max_age: None, asked: true }
}
