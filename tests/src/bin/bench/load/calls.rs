//! Unary gRPC calls over HTTP/2, one after the other.

use anyhow::{Context, Result, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

pub type Sender = SendRequest<Full<Bytes>>;

/// Bytes of the text that a call sends.
const TEXT: u8 = 120;

pub async fn connection(stream: TlsStream<TcpStream>) -> Result<Sender> {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

pub async fn unary(sender: &mut Sender, authority: &str, path: &str) -> Result<()> {
    sender.ready().await?;
    let request = Request::post(format!("https://{authority}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let response = sender.send_request(request.body(Full::new(message()))?).await?;
    let answer = response.into_body().collect().await?;
    let status = answer.trailers().and_then(|fields| fields.get("grpc-status")).context("no grpc-status")?.clone();
    ensure!(status == "0" && !answer.to_bytes().is_empty(), "grpc-status {status:?}");
    Ok(())
}

/// Five bytes of gRPC's own, then a protocol buffer with one text in field 1.
fn message() -> Bytes {
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(u32::from(TEXT) + 2);
    message.put_slice(&[0x0a, TEXT]);
    message.extend(b"an ordinary order ".iter().cycle().take(usize::from(TEXT)));
    message.freeze()
}
