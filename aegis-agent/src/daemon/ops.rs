//! The operators' HTTP surface: metrics, health, readiness, and what others need to verify our tokens.

mod metadata;

use std::future::IntoFuture;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Aegis;

/// Serves until `stop`.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(aegis: Arc<Aegis>, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route(metadata::JWKS, get(metadata::jwks))
        .route("/.well-known/oauth-authorization-server", get(metadata::issuer))
        .with_state(aegis);
    tokio::select! {
        served = axum::serve(listener, router).into_future() => served,
        () = stop.cancelled() => Ok(()),
    }
}

/// On a blocking thread: fill levels are counted in the kernel's maps, entry by entry.
async fn metrics(State(aegis): State<Arc<Aegis>>) -> axum::response::Response {
    let text = tokio::task::spawn_blocking(move || {
        aegis.refresh_metrics();
        aegis.metrics.encode()
    });
    match text.await {
        Ok(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("the metrics cannot be read: {error}\n")).into_response()
        }
    }
}

/// Ready is: hooks attached and pinned, a policy in force, records can be written.
async fn ready(State(aegis): State<Arc<Aegis>>) -> (StatusCode, String) {
    match aegis.not_ready() {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}
