//! Step 7: spends the permit. Dials only what the permit names; whatever goes wrong ends closed.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aegis_policy::{Decision, Denial, DenialKind, Grant};
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body;

use super::answer;
use super::body::{self, BodyError, InspectedBody, ToOrigin};
use super::decide::Permitted;
use super::ending::Ending;
use super::framing::Framing;
use super::idle::Idle;
use super::inspect::Payload;
use super::look::{Look, Rules};
use super::record::Recorder;
use super::refusal::Refusal;
use super::response::ToAgent;
use super::standing::Ongoing;
use super::tally::Tally;
use crate::config::Limits;
use crate::upstream::{DialError, PoolKey, Pools};

/// What of the request neither the permit nor the decision's redaction has touched.
pub struct Line {
    pub method: Method,
    pub scheme: &'static str,
    /// gRPC, over HTTP/2: its status may come last.
    pub grpc: bool,
    /// The body passes as gRPC, whose path alone was asked about: it has to be that.
    pub framed: bool,
    /// What came behind a body that was read whole.
    pub trailers: Option<HeaderMap>,
}

/// Sends the permitted request and gives the origin's answer, its body streaming.
///
/// The recorder goes along: it ends with the response's last byte, or with the refusal.
///
/// # Errors
/// The refusal and the recorder that has to write it down.
pub async fn send(
    pools: &Pools,
    limits: &Limits,
    pool: PoolKey,
    mut line: Line,
    permitted: Permitted,
    mut recorder: Box<Recorder>,
    ongoing: Arc<Ongoing>,
) -> Result<Response<ToAgent>, (Refusal, Option<Box<Recorder>>)> {
    if let Some(denial) = ongoing.denial() {
        return Err((denial.clone().into(), Some(recorder)));
    }
    let noted = match recorder.note(permitted.permit.policy_version()) {
        Ok(noted) => noted,
        Err(refusal) => return Err((refusal, Some(recorder))),
    };
    let Permitted { permit, path_and_query, headers, payload, look, findings, notes, .. } = permitted;
    let grant = Arc::new(permit.consume());
    let ending = Arc::new(Ending::new(recorder, ongoing, Arc::clone(&grant)));
    ending.removed_already(&findings, &notes);
    let framing = line.framed.then(Framing::default);
    let failed = |refusal: Refusal| (refusal, ending.take());
    let broken = |error: &(dyn StdError + 'static)| match ending.ongoing().denial() {
        Some(denial) => denial.clone().into(),
        None => refusal(&grant, ending.tally(), error),
    };
    let trailers = line.trailers.take();
    let body = outgoing(&grant, (payload, trailers), (look, framing), limits.idle_timeout, &ending);
    let mut body = body.map_err(|error| failed(broken(&error)))?;
    if let Err(error) = body.look_ahead().await {
        return Err(failed(broken(&error)));
    }
    let grpc = line.grpc;
    let request = request(&grant, line, &path_and_query, headers, body)
        .map_err(|why| failed(failure(&grant, why, StatusCode::BAD_GATEWAY)))?;
    let client = pools.client(PoolKey { private_ok: grant.private_ok, ..pool }, &noted);
    let answered = tokio::select! {
        answered = first_answer(client.request(request), limits.request_timeout, ending.tally()) => answered,
        denial = ending.ongoing().cut_off() => return Err(failed(denial.clone().into())),
    };
    match answered {
        Some(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            Err(failed(failure(&grant, "it switched protocols unasked".to_owned(), StatusCode::BAD_GATEWAY)))
        }
        Some(Ok(response)) => answer::relayed(response, limits, grpc, ending).await,
        Some(Err(error)) => Err(failed(broken(&error))),
        None => {
            let why = format!("it did not answer within {} s", limits.request_timeout.as_secs());
            Err(failed(failure(&grant, why, StatusCode::GATEWAY_TIMEOUT)))
        }
    }
}

/// The origin's answer; none after `limit` in which nothing of the request moved either: an upload may take longer.
pub(super) async fn first_answer<T>(pending: impl Future<Output = T>, limit: Duration, tally: &Tally) -> Option<T> {
    let mut pending = std::pin::pin!(pending);
    // What is held back until it is looked through has come all the same.
    let mut before = tally.moved();
    loop {
        if let Ok(answer) = tokio::time::timeout(limit, &mut pending).await {
            return Some(answer);
        }
        let now = tally.moved();
        if now == before {
            return None;
        }
        before = now;
    }
}

