//! A container runtime as far as Aegis asks one: `GET /containers/{id}/json` of the Docker Engine API.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixListener;

type Known = Arc<Mutex<BTreeMap<String, Value>>>;

/// A runtime; it ends with the value.
pub struct Runtime {
    known: Known,
    _threads: tokio::runtime::Runtime,
}

impl Runtime {
    /// Serves on `socket`; `answers` says whether it ever answers.
    pub fn serve(socket: &Path, answers: bool) -> Self {
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let known = Known::default();
        let listener = {
            let _runtime = threads.enter();
            UnixListener::bind(socket).unwrap()
        };
        let shared = Arc::clone(&known);
        threads.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let known = Arc::clone(&shared);
                let service = service_fn(move |request| answer(request, Arc::clone(&known), answers));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { known, _threads: threads }
    }

    /// From now on it knows this container.
    pub fn knows(&self, id: &str, labels: &Value) {
        let container =
            json!({"Id": id, "Name": "/box", "Created": "2026-11-23T00:00:00Z", "Config": {"Labels": labels}});
        self.known.lock().unwrap().insert(id.to_owned(), container);
    }
}

async fn answer(request: Request<Incoming>, known: Known, answers: bool) -> Result<Response<Full<Bytes>>, Infallible> {
    if !answers {
        std::future::pending::<()>().await;
    }
    let id = request.uri().path().trim_start_matches("/containers/").trim_end_matches("/json").to_owned();
    let container = known.lock().unwrap().get(&id).cloned();
    let (status, body) = match container {
        Some(container) => (StatusCode::OK, container),
        None => (StatusCode::NOT_FOUND, json!({"message": format!("No such container: {id}")})),
    };
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    Ok(response)
}
