//! The explanation without a daemon: the same snapshot code that the daemon decides with, on policy files.

use std::fmt::Write;

use aegis_api::{ExplainRequest, ExplainResponse, Problem};
use aegis_dlp::{Finding, Format, Place, Scanner, scan_text, scan_url};
use aegis_policy::{Agent, Content, Explanation, Intent, JsonBody, Snapshot, parse_strict_json};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

/// How deep a JSON body may be nested to be read; deeper ones count as invalid.
const JSON_DEPTH: usize = 64;

/// Explains what `snapshot` decides for the request, without sending it.
///
/// # Errors
/// 400 when the URL or a header is not valid.
pub fn explain(snapshot: &Snapshot, agent: &Agent, request: &ExplainRequest) -> Result<ExplainResponse, Problem> {
    let uri = absolute(&request.url)?;
    let headers = headers(request)?;
    let scheme = uri.scheme_str().unwrap_or("https");
    let intent = Intent {
        agent,
        scheme,
        host: uri.host().unwrap_or_default(),
        port: uri.port_u16().unwrap_or(if scheme == "http" { 80 } else { 443 }),
        method: &request.method,
        path: uri.path(),
        query: uri.query(),
        headers: &headers,
    };
    let needs = snapshot.needs(&intent);
    let body = request.body.as_deref().unwrap_or_default();
    let parsed = parse_strict_json(body.as_bytes(), JSON_DEPTH);
    let json = match &parsed {
        _ if body.is_empty() || !needs.json => JsonBody::None,
        Ok(value) => JsonBody::Value(value),
        Err(_) => JsonBody::Invalid,
    };
    let findings = scan(&needs.profile, &uri, &headers, body);
    let explanation = snapshot.explain(&intent, &Content { json, findings: &findings });
    let decision = explanation.decision.map_or("deny", aegis_policy::Decision::name).to_owned();
    let text = describe(&explanation, &decision, &findings);
    let explanation = serde_json::to_value(&explanation).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(ExplainResponse { decision, text, explanation })
}

fn absolute(url: &str) -> Result<Uri, Problem> {
    let wrong =
        |why: String| Problem::bad_request(why).next("write an absolute URL, such as https://api.example.com/v1");
    let uri: Uri = url.parse().map_err(|error| wrong(format!("{url:?} is no URL: {error}")))?;
    match uri.scheme_str() {
        Some("http" | "https") if uri.host().is_some() => Ok(uri),
        _ => Err(wrong(format!("{url:?} is no http or https URL"))),
    }
}

fn headers(request: &ExplainRequest) -> Result<HeaderMap, Problem> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let wrong = || Problem::bad_request(format!("header {name:?} is not valid"));
        let field = HeaderName::try_from(name.as_str()).map_err(|_| wrong())?;
        headers.append(field, HeaderValue::try_from(value.as_str()).map_err(|_| wrong())?);
    }
    Ok(headers)
}

fn scan(profile: &aegis_dlp::Profile, uri: &Uri, headers: &HeaderMap, body: &str) -> Vec<Finding> {
    let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let mut findings = scan_url(profile, target).findings;
    for (name, value) in headers {
        if let Ok(value) = value.to_str() {
            findings.extend(scan_text(profile, Place::Header(name.as_str().to_owned()), value).findings);
        }
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut scanner = Scanner::new(*profile, Format::from_content_type(content_type));
    let mut redacted = Vec::new();
    if matches!(scanner.push(body.as_bytes(), &mut redacted), aegis_dlp::Flow::Continue) {
        // What it answers to a denial is in its findings too.
        let _ = scanner.finish(&mut redacted);
    }
    findings.extend_from_slice(scanner.findings());
    findings
}

fn describe(explanation: &Explanation, decision: &str, findings: &[Finding]) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write_all(&mut text, explanation, decision, findings);
    text
}

fn write_all(out: &mut String, e: &Explanation, decision: &str, findings: &[Finding]) -> std::fmt::Result {
    writeln!(out, "{decision} ({}): {}", e.mode.name(), e.reason)?;
    writeln!(out, "  rule {}, policy version {}", e.rule.as_deref().unwrap_or("none: default deny"), e.policy_version)?;
    for candidate in &e.candidates {
        let verdict = if candidate.matches { "matches" } else { "does not match" };
        writeln!(out, "\n{} ({}) {verdict}", candidate.rule, candidate.decision.name())?;
        for condition in &candidate.conditions {
            let mark = if condition.holds { "yes" } else { "NO " };
            let seen = condition.value.as_ref().map(|value| format!("   (saw {value})")).unwrap_or_default();
            writeln!(out, "  {mark} {}{seen}", condition.condition)?;
        }
    }
    for finding in findings {
        writeln!(out, "\nfound {} in {}, {} time(s)", finding.detector.name(), finding.place, finding.count)?;
    }
    for step in &e.next_steps {
        writeln!(out, "\nnext: {step}")?;
    }
    Ok(())
}
