//! What the policy in force would say of a request, and why.

use std::time::{Instant, SystemTime};

use aegis_api::{ExplainRequest, ExplainResponse, Problem};
use aegis_policy::{Sample, explain_sample};

use super::agents;
use crate::daemon::Aegis;

pub fn explain(aegis: &Aegis, request: &ExplainRequest) -> Result<ExplainResponse, Problem> {
    let enrolled = aegis.registry.by_name(&request.agent).ok_or_else(|| agents::unknown(&request.agent))?;
    let bad = |error: &dyn std::fmt::Display| Problem::bad_request(error.to_string());
    let now = match &request.now {
        Some(text) => aegis_policy::instant(text).map_err(|error| bad(&error))?,
        None => SystemTime::now(),
    };
    let usage = match &request.usage {
        Some(value) => serde_json::from_value(value.clone()).map_err(|error| bad(&format_args!("usage: {error}")))?,
        None => aegis.usage.of(&enrolled.agent.name).count(Instant::now()).usage(),
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
    let snapshot = aegis.policy.for_agent(&enrolled.agent);
    let explained = explain_sample(&snapshot, &enrolled.agent, &sample).map_err(|error| bad(&error))?;
    serde_json::to_value(&explained)
        .and_then(serde_json::from_value)
        .map_err(|error| Problem::internal(error.to_string()))
}
