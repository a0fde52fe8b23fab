//! A WebSocket (RFC 6455) whose other end gives back what it gets: as much of the protocol as that takes.

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A message of an ordinary size, in bytes.
const MESSAGE: usize = 256;
const TEXT: u8 = 1;
const LAST: u8 = 0x80;

pub struct Socket {
    stream: TokioIo<Upgraded>,
    /// The message in its frame, masked with zeros.
    frame: Vec<u8>,
    back: Vec<u8>,
}

impl Socket {
    pub async fn open(stream: TlsStream<TcpStream>, authority: &str, path: &str) -> Result<Self> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection.with_upgrades());
        let request = Request::get(path)
            .header("host", authority)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let response = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
        ensure!(response.status() == StatusCode::SWITCHING_PROTOCOLS, "{}", response.status());
        let stream = TokioIo::new(hyper::upgrade::on(response).await?);
        let mut frame = vec![LAST | TEXT, 0x80 | 126];
        frame.extend(u16::try_from(MESSAGE)?.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(b"an ordinary message ".iter().cycle().take(MESSAGE));
        Ok(Self { stream, frame, back: Vec::new() })
    }

    /// Sends the message and waits until all of it is back.
    pub async fn echo(&mut self) -> Result<()> {
        self.stream.write_all(&self.frame).await?;
        self.stream.flush().await?;
        self.back.clear();
        loop {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head).await?;
            let length = match head[1] {
                short @ 0..126 => usize::from(short),
                126 => usize::from(self.stream.read_u16().await?),
                _ => bail!("a frame that is longer than the message"),
            };
            ensure!(head[0] & 0x0f <= TEXT, "a frame of another kind: {:#x}", head[0]);
            let before = self.back.len();
            self.back.resize(before + length, 0);
            self.stream.read_exact(&mut self.back[before..]).await?;
            if head[0] & LAST != 0 {
                ensure!(self.back.len() == MESSAGE, "{} bytes came back", self.back.len());
                return Ok(());
            }
        }
    }
}
