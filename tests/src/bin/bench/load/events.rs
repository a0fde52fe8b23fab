//! Server-sent events: how long the first of them takes.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode};

use super::requests::Sender;

/// A stall of the machine may bring both events at once; whoever holds events back does so each time.
const TRIES: usize = 5;

/// Asks for a stream, gives the moment of its first event, and reads it to its end, which comes later.
pub async fn first(sender: &mut Sender, authority: &str, path: &str) -> Result<Instant> {
    for _ in 0..TRIES {
        sender.ready().await?;
        let request = Request::get(path).header("host", authority).header("accept", "text/event-stream");
        let response = sender.send_request(request.body(Full::new(Bytes::new()))?).await?;
        ensure!(response.status() == StatusCode::OK, "{}", response.status());
        let mut body = response.into_body();
        let first = body.frame().await.context("no event came")??;
        let arrived = Instant::now();
        let length = first.data_ref().map_or(0, Bytes::len);
        if length > 0 && !body.collect().await?.to_bytes().is_empty() {
            return Ok(arrived);
        }
    }
    bail!("the events came in one piece, {TRIES} times in a row")
}
