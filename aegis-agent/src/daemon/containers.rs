//! Agents in containers: looks where their processes are, and serves each network namespace that is not the daemon's own.
//!
//! One task changes what is served. It looks when a cgroup of an agent changes, when the kernel reports a connection from
//! a namespace without a listener, when an agent is registered or removed, and every few seconds whatever happens.

mod cables;
mod keeper;

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use self::keeper::Keeper;
use crate::namespaces::{Look, Namespaces, Unserved, View, Watch};

pub use keeper::Means;

/// The safety net: what no event told is seen this late.
const PERIOD: Duration = Duration::from_secs(5);
/// After a cgroup changed: a runtime moves a process in first and gives it its namespace a moment later.
const AGAIN: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1)];
/// The pause between two looks, and its share of the time that a look took: agents can cause them.
const PAUSE: Duration = Duration::from_millis(10);
const PAUSE_SHARE: u32 = 4;

/// Looks once, so that what is configured is served before anything else runs; the task that goes on is given back.
///
/// # Errors
/// When the look breaks off.
pub async fn start(
    means: Means,
    mut looks: mpsc::Receiver<Look>,
    stop: CancellationToken,
) -> anyhow::Result<impl Future<Output = ()> + Send> {
    let mut watch = Watch::new()
        .inspect_err(|error| tracing::warn!(%error, "no inotify: containers are noticed by periodic looks only"))
        .ok();
    let mut keeper = looked(Keeper::new(means), &mut watch).await?.keeper;
    Ok(async move {
        let mut period = tokio::time::interval(PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut again = VecDeque::new();
        loop {
            let mut waiting: Vec<oneshot::Sender<()>> = Vec::new();
            tokio::select! {
                look = looks.recv() => waiting.extend(look.flatten()),
                () = changed(&mut watch) => again = soon(),
                () = at(again.front().copied()) => drop(again.pop_front()),
                _ = period.tick() => {}
                () = stop.cancelled() => return,
            }
            let most = looks.max_capacity();
            let more = std::iter::from_fn(|| looks.try_recv().ok()).take(most);
            waiting.extend(more.flatten());
            let started = Instant::now();
            match looked(keeper, &mut watch).await {
                Ok(done) => {
                    keeper = done.keeper;
                    if done.new_cgroups {
                        again = soon();
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "namespaces of agents are not looked for any more: agents in new ones stay refused");
                    return;
                }
            }
            for answer in waiting {
                let _ = answer.send(());
            }
            sleep(PAUSE.max(started.elapsed() * PAUSE_SHARE)).await;
        }
    })
}

struct Looked {
    keeper: Keeper,
    /// Something may have happened in them before they were watched.
    new_cgroups: bool,
}

/// Entering namespaces and reading /proc block: not on a thread of the runtime.
async fn looked(mut keeper: Keeper, watch: &mut Option<Watch>) -> anyhow::Result<Looked> {
    let (keeper, cgroups) = tokio::task::spawn_blocking(move || {
        let cgroups = keeper.look();
        (keeper, cgroups)
    })
    .await?;
    let new_cgroups = watch.as_mut().is_some_and(|watch| watch.set(&cgroups));
    Ok(Looked { keeper, new_cgroups })
}

async fn changed(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}

fn soon() -> VecDeque<Instant> {
    let now = Instant::now();
    AGAIN.map(|later| now + later).into()
}

/// For `status`: what is served and what is not.
#[must_use]
pub fn status(namespaces: &Namespaces) -> Vec<aegis_api::NamespaceStatus> {
    let View { served, unserved, .. } = &*namespaces.view();
    let served = served.iter().map(|(id, entry)| aegis_api::NamespaceStatus {
        inode: Some(id.inode()),
        cookie: Some(entry.served.inside.cookie().get()),
        agents: entry.agents.iter().cloned().collect(),
        paths: entry.paths.iter().map(|path| path.display().to_string()).collect(),
        listeners: entry.served.listeners.iter().copied().map(super::control::status::listener).collect(),
        since: Some(super::control::status::rfc3339(entry.served.since)),
        error: None,
    });
    served.chain(unserved.iter().map(refused)).collect()
}

fn refused(unserved: &Unserved) -> aegis_api::NamespaceStatus {
    aegis_api::NamespaceStatus {
        inode: unserved.id.map(|id| id.inode()),
        cookie: None,
        agents: unserved.agents.iter().cloned().collect(),
        paths: unserved.paths.iter().map(|path| path.display().to_string()).collect(),
        listeners: Vec::new(),
        since: None,
        error: Some(unserved.why.clone()),
    }
}
