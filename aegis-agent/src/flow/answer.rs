//! The origin's answer on its way to the agent: its head, and how its body is looked through.

use std::sync::Arc;

use aegis_policy::{Decision, DenialKind, Mode};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::response::Parts;
use http::{HeaderMap, Response, StatusCode, Version};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::ext::ReasonPhrase;

use super::ending::Ending;
use super::events::Events;
use super::farewell::Dialect;
use super::fields;
use super::forward::failure;
use super::idle::Idle;
use super::look::{Look, Rules};
use super::record::Recorder;
use super::refusal::{DECISION_HEADER, REMOVED_HEADER, Refusal};
use super::response::{Manner, Relayed, ToAgent};
use super::stop::{Cause, Direction, Stop};
use crate::config::Limits;

/// Response fields of the origin's hop (RFC 9110, section 7.6.1).
const NOT_RELAYED: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    // An origin that advertises HTTP/3 would send clients to UDP, which is refused: they lose a round trip for nothing.
    header::ALT_SVC,
];

/// The origin's answer for the agent.
///
/// # Errors
/// The refusal of one that the rule does not let come back, as far as its head says so.
pub(super) async fn relayed(
    response: Response<Incoming>,
    limits: &Limits,
    grpc: bool,
    ending: Arc<Ending>,
) -> Result<Response<ToAgent>, (Refusal, Option<Box<Recorder>>)> {
    let (mut parts, inner) = response.into_parts();
    ending.status(parts.status);
    let rules = Rules::back(&ending.grant().profile).map(|rules| rules.of_call(ending.ongoing().path()));
    head(&mut parts, rules.as_ref(), &ending)?;
    parts.version = Version::HTTP_11;
    let dialect = Dialect::of(&parts.headers, grpc);
    let manner = match manner(&mut parts.headers, rules.as_ref(), &inner, dialect, limits) {
        Ok(manner) => manner,
        Err(stop) => return Err(stopped(&stop, &ending)),
    };
    // What is coded, or as long as its head says, has no room for an event of ours.
    let fixed =
        parts.headers.contains_key(header::CONTENT_ENCODING) || parts.headers.contains_key(header::CONTENT_LENGTH);
    let dialect = if dialect == Dialect::Events && fixed { Dialect::Plain } else { dialect };
    let short = inner.size_hint().exact().is_some_and(|length| length <= limits.buffer_body_bytes as u64);
    let body = match manner {
        Manner::Look(look) if short && !inner.is_end_stream() => {
            let bytes = whole(*look, inner, limits, &ending).await?;
            parts.headers.remove(header::CONTENT_LENGTH);
            if bytes.is_empty() {
                ending.response_complete();
            }
            ToAgent::Whole(bytes, ending)
        }
        manner => {
            let idle = Idle::new(limits.idle_timeout);
            ToAgent::Relayed(Box::new(Relayed::new(inner, manner, rules, dialect, idle, ending)))
        }
    };
    Ok(Response::from_parts(parts, body))
}

/// The head of an answer as it goes on: without the origin's hop, looked through, with what Aegis says.
///
/// # Errors
/// The refusal of one that holds what must not come back.
pub(super) fn head(
    parts: &mut Parts,
    rules: Option<&Rules>,
    ending: &Ending,
) -> Result<(), (Refusal, Option<Box<Recorder>>)> {
    for name in &NOT_RELAYED {
        parts.headers.remove(name);
    }
    fields::strip_own(&mut parts.headers);
    if let Some(rules) = rules {
        // HTTP/2 has none, and no client needs one: words that nobody has looked at.
        parts.extensions.remove::<ReasonPhrase>();
        fields::of_response(&mut parts.headers, rules, ending.tally()).map_err(|stop| stopped(&stop, ending))?;
    }
    tell(&mut parts.headers, ending);
    Ok(())
}

/// A short response, looked through before its head goes to the agent: a denial is then an answer of its own.
async fn whole(
    mut look: Look,
    inner: Incoming,
    limits: &Limits,
    ending: &Ending,
) -> Result<Bytes, (Refusal, Option<Box<Recorder>>)> {
    let failed = |why: String, status| (failure(ending.grant(), why, status), ending.take());
    let collected = tokio::select! {
        collected = tokio::time::timeout(limits.request_timeout, Limited::new(inner, limits.buffer_body_bytes).collect()) => collected,
        denial = ending.ongoing().cut_off() => return Err((denial.clone().into(), ending.take())),
    };
    let bytes = match collected {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) => return Err(failed(format!("its answer broke off: {error}"), StatusCode::BAD_GATEWAY)),
        Err(_) => return Err(failed("its answer came too slowly".to_owned(), StatusCode::GATEWAY_TIMEOUT)),
    };
    let mut out = Vec::with_capacity(bytes.len());
    let looked = look.push(&bytes, &mut out).and_then(|()| look.finish(&mut out));
    look.tell(ending.tally());
    match looked {
        Ok(()) => Ok(out.into()),
        Err(stop) => Err(stopped(&stop, ending)),
    }
}

/// The refusal of a response that must not go to the agent.
fn stopped(stop: &Stop, ending: &Ending) -> (Refusal, Option<Box<Recorder>>) {
    ending.stop(stop);
    let refusal = Refusal { findings: ending.tally().findings(), ..stop.denial(ending.grant()).into() };
    let refusal = match refusal.denial.kind {
        // It was not the request that was too large.
        DenialKind::Limit => refusal.with_status(StatusCode::BAD_GATEWAY),
        _ => refusal,
    };
    (refusal, ending.take())
}

/// Says to the agent what was decided, and where the rule wants it what was taken out of the request.
fn tell(headers: &mut HeaderMap, ending: &Ending) {
    let grant = ending.grant();
    if grant.decision == Decision::Sanitize && grant.mode == Mode::Enforce {
        headers.insert(DECISION_HEADER, HeaderValue::from_static(grant.decision.name()));
        if let Some(removed) = ending.removed() {
            headers.insert(REMOVED_HEADER, removed);
        }
    }
}

/// How the response is looked through.
fn manner(
    headers: &mut HeaderMap,
    rules: Option<&Rules>,
    inner: &Incoming,
    dialect: Dialect,
    limits: &Limits,
) -> Result<Manner, Stop> {
    let Some(rules) = rules.filter(|_| !inner.is_end_stream()) else { return Ok(Manner::Pass) };
    if let (Some(most), Some(length)) = (rules.most(), inner.size_hint().exact())
        && length > most
    {
        return Err(Stop { cause: Cause::TooLong(most), place: None, direction: Direction::Back });
    }
    if dialect == Dialect::Events && !headers.contains_key(header::CONTENT_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
        return Ok(Manner::Events(Box::new(Events::new(rules.clone(), limits.inspect_body_bytes))));
    }
    Look::at_body(rules, headers).map(|look| Manner::Look(Box::new(look)))
}
