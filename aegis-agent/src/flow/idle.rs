//! The patience of one exchange.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

use super::tally::Tally;

/// Runs out when an exchange stands still for too long, in both directions: a watch may be quiet on one side for hours.
/// Costs a timer only while its own side waits.
pub struct Idle {
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    moved: u64,
}

impl Idle {
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self { limit, sleep: None, moved: 0 }
    }

    /// Something moved on this side.
    pub fn rest(&mut self) {
        self.sleep = None;
    }

    /// The limit, once it has passed without a byte in either direction.
    pub fn poll(&mut self, cx: &mut Context<'_>, tally: &Tally) -> Poll<Duration> {
        let limit = self.limit;
        if self.sleep.is_none() {
            self.moved = tally.moved();
        }
        loop {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
            std::task::ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
            let moved = tally.moved();
            if moved == self.moved {
                return Poll::Ready(limit);
            }
            self.moved = moved;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_that_are_held_back_are_no_silence() {
        let limit = Duration::from_secs(30);
        let (tally, mut idle) = (Tally::default(), Idle::new(limit));
        let started = tokio::time::Instant::now();
        let sending = async {
            for _ in 0..10 {
                tokio::time::sleep(limit / 2).await;
                tally.came(1);
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = poll_fn(|cx| idle.poll(cx, &tally)) => {}
            () = sending => {}
        }
        assert!(started.elapsed() > limit * 5, "{:?}", started.elapsed());
    }
}
