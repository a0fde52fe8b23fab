#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use http::Request;

use super::*;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn handshake() -> http::request::Builder {
    Request::get("/chat")
        .header("host", "api.test")
        .header("upgrade", "websocket")
        .header("connection", "keep-alive, Upgrade")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", KEY)
}

fn read(request: http::request::Builder) -> Result<Option<Asked>, Refusal> {
    Asked::read(&request.body(()).unwrap().into_parts().0, "v1")
}

fn fields(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
}

#[test]
fn the_key_of_the_standard_has_its_answer() {
    assert_eq!(accept(KEY), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let asked = read(handshake()).unwrap().unwrap();
    let agreed = Agreed { deflates: false, extensions: None };
    let response = asked.answer(&agreed, fields(&[("content-length", "0"), ("x-kept", "1")]), ());
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert!(response.headers().contains_key("x-kept") && !response.headers().contains_key("content-length"));
}

#[test]
fn only_whole_handshakes_are_taken() {
    assert!(read(Request::get("/")).unwrap().is_none());
    let plain = |name: &str, value: &str| Request::get("/").header(name, value);
    for (request, status) in [
        (plain("upgrade", "h2c"), 403),
        (plain("upgrade", "websocket, h2c"), 403),
        (plain("upgrade", "TLS/1.0"), 403),
        (plain("upgrade", "websocket"), 400),
        (handshake().header("upgrade", "websocket"), 400),
        (handshake().method("POST"), 400),
        (handshake().version(Version::HTTP_10), 400),
        (handshake().header("sec-websocket-key", KEY), 400),
        (handshake().header("sec-websocket-version", "8"), 400),
        (plain("upgrade", "websocket").header("connection", "upgrade"), 426),
        (plain("upgrade", "websocket").header("connection", "upgrade").header("sec-websocket-version", "12"), 426),
        (plain("upgrade", "websocket").header("connection", "upgrade").header("sec-websocket-version", "13"), 400),
        (Request::connect("api.test").extension(Protocol::from_static("webtransport")), 403),
        (Request::connect("api.test").extension(Protocol::from_static("websocket")), 426),
    ] {
        let described = format!("{:?}", request.headers_ref());
        assert_eq!(read(request).unwrap_err().status, status, "{described}");
    }
    let over_h2 = Request::connect("api.test").extension(Protocol::from_static("websocket"));
    assert!(read(over_h2.header("sec-websocket-version", "13")).unwrap().unwrap().over_h2());
}

#[test]
fn extensions_are_agreed_on_with_each_side() {
    let offer = "permessage-deflate; client_max_window_bits";
    let asked = read(handshake().header("sec-websocket-extensions", offer)).unwrap().unwrap();
    let answered = |agreed: &Agreed| {
        let response = asked.answer(agreed, HeaderMap::new(), ());
        response.headers().get("sec-websocket-extensions").map(|value| value.to_str().unwrap().to_owned())
    };
    let mut headers = HeaderMap::new();
    // Inspected: Aegis' own offer to the origin, Aegis' own answer to the agent.
    let wanted = asked.request(&mut headers, true);
    assert_eq!(headers["sec-websocket-extensions"], deflate::AGREED);
    assert_ne!(headers["sec-websocket-key"], KEY);
    let answer = |extra: &[(&'static str, &str)]| {
        let mut answer = fields(&[("upgrade", "WebSocket"), ("connection", "upgrade")]);
        answer.insert("sec-websocket-accept", wanted.accept.as_ref().unwrap().parse().unwrap());
        answer.extend(fields(extra));
        answer
    };
    let agreed = wanted.check(&answer(&[])).unwrap();
    assert_eq!(agreed, Agreed { deflates: false, extensions: None });
    assert_eq!(answered(&agreed).as_deref(), Some(deflate::AGREED));
    assert!(wanted.check(&answer(&[("sec-websocket-extensions", deflate::AGREED)])).unwrap().deflates);
    for wrong in [
        &[("sec-websocket-extensions", "permessage-deflate")][..],
        &[("sec-websocket-extensions", "x-other")],
        &[("sec-websocket-protocol", "chat")],
        &[("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")],
        &[("upgrade", "h2c")],
        &[("connection", "close")],
    ] {
        let mut answer = answer(&[]);
        answer.extend(fields(wrong));
        for (name, value) in wrong {
            answer.insert(*name, value.parse().unwrap());
        }
        assert!(wanted.check(&answer).is_err(), "{wrong:?}");
    }
    // Not inspected: what the two agree on is theirs.
    let wanted = asked.request(&mut headers, false);
    assert_eq!(headers["sec-websocket-extensions"], offer);
    let mut answer = fields(&[("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-extensions", "x")]);
    answer.insert("sec-websocket-accept", wanted.accept.as_ref().unwrap().parse().unwrap());
    assert_eq!(answered(&wanted.check(&answer).unwrap()).as_deref(), Some("x"));
}

#[test]
fn over_http2_there_is_no_key_and_no_upgrade() {
    let asked = read(handshake()).unwrap().unwrap();
    let mut headers = fields(&[("sec-websocket-protocol", "chat"), ("x-kept", "1")]);
    let wanted = asked.extended(&mut headers, true);
    for gone in ["connection", "upgrade", "sec-websocket-key"] {
        assert!(!headers.contains_key(gone), "{gone}");
    }
    assert_eq!((&headers["sec-websocket-version"], &headers["x-kept"]), (&VERSION, &HeaderValue::from_static("1")));
    assert_eq!(
        (wanted.status(), &headers["sec-websocket-extensions"]),
        (StatusCode::OK, &HeaderValue::from_static(deflate::AGREED))
    );
    assert!(wanted.check(&fields(&[("sec-websocket-protocol", "chat")])).is_ok());
    assert!(wanted.check(&fields(&[("sec-websocket-protocol", "other")])).is_err());
}

#[test]
fn a_subprotocol_is_one_that_was_offered() {
    let asked = read(handshake()).unwrap().unwrap();
    let mut headers = fields(&[("sec-websocket-protocol", "chat, superchat")]);
    let wanted = asked.request(&mut headers, true);
    let mut answer = fields(&[("upgrade", "websocket"), ("connection", "upgrade")]);
    answer.insert("sec-websocket-accept", wanted.accept.as_ref().unwrap().parse().unwrap());
    for (chosen, fine) in [("superchat", true), ("chat, superchat", false), ("other", false)] {
        answer.insert("sec-websocket-protocol", chosen.parse().unwrap());
        assert_eq!(wanted.check(&answer).is_ok(), fine, "{chosen}");
    }
}
