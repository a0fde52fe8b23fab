//! The ring on disk: a PEM file a key, and `ring.json`, which says what each is for and is written last.
//!
//! So whatever a crash leaves is whole: key files that `ring.json` does not name were never used, and are removed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aegis_token::SigningKey;
use serde::{Deserialize, Serialize};

use super::ring::{Held, Policy, Ring};
use super::{KeysError, MAX_LEEWAY};
use crate::state::secret::{self, SecretError, private_dir, write_atomically};

const RING: &str = "ring.json";
/// Where earlier versions had their only key.
const BEFORE: &str = "token.key";

/// `ring.json`. Times are seconds since 1970.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    current: Entry,
    since: u64,
    longest_ttl_s: u64,
    next: Entry,
    retired: Vec<RetiredEntry>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kid: String,
    created: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetiredEntry {
    kid: String,
    created: u64,
    until: u64,
}

/// `state_dir/keys`.
pub struct Directory {
    path: PathBuf,
    ring: Ring,
    /// The ring has less than what is on disk.
    ahead: bool,
}

impl Directory {
    pub(super) fn open(state_dir: &Path, policy: Policy, now: u64) -> Result<Self, KeysError> {
        private_dir(state_dir)?;
        let path = state_dir.join("keys");
        private_dir(&path)?;
        let mode = fs::metadata(&path).map_err(io_error(&path))?.mode();
        if mode & 0o077 != 0 {
            return Err(KeysError::TooOpen { path, mode: mode & 0o7777 });
        }
        let before = state_dir.join(BEFORE);
        let mut ring = match read_ring(&path, policy)? {
            Some(ring) => ring,
            None => begin(&path, &before, policy, now)?,
        };
        ring.longest = ring.longest.max(policy.longest);
        ring = Self::with_algorithm(&path, ring, now)?;
        save(&path, &ring)?;
        let directory = Self { path, ring, ahead: false };
        directory.sweep();
        directory.remove_earlier(&before);
        Ok(directory)
    }

