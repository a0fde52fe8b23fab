//! A key that somebody else puts into a file and replaces: a Kubernetes secret, a systemd credential.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aegis_token::SigningKey;

use super::{KeysError, MAX_LEEWAY, MAX_RETIRED, Published, Use};
use crate::state::secret;

/// The key in a file, and those that were there before it while the daemon runs.
pub struct Given {
    path: PathBuf,
    /// The longest life of a token, in seconds.
    longest: u64,
    current: Published,
    /// The newest first; `Use::Retired` all.
    retired: Vec<Published>,
}

impl Given {
    pub(super) fn open(path: &Path, longest: u64, now: u64) -> Result<Self, KeysError> {
        let current = Published { key: Arc::new(read(path)?), created: now, used: Use::Current };
        Ok(Self { path: path.to_owned(), longest, current, retired: Vec::new() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn published(&self) -> Vec<Published> {
        std::iter::once(&self.current).chain(&self.retired).cloned().collect()
    }

    /// Reads the file again: it is small, and a mount that is swapped shows no event that could be relied on.
    pub(super) fn tick(&mut self, now: u64) -> Result<bool, KeysError> {
        let before = self.retired.len();
        self.retired.retain(|one| matches!(one.used, Use::Retired { until } if until > now));
        let dropped = self.retired.len() < before;
        let key = match read(&self.path) {
            Ok(key) => key,
            // What was dropped must be told all the same; the next tick says it again.
            Err(_) if dropped => return Ok(true),
            Err(error) => return Err(error),
        };
        if key.kid() == self.current.key.kid() {
            return Ok(dropped);
        }
        let until = now.saturating_add(self.longest).saturating_add(MAX_LEEWAY);
        // A key that comes back signs again.
        self.retired.retain(|one| one.key.kid() != key.kid());
        let before =
            std::mem::replace(&mut self.current, Published { key: Arc::new(key), created: now, used: Use::Current });
        self.retired.insert(0, Published { used: Use::Retired { until }, ..before });
        self.retired.truncate(MAX_RETIRED);
        Ok(true)
    }
}

fn read(path: &Path) -> Result<SigningKey, KeysError> {
    let text = secret::read(path)?;
    SigningKey::from_pem(&text).map_err(|source| KeysError::Malformed { path: path.to_owned(), source })
}
