#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};

use super::*;

const SOON: Duration = Duration::from_secs(5);

fn fetcher(timeout: Duration) -> Fetcher {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Fetcher::new(tls, timeout, None).unwrap()
}

/// Answers one connection with `answer`, and gives what was asked. Holds the connection open until asked to end.
fn serve(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/doc", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        let mut buffer = [0; 1024];
        while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "the client hung up");
            asked.extend_from_slice(&buffer[..read]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        // Until the client closes: an answer that never ends is not cut short by us.
        let _ = stream.read(&mut buffer);
        String::from_utf8(asked).unwrap()
    });
    (url, serving)
}

async fn fetch(answer: &'static str, etag: Option<&str>, timeout: Duration) -> (Result<Fetched, FetchError>, String) {
    let (url, serving) = serve(answer);
    let fetcher = fetcher(timeout);
    let fetched = fetcher.get(&url, etag, 10).await;
    drop(fetcher);
    // Not on this thread: the client's side of the connection is closed by it.
    (fetched, tokio::task::spawn_blocking(move || serving.join().unwrap()).await.unwrap())
}

#[tokio::test]
async fn a_document_comes_with_its_tag_and_age() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: \"v1\"\r\ncache-control: public, max-age=30\r\nconnection: close\r\n\r\nhello";
    let (fetched, asked) = fetch(answer, None, SOON).await;
    let max_age = Some(Duration::from_secs(30));
    assert_eq!(fetched.unwrap(), Fetched::Body { bytes: "hello".into(), etag: Some("\"v1\"".into()), max_age });
    assert!(!asked.to_ascii_lowercase().contains("if-none-match"), "{asked}");
}

#[tokio::test]
async fn an_unchanged_document_is_not_sent_again() {
    let answer = "HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n";
    let (fetched, asked) = fetch(answer, Some("\"v1\""), SOON).await;
    assert_eq!(fetched.unwrap(), Fetched::NotModified);
    assert!(asked.to_ascii_lowercase().contains("if-none-match: \"v1\""), "{asked}");
    // A 304 to a question without a condition is no document.
    assert!(fetch(answer, None, SOON).await.0.is_err());
}

#[tokio::test]
async fn what_is_no_whole_bounded_document_is_refused() {
    let moved = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    assert!(matches!(fetch(moved, None, SOON).await.0, Err(FetchError::Redirect(_))));
    let missing = "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";
    assert!(matches!(fetch(missing, None, SOON).await.0, Err(FetchError::Status(StatusCode::NOT_FOUND))));
    let long = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\nconnection: close\r\n\r\nhello world";
    assert!(matches!(fetch(long, None, SOON).await.0, Err(FetchError::TooLong(10))));
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n6\r\nhello \r\n6\r\nworld!\r\n0\r\n\r\n";
    assert!(matches!(fetch(chunked, None, SOON).await.0, Err(FetchError::TooLong(10))));
    let endless = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello";
    assert!(matches!(fetch(endless, None, Duration::from_millis(300)).await.0, Err(FetchError::Timeout(_))));
}

#[tokio::test]
async fn only_web_addresses_are_fetched() {
    for url in ["ftp://example.test/", "file:///etc/passwd", "nowhere", ""] {
        assert!(matches!(fetcher(SOON).get(url, None, 10).await, Err(FetchError::Url(_))), "{url}");
    }
}

#[tokio::test]
async fn a_token_is_not_sent_in_clear() {
    let client = Fetcher { token_file: Some("/nowhere/token".into()), ..fetcher(SOON) };
    let refused = client.get("http://127.0.0.1:1/", None, 10).await.unwrap_err();
    assert!(matches!(refused, FetchError::TokenInClear(_)), "{refused}");
    let refused = client.get("https://127.0.0.1:1/", None, 10).await.unwrap_err().to_string();
    assert!(refused.starts_with("/nowhere/token: No such file"), "{refused}");
}

#[test]
fn ages_are_read_as_the_rfc_says() {
    let age = |value: &str| {
        max_age_of(&HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::try_from(value).unwrap())]))
            .map(|age| age.as_secs())
    };
    for (value, expected) in [
        ("max-age=60", Some(60)),
        ("public, Max-Age=\"7\"", Some(7)),
        ("max-age=60, no-cache", Some(0)),
        ("no-store", Some(0)),
        ("private", None),
        ("max-age=soon", None),
    ] {
        assert_eq!(age(value), expected, "{value}");
    }
}
