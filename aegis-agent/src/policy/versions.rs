//! Every policy that was live or a candidate, by number: a bundle file each, and an index that says which one is live and why.
//!
//! Files are written whole or not at all, a bundle before the index that names it: a crash leaves the old state or the new.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aegis_policy::bundle::Bundle;
use aegis_policy::{Snapshot, Source};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::error::ChangeError;
use super::load::Kind;
use super::rollout::Rollout;
use crate::state::secret;

/// Versions that are kept; the oldest that is neither live nor wanted goes first.
pub const KEPT: usize = 50;
/// Longest note, in characters.
const NOTE: usize = 500;
/// No index comes near this.
const MAX_INDEX: u64 = 4 << 20;
/// As large as what is read of a bundle from elsewhere.
const MAX_BUNDLE: u64 = 64 << 20;

/// How a policy became live, or a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// The policy in the binary.
    Embedded,
    /// The configured file or directory.
    File,
    /// The configured bundle, from a file or a server.
    Bundle,
    /// `aegisctl policy push`.
    Push,
    /// `aegisctl policy rollback`.
    Rollback,
}

impl From<Kind> for Act {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Embedded => Self::Embedded,
            Kind::File => Self::File,
            Kind::Bundle => Self::Bundle,
        }
    }
}

impl Act {
    /// The word in lists and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::File => "file",
            Self::Bundle => "bundle",
            Self::Push => "push",
            Self::Rollback => "rollback",
        }
    }
}

/// Who asked, by the kernel's word; nobody where the daemon acted by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    pub uid: Option<u32>,
    pub pid: Option<i32>,
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.uid, self.pid) {
            (Some(uid), Some(pid)) => write!(f, "uid {uid} (pid {pid})"),
            (Some(uid), None) => write!(f, "uid {uid}"),
            (None, _) => f.write_str("the daemon"),
        }
    }
}

/// One version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// Never given twice in a state directory.
    pub number: u64,
    /// The version that the policy gives itself; what records show.
    pub revision: String,
    /// SHA-256 of its files, hex. One content has one number as long as it is kept.
    pub digest: String,
    /// SHA-256 of the bundle file, hex: what is read again is what was kept.
    archive: String,
    pub rules: usize,
    /// The last act that put it in its place.
    pub act: Act,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    pub by: Who,
    pub note: Option<String>,
}

/// A rollout that is under way, and of what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    pub number: u64,
    pub by: Who,
    pub rollout: Rollout,
}

/// What the index says, beside the versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// The last number that was given.
    last: u64,
    /// The one in force; 0 before there is any.
    pub live: u64,
    /// The one that was live before it.
    pub previous: Option<u64>,
    /// Pushed or rolled back to: stays live over restarts for as long as the source stays as it is.
    pub pinned: bool,
    /// Digest of what was last seen at the configured source.
    pub source: Option<String>,
    pub candidate: Option<Candidate>,
    versions: BTreeMap<u64, Version>,
}

impl Index {
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&Version> {
        self.versions.get(&number)
    }

    /// `version 7 (v2)`.
    #[must_use]
    pub fn named(&self, number: u64) -> String {
        match self.get(number) {
            Some(version) => format!("version {number} ({})", version.revision),
            None => format!("version {number}"),
        }
    }

    /// All versions, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Version> {
        self.versions.values().rev()
    }

    /// The same with another rollout under way, or none.
    #[must_use]
    pub fn with_candidate(&self, candidate: Option<Candidate>) -> Self {
        Self { candidate, ..self.clone() }
    }

    /// Makes `number` the live one; what was live before is the previous one then.
    pub fn enthrone(&mut self, number: u64) {
        if self.live != number {
            self.previous = Some(self.live).filter(|live| self.versions.contains_key(live));
            self.live = number;
        }
    }
}

/// What is to be kept.
pub struct Keeping<'a> {
    pub sources: &'a [Source],
    pub snapshot: &'a Snapshot,
    pub act: Act,
    pub at: OffsetDateTime,
    pub by: Who,
    pub note: Option<&'a str>,
}

/// The directory, and its index as it is on disk.
pub struct Versions {
    dir: PathBuf,
    index: Index,
}

