//! What the policy in force would say of a request, and why.

use aegis_api::{ExplainRequest, ExplainResponse, Problem};
use aegis_policy::{Content, Explanation, Intent, JsonBody, parse_strict_json};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::agents;
use crate::daemon::Aegis;
use crate::flow::decide::JSON_DEPTH;

pub fn explain(aegis: &Aegis, request: &ExplainRequest) -> Result<ExplainResponse, Problem> {
    let enrolled = aegis.registry.by_name(&request.agent).ok_or_else(|| agents::unknown(&request.agent))?;
    let uri: Uri = request.url.parse().map_err(|error| Problem::bad_request(format!("{}: {error}", request.url)))?;
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(Problem::bad_request(format!("{} is not an absolute http or https URL", request.url)));
    };
    let headers = headers(request)?;
    let parsed = request.body.as_ref().map(|body| parse_strict_json(body.as_bytes(), JSON_DEPTH));
    let json = match &parsed {
        None => JsonBody::None,
        Some(Ok(value)) => JsonBody::Value(value),
        Some(Err(_)) => JsonBody::Invalid,
    };
    let intent = Intent {
        agent: &enrolled.agent,
        scheme,
        host,
        port: uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 }),
        method: &request.method,
        path: uri.path(),
        query: uri.query(),
        headers: &headers,
    };
    let explanation = aegis.policy.current().explain(&intent, &Content { json, findings: &[] });
    let decision = explanation.decision.map_or("deny", aegis_policy::Decision::name).to_owned();
    let text = text(&explanation);
    let value = serde_json::to_value(&explanation).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(ExplainResponse { decision, text, explanation: value })
}

fn headers(request: &ExplainRequest) -> Result<HeaderMap, Problem> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let bad = |error: &dyn std::fmt::Display| Problem::bad_request(format!("header {name}: {error}"));
        let name = HeaderName::try_from(name.as_str()).map_err(|error| bad(&error))?;
        headers.append(name, HeaderValue::try_from(value.as_str()).map_err(|error| bad(&error))?);
    }
    Ok(headers)
}

fn text(explanation: &Explanation) -> String {
    let mut lines = vec![explanation.reason.clone()];
    for candidate in &explanation.candidates {
        let mark = if candidate.matches { "matches" } else { "does not match" };
        lines.push(format!("{} ({}) {mark}", candidate.rule, candidate.decision.name()));
        for condition in &candidate.conditions {
            let mark = if condition.holds { "+" } else { "-" };
            let seen = condition.value.as_deref().map_or_else(String::new, |value| format!("  (saw {value})"));
            lines.push(format!("  {mark} {}{seen}", condition.condition));
        }
    }
    lines.extend(explanation.next_steps.iter().cloned());
    lines.join("\n")
}
