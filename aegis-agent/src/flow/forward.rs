//! Step 7: spends the permit. Dials only what the permit names; whatever goes wrong ends closed.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use aegis_dlp::Scanner;
use aegis_policy::{Decision, Denial, DenialKind, Grant};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body, Incoming};

use super::body::{Idle, ScannedBody, Tally, ToAgent, ToOrigin};
use super::decide::{self, Permitted};
use super::inspect::Payload;
use super::record::Recorder;
use super::refusal::{DECISION_HEADER, Refusal};
use crate::config::Limits;
use crate::upstream::{DialError, PoolKey, Pools};

/// Response fields of the origin's hop (RFC 9110, section 7.6.1), and those that only Aegis may write.
const NOT_RELAYED: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    // An origin that advertises HTTP/3 would send clients to UDP, which is refused: they lose a round trip for nothing.
    header::ALT_SVC,
    DECISION_HEADER,
];

/// What of the request line neither permit nor redaction touches.
pub struct Line {
    pub method: Method,
    pub scheme: &'static str,
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
    head: Line,
    permitted: Permitted,
    recorder: Box<Recorder>,
) -> Result<Response<ToAgent>, (Refusal, Box<Recorder>)> {
    let Permitted { permit, path_and_query, headers, payload, .. } = permitted;
    let grant = permit.consume();
    let body = outgoing(&grant, &headers, payload, limits.idle_timeout, recorder.tally());
    let request = match request(&grant, head, &path_and_query, headers, body) {
        Ok(request) => request,
        Err(why) => return Err((Denial::protocol(why, &*grant.policy_version).into(), recorder)),
    };
    let client = pools.client(PoolKey { private_ok: grant.private_ok, ..pool });
    match tokio::time::timeout(limits.request_timeout, client.request(request)).await {
        Ok(Ok(response)) => Ok(relayed(response, &grant, limits.idle_timeout, recorder)),
        Ok(Err(error)) => Err((refusal(&grant, recorder.tally(), &error), recorder)),
        Err(_) => Err((timed_out(&grant, limits.request_timeout), recorder)),
    }
}

fn outgoing(grant: &Grant, headers: &HeaderMap, payload: Payload, idle: Duration, tally: &Arc<Tally>) -> ToOrigin {
    let tally = Arc::clone(tally);
    let idle = Idle::new(idle);
    match payload {
        Payload::Empty | Payload::TooLarge => ToOrigin::Empty,
        Payload::Whole(bytes) => ToOrigin::Whole(bytes, tally),
        Payload::Streaming(inner) if grant.profile.is_empty() => ToOrigin::Untouched { inner, idle, tally },
        Payload::Streaming(inner) => {
            let scanner = Scanner::new(grant.profile, decide::format(headers));
            ToOrigin::Scanned(Box::new(ScannedBody::new(inner, scanner, idle, tally)))
        }
    }
}

fn request(
    grant: &Grant,
    line: Line,
    path_and_query: &str,
    headers: HeaderMap,
    body: ToOrigin,
) -> Result<Request<ToOrigin>, String> {
    let Line { method, scheme } = line;
    let host = if grant.host.contains(':') { format!("[{}]", grant.host) } else { grant.host.clone() };
    let default_port = if scheme == "https" { 443 } else { 80 };
    let authority = if grant.port == default_port { host } else { format!("{host}:{}", grant.port) };
    // `OPTIONS *` has no path of its own in a URI (RFC 9112, section 3.2.4).
    let path = if path_and_query == "*" { "" } else { path_and_query };
    let uri: Uri =
        format!("{scheme}://{authority}{path}").parse().map_err(|error| format!("the target is no URI: {error}"))?;
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    // The pool speaks what the origin's ALPN says, whatever the agent spoke.
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    Ok(request)
}

fn relayed(
    response: Response<Incoming>,
    grant: &Grant,
    idle: Duration,
    mut recorder: Box<Recorder>,
) -> Response<ToAgent> {
    let (mut parts, inner) = response.into_parts();
    recorder.status(parts.status);
    for name in &NOT_RELAYED {
        parts.headers.remove(name);
    }
    if grant.decision == Decision::Sanitize {
        parts.headers.insert(DECISION_HEADER, HeaderValue::from_static(grant.decision.name()));
    }
    parts.version = Version::HTTP_11;
    if inner.is_end_stream() {
        recorder.complete();
    }
    Response::from_parts(parts, ToAgent::Relayed { inner, idle: Idle::new(idle), recorder })
}

/// The refusal behind a failed exchange: what the scanner stopped is a decision, all else is an origin out of reach.
fn refusal(grant: &Grant, tally: &Tally, error: &(dyn StdError + 'static)) -> Refusal {
    if let Some(detector) = tally.refused() {
        return grant.denial_for(detector).into();
    }
    let version = &*grant.policy_version;
    match cause::<DialError>(error) {
        Some(private @ DialError::Private { .. }) => {
            let denial = Denial::new(DenialKind::Policy, private.to_string(), version);
            denial.next("Ask for `private: true` on the rule if this host is meant to be internal.").into()
        }
        Some(other) => unreachable_origin(grant, &other.to_string()),
        None => unreachable_origin(grant, &innermost(error)),
    }
}

fn unreachable_origin(grant: &Grant, why: &str) -> Refusal {
    let denial = Denial::unavailable(format!("{} could not be reached: {why}", grant.host), &*grant.policy_version);
    Refusal::from(denial).with_status(StatusCode::BAD_GATEWAY)
}

fn timed_out(grant: &Grant, limit: Duration) -> Refusal {
    let why = format!("{} did not answer within {} s", grant.host, limit.as_secs());
    Refusal::from(Denial::unavailable(why, &*grant.policy_version)).with_status(StatusCode::GATEWAY_TIMEOUT)
}

fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
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