    /// Another algorithm in the configuration holds from this start on.
    fn with_algorithm(path: &Path, ring: Ring, now: u64) -> Result<Ring, KeysError> {
        let wanted = ring.policy.algorithm;
        if ring.current.key.algorithm() == wanted && ring.next.key.algorithm() == wanted {
            return Ok(ring);
        }
        let ring = Ring { next: fresh(path, &ring.policy, now)?, ..ring };
        if ring.current.key.algorithm() == wanted {
            return Ok(ring);
        }
        tracing::info!(algorithm = %wanted, "tokens are signed with another algorithm from now on");
        ring.rotated(fresh(path, &ring.policy, now)?, now)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn ring(&self) -> &Ring {
        &self.ring
    }

    /// What has run out verifies no more from here on, whether the disk can be written or not: what could not be is tried with the next tick.
    pub(super) fn tick(&mut self, now: u64) -> Result<bool, KeysError> {
        let rest = self.ring.without_expired(now);
        let dropped = rest.retired.len() < self.ring.retired.len();
        self.ring = rest;
        self.ahead |= dropped;
        let rotates = self.ring.rotates_at().is_some_and(|at| at <= now);
        let written = match (rotates, self.ahead) {
            (true, _) => self.rotate(now),
            (false, true) => self.adopt(self.ring.clone()),
            (false, false) => return Ok(false),
        };
        match written {
            Ok(()) => Ok(rotates || dropped),
            // What was dropped must be told all the same; the next tick says it again.
            Err(error) if dropped => {
                tracing::error!(%error, "a retired token key has run out; {} still names it", self.path.display());
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn rotate(&mut self, now: u64) -> Result<(), KeysError> {
        let fresh = fresh(&self.path, &self.ring.policy, now)?;
        // A key that was made for nothing goes again.
        let ring = self.ring.rotated(fresh, now).inspect_err(|_| self.sweep())?;
        self.adopt(ring)
    }

    /// On disk first: what has signed must never be forgotten.
    fn adopt(&mut self, ring: Ring) -> Result<(), KeysError> {
        save(&self.path, &ring)?;
        (self.ring, self.ahead) = (ring, false);
        self.sweep();
        Ok(())
    }

    /// Removes key files that nothing is signed or verified with.
    fn sweep(&self) {
        let kept: Vec<String> = self.ring.published().iter().map(|one| file_name(one.key.kid())).collect();
        let Ok(files) = fs::read_dir(&self.path) else { return };
        for file in files.filter_map(Result::ok) {
            let name = file.file_name();
            let spare = name.to_str().is_some_and(|name| is_key_file(name) && !kept.iter().any(|kept| kept == name));
            if spare && let Err(error) = fs::remove_file(file.path()) {
                tracing::warn!(%error, "{} is no longer used, and cannot be removed", file.path().display());
            }
        }
    }

    /// The only key of earlier versions is in the ring now.
    fn remove_earlier(&self, before: &Path) {
        let Ok(Some(key)) = read_key(before) else { return };
        if !self.ring.published().iter().any(|one| one.key.kid() == key.kid()) {
            tracing::warn!("{} is not used: the keys are in {}", before.display(), self.path.display());
        } else if let Err(error) = fs::remove_file(before) {
            tracing::warn!(%error, "{} is in {} now, and cannot be removed", before.display(), self.path.display());
        }
    }
}

/// A directory without `ring.json`: the first start, or one that was cut short. Keys that lie there already may have signed: they verify as long as the
/// longest token lives.
fn begin(path: &Path, before: &Path, policy: Policy, now: u64) -> Result<Ring, KeysError> {
    let earlier = read_key(before)?.map(|key| Held { key: Arc::new(key), created: now });
    let mut retired = Vec::new();
    for file in fs::read_dir(path).map_err(io_error(path))?.filter_map(Result::ok) {
        let name = file.file_name();
        if name.to_str().is_some_and(is_key_file)
            && let Some(key) = read_key(&file.path())?
            && earlier.as_ref().is_none_or(|earlier| earlier.key.kid() != key.kid())
        {
            let until = now.saturating_add(policy.longest).saturating_add(MAX_LEEWAY);
            retired.push((Held { key: Arc::new(key), created: now }, until));
        }
    }
    retired.truncate(super::MAX_RETIRED);
    let current = match earlier {
        Some(earlier) => {
            write_key(path, &earlier.key)?;
            earlier
        }
        None => fresh(path, &policy, now)?,
    };
    let next = fresh(path, &policy, now)?;
    Ok(Ring { policy, current, since: now, longest: policy.longest, next, retired })
}

fn fresh(path: &Path, policy: &Policy, now: u64) -> Result<Held, KeysError> {
    let held = Held::generate(policy.algorithm, now)?;
    write_key(path, &held.key)?;
    Ok(held)
}

fn write_key(path: &Path, key: &SigningKey) -> Result<(), KeysError> {
    Ok(write_atomically(&path.join(file_name(key.kid())), key.to_pem().as_bytes(), 0o600)?)
}

fn read_ring(path: &Path, policy: Policy) -> Result<Option<Ring>, KeysError> {
    let file = path.join(RING);
    let Some(text) = secret::read_if_there(&file)? else { return Ok(None) };
    let broken = |why: String| KeysError::Broken { path: file.clone(), why };
    let written: Written = serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
    let held = |kid: &str, created: u64| {
        if !is_key_file(&file_name(kid)) {
            return Err(broken("it names what can be no key".to_owned()));
        }
        let key = read_key(&path.join(file_name(kid)))?;
        let key = key.filter(|key| key.kid() == kid).ok_or_else(|| broken(format!("the key {kid} is not there")))?;
        Ok(Held { key: Arc::new(key), created })
    };
    let retired = written.retired.iter().map(|entry| Ok((held(&entry.kid, entry.created)?, entry.until)));
    Ok(Some(Ring {
        policy,
        current: held(&written.current.kid, written.current.created)?,
        since: written.since,
        longest: written.longest_ttl_s,
        next: held(&written.next.kid, written.next.created)?,
        retired: retired.collect::<Result<_, KeysError>>()?,
    }))
}

fn save(path: &Path, ring: &Ring) -> Result<(), KeysError> {
    let entry = |held: &Held| Entry { kid: held.key.kid().to_owned(), created: held.created };
    let written = Written {
        current: entry(&ring.current),
        since: ring.since,
        longest_ttl_s: ring.longest,
        next: entry(&ring.next),
        retired: (ring.retired.iter())
            .map(|(held, until)| RetiredEntry { kid: held.key.kid().to_owned(), created: held.created, until: *until })
            .collect(),
    };
    let file = path.join(RING);
    let text = serde_json::to_vec_pretty(&written)
        .map_err(|error| KeysError::Broken { path: file.clone(), why: error.to_string() })?;
    Ok(write_atomically(&file, &text, 0o600)?)
}

fn read_key(path: &Path) -> Result<Option<SigningKey>, KeysError> {
    let Some(text) = secret::read_if_there(path)? else { return Ok(None) };
    SigningKey::from_pem(&text).map(Some).map_err(|source| KeysError::Malformed { path: path.to_owned(), source })
}

fn file_name(kid: &str) -> String {
    format!("{kid}.pem")
}

/// A thumbprint is base64url: it can be no path.
fn is_key_file(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    name.strip_suffix(".pem").is_some_and(|kid| !kid.is_empty() && kid.bytes().all(letter))
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> KeysError + '_ {
    move |source| SecretError::Io { path: path.to_owned(), source }.into()
}
