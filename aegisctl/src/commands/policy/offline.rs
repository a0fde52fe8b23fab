//! The explanation without a daemon: the same code that the daemon explains with, on policy files.

use std::time::SystemTime;

use aegis_api::{ExplainRequest, ExplainResponse, Problem};
use aegis_policy::{Agent, Sample, Snapshot, Usage, explain_sample};

/// Explains what `snapshot` decides for the request, without sending it.
///
/// # Errors
/// 400 when the URL, a header, the time or the usage is not valid.
pub fn explain(snapshot: &Snapshot, agent: &Agent, request: &ExplainRequest) -> Result<ExplainResponse, Problem> {
    let bad = |error: &dyn std::fmt::Display| Problem::bad_request(error.to_string());
    let now = match &request.now {
        Some(text) => aegis_policy::instant(text).map_err(|error| bad(&error))?,
        None => SystemTime::now(),
    };
    let usage = match &request.usage {
        Some(value) => serde_json::from_value(value.clone()).map_err(|error| bad(&format_args!("usage: {error}")))?,
        None => Usage::default(),
    };
    let sample = Sample {
        method: &request.method,
        url: &request.url,
        headers: &request.headers,
        body: request.body.as_deref().unwrap_or_default(),
        tool: request.tool.as_deref(),
        now,
        usage,
    };
    let explained = explain_sample(snapshot, agent, &sample).map_err(|error| bad(&error))?;
    serde_json::to_value(&explained)
        .and_then(serde_json::from_value)
        .map_err(|error| Problem::internal(error.to_string()))
}
