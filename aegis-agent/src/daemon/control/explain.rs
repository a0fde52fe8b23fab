//! What the policy in force would say of a request, and why.

use std::time::SystemTime;

use aegis_api::{ExplainRequest, ExplainResponse, Problem};
use aegis_policy::{Sample, Usage, explain_sample};

use super::agents;
use crate::daemon::Aegis;

pub fn explain(aegis: &Aegis, request: &ExplainRequest) -> Result<ExplainResponse, Problem> {
    let enrolled = aegis.registry.by_name(&request.agent).ok_or_else(|| agents::unknown(&request.agent))?;
    let sample = Sample {
        method: &request.method,
        url: &request.url,
        headers: &request.headers,
        body: request.body.as_deref().unwrap_or_default(),
        tool: None,
        now: SystemTime::now(),
        usage: Usage::default(),
    };
    let explained = explain_sample(&aegis.policy.for_agent(&enrolled.agent), &enrolled.agent, &sample)
        .map_err(|error| Problem::bad_request(error.to_string()))?;
    let explanation =
        serde_json::to_value(&explained.explanation).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(ExplainResponse { decision: explained.decision.name().to_owned(), text: explained.text, explanation })
}
