//! The daemon's signs of life: to the kernel programs, which deny agents without them, and to the service manager, which
//! restarts a daemon that is stuck.
//!
//! The beat is a task among all others, so a runtime that no longer gets around to its tasks stops beating.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Aegis;

/// Beats in one heartbeat timeout: some may come late.
const BEATS: u32 = 4;

/// Beats until `stopped`.
pub async fn run(aegis: Arc<Aegis>, stopped: CancellationToken) {
    let timeout = aegis.config.bpf.heartbeat_timeout;
    let watchdog = watchdog();
    let period = watchdog.map_or(timeout, |watchdog| watchdog.min(timeout)) / BEATS;
    let mut beat = tokio::time::interval(period);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = stopped.cancelled() => return,
        }
        match aegis.kernel.beat() {
            Ok(()) if watchdog.is_some() => {
                let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Watchdog]);
            }
            Ok(()) => {}
            Err(error) => tracing::error!("{error}; agents are denied after {} ms", timeout.as_millis()),
        }
    }
}

/// The service manager's patience (`WatchdogSec` of systemd), where it has any.
fn watchdog() -> Option<Duration> {
    let mut microseconds = 0;
    sd_notify::watchdog_enabled(false, &mut microseconds).then(|| Duration::from_micros(microseconds))
}