fn outgoing(
    grant: &Grant,
    (payload, trailers): (Payload, Option<HeaderMap>),
    (look, framing): (Option<Box<Look>>, Option<Framing>),
    idle: Duration,
    ending: &Arc<Ending>,
) -> Result<ToOrigin, BodyError> {
    let ending = Arc::clone(ending);
    let idle = Idle::new(idle);
    let rules = Rules::out(&grant.profile);
    let trailers = match trailers {
        Some(fields) => body::trailing(fields, rules.as_ref(), &ending)?,
        None => None,
    };
    Ok(match (payload, look, rules) {
        (Payload::Empty | Payload::TooLarge, ..) if trailers.is_none() => ToOrigin::Empty,
        (Payload::Empty | Payload::TooLarge, ..) => ToOrigin::Whole { bytes: Bytes::new(), trailers, ending },
        (Payload::Whole(bytes), ..) => ToOrigin::Whole { bytes, trailers, ending },
        (Payload::Streaming(inner), Some(look), Some(rules)) => {
            ToOrigin::Inspected(Box::new(InspectedBody::new(inner, (*look, rules), framing, idle, ending)))
        }
        (Payload::Streaming(inner), ..) => ToOrigin::Untouched { inner, framing, idle, ending },
    })
}

pub(super) fn request(
    grant: &Grant,
    line: Line,
    path_and_query: &str,
    headers: HeaderMap,
    body: ToOrigin,
) -> Result<Request<ToOrigin>, String> {
    let Line { method, scheme, .. } = line;
    let host = if grant.host.contains(':') { format!("[{}]", grant.host) } else { grant.host.clone() };
    let default_port = if scheme == "https" { 443 } else { 80 };
    let authority = if grant.port == default_port { host } else { format!("{host}:{}", grant.port) };
    if !path_and_query.starts_with('/') {
        return Err("the path is none after redaction".to_owned());
    }
    // From its parts: a text put together and parsed again could be read as another host.
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(path_and_query).build();
    let bodyless = matches!(body, ToOrigin::Empty) && matches!(method, Method::POST | Method::PUT | Method::PATCH);
    let unexpected =
        matches!(method, Method::GET | Method::HEAD) && !body.is_end_stream() && body.size_hint().exact().is_none();
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri.map_err(|error| format!("the target is no URI: {error}"))?;
    // The pool speaks what the origin's ALPN says, whatever the agent spoke.
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    if bodyless {
        // Where a body would be expected, its absence is said (RFC 9110, section 8.6): some origins answer 411 otherwise.
        request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    if unexpected {
        // hyper would leave such a body out; over HTTP/2 it takes the field out.
        request.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    Ok(request)
}

/// The refusal behind a failed exchange: what the scanner stopped is a decision, all else is an origin out of reach.
pub(super) fn refusal(grant: &Grant, tally: &Tally, error: &(dyn StdError + 'static)) -> Refusal {
    if let Some(denial) = tally.stopped() {
        return Refusal { findings: tally.findings(), ..denial.clone().into() };
    }
    let version = &*grant.policy_version;
    match cause::<DialError>(error) {
        Some(private @ DialError::Private { .. }) => {
            let denial = Denial::new(DenialKind::Policy, private.to_string(), version);
            denial.next("Ask for `private: true` on the rule if this host is meant to be internal.").into()
        }
        Some(other) => failure(grant, other.to_string(), StatusCode::BAD_GATEWAY),
        None => failure(grant, innermost(error), StatusCode::BAD_GATEWAY),
    }
}

/// What is answered when a permitted exchange fails: no new decision, so it carries the one that was made.
pub(super) fn failure(grant: &Grant, why: String, status: StatusCode) -> Refusal {
    let denial = Denial::unavailable(format!("{} could not be reached: {why}", grant.host), &*grant.policy_version);
    let denial = Denial {
        decision: if grant.decision.permits() { grant.decision } else { Decision::Allow },
        rule: grant.rule.as_deref().map(str::to_owned),
        tool: grant.tool.as_deref().map(str::to_owned),
        ..denial
    };
    Refusal::from(denial).with_status(status)
}

pub(super) fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref())
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().map_or_else(String::new, ToString::to_string)
}

/// The error and its causes, outermost first.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn StdError + 'static) = *error;
        error.source()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An upload that is held back until its end is known is not silence.
    #[tokio::test(start_paused = true)]
    async fn who_is_still_sending_is_waited_for() {
        let limit = Duration::from_secs(30);
        let tally = Tally::default();
        let silent = std::future::pending::<()>();
        assert_eq!(first_answer(silent, limit, &tally).await, None);
        let answered = async {
            for _ in 0..10 {
                tokio::time::sleep(limit / 2).await;
                tally.came(1);
            }
            "answered"
        };
        assert_eq!(first_answer(answered, limit, &tally).await, Some("answered"));
    }
}
