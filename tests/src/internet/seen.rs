//! What the origins received: the evidence that tests judge by.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

/// How much of a body is kept; of the rest only length and digest.
pub const KEPT_BODY_BYTES: usize = 64 * 1024;

/// One request as an origin received it.
#[derive(Clone, Debug, Default)]
pub struct SeenRequest {
    /// Name of the host whose address was dialled.
    pub host: String,
    /// Who dialled.
    pub peer: Option<SocketAddr>,
    /// The server name of the ClientHello; `None` on plain HTTP.
    pub sni: Option<String>,
    /// The negotiated protocol, `h2` or `http/1.1`; `None` where there was none.
    pub alpn: Option<String>,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Request method.
    pub method: String,
    /// `Host` header or `:authority`.
    pub authority: String,
    /// Path and query, as received.
    pub path: String,
    /// Header names in lower case, with values, in order.
    pub headers: Vec<(String, String)>,
    /// First [`KEPT_BODY_BYTES`] of the body.
    pub body: Vec<u8>,
    /// Length of the body in bytes, so far.
    pub body_len: u64,
    /// SHA-256 of the whole body, hex; empty until it has ended.
    pub body_sha256: String,
    /// Fields that came behind the body, as in `headers`.
    pub trailers: Vec<(String, String)>,
    /// Whether the body came to its proper end.
    pub complete: bool,
}

impl SeenRequest {
    /// First value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The kept part of the body, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// All requests, in order of arrival.
#[derive(Clone, Default)]
pub struct Requests(Arc<Mutex<Vec<SeenRequest>>>);

impl Requests {
    /// A copy of all.
    pub fn all(&self) -> Vec<SeenRequest> {
        self.0.lock().unwrap().clone()
    }

    /// Path of each request, and the length of its body so far.
    pub fn progress(&self) -> Vec<(String, u64)> {
        self.0.lock().unwrap().iter().map(|request| (request.path.clone(), request.body_len)).collect()
    }

    /// Those that the host named `host` received.
    pub fn at(&self, host: &str) -> Vec<SeenRequest> {
        self.all().into_iter().filter(|request| request.host == host).collect()
    }

    /// Forgets everything, for the next part of a test.
    pub fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// Waits until a request for which `wanted` holds is there, at most `limit`.
    pub fn wait(&self, limit: Duration, wanted: impl Fn(&SeenRequest) -> bool) -> Option<SeenRequest> {
        crate::lab::wait_for(limit, || self.all().into_iter().find(|request| wanted(request)))
    }

    pub(super) fn arrived(&self, request: SeenRequest) -> Recording {
        let mut all = self.0.lock().unwrap();
        all.push(request);
        Recording { all: self.clone(), index: all.len() - 1, digest: Sha256::new() }
    }
}

/// Names and values of fields, in their order.
pub(super) fn listed(fields: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    fields.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// The part of a request that is still coming in.
pub(super) struct Recording {
    all: Requests,
    index: usize,
    digest: Sha256,
}

impl Recording {
    pub(super) fn body(&mut self, chunk: &[u8]) {
        self.digest.update(chunk);
        self.edit(|request| {
            request.body_len += chunk.len() as u64;
            let room = KEPT_BODY_BYTES.saturating_sub(request.body.len());
            request.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        });
    }

    pub(super) fn trailers(&mut self, fields: &HeaderMap) {
        self.edit(|request| request.trailers = listed(fields));
    }

    pub(super) fn end(self, complete: bool) {
        let digest = self.digest.clone().finalize();
        let hex = digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        self.edit(|request| {
            request.body_sha256 = hex;
            request.complete = complete;
        });
    }

    // `clear` may have taken the request away meanwhile.
    fn edit(&self, change: impl FnOnce(&mut SeenRequest)) {
        if let Some(request) = self.all.0.lock().unwrap().get_mut(self.index) {
            change(request);
        }
    }
}
