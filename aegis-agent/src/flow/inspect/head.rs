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
        let authority = one_authority(&parts).map_err(bad)?;
        let (host, port) = host_and_port(&authority, target).map_err(|why| {
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use http::Request;

    fn parse(request: http::request::Builder, sni: Option<&str>) -> Result<Head, Refusal> {
        let target = Target {
            scheme: if sni.is_some() { "https" } else { "http" },
            sni: sni.map(str::to_owned),
            destination: "203.0.113.7:443".parse().unwrap(),
        };
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Head::parse(parts, &target, "v1")
    }

    #[test]
    fn a_request_agrees_with_its_connection() {
        let head = parse(Request::get("/a?b=c").header("host", "API.test."), Some("api.test")).unwrap();
        assert_eq!((head.host.as_str(), head.port, head.path.as_str()), ("api.test", 443, "/a"));
        assert_eq!(head.query.as_deref(), Some("b=c"));
        let head = parse(Request::get("https://api.test:443/x"), Some("api.test")).unwrap();
        assert_eq!(head.host, "api.test");
    }

    #[test]
    fn a_type_is_what_it_says_and_no_more() {
        for (kind, grpc) in [
            ("application/grpc", true),
            ("Application/gRPC+proto; x=\"a, b\"", true),
            ("application/grpc-web-text", true),
            ("application/grpcx", false),
            ("text/application/grpc", false),
            ("multipart/form-data; boundary=\"a,b\\\"c,d\"", false),
        ] {
            let head = parse(Request::post("/").header("host", "api.test").header("content-type", kind), None);
            assert_eq!(head.unwrap().grpc, grpc, "{kind}");
        }
    }

    #[test]
    fn another_host_or_port_is_misdirected() {
        for (request, sni) in [
            (Request::get("/").header("host", "evil.test"), Some("api.test")),
            (Request::get("https://evil.test/"), Some("api.test")),
            (Request::get("/").header("host", "api.test:8443"), Some("api.test")),
            (Request::get("/").header("host", "api.test:99999"), Some("api.test")),
        ] {
            assert_eq!(parse(request, sni).unwrap_err().status, StatusCode::MISDIRECTED_REQUEST);
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for request in [
            Request::get("/").header("host", "api.test").header("host", "evil.test"),
            Request::get("http://api.test/").header("host", "evil.test"),
            Request::get("/"),
            Request::get("/").header("host", "user@api.test"),
            Request::get("/").header("host", "a b"),
            Request::options("*").header("host", "api.test"),
            Request::post("/")
                .header("host", "api.test")
                .header("content-type", "text/plain")
                .header("content-type", "a/b"),
            Request::post("/").header("host", "api.test").header("content-type", "application/grpc, application/json"),
            Request::post("/")
                .header("host", "api.test")
                .header("content-type", r#"a/b; c="d\"e"; f=g, application/json"#),
            Request::get("/").header("host", "api.test").header("upgrade", "websocket"),
            Request::post("/")
                .header("host", "api.test")
                .header("upgrade", "websocket")
                .header("connection", "upgrade")
                .header("sec-websocket-version", "13"),
            Request::connect("api.test:443"),
        ] {
            assert_eq!(parse(request, None).unwrap_err().status, StatusCode::BAD_REQUEST);
        }
    }

    #[test]
    fn hop_fields_tokens_and_our_own_names_do_not_travel() {
        let request = Request::get("/")
            .header("host", "api.test")
            .header("connection", "close, X-Private")
            .header("x-private", "1")
            .header("te", "trailers")
            .header("transfer-encoding", "chunked")
            .header("aegis-decision", "allow")
            .header("aegis-token", "one")
            .header("proxy-authorization", "Basic dHdvOnR3bw==")
            .header("x-kept", "yes");
        let head = parse(request, None).unwrap();
        assert_eq!(head.token.as_deref(), Some("one"));
        let left: Vec<&str> = head.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(head.headers.contains_key("x-kept") && head.headers.contains_key("te"));
    }

    #[test]
    fn a_token_is_one_token_or_the_request_is_refused() {
        let head = |fields: &[(&str, &[u8])]| {
            let fields = fields.iter().fold(Request::get("/").header("host", "api.test"), |request, (name, value)| {
                request.header(*name, *value)
            });
            parse(fields, None)
        };
        let (own, proxy) = ("aegis-token", "proxy-authorization");
        for (fields, token) in [
            (&[(own, &b"one"[..])][..], Some("one")),
            (&[(own, b" one ")], Some("one")),
            (&[(own, b"")], Some("")),
            (&[(proxy, b"Bearer one")], Some("one")),
            (&[(proxy, b"bEARER   one")], Some("one")),
            (&[(proxy, b"Bearer")], Some("")),
            (&[(proxy, b"Basic x"), (own, b"one")], Some("one")),
            (&[(proxy, b"Basic x")], None),
            (&[(own, b"one"), (own, b" one")], Some("one")),
            (&[(proxy, b"Bearer one"), (own, b"one")], Some("one")),
            (&[], None),
        ] {
            let head = head(fields).unwrap();
            assert_eq!(head.token.as_deref(), token, "{fields:?}");
            assert!(head.headers.is_empty(), "{:?}", head.headers);
        }
        for fields in [
            &[(own, &b"one"[..]), (own, b"two")][..],
            &[(own, b"one"), (proxy, b"Bearer two")],
            &[(proxy, b"Bearer one"), (proxy, b"Bearer two")],
            &[(own, b""), (own, b"one")],
            &[(own, b"\xff")],
            &[(proxy, b"Bearer \xff")],
        ] {
            assert_eq!(head(fields).unwrap_err().status, StatusCode::UNAUTHORIZED, "{fields:?}");
        }
    }
}
