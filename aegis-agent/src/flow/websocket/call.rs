//! The handshake with the origin: over HTTP/1.1, which every server that has WebSockets speaks, or all but; over HTTP/2
//! (RFC 8441) with one that speaks nothing else.

use std::error::Error as StdError;
use std::future::Future;

use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::ext::Protocol;

use super::handshake::{Asked, Wanted};
use crate::config::Limits;
use crate::flow::body::ToOrigin;
use crate::flow::ending::Ending;
use crate::flow::forward::{self, Line};
use crate::flow::refusal::Refusal;
use crate::telemetry::Noted;
use crate::upstream::{DialError, ExtendedError, PoolKey, Pools};

/// What the origin is asked, and by which way.
pub struct Call<'a> {
    pub pools: &'a Pools,
    pub limits: &'a Limits,
    pub pool: PoolKey,
    pub noted: &'a Noted,
    pub ending: &'a Ending,
    pub line: &'a Line,
    pub path_and_query: &'a str,
    /// Messages are looked into, in one direction at least.
    pub inspected: bool,
}

impl Call<'_> {
    /// Asks for a WebSocket with these fields of the agent's; gives the origin's answer, and what makes it one.
    ///
    /// # Errors
    /// The origin cannot be reached, or not in a way in which it could be asked.
    pub async fn ask(&self, asked: &Asked, headers: HeaderMap) -> Result<(Response<Incoming>, Wanted), Refusal> {
        let mut fields = headers.clone();
        let wanted = asked.request(&mut fields, self.inspected);
        let request = self.request(self.line.method.clone(), fields)?;
        let client = self.pools.client(self.pool, self.noted);
        match self.within(client.request(request)).await? {
            Ok(response) => return Ok((response, wanted)),
            Err(error) if !is_h2_only(&error) => return Err(self.refusal(&error)),
            Err(_) => {}
        }
        let mut fields = headers;
        let wanted = asked.extended(&mut fields, self.inspected);
        let mut request = self.request(Method::CONNECT, fields)?;
        *request.version_mut() = Version::HTTP_2;
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        let answered = self.within(self.extended(request)).await?;
        answered.map(|response| (response, wanted)).map_err(|error| self.refusal(&error))
    }

    async fn extended(&self, request: Request<ToOrigin>) -> Result<Response<Incoming>, ExtendedError> {
        let mut origin = self.pools.extended(self.pool, request.uri(), self.noted).await?;
        Ok(origin.send_request(request).await?)
    }

    fn request(&self, method: Method, headers: HeaderMap) -> Result<Request<ToOrigin>, Refusal> {
        let line = Line { method, scheme: self.line.scheme, grpc: false, framed: false, trailers: None };
        let grant = self.ending.grant();
        forward::request(grant, line, self.path_and_query, headers, ToOrigin::Empty)
            .map_err(|why| forward::failure(grant, why, StatusCode::BAD_GATEWAY))
    }

    async fn within<T>(&self, pending: impl Future<Output = T>) -> Result<T, Refusal> {
        let limit = self.limits.request_timeout;
        let answer = forward::first_answer(pending, limit, self.ending.tally()).await;
        let late = || format!("it did not answer within {} s", limit.as_secs());
        answer.ok_or_else(|| forward::failure(self.ending.grant(), late(), StatusCode::GATEWAY_TIMEOUT))
    }

    fn refusal(&self, error: &(dyn StdError + 'static)) -> Refusal {
        forward::refusal(self.ending.grant(), self.ending.tally(), error)
    }
}

/// Whether an origin refused HTTP/1.1: in TLS, or by answering in something else.
fn is_h2_only(error: &(dyn StdError + 'static)) -> bool {
    let refused = |source: &std::io::Error| {
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol);
        source.get_ref().and_then(|inner| inner.downcast_ref()) == Some(&alert)
    };
    match forward::cause::<DialError>(error) {
        Some(DialError::Tls { source, .. }) => refused(source),
        Some(_) => false,
        None => forward::cause::<hyper::Error>(error).is_some_and(hyper::Error::is_parse),
    }
}
