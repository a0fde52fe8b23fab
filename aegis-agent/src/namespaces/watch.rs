//! Notices when something moves in the cgroups of agents: `cgroup.events` (populated or empty), a process moved in, a
//! cgroup made below or removed there. What it misses is seen by the next look all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use futures_util::StreamExt;
use inotify::{EventStream, Inotify, WatchDescriptor, WatchMask, Watches};

/// Cgroups watched at a time: well below what the kernel allows a user by default.
const MAX_WATCHES: usize = 8192;
/// Room for some 64 events; what they say does not matter, only that there are some.
const BUFFER: usize = 4096;

/// Watches a set of cgroups.
pub struct Watch {
    events: EventStream<[u8; BUFFER]>,
    watches: Watches,
    watched: BTreeMap<PathBuf, WatchDescriptor>,
}

impl Watch {
    /// Watches nothing yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the kernel gives no inotify instance.
    pub fn new() -> io::Result<Self> {
        let inotify = Inotify::init()?;
        let watches = inotify.watches();
        Ok(Self { events: inotify.into_event_stream([0; BUFFER])?, watches, watched: BTreeMap::new() })
    }

    /// Watches `cgroups` and no others. Whether one of them was not watched before.
    pub fn set(&mut self, cgroups: &[PathBuf]) -> bool {
        let wanted: BTreeSet<&PathBuf> = cgroups.iter().take(MAX_WATCHES).collect();
        let gone: Vec<PathBuf> = self.watched.keys().filter(|cgroup| !wanted.contains(cgroup)).cloned().collect();
        for watch in gone.iter().filter_map(|cgroup| self.watched.remove(cgroup)) {
            // The kernel has ended the watch itself where the cgroup was removed.
            let _ = self.watches.remove(watch);
        }
        let mut new = false;
        for cgroup in wanted {
            // Each time anew: a cgroup that was removed and made again has lost its watch, and a repetition is harmless.
            match self.watches.add(cgroup, mask()) {
                Ok(watch) => new |= self.watched.insert(cgroup.clone(), watch.clone()) != Some(watch),
                Err(error) if error.kind() == io::ErrorKind::NotFound => drop(self.watched.remove(cgroup)),
                Err(error) => {
                    tracing::warn!(
                        %error,
                        "no more inotify watches: containers in some cgroups are noticed by periodic looks only; \
                         fix: raise fs.inotify.max_user_watches"
                    );
                    return new;
                }
            }
        }
        new
    }

    /// Returns when something has changed since the last call.
    pub async fn changed(&mut self) {
        if !matches!(self.events.next().await, Some(Ok(_))) {
            // Nothing that a look could not make good, and nothing more to wait for here.
            std::future::pending().await
        }
    }
}

/// `cgroup.events` and writes to `cgroup.procs` are modifications of files in the directory.
fn mask() -> WatchMask {
    WatchMask::MODIFY | WatchMask::CREATE | WatchMask::DELETE | WatchMask::ONLYDIR
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn changes_in_watched_directories_are_noticed_and_in_others_not() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let paths = [one.path().to_owned(), two.path().to_owned()];
        let mut watch = Watch::new().unwrap();
        assert!(watch.set(&paths));
        assert!(!watch.set(&paths), "a repetition is nothing new");
        std::fs::write(two.path().join("cgroup.procs"), "0").unwrap();
        timeout(Duration::from_secs(10), watch.changed()).await.unwrap();
        assert!(!watch.set(&paths[..1]));
        // What was queued before the watch ended.
        while timeout(Duration::from_millis(100), watch.changed()).await.is_ok() {}
        std::fs::write(two.path().join("cgroup.procs"), "1").unwrap();
        assert!(timeout(Duration::from_millis(100), watch.changed()).await.is_err());
    }
}
