//! The explanation without a daemon: the same code that the daemon explains with, on policy files.

use std::time::SystemTime;

use aegis_api::{ExplainRequest, ExplainResponse, Problem};
use aegis_policy::{Agent, Sample, Snapshot, Usage, explain_sample};

/// Explains what `snapshot` decides for the request, without sending it.
///
/// # Errors
/// 400 when the URL or a header is not valid.
pub fn explain(snapshot: &Snapshot, agent: &Agent, request: &ExplainRequest) -> Result<ExplainResponse, Problem> {
    let sample = Sample {
        method: &request.method,
        url: &request.url,
        headers: &request.headers,
        body: request.body.as_deref().unwrap_or_default(),
        tool: None,
        now: SystemTime::now(),
        usage: Usage::default(),
    };
    let explained =
        explain_sample(snapshot, agent, &sample).map_err(|error| Problem::bad_request(error.to_string()))?;
    let explanation =
        serde_json::to_value(&explained.explanation).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(ExplainResponse { decision: explained.decision.name().to_owned(), text: explained.text, explanation })
}
