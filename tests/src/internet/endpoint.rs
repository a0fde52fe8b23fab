//! What an origin answers. Every endpoint consumes the whole request body and has it recorded.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde_json::json;

use super::seen::{KEPT_BODY_BYTES, Recording};

pub(super) type Body = BoxBody<Bytes, Infallible>;

/// Size of one chunk of a generated body, in bytes.
const CHUNK: usize = 64 * 1024;

pub(super) async fn serve(request: Request<Incoming>, host: &str, www: &Path, recording: Recording) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let content_type = request.headers().get(CONTENT_TYPE).cloned();
    let pace = Pace::of(&path, &query);
    let body = consume(request.into_body(), recording, pace).await;
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match segments.as_slice() {
        ["hello", ..] => text(StatusCode::OK, format!("hello from {host}\n")),
        ["echo"] => echo(body, content_type),
        ["sink" | "slow-sink" | "stall"] => text(StatusCode::OK, format!("{}\n", body.total)),
        ["status", code] => status(code),
        ["bytes", length] => bytes(length),
        ["slow"] => text(StatusCode::OK, "at last\n".to_owned()),
        ["events"] => events(10),
        ["v1", "chat", "completions"] => chat(&body.kept),
        ["v1", "charges" | "refunds"] => json_answer(&json!({"id": "ch_laboratory", "status": "succeeded"})),
        _ => file(&www.join(host), &path),
    }
}

/// How fast a body is taken in.
struct Pace {
    before: Duration,
    between: Duration,
}

impl Pace {
    // `?ms=N`: the whole delay of /slow and /stall, the delay after each piece of /slow-sink.
    fn of(path: &str, query: &str) -> Pace {
        let ms = query.split('&').find_map(|pair| pair.strip_prefix("ms=")?.parse().ok()).unwrap_or(0);
        let delay = Duration::from_millis(ms);
        match path {
            "/slow" | "/stall" => Pace { before: delay, between: Duration::ZERO },
            "/slow-sink" => Pace { before: Duration::ZERO, between: delay },
            _ => Pace { before: Duration::ZERO, between: Duration::ZERO },
        }
    }
}

struct Consumed {
    kept: Vec<u8>,
    total: u64,
}

async fn consume(mut body: Incoming, mut recording: Recording, pace: Pace) -> Consumed {
    let mut consumed = Consumed { kept: Vec::new(), total: 0 };
    if !pace.before.is_zero() {
        tokio::time::sleep(pace.before).await;
    }
    let complete = loop {
        match body.frame().await {
            None => break true,
            Some(Err(_)) => break false,
            Some(Ok(frame)) => {
                let data = match frame.into_data() {
                    Ok(data) => data,
                    Err(frame) => {
                        recording.trailers(frame.trailers_ref().unwrap_or(&HeaderMap::new()));
                        continue;
                    }
                };
                recording.body(&data);
                consumed.total += data.len() as u64;
                // /echo gives back at most what a test would compare.
                let room = (16 * KEPT_BODY_BYTES).saturating_sub(consumed.kept.len());
                consumed.kept.extend_from_slice(&data[..data.len().min(room)]);
                if !pace.between.is_zero() {
                    tokio::time::sleep(pace.between).await;
                }
            }
        }
    };
    recording.end(complete);
    consumed
}

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    typed(status, "text/plain", full(text))
}

fn typed(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert("x-origin", HeaderValue::from_static("laboratory"));
    response
}

fn json_answer(value: &serde_json::Value) -> Response<Body> {
    typed(StatusCode::OK, "application/json", full(value.to_string()))
}

fn echo(body: Consumed, content_type: Option<HeaderValue>) -> Response<Body> {
    let mut response = typed(StatusCode::OK, "application/octet-stream", full(body.kept));
    if let Some(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

fn status(code: &str) -> Response<Body> {
    let code = code.parse().ok().and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::BAD_REQUEST);
    text(code, format!("{code}\n"))
}

fn bytes(length: &str) -> Response<Body> {
    static ZEROS: [u8; CHUNK] = [b'0'; CHUNK];
    let length: u64 = length.parse().unwrap_or(0);
    let frames = stream::unfold(length, |left| async move {
        let now = left.min(CHUNK as u64);
        (now > 0).then(|| (Ok(Frame::data(Bytes::from_static(&ZEROS[..now as usize]))), left - now))
    });
    typed(StatusCode::OK, "application/octet-stream", BodyExt::boxed(StreamBody::new(frames)))
}

fn events(count: u32) -> Response<Body> {
    let frames = stream::unfold(0, move |n| async move {
        if n == count {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Ok(Frame::data(Bytes::from(format!("data: {n}\n\n")))), n + 1))
    });
    typed(StatusCode::OK, "text/event-stream", BodyExt::boxed(StreamBody::new(frames)))
}

/// A chat completion in the form of OpenAI's API, enough for its SDK.
fn chat(body: &[u8]) -> Response<Body> {
    let model = serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|value| value.get("model")?.as_str().map(str::to_owned))
        .unwrap_or_else(|| "laboratory-model".to_owned());
    json_answer(&json!({
        "id": "chatcmpl-laboratory", "object": "chat.completion", "created": 1, "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "42"}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    }))
}

fn file(root: &Path, path: &str) -> Response<Body> {
    let wanted: PathBuf = path.split('/').filter(|part| !part.is_empty() && *part != "..").collect();
    let mut wanted = root.join(wanted);
    if wanted.is_dir() {
        wanted.push("index.html");
    }
    match std::fs::read(&wanted) {
        Ok(content) => typed(StatusCode::OK, media_type(&wanted), full(content)),
        Err(_) => text(StatusCode::NOT_FOUND, "no such file\n".to_owned()),
    }
}

fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}