impl Versions {
    /// The versions in `state_dir/policy/versions`, none where there are none yet.
    ///
    /// # Errors
    /// When the index cannot be read: whoever pinned a version counts on it, so it is not passed over.
    pub fn open(state_dir: &Path) -> Result<Self, ChangeError> {
        let parent = state_dir.join("policy");
        let dir = parent.join("versions");
        let failed = |path: &Path, why: &dyn std::fmt::Display| ChangeError::Versions {
            path: path.to_owned(),
            why: why.to_string(),
        };
        for dir in [&parent, &dir] {
            secret::private_dir(dir).map_err(|error| failed(dir, &error))?;
        }
        let path = dir.join("index.json");
        let index = match read(&path, MAX_INDEX) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(&path, &error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Index::default(),
            Err(error) => return Err(failed(&path, &error)),
        };
        let versions = Self { dir, index };
        versions.sweep();
        Ok(versions)
    }

    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Keeps a bundle under its number, a new one where its content has none, without making it live.
    ///
    /// # Errors
    /// When it cannot be written; nothing has changed then.
    pub fn keep(&self, keeping: &Keeping<'_>) -> Result<(Index, u64), ChangeError> {
        let mut index = self.index.clone();
        let digest = digest(keeping.sources);
        let known = index.versions.values().find(|version| version.digest == digest);
        let (number, archive) = match known {
            Some(version) => (version.number, version.archive.clone()),
            None => {
                index.last = index.last.saturating_add(1);
                let path = self.bundle(index.last);
                let bytes = Bundle::build(keeping.sources.to_vec(), None, index.last)
                    .and_then(|bundle| bundle.write(None))
                    .map_err(|error| self.failed(&path, &error))?;
                secret::write_atomically(&path, &bytes, 0o600).map_err(|error| self.failed(&path, &error))?;
                (index.last, hex(&Sha256::digest(&bytes)))
            }
        };
        let version = Version {
            number,
            revision: keeping.snapshot.version().to_owned(),
            digest,
            archive,
            rules: keeping.snapshot.rules(),
            act: keeping.act,
            at: keeping.at,
            by: keeping.by,
            note: keeping.note.map(shown),
        };
        index.versions.insert(number, version);
        Ok((index, number))
    }

    /// Notes that somebody has gone back to a version that is kept.
    #[must_use]
    pub fn returned_to(&self, number: u64, at: OffsetDateTime, by: Who, note: Option<&str>) -> Index {
        let mut index = self.index.clone();
        if let Some(version) = index.versions.get_mut(&number) {
            *version = Version { act: Act::Rollback, at, by, note: note.map(shown), ..version.clone() };
        }
        index
    }

    /// Makes `index` the one that holds, on disk first.
    ///
    /// # Errors
    /// When it cannot be written; the one that held holds on then.
    pub fn save(&mut self, mut index: Index) -> Result<(), ChangeError> {
        let candidate = index.candidate.as_ref().map_or(0, |candidate| candidate.number);
        let wanted = [index.live, index.previous.unwrap_or(0), candidate];
        while index.versions.len() > KEPT {
            let Some(oldest) = index.versions.keys().copied().find(|number| !wanted.contains(number)) else { break };
            index.versions.remove(&oldest);
        }
        let path = self.dir.join("index.json");
        let text = serde_json::to_vec_pretty(&index).map_err(|error| self.failed(&path, &error))?;
        secret::write_atomically(&path, &text, 0o600).map_err(|error| self.failed(&path, &error))?;
        let gone = self.index.versions.keys().any(|number| !index.versions.contains_key(number));
        self.index = index;
        if gone {
            self.sweep();
        }
        Ok(())
    }

    /// A version's bundle, compiled.
    ///
    /// # Errors
    /// When it is not there, is not whole, or is not what was kept.
    pub fn read(&self, number: u64) -> Result<Bundle, ChangeError> {
        let version = self.index.get(number).ok_or(ChangeError::NoVersion { number })?;
        let path = self.bundle(number);
        let bytes = read(&path, MAX_BUNDLE).map_err(|error| self.failed(&path, &error))?;
        // Nothing is signed here: the directory is the daemon's own. This finds what was mixed up, not what was forged.
        if hex(&Sha256::digest(&bytes)) != version.archive {
            return Err(self.failed(&path, &"it is not what was kept under this number"));
        }
        Bundle::read(&bytes, None).map_err(|error| self.failed(&path, &error))
    }

    fn bundle(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:06}.tar.gz"))
    }

    fn failed(&self, path: &Path, why: &dyn std::fmt::Display) -> ChangeError {
        ChangeError::Versions { path: path.to_owned(), why: why.to_string() }
    }

    /// Removes the files of versions that are not kept any more, and what a crash left behind.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            let kept = path == self.dir.join("index.json")
                || self.index.versions.keys().any(|number| path == self.bundle(*number));
            if !kept && let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "an old policy version cannot be removed");
            }
        }
    }
}

fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What identifies a policy's content: the names and texts of its files, in their order.
#[must_use]
pub fn digest(sources: &[Source]) -> String {
    let mut hash = Sha256::new();
    for part in sources.iter().flat_map(|source| [&source.name, &source.text]) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A note as it is kept: one line, not without end.
fn shown(note: &str) -> String {
    note.chars().filter(|letter| !letter.is_control()).take(NOTE).collect()
}
