#![allow(clippy::unwrap_used)]

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
        (Request::get("http://api.test:443/"), Some("api.test")),
        (Request::get("https://api.test/"), None),
        (Request::get("ftp://api.test/"), None),
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
        Request::post("/").header("host", "api.test").header("content-length", "4").header("content-length", "40"),
        Request::post("/")
            .header("host", "api.test")
            .header("content-type", "text/plain")
            .header("content-type", "a/b"),
        Request::post("/").header("host", "api.test").header("content-type", "application/grpc, application/json"),
        Request::post("/").header("host", "api.test").header("content-type", r#"a/b; c="d\"e"; f=g, application/json"#),
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
        let fields = fields
            .iter()
            .fold(Request::get("/").header("host", "api.test"), |request, (name, value)| request.header(*name, *value));
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
