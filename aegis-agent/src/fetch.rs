//! What the daemon itself gets over HTTP(S): policy bundles, remote key sets. Bounded in size and time, verified as origins
//! are, without redirects: what answers is what was configured.

use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CACHE_CONTROL, ETAG, HeaderMap, IF_NONE_MATCH};
use http::{HeaderValue, StatusCode};
use reqwest::Url;
use rustls::ClientConfig;

/// Longest entity tag that is kept and sent back; servers use some tens of bytes.
const MAX_ETAG: usize = 512;
/// Longest bearer token; Kubernetes' are about one KiB.
const MAX_TOKEN: u64 = 16 << 10;

/// A client for documents at configured places.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: reqwest::Client,
    timeout: Duration,
    token_file: Option<PathBuf>,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The document is still the one that the entity tag stands for.
    NotModified,
    /// The document.
    Body {
        bytes: Bytes,
        /// To be sent with the next request for it.
        etag: Option<String>,
        /// For how long it need not be asked for again (`Cache-Control`); none where the server does not say.
        max_age: Option<Duration>,
    },
}

/// Why nothing came. One line, without the URL: whoever asked knows it.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("`{0}` is no http or https URL")]
    Url(String),
    #[error("{path}: {why}")]
    Token { path: PathBuf, why: String },
    #[error("the token of {0} is not sent over plain http; use https")]
    TokenInClear(PathBuf),
    #[error("the HTTP client cannot be made: {0}")]
    Client(String),
    #[error("no answer: {0}")]
    Unreachable(String),
    #[error("no whole answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("the server answered {0}")]
    Status(StatusCode),
    #[error("the server redirects ({0}), which is not followed; give the URL that it redirects to")]
    Redirect(StatusCode),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

impl Fetcher {
    /// A client that trusts what `tls` trusts. `timeout` is for one whole fetch, from the first packet to the last byte;
    /// the token of `token_file` is read anew for each, since such files are rotated.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(tls: ClientConfig, timeout: Duration, token_file: Option<PathBuf>) -> Result<Self, FetchError> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .timeout(timeout)
            .user_agent(concat!("aegis-agent/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| FetchError::Client(told(&error)))?;
        Ok(Self { client, timeout, token_file })
    }

    /// Gets `url`. With the `etag` of an earlier answer the server may say that nothing changed.
    ///
    /// # Errors
    /// [`FetchError`] for everything but a whole document of at most `max_bytes`.
    pub async fn get(&self, url: &str, etag: Option<&str>, max_bytes: usize) -> Result<Fetched, FetchError> {
        let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let parsed = parsed.ok_or_else(|| FetchError::Url(url.to_owned()))?;
        let mut request = self.client.get(parsed.clone());
        if let Some(header) = self.authorization(&parsed).await? {
            request = request.header(http::header::AUTHORIZATION, header);
        }
        let condition = etag.and_then(|etag| HeaderValue::try_from(etag).ok());
        if let Some(condition) = &condition {
            request = request.header(IF_NONE_MATCH, condition);
        }
        let mut response = request.send().await.map_err(|error| self.failed(&error))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if condition.is_some() => return Ok(Fetched::NotModified),
            status if status.is_redirection() => return Err(FetchError::Redirect(status)),
            status => return Err(FetchError::Status(status)),
        }
        let (etag, max_age) = (etag_of(response.headers()), max_age_of(response.headers()));
        let announced = response.content_length().unwrap_or(0);
        if usize::try_from(announced).map_or(true, |length| length > max_bytes) {
            return Err(FetchError::TooLong(max_bytes));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(&error))? {
            if body.len().saturating_add(chunk.len()) > max_bytes {
                return Err(FetchError::TooLong(max_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Fetched::Body { bytes: body.freeze(), etag, max_age })
    }

    async fn authorization(&self, url: &Url) -> Result<Option<HeaderValue>, FetchError> {
        use tokio::io::AsyncReadExt;

        let Some(path) = &self.token_file else { return Ok(None) };
        if url.scheme() != "https" {
            return Err(FetchError::TokenInClear(path.clone()));
        }
        let wrong = |why: String| FetchError::Token { path: path.clone(), why };
        let file = tokio::fs::File::open(path).await.map_err(|error| wrong(error.to_string()))?;
        let mut token = String::new();
        file.take(MAX_TOKEN).read_to_string(&mut token).await.map_err(|error| wrong(error.to_string()))?;
        let token = token.trim();
        if token.is_empty() {
            return Err(wrong("holds no token".to_owned()));
        }
        let mut header = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| wrong("holds what no header can: give the token alone".to_owned()))?;
        header.set_sensitive(true);
        Ok(Some(header))
    }

    fn failed(&self, error: &reqwest::Error) -> FetchError {
        if error.is_timeout() { FetchError::Timeout(self.timeout) } else { FetchError::Unreachable(told(error)) }
    }
}

/// The error with its causes; reqwest's own text names only the outermost, and the URL.
fn told(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    // Each layer repeats the one below it: the innermost two say all.
    let inner: Vec<String> = causes.split_off(causes.len().saturating_sub(2));
    if inner.is_empty() { "the request failed".to_owned() } else { inner.join(": ") }
}

fn etag_of(headers: &HeaderMap) -> Option<String> {
    let etag = headers.get(ETAG)?.to_str().ok()?;
    (!etag.is_empty() && etag.len() <= MAX_ETAG).then(|| etag.to_owned())
}

/// `Cache-Control` (RFC 9111, section 5.2.2): `no-cache` and `no-store` are an age of nothing.
fn max_age_of(headers: &HeaderMap) -> Option<Duration> {
    let mut age = None;
    for directive in headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok()) {
        for part in directive.split(',').map(str::trim) {
            if part.eq_ignore_ascii_case("no-cache") || part.eq_ignore_ascii_case("no-store") {
                return Some(Duration::ZERO);
            }
            let named = part.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("max-age"));
            if let Some(seconds) = named.and_then(|(_, seconds)| seconds.trim_matches('"').parse().ok()) {
                age = Some(Duration::from_secs(seconds));
            }
        }
    }
    age
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
