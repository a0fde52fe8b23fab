//! What the agent speaks, read from its first bytes without taking them away from whoever comes next.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use rustls::server::{Accepted, Acceptor};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A ClientHello with post-quantum shares and tickets is 2-3 KB; sixteen is more than any real one.
const MAX_HELLO: usize = 16 * 1024;
/// The longest registered method is 16 bytes (`UPDATEREDIRECTREF`, RFC 4437, is 17).
const MAX_METHOD: usize = 24;
/// The start of the HTTP/2 connection preface (RFC 9113, section 3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0";
const TLS_HANDSHAKE: u8 = 22;

/// The first words of a connection.
pub enum Opening {
    /// A whole ClientHello.
    Tls(Box<TlsOpening>),
    Http {
        h2: bool,
        stream: Replay,
    },
    /// Anything else, or silence until the time was up (server-first protocols).
    Other(Replay),
}

pub struct TlsOpening {
    pub accepted: Accepted,
    pub sni: Option<String>,
    /// The hello as it came, for a connection that is passed through.
    pub raw: Bytes,
    pub stream: TcpStream,
}

#[derive(Debug, thiserror::Error)]
pub enum SniffError {
    #[error("the agent closed the connection before it said anything")]
    Silent,
    #[error("the first bytes are neither a TLS ClientHello nor HTTP: {0}")]
    Malformed(String),
    #[error("the agent took too long to send its first bytes")]
    Slow,
    #[error("reading the agent's first bytes: {0}")]
    Io(#[from] io::Error),
}

/// Reads until it is clear what the agent speaks.
///
/// # Errors
/// When the bytes are a broken ClientHello, or when half a hello was all that came within `limit`.
pub async fn open(mut stream: TcpStream, limit: Duration) -> Result<Opening, SniffError> {
    let mut seen = BytesMut::with_capacity(4096);
    match tokio::time::timeout(limit, read_opening(&mut stream, &mut seen)).await {
        Ok(Ok(Guess::Tls(accepted))) => {
            let sni = accepted.client_hello().server_name().map(str::to_ascii_lowercase);
            Ok(Opening::Tls(Box::new(TlsOpening { accepted: *accepted, sni, raw: seen.freeze(), stream })))
        }
        Ok(Ok(Guess::Http { h2 })) => Ok(Opening::Http { h2, stream: Replay::new(seen.freeze(), stream) }),
        Ok(Ok(Guess::Other)) => Ok(Opening::Other(Replay::new(seen.freeze(), stream))),
        Ok(Err(error)) => Err(error),
        Err(_) if seen.is_empty() => Ok(Opening::Other(Replay::new(Bytes::new(), stream))),
        Err(_) => Err(SniffError::Slow),
    }
}

enum Guess {
    Tls(Box<Accepted>),
    Http { h2: bool },
    Other,
}

async fn read_opening(stream: &mut TcpStream, seen: &mut BytesMut) -> Result<Guess, SniffError> {
    let mut acceptor = Acceptor::default();
    loop {
        let before = seen.len();
        if stream.read_buf(seen).await? == 0 {
            return Err(SniffError::Silent);
        }
        let guess = if seen.first() == Some(&TLS_HANDSHAKE) {
            hello(&mut acceptor, seen.get(before..).unwrap_or_default())?
        } else {
            http(seen)
        };
        if let Some(guess) = guess {
            return Ok(guess);
        }
        if seen.len() > MAX_HELLO {
            return Err(SniffError::Malformed("the ClientHello is too long".into()));
        }
    }
}

fn hello(acceptor: &mut Acceptor, mut fresh: &[u8]) -> Result<Option<Guess>, SniffError> {
    while !fresh.is_empty() {
        if acceptor.read_tls(&mut fresh)? == 0 {
            break;
        }
    }
    match acceptor.accept() {
        Ok(accepted) => Ok(accepted.map(|accepted| Guess::Tls(Box::new(accepted)))),
        Err((error, _)) => Err(SniffError::Malformed(error.to_string())),
    }
}

/// HTTP/1 starts with a method and a space; HTTP/2 with its preface.
fn http(seen: &[u8]) -> Option<Guess> {
    if seen.starts_with(H2_PREFACE) {
        return Some(Guess::Http { h2: true });
    }
    if H2_PREFACE.starts_with(seen) {
        return None;
    }
    let method = seen.iter().take(MAX_METHOD).position(|byte| !(byte.is_ascii_uppercase() || *byte == b'-'));
    match method {
        Some(end) if end > 0 && seen.get(end) == Some(&b' ') => Some(Guess::Http { h2: false }),
        None if seen.len() < MAX_METHOD => None,
        _ => Some(Guess::Other),
    }
}

/// A stream that gives the sniffed bytes again before it goes on.
pub struct Replay {
    prefix: Bytes,
    stream: TcpStream,
}

impl Replay {
    #[must_use]
    pub fn new(prefix: Bytes, stream: TcpStream) -> Self {
        Self { prefix, stream }
    }
}

impl AsyncRead for Replay {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let length = self.prefix.len().min(buf.remaining());
        buf.put_slice(self.prefix.get(..length).unwrap_or_default());
        self.prefix.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Replay {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    async fn opening(bytes: &[u8]) -> Result<Opening, SniffError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        open(server, Duration::from_secs(10)).await
    }

    #[tokio::test]
    async fn first_bytes_tell_the_protocol() {
        assert!(matches!(opening(b"GET / HTTP/1.1\r\n").await, Ok(Opening::Http { h2: false, .. })));
        assert!(matches!(opening(b"M-SEARCH * HTTP/1.1\r\n").await, Ok(Opening::Http { h2: false, .. })));
        assert!(matches!(opening(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, Ok(Opening::Http { h2: true, .. })));
        assert!(matches!(opening(b"SSH-2.0-OpenSSH_9\r\n").await, Ok(Opening::Other(_))));
        assert!(matches!(opening(b"\x00\x01binary").await, Ok(Opening::Other(_))));
        assert!(matches!(opening(b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await, Ok(Opening::Other(_))));
        assert!(matches!(opening(b"").await, Err(SniffError::Silent)));
        assert!(matches!(opening(b"\x16\x03\x01\x00\x05hello").await, Err(SniffError::Malformed(_))));
    }

    #[tokio::test]
    async fn sniffed_bytes_are_given_again() {
        let Ok(Opening::Http { mut stream, .. }) = opening(b"GET / HTTP/1.1\r\n\r\nrest").await else {
            panic!("HTTP expected");
        };
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"GET / HTTP/1.1\r\n\r\nrest");
    }
}
