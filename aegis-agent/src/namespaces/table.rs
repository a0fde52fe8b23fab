//! Which namespaces are served: read by every dial and by `status`, changed by one task only.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::handle::NamespaceId;
use super::inside::Inside;
use crate::kernel::NetnsCookie;

/// Wishes that may wait for a look: one look answers all of them.
const WISHES: usize = 64;

/// A served namespace.
#[derive(Debug)]
pub struct Served {
    pub inside: Inside,
    pub listeners: Vec<(&'static str, SocketAddr)>,
    pub since: SystemTime,
    /// Ends the listeners.
    pub stop: CancellationToken,
}

/// A served namespace and who uses it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub served: Arc<Served>,
    pub agents: BTreeSet<String>,
    /// Where the configuration or a registration names it.
    pub paths: BTreeSet<PathBuf>,
    /// The agent on whose share it counts; none where it is configured.
    pub charged: Option<String>,
}

/// A namespace that agents use, or are to use, and that is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    /// None where nothing could be opened.
    pub id: Option<NamespaceId>,
    pub agents: BTreeSet<String>,
    pub paths: BTreeSet<PathBuf>,
    pub why: String,
}

/// What there is at one moment.
#[derive(Debug, Default)]
pub struct View {
    pub served: BTreeMap<NamespaceId, Entry>,
    pub unserved: Vec<Unserved>,
    by_cookie: HashMap<NetnsCookie, Arc<Served>>,
}

impl View {
    #[must_use]
    pub fn new(served: BTreeMap<NamespaceId, Entry>, unserved: Vec<Unserved>) -> Self {
        let by_cookie = served.values().map(|entry| (entry.served.inside.cookie(), Arc::clone(&entry.served)));
        Self { by_cookie: by_cookie.collect(), served, unserved }
    }
}

/// The wish for a look; answered when it is done.
pub type Look = Option<oneshot::Sender<()>>;

/// The served namespaces.
pub struct Namespaces {
    own: NamespaceId,
    own_cookie: NetnsCookie,
    view: ArcSwap<View>,
    wishes: mpsc::Sender<Look>,
}

impl Namespaces {
    /// None served yet. The other end is for who looks.
    ///
    /// # Errors
    /// When the daemon cannot tell its own namespace.
    pub fn new() -> io::Result<(Self, mpsc::Receiver<Look>)> {
        let (wishes, looks) = mpsc::channel(WISHES);
        let (own, own_cookie) = (NamespaceId::current()?, NetnsCookie::current()?);
        Ok((Self { own, own_cookie, view: ArcSwap::default(), wishes }, looks))
    }

    /// The daemon's own namespace.
    #[must_use]
    pub fn own(&self) -> NamespaceId {
        self.own
    }

    /// Whether `cookie` is the daemon's own namespace.
    #[must_use]
    pub fn is_own(&self, cookie: NetnsCookie) -> bool {
        cookie == self.own_cookie
    }

    /// A served namespace.
    #[must_use]
    pub fn served(&self, cookie: NetnsCookie) -> Option<Arc<Served>> {
        self.view.load().by_cookie.get(&cookie).cloned()
    }

    /// All there are.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    pub(crate) fn set(&self, view: View) {
        self.view.store(Arc::new(view));
    }

    /// Wishes for a look soon.
    pub fn wake(&self) {
        // Where there is no room, a look is due anyway.
        let _ = self.wishes.try_send(None);
    }

    /// Wishes for a look and waits until it is done; for callers outside of the runtime. Returns at once where nobody
    /// looks any more.
    pub fn look(&self) {
        let (done, answer) = oneshot::channel();
        if self.wishes.blocking_send(Some(done)).is_ok() {
            let _ = answer.blocking_recv();
        }
    }
}
