//! The far end of a WebSocket: gives every message back.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Answer;

/// RFC 6455, section 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const CLOSE: u8 = 8;

pub fn echo(mut request: Request<Incoming>) -> Response<Answer> {
    let key = request.headers().get("sec-websocket-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    let accept = BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes()));
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            // It ends when the other end goes away.
            let _ = messages(TokioIo::new(upgraded)).await;
        }
    });
    let mut headers = HeaderMap::new();
    for (name, value) in [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", &accept)] {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    let mut response = Response::new(Empty::<Bytes>::new().boxed_unsync());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    response
}

async fn messages(mut stream: TokioIo<hyper::upgrade::Upgraded>) -> std::io::Result<()> {
    loop {
        let mut head = [0; 2];
        stream.read_exact(&mut head).await?;
        if head[0] & 0x0f == CLOSE {
            return Ok(());
        }
        let length = match head[1] & 0x7f {
            126 => usize::from(stream.read_u16().await?),
            short => usize::from(short),
        };
        let mut mask = [0; 4];
        stream.read_exact(&mut mask).await?;
        let mut frame = vec![head[0]];
        match u8::try_from(length) {
            Ok(short @ 0..126) => frame.push(short),
            _ => {
                frame.push(126);
                frame.extend((length as u16).to_be_bytes());
            }
        }
        let begin = frame.len();
        frame.resize(begin + length, 0);
        stream.read_exact(&mut frame[begin..]).await?;
        for (byte, mask) in frame[begin..].iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        stream.write_all(&frame).await?;
        stream.flush().await?;
    }
}
