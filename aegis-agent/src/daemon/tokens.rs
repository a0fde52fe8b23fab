//! What goes on with token keys by itself: rotation, a key file that is replaced, outside issuers' keys.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Aegis;
use crate::fetch::Fetcher;
use crate::identity::{Issuer, trusted};
use crate::tls;

/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_secs(10);
/// For one fetch of an issuer's keys, as a whole.
const FETCH: Duration = Duration::from_secs(10);

/// Starts the tasks; nothing waits for the first keys of outside issuers.
///
/// # Errors
/// When the HTTP client cannot be made.
pub fn start(aegis: &Aegis, tasks: &TaskTracker, stop: &CancellationToken) -> anyhow::Result<()> {
    tasks.spawn(stop.clone().run_until_cancelled_owned(tick(Arc::clone(&aegis.issuer))));
    if aegis.issuer.trusted().is_empty() {
        return Ok(());
    }
    let tls = tls::upstream::client_config(&aegis.config.upstream)?;
    let fetcher = Fetcher::new(tls, FETCH, None).context("keys of outside issuers")?;
    for outside in aegis.issuer.trusted() {
        let keep = trusted::keep(Arc::clone(&aegis.issuer), Arc::clone(outside), fetcher.clone());
        tasks.spawn(stop.clone().run_until_cancelled_owned(keep));
    }
    Ok(())
}

async fn tick(issuer: Arc<Issuer>) {
    let mut told = None;
    loop {
        tokio::time::sleep(TICK).await;
        let issuer = Arc::clone(&issuer);
        // Making a key and writing it takes longer than a thread of connections has.
        let done = tokio::task::spawn_blocking(move || issuer.tick(SystemTime::now())).await;
        let error = match done {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        // Once for each trouble, not every ten seconds.
        if let Some(error) = error.as_ref().filter(|_| error != told) {
            tracing::error!(error, "the token keys stay as they are");
        }
        told = error;
    }
}
