//! A thread inside a network namespace, which makes sockets there for the rest of the daemon.

use std::fmt;
use std::io;
use std::thread;

use nix::sched::{CloneFlags, setns};
use tokio::sync::{mpsc, oneshot};

use super::handle::{Handle, NamespaceId};
use crate::kernel::NetnsCookie;

/// Requests that may wait; each takes microseconds.
const QUEUE: usize = 64;
/// Enough for a few system calls and a `getifaddrs`.
const STACK: usize = 256 * 1024;

type Job = Box<dyn FnOnce() + Send>;

/// The way into a namespace. Its thread ends when this is dropped.
pub struct Inside {
    id: NamespaceId,
    cookie: NetnsCookie,
    jobs: mpsc::Sender<Job>,
}

impl Inside {
    /// Starts a thread and lets it enter. Blocks for as long as that takes.
    ///
    /// # Errors
    /// When the handle's is no network namespace, or the daemon may not enter it.
    pub fn enter(handle: Handle) -> io::Result<Self> {
        let id = handle.id();
        let (entered, waiting) = oneshot::channel();
        let (jobs, queue) = mpsc::channel(QUEUE);
        thread::Builder::new().name("aegis-netns".to_owned()).stack_size(STACK).spawn(move || {
            let cookie = enter(&handle);
            // The thread itself keeps the namespace from now on.
            drop(handle);
            let failed = cookie.is_err();
            if entered.send(cookie).is_err() || failed {
                return;
            }
            work(queue);
        })?;
        let cookie = waiting.blocking_recv().map_err(io::Error::other)??;
        Ok(Self { id, cookie, jobs })
    }

    #[must_use]
    pub fn id(&self) -> NamespaceId {
        self.id
    }

    #[must_use]
    pub fn cookie(&self) -> NetnsCookie {
        self.cookie
    }

    /// Runs `job` inside.
    ///
    /// # Errors
    /// When the thread is gone.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let (job, done) = answered(job);
        self.jobs.send(job).await.map_err(|_| gone())?;
        done.await.map_err(|_| gone())
    }

    /// As [`Inside::run`], for callers outside of the runtime.
    ///
    /// # Errors
    /// When the thread is gone.
    pub fn run_blocking<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let (job, done) = answered(job);
        self.jobs.blocking_send(job).map_err(|_| gone())?;
        done.blocking_recv().map_err(|_| gone())
    }
}

impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inside").field("id", &self.id).field("cookie", &self.cookie).finish_non_exhaustive()
    }
}

fn enter(handle: &Handle) -> io::Result<NetnsCookie> {
    // With the kind said, a namespace of another kind is refused.
    setns(handle, CloneFlags::CLONE_NEWNET)?;
    NetnsCookie::current()
}

fn work(mut queue: mpsc::Receiver<Job>) {
    while let Some(job) = queue.blocking_recv() {
        job();
    }
}

fn answered<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> (Job, oneshot::Receiver<T>) {
    let (answer, done) = oneshot::channel();
    // Who asked may have given up; what was made for it goes away here.
    let job = Box::new(move || drop(answer.send(job())));
    (job, done)
}

fn gone() -> io::Error {
    io::Error::other("the network namespace is not served any more")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_namespace_of_another_kind_is_not_entered() {
        let handle = Handle::open(Path::new("/proc/self/ns/mnt")).unwrap();
        assert!(Inside::enter(handle).is_err());
    }
}
