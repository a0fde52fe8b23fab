//! Asks the bundle server again and again. What it brings goes the same way as what an operator loads.

use std::sync::Arc;
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

use crate::daemon::Aegis;

/// Polls until `stop`; ends at once where there is no server.
pub async fn poll(aegis: Arc<Aegis>, stop: CancellationToken) {
    while let Some(pause) = aegis.origin.pause(fastrand::f64()) {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let asked = tokio::select! {
            () = stop.cancelled() => return,
            found = aegis.origin.poll(SystemTime::now()) => found,
        };
        let Some((loaded, serial)) = asked else { continue };
        let arrived = Arc::clone(&aegis);
        let applied = tokio::task::spawn_blocking(move || {
            let _turn = arrived.origin.turn();
            // An operator was faster, with a later one.
            if arrived.origin.is_behind(serial) {
                return Ok(());
            }
            arrived.policy_arrived(loaded).map_err(|error| error.to_string())
        });
        if let Err(error) = applied.await.unwrap_or_else(|error| Err(error.to_string())) {
            tracing::error!("the policy that came is not in force: {error}");
            aegis.origin.not_applied(&error);
        }
    }
}
