//! What a host keeps of the bundles that it took: the last one, to start with when the server is away, and how far the
//! serials had come, so that an older one is not taken again.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aegis_policy::bundle::Bundle;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::load::PolicyError;
use crate::state::secret;

const BUNDLE: &str = "last-good.tar.gz";
const NOTE: &str = "last-good.json";
/// Of the small file beside the bundle.
const MAX_NOTE: u64 = 64 << 10;
/// Places whose serials are remembered: whoever configures more of them goes through them on purpose.
const PLACES: usize = 16;

/// The directory that the last good bundle lies in.
#[derive(Debug)]
pub(super) struct Kept {
    directory: PathBuf,
}

/// Which bundle was taken last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    /// The path or URL: the serials of another place are another row.
    pub(super) from: String,
    pub(super) revision: String,
    pub(super) serial: u64,
    /// Of its content, whoever signed it.
    pub(super) digest: String,
    pub(super) etag: Option<String>,
    /// How far the serials of other places had come.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) others: BTreeMap<String, Reached>,
}

/// How far the serials of a place had come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reached {
    serial: u64,
    digest: String,
}

impl Note {
    /// How far the serials of each place had come.
    fn reached(self) -> BTreeMap<String, Reached> {
        let Self { from, serial, digest, mut others, .. } = self;
        others.insert(from, Reached { serial, digest });
        others
    }
}

impl Kept {
    pub(super) fn new(state_dir: &Path) -> Self {
        Self { directory: state_dir.join("policy") }
    }

    /// The note on the bundle that was taken last from `from`.
    ///
    /// # Errors
    /// Where there is a note that cannot be read: without it an older bundle could pass for a new one.
    pub(super) fn note(&self, from: &str) -> io::Result<Option<Note>> {
        Ok(self.last()?.filter(|note| note.from == from))
    }

    /// The note on the bundle that was taken last, from anywhere.
    fn last(&self) -> io::Result<Option<Note>> {
        let path = self.note_path();
        let mut text = String::new();
        match fs::File::open(&path) {
            Ok(file) => file.take(MAX_NOTE).read_to_string(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(serde_json::from_str(&text)?))
    }

    /// The bytes of the bundle that was taken last.
    pub(super) fn bytes(&self, max: usize) -> io::Result<Vec<u8>> {
        read_bounded(&self.directory.join(BUNDLE), max)
    }

    /// Whether `bundle` may follow what was taken from `from` before. Without a note any may.
    pub(super) fn may_follow(&self, from: &str, bundle: &Bundle, digest: &str) -> Result<(), PolicyError> {
        let note = self.last().map_err(|error| {
            let why = format!(
                "{}: {error}; fix: move it away, if no older bundle can be at the source",
                self.note_path().display()
            );
            PolicyError::Keep { from: from.to_owned(), why }
        })?;
        let (from, serial) = (from.to_owned(), bundle.manifest.serial);
        match note.and_then(|note| note.reached().remove(&from)) {
            Some(last) if serial < last.serial => Err(PolicyError::Older { from, serial, highest: last.serial }),
            Some(last) if serial == last.serial && last.digest != digest => Err(PolicyError::Reused { from, serial }),
            _ => Ok(()),
        }
    }

    /// Keeps `bytes`, which are what `note` says. The bundle first: a note without its bundle would refuse what is there.
    pub(super) fn keep(&self, bytes: &[u8], note: &Note) -> Result<(), PolicyError> {
        let failed = |why: String| PolicyError::Keep { from: note.from.clone(), why };
        let mut others =
            self.last().map_err(|error| failed(error.to_string()))?.map(|last| last.reached()).unwrap_or_default();
        others.remove(&note.from);
        while others.len() >= PLACES {
            others.pop_first();
        }
        let note = Note { others, ..note.clone() };
        let text = serde_json::to_vec_pretty(&note).map_err(|error| failed(error.to_string()))?;
        let same = |name: &str, wanted: &[u8]| fs::read(self.directory.join(name)).is_ok_and(|kept| kept == wanted);
        if same(BUNDLE, bytes) && same(NOTE, &text) {
            return Ok(());
        }
        secret::private_dir(&self.directory).map_err(|error| failed(error.to_string()))?;
        for (name, bytes) in [(BUNDLE, bytes), (NOTE, text.as_slice())] {
            let path = self.directory.join(name);
            secret::write_atomically(&path, bytes, 0o600).map_err(|error| failed(error.to_string()))?;
        }
        Ok(())
    }

    fn note_path(&self) -> PathBuf {
        self.directory.join(NOTE)
    }
}

/// A file of at most `max` bytes.
pub(super) fn read_bounded(path: &Path, max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX);
    fs::File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > max {
        return Err(io::Error::other(format!("it is longer than {max} bytes (policies.max_bytes)")));
    }
    Ok(bytes)
}

/// What identifies the content of a bundle, signed by whomever.
pub(super) fn digest(bundle: &Bundle) -> Result<String, aegis_policy::bundle::BundleError> {
    let digest = Sha256::digest(bundle.write(None)?);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
