//! What others need to verify our tokens: the public keys (RFC 7517), and where those are (RFC 8414).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::json;

use crate::daemon::Aegis;

/// Where the keys are, below the issuer.
pub(super) const JWKS: &str = "/.well-known/jwks.json";
/// The next key has been published for a whole period before it signs, so five minutes are no risk.
const FRESH: &str = "public, max-age=300";

pub(super) async fn jwks(State(aegis): State<Arc<Aegis>>) -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, FRESH)];
    (headers, aegis.issuer.jwks().to_string())
}

/// Who issues, where the keys are, and which algorithms they are for. There is no endpoint to get tokens from over the network: agents ask the control socket.
pub(super) async fn issuer(State(aegis): State<Arc<Aegis>>) -> impl IntoResponse {
    let issuer = &aegis.issuer.tokens().issuer;
    // The issuer is a URL only where somebody made it one; what is served by this listener is always there.
    let base = match issuer.starts_with("https://") || issuer.starts_with("http://") {
        true => issuer.trim_end_matches('/').to_owned(),
        false => format!("http://{}", aegis.config.listen.http),
    };
    let algorithms: Vec<&str> = aegis.issuer.algorithms().iter().map(|algorithm| algorithm.name()).collect();
    let document = json!({
        "issuer": issuer,
        "jwks_uri": format!("{base}{JWKS}"),
        "response_types_supported": [],
        "grant_types_supported": [],
        "access_token_signing_alg_values_supported": algorithms,
    });
    ([(header::CACHE_CONTROL, FRESH)], Json(document))
}
