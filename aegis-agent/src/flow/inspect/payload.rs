//! The body, read as far as the decision needs it and no further.

use std::time::Duration;

use aegis_policy::Denial;
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};

use crate::config::Limits;
use crate::flow::refusal::Refusal;

/// A request body at the moment of the decision.
pub enum Payload {
    Empty,
    /// All of it.
    Whole(Bytes),
    /// None of it yet.
    Streaming(Incoming),
    /// A rule wanted all of it, and it is longer than the limit: nothing more of it is read.
    TooLarge,
}

/// Reads all of `body` where a rule needs it parsed (up to `limits.inspect_body_bytes`), or where it says that it is
/// short (`limits.buffer_body_bytes`): then its new length is known after redaction. Anything else streams: an agent that
/// waits for an answer to its first message must not wait for us. What came behind a body that was read whole is given with it.
///
/// # Errors
/// When the agent breaks off or stands still.
pub async fn read(
    body: Incoming,
    needs_all: bool,
    limits: &Limits,
    version: &str,
) -> Result<(Payload, Option<HeaderMap>), Refusal> {
    if body.is_end_stream() {
        return Ok((Payload::Empty, None));
    }
    let size = body.size_hint();
    if needs_all && size.lower() > limits.inspect_body_bytes as u64 {
        return Ok((Payload::TooLarge, None));
    }
    let short = size.exact().is_some_and(|length| length <= limits.buffer_body_bytes as u64);
    if !needs_all && !short {
        return Ok((Payload::Streaming(body), None));
    }
    collect(body, limits.inspect_body_bytes.max(limits.buffer_body_bytes), limits.request_timeout, version).await
}

async fn collect(
    body: Incoming,
    limit: usize,
    within: Duration,
    version: &str,
) -> Result<(Payload, Option<HeaderMap>), Refusal> {
    let collected = tokio::time::timeout(within, Limited::new(body, limit).collect()).await;
    match collected {
        Ok(Ok(body)) => {
            let trailers = body.trailers().cloned();
            match body.to_bytes() {
                bytes if bytes.is_empty() => Ok((Payload::Empty, trailers)),
                bytes => Ok((Payload::Whole(bytes), trailers)),
            }
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => Ok((Payload::TooLarge, None)),
        Ok(Err(error)) => Err(Denial::protocol(format!("the request body broke off: {error}"), version).into()),
        Err(_) => Err(Denial::limit("the request body came too slowly", version).into()),
    }
}
