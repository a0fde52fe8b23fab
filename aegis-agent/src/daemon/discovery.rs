//! Units and containers that appear below the enforced cgroup become agents, and stop being agents when they go.
//!
//! One task does it. It looks when something changes in a slice, when a container runtime has answered, and every few
//! seconds whatever happens. Runtimes are asked beside it, each with a bound of its own: one that hangs holds up nobody
//! but its own containers, and these stay denied.

mod keeper;
mod questions;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, sleep};
use tokio_util::sync::CancellationToken;

use self::keeper::Keeper;
use self::questions::Questions;
use super::Aegis;
use crate::namespaces::Watch;

/// The safety net: what no event told is seen this late.
const PERIOD: Duration = Duration::from_secs(5);
/// The pause between two looks, and its share of the time that a look took.
const PAUSE: Duration = Duration::from_millis(10);
const PAUSE_SHARE: u32 = 4;

/// Looks until `stop`. Returns at once where nothing is to be discovered, and nothing was.
pub async fn run(aegis: Arc<Aegis>, stop: CancellationToken) {
    let mut keeper = Keeper::new(Arc::clone(&aegis));
    if !aegis.config.discovery.wanted() && !keeper.has_any() {
        return;
    }
    let mut watch = Watch::new()
        .inspect_err(
            |error| tracing::warn!(%error, "no inotify: units and containers are noticed by periodic looks only"),
        )
        .ok();
    let mut questions = Questions::default();
    let mut period = tokio::time::interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What appeared in a slice before the slice was watched.
    let mut again = false;
    let mut next = None;
    loop {
        if !again {
            tokio::select! {
                _ = period.tick() => {}
                () = changed(&mut watch) => {}
                (question, answer) = questions.answered() => keeper.take(question, answer),
                () = pause(next) => {}
                () = stop.cancelled() => return,
            }
        }
        let started = Instant::now();
        let looked = tokio::task::spawn_blocking(move || {
            let parents = keeper.look();
            (keeper, parents)
        });
        let parents = match looked.await {
            Ok((back, parents)) => {
                keeper = back;
                parents
            }
            Err(error) => {
                tracing::error!(%error, "units and containers are not looked for any more: new ones stay denied");
                return;
            }
        };
        again = watch.as_mut().is_some_and(|watch| watch.set(&parents));
        let now = std::time::Instant::now();
        keeper.open_questions(now).into_iter().for_each(|question| questions.ask(question));
        next = keeper.next_question(now);
        tokio::select! {
            () = sleep(PAUSE.max(started.elapsed() * PAUSE_SHARE)) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn pause(next: Option<Duration>) {
    match next {
        Some(next) => sleep(next).await,
        None => std::future::pending().await,
    }
}

async fn changed(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}
