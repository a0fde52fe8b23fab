//! The request head, rebuilt from its parsed form: whatever could be read in two ways is refused.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use aegis_policy::Denial;
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, StatusCode};

use crate::flow::fields;
use crate::flow::refusal::Refusal;
use crate::flow::websocket::Asked;

/// What the connection was authorized for; each request on it must agree.
#[derive(Debug, Clone)]
pub struct Target {
    /// `https` or `http`.
    pub scheme: &'static str,
    /// The server name of the ClientHello, lower case.
    pub sni: Option<String>,
    /// Where the agent dialled.
    pub destination: SocketAddr,
}

/// A request head that can be read in one way only.
#[derive(Debug, Clone)]
pub struct Head {
    pub method: Method,
    pub scheme: &'static str,
    /// Lower case, without port and trailing dot; an IPv6 literal without brackets.
    pub host: String,
    pub port: u16,
    pub path: String,
    pub query: Option<String>,
    /// End-to-end fields only; no `Host`, no `Content-Length`, nothing of Aegis' own.
    pub headers: HeaderMap,
    /// What the agent presented as its token.
    pub token: Option<String>,
    pub grpc: bool,
    /// The request is to become a WebSocket; its method is then `GET`, over HTTP/2 too.
    pub websocket: Option<Asked>,
}

/// Fields that are for this hop alone (RFC 9110, section 7.6.1), and those that are written anew.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    header::TRANSFER_ENCODING,
    header::TRAILER,
    header::UPGRADE,
    header::PROXY_AUTHORIZATION,
    header::HOST,
    header::CONTENT_LENGTH,
    header::EXPECT,
];
const AEGIS_TOKEN: HeaderName = HeaderName::from_static("aegis-token");

impl Head {
    /// Bytes of the request that it holds.
    #[must_use]
    pub fn weight(&self) -> usize {
        let fields: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        self.host.len() + self.path.len() + self.query.as_ref().map_or(0, String::len) + fields
    }

    /// Parses the head of a request that came on a connection to `target`.
    ///
    /// # Errors
    /// A refusal that says what is ambiguous; 421 where the request belongs on another connection.
    pub fn parse(parts: Parts, target: &Target, version: &str) -> Result<Self, Refusal> {
        let bad = |why: &str| Refusal::from(Denial::protocol(why, version));
        let websocket = Asked::read(&parts, version)?;
        if parts.method == Method::CONNECT && websocket.is_none() {
            return Err(bad("CONNECT is not served here: connect to the host itself, Aegis is transparent"));
        }
        if parts.headers.get_all(header::CONTENT_TYPE).iter().count() > 1 {
            return Err(bad("the request has more than one Content-Type field"));
        }
        if parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| names_two(kind.as_bytes())) {
            return Err(bad("the Content-Type names more than one type"));
        }
        if parts.headers.get_all(header::CONTENT_LENGTH).iter().count() > 1 {
            return Err(bad("the request has more than one Content-Length field"));
        }
        let authority = one_authority(&parts).map_err(bad)?;
        let agrees = same_scheme(&parts, target).and_then(|()| host_and_port(&authority, target));
        let (host, port) = agrees.map_err(|why| {
            Refusal::from(Denial::protocol(why, version)).with_status(StatusCode::MISDIRECTED_REQUEST)
        })?;
        let path = match parts.uri.path() {
            path if path.starts_with('/') => path.to_owned(),
            // `OPTIONS *` among them: it would reach the origin as `/`, which is not what was asked.
            _ => return Err(bad("the request target is not a path")),
        };
        let mut headers = parts.headers;
        let token = take_token(&mut headers).map_err(|why| Refusal::from(Denial::token(why, version)))?;
        strip(&mut headers);
        let mut method = parts.method;
        if websocket.is_some() {
            Asked::tidy(&mut headers);
            method = Method::GET;
        }
        let grpc = headers.get(header::CONTENT_TYPE).is_some_and(|kind| is_grpc(kind.as_bytes()));
        let query = parts.uri.query().map(str::to_owned);
        Ok(Self { method, scheme: target.scheme, host, port, path, query, headers, token, grpc, websocket })
    }
}

/// Whether a Content-Type is a list: some servers take the first of it, some the last, some any. A comma may stand in a
/// parameter's quotes only.
fn names_two(kind: &[u8]) -> bool {
    let mut quoted = false;
    let mut parameters = false;
    let mut bytes = kind.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if quoted => _ = bytes.next(),
            b'"' if parameters => quoted = !quoted,
            b';' => parameters = true,
            b',' if !quoted => return true,
            _ => {}
        }
    }
    false
}

