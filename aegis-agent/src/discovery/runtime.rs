//! A container's labels, asked of its runtime: the Docker Engine API on a unix socket, which Podman speaks as well.
//!
//! The runtime is trusted as root is, and not to answer: every question has a limit of time and of size.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::UnixStream;
use tokio_util::task::AbortOnDropHandle;

/// For one question, from the connection to the last byte.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The longest answer, in bytes: labels of a container are at most some 100 KiB.
const ANSWER_MAX: usize = 1 << 20;

/// What is taken from the runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    pub name: Option<String>,
    pub labels: BTreeMap<String, String>,
}

/// What the runtime said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Known(Container),
    /// It has no such container, or not yet.
    Unknown,
    /// It could not be asked: one line.
    Failed(String),
}

/// The part of `GET /containers/{id}/json` that is read.
#[derive(Deserialize)]
struct Inspected {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "Name", default)]
    name: Option<String>,
    #[serde(rename = "Config", default)]
    config: Config,
}

#[derive(Default, Deserialize)]
struct Config {
    #[serde(rename = "Labels", default)]
    labels: Option<BTreeMap<String, String>>,
}

/// Asks the runtime at `socket` for the container with this id.
pub async fn inspect(socket: &Path, id: &str) -> Answer {
    let place = socket.display();
    match tokio::time::timeout(TIMEOUT, ask(socket, id)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(why)) => Answer::Failed(format!("the runtime at {place} cannot be asked: {why}")),
        Err(_) => Answer::Failed(format!("the runtime at {place} did not answer within {} s", TIMEOUT.as_secs())),
    }
}

async fn ask(socket: &Path, id: &str) -> Result<Answer, String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let stream = UnixStream::connect(socket).await.map_err(|error| told(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| told(&error))?;
    let _driven = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::get(format!("/containers/{id}/json"))
        .header(header::HOST, "localhost")
        .body(Empty::<Bytes>::new())
        .map_err(|error| told(&error))?;
    let response = sender.send_request(request).await.map_err(|error| told(&error))?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(Answer::Unknown),
        other => return Err(format!("it answered {other}")),
    }
    let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await.map_err(|error| told(&error))?;
    read(&body.to_bytes(), id)
}

fn read(body: &[u8], id: &str) -> Result<Answer, String> {
    let inspected: Inspected =
        serde_json::from_slice(body).map_err(|error| format!("its answer is not read: {error}"))?;
    if inspected.id != id {
        return Err("it answered for another container".to_owned());
    }
    let name = inspected.name.map(|name| name.trim_start_matches('/').to_owned());
    Ok(Answer::Known(Container { name, labels: inspected.config.labels.unwrap_or_default() }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    use super::*;

    const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    /// A runtime that answers every question with these bytes and then waits.
    async fn answers(bytes: Vec<u8>) -> Answer {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let _runtime = AbortOnDropHandle::new(tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&bytes).await;
            std::future::pending::<()>().await;
        }));
        inspect(&socket, ID).await
    }

    fn http(status: &str, body: &str) -> Vec<u8> {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    #[tokio::test]
    async fn labels_are_read_and_nothing_else_counts() {
        let body = format!(r#"{{"Id":"{ID}","Name":"/box","State":{{}},"Config":{{"Labels":{{"a":"b"}},"Env":[]}}}}"#);
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        assert_eq!(answers(http("200 OK", &body)).await, Answer::Known(Container { name: Some("box".into()), labels }));
        let bare = format!(r#"{{"Id":"{ID}","Config":{{"Labels":null}}}}"#);
        assert_eq!(answers(http("200 OK", &bare)).await, Answer::Known(Container::default()));
        assert_eq!(answers(http("404 Not Found", "{}")).await, Answer::Unknown);
        for (bytes, why) in [
            (http("500 Oops", "{}"), "it answered 500"),
            (http("200 OK", r#"{"Id":"bbbb","Config":{}}"#), "another container"),
            (http("200 OK", "nonsense"), "its answer is not read"),
            (http("200 OK", &format!("\"{}\"", "x".repeat(ANSWER_MAX))), "length limit"),
            (b"SSH-2.0-nonsense\r\n".to_vec(), "cannot be asked"),
        ] {
            let answer = answers(bytes).await;
            assert!(matches!(&answer, Answer::Failed(told) if told.contains(why)), "{why}: {answer:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_runtime_that_never_answers_is_given_up() {
        let answer = answers(Vec::new()).await;
        assert!(matches!(&answer, Answer::Failed(why) if why.ends_with("did not answer within 2 s")), "{answer:?}");
        let answer = inspect(Path::new("/nonexistent/docker.sock"), ID).await;
        assert!(matches!(&answer, Answer::Failed(why) if why.contains("No such file")), "{answer:?}");
    }
}
