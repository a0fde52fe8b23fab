//! HTTP/1.1 requests on a kept connection.

use anyhow::{Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::Content;

pub type Sender = SendRequest<Full<Bytes>>;

pub async fn connection(stream: TlsStream<TcpStream>) -> Result<Sender> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Sends a GET, or a POST where there is a body, and reads the answer.
pub async fn exchange(sender: &mut Sender, authority: &str, path: &str, content: Content, body: Bytes) -> Result<()> {
    sender.ready().await?;
    let mut request = Request::builder()
        .method(if body.is_empty() { "GET" } else { "POST" })
        .uri(path)
        .header("host", authority)
        .header("content-type", "application/json");
    if content == Content::Gzip {
        request = request.header("content-encoding", "gzip");
    }
    let response = sender.send_request(request.body(Full::new(body))?).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    ensure!(status == StatusCode::OK, "{status}: {}", String::from_utf8_lossy(&body));
    Ok(())
}