/// gRPC, and gRPC-Web.
fn is_grpc(kind: &[u8]) -> bool {
    let essence = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    match essence.strip_prefix(b"application/grpc") {
        Some(rest) => rest.is_empty() || rest.starts_with(b"+") || rest.starts_with(b"-web"),
        None => false,
    }
}

/// The one authority that the request names: `Host`, `:authority` and an absolute target must all agree.
fn one_authority(parts: &Parts) -> Result<Authority, &'static str> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let field = hosts.next();
    if hosts.next().is_some() {
        return Err("the request has more than one Host field");
    }
    let field = match field {
        Some(value) => Some(Authority::try_from(value.as_bytes()).map_err(|_| "the Host field is not a host")?),
        None => None,
    };
    let authority = match (parts.uri.authority(), field) {
        (Some(target), Some(field)) if *target != field => {
            return Err("the request target and the Host field name different hosts");
        }
        (Some(target), _) => target.clone(),
        (None, Some(field)) => field,
        (None, None) => return Err("the request names no host"),
    };
    if authority.as_str().contains('@') {
        return Err("the authority carries user information");
    }
    Ok(authority)
}

/// `:scheme` and the scheme of an absolute target say what the connection is (RFC 9110, section 7.4).
fn same_scheme(parts: &Parts, target: &Target) -> Result<(), String> {
    match parts.uri.scheme_str() {
        Some(scheme) if !scheme.eq_ignore_ascii_case(target.scheme) => {
            Err(format!("the request is for {scheme}, the connection is one of {}", target.scheme))
        }
        _ => Ok(()),
    }
}

/// The host and port of `authority`, once they are known to agree with the connection.
fn host_and_port(authority: &Authority, target: &Target) -> Result<(String, u16), String> {
    let host = normal_host(authority.host());
    let dialled = target.destination.port();
    // `Authority::port` is none for a port that is no port (`:99999`), too.
    let port = match (authority.as_str().strip_prefix(authority.host()), authority.port_u16()) {
        (Some(""), _) => dialled,
        (_, Some(port)) => port,
        (_, None) => return Err("the authority's port is not a port".into()),
    };
    if port != dialled {
        return Err(format!("the request is for port {port}, the connection was made to port {dialled}"));
    }
    let agrees = match (&target.sni, target.scheme) {
        (Some(sni), _) => normal_host(sni) == host,
        // Without SNI a TLS connection is authorized for the address it was made to, and for nothing else.
        (None, "https") => host.parse() == Ok(target.destination.ip()),
        (None, _) => true,
    };
    if !agrees {
        let sni = target.sni.clone().unwrap_or_else(|| target.destination.ip().to_string());
        return Err(format!("the request is for {host}, the TLS connection was authorized for {sni}"));
    }
    Ok((host, port))
}

fn normal_host(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase()
}

/// `Aegis-Token`, or a bearer in `Proxy-Authorization`; both are taken out, whatever they hold. Credentials for another proxy (`Basic`) mean nothing here.
///
/// # Errors
/// When there are two different tokens, or one that is no text: which of them was meant is not guessed, and none does not mean "no token".
fn take_token(headers: &mut HeaderMap) -> Result<Option<String>, &'static str> {
    let mut tokens = Vec::new();
    for value in headers.get_all(AEGIS_TOKEN) {
        tokens.push(value.to_str().map_err(|_| "the Aegis-Token field is no text")?);
    }
    for value in headers.get_all(header::PROXY_AUTHORIZATION) {
        let text = value.to_str().map_err(|_| "the Proxy-Authorization field is no text")?.trim_start();
        let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            tokens.push(token);
        }
    }
    // One token in both fields is still one: a client that knows only proxies may be told it by its environment, too.
    let distinct: BTreeSet<&str> = tokens.into_iter().map(str::trim).collect();
    let token = match Vec::from_iter(distinct).as_slice() {
        [] => None,
        [token] => Some((*token).to_owned()),
        _ => return Err("the request shows more than one token"),
    };
    headers.remove(AEGIS_TOKEN);
    headers.remove(header::PROXY_AUTHORIZATION);
    Ok(token)
}

fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let trailers = headers.get(header::TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    headers.remove(header::TE);
    join_cookies(headers);
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    if trailers {
        // gRPC servers insist on it.
        headers.insert(header::TE, header::HeaderValue::from_static("trailers"));
    }
    fields::strip_own(headers);
}

/// HTTP/2 may split cookies over fields; HTTP/1.1 knows one field (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let all: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(header::HeaderValue::as_bytes).collect();
    if all.len() > 1
        && let Ok(joined) = header::HeaderValue::from_bytes(&all.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, joined);
    }
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
