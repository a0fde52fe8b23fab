//! A fast origin: 1 KB or 1 MB for a GET, "ok" for a POST whose body it drops, events, a WebSocket's and gRPC's echo.

mod socket;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use clap::Args;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::load::document;
use crate::{pin, tls};

#[derive(Args)]
pub struct Origin {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    certificate: PathBuf,
    #[arg(long)]
    key: PathBuf,
}

type Answer = UnsyncBoxBody<Bytes, Infallible>;

static KILOBYTE: [u8; 1024] = [b'x'; 1024];
/// Between the first event of a stream and its second: whoever waits for more before it passes something on shows.
const BETWEEN_EVENTS: Duration = Duration::from_millis(2);

impl Origin {
    pub fn run(&self) -> Result<()> {
        pin::here(pin::LOAD_CORE);
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.serve())
    }

    async fn serve(&self) -> Result<()> {
        let acceptor = TlsAcceptor::from(tls::server(&self.certificate, &self.key)?);
        let listener = TcpListener::bind(self.listen).await?;
        println!("ready");
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(connection(stream, acceptor.clone()));
        }
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let (io, service) = (TokioIo::new(stream), service_fn(answer));
    // Whoever goes away in the middle is none of the origin's affair.
    let _ = if h2 {
        http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
    } else {
        http1::Builder::new().serve_connection(io, service).with_upgrades().await
    };
}

async fn answer(request: Request<Incoming>) -> Result<Response<Answer>, Infallible> {
    let path = request.uri().path();
    if request.method() == Method::GET {
        return Ok(match path.rsplit('/').next() {
            Some("events") => events(),
            Some("socket") => socket::echo(request),
            Some("megabyte") => megabyte(),
            _ => plain(Bytes::from_static(&KILOBYTE)),
        });
    }
    if path.starts_with("/bench.Echo/") {
        return Ok(call(request).await);
    }
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    Ok(plain(Bytes::from_static(b"ok")))
}

fn plain(bytes: Bytes) -> Response<Answer> {
    Response::new(Full::new(bytes).boxed_unsync())
}

/// The document that is posted otherwise.
fn megabyte() -> Response<Answer> {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(document(1 << 20, |_| String::new())));
    let mut response = plain(DOCUMENT.clone());
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

/// Two events, the second a moment after the first.
fn events() -> Response<Answer> {
    let events = stream::unfold(0, |number| async move {
        if number == 1 {
            tokio::time::sleep(BETWEEN_EVENTS).await;
        }
        let event = Frame::data(Bytes::from_static(b"event: message\ndata: {\"delta\":\"an ordinary word\"}\n\n"));
        (number < 2).then_some((Ok(event), number + 1))
    });
    let mut response = Response::new(StreamBody::new(events).boxed_unsync());
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("text/event-stream"));
    response
}

/// Gives the message back, with the status in the trailers.
async fn call(request: Request<Incoming>) -> Response<Answer> {
    let message = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    let frames = [Ok(Frame::data(message)), Ok(Frame::trailers(trailers))];
    let mut response = Response::new(StreamBody::new(stream::iter(frames)).boxed_unsync());
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc"));
    response
}
