//! The control API's client: one call a connection on the unix socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aegis_api::Problem;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

use crate::failure::Failure;

/// Largest answer that is read, in bytes.
const ANSWER_MAX: usize = 64 << 20;

/// How long an answer may take; the daemon's own limit is 30 s.
const TIMEOUT: Duration = Duration::from_secs(35);

/// The daemon, as seen from here.
pub struct Client {
    socket: PathBuf,
    // One thread: `run` must be single-threaded when it enters namespaces and changes users.
    runtime: Runtime,
}

impl Client {
    /// A client for the daemon at `socket`; connects with each call.
    pub fn new(socket: &Path) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::No(format!("cannot start: {error}")))?;
        Ok(Self { socket: socket.to_owned(), runtime })
    }

    /// The daemon's socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// `GET path`.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call::<(), T>(Method::GET, path, None)
    }

    /// `POST path` with a JSON body.
    pub fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, Failure> {
        self.call(Method::POST, path, Some(body))
    }

    /// `PUT path` with a JSON body.
    pub fn put<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, Failure> {
        self.call(Method::PUT, path, Some(body))
    }

    /// `DELETE path`, which answers nothing.
    pub fn delete(&self, path: &str) -> Result<(), Failure> {
        let request = request::<()>(Method::DELETE, path, None)?;
        self.runtime.block_on(async { self.exchange(request).await.map(|_| ()) })
    }

    fn call<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<T, Failure> {
        let request = request(method, path, body)?;
        let bytes = self.runtime.block_on(async { self.exchange(request).await })?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Failure::No(format!("the daemon's answer to {path} cannot be read: {error}; are both of one version?"))
        })
    }

    /// `GET path`, handing each piece of the body to `piece` until the daemon or the user ends it.
    pub fn stream(&self, path: &str, mut piece: impl FnMut(&[u8]) -> io::Result<()>) -> Result<(), Failure> {
        let request = request::<()>(Method::GET, path, None)?;
        self.runtime.block_on(async {
            let mut response = accepted(self.send(request).await?).await?;
            while let Some(frame) = response.frame().await {
                let frame = frame.map_err(|error| Failure::Unreachable(format!("the daemon went away: {error}")))?;
                if let Some(data) = frame.data_ref() {
                    piece(data)?;
                }
            }
            Ok(())
        })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Bytes, Failure> {
        tokio::time::timeout(TIMEOUT, async { body(accepted(self.send(request).await?).await?).await })
            .await
            .map_err(|_| Failure::Unreachable(format!("the daemon at {} does not answer", self.socket.display())))?
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.unreachable(&error))?;
        let broken = |error: hyper::Error| Failure::Unreachable(format!("the daemon broke off: {error}"));
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // Its errors come out of `send_request` and the body as well.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(broken)
    }

    fn unreachable(&self, error: &io::Error) -> Failure {
        let socket = self.socket.display();
        let next = match error.kind() {
            io::ErrorKind::PermissionDenied => "run it as root (sudo)",
            _ => {
                "start it (systemctl start aegis-agent, or aegis-agent --config FILE), or name its socket: --socket PATH"
            }
        };
        Failure::Unreachable(format!("no daemon answers on {socket}: {error}\n  next: {next}"))
    }
}

fn request<B: Serialize>(method: Method, path: &str, body: Option<&B>) -> Result<Request<Full<Bytes>>, Failure> {
    let mut builder = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
    let bytes = match body {
        None => Bytes::new(),
        Some(body) => {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
            serde_json::to_vec(body).map_err(|error| Failure::Usage(error.to_string()))?.into()
        }
    };
    builder.body(Full::new(bytes)).map_err(|error| Failure::Usage(format!("{path}: {error}")))
}

async fn accepted(response: Response<Incoming>) -> Result<Response<Incoming>, Failure> {
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let bytes = body(response).await?;
    Err(Failure::Refused(serde_json::from_slice(&bytes).unwrap_or_else(|_| unexpected(status))))
}

fn unexpected(status: StatusCode) -> Problem {
    Problem::internal(format!("the daemon answered {status}: is another program on this socket?"))
}

async fn body(response: Response<Incoming>) -> Result<Bytes, Failure> {
    let collected = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
    Ok(collected.map_err(|error| Failure::Unreachable(format!("the answer broke off: {error}")))?.to_bytes())
}
