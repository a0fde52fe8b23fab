//! A request that nobody sends, decided and explained as the enforcer would decide it.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::SystemTime;

use aegis_dlp::{Action, Finding, Flow, Format, Profile, Scanner};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use serde::Serialize;

use crate::{
    Agent, Content, Decision, Explanation, Intent, JSON_DEPTH, JsonBody, RedactedHead, Snapshot, Usage, Verdict,
    parse_strict_json, redact_head,
};

/// The request to explain.
#[derive(Copy, Clone, Debug)]
pub struct Sample<'a> {
    /// The method.
    pub method: &'a str,
    /// An absolute `http` or `https` URL.
    pub url: &'a str,
    /// Header fields.
    pub headers: &'a BTreeMap<String, String>,
    /// The body; empty for none.
    pub body: &'a str,
    /// The tool's name as a protocol in the request would give it.
    pub tool: Option<&'a str>,
    /// When it is asked.
    pub now: SystemTime,
    /// What the agent has used before.
    pub usage: Usage,
}

/// Why a sample is not a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// The URL does not parse, is relative, of another scheme, or its port is out of range.
    #[error("{url:?} is no absolute http or https URL: {why}; write one such as https://api.example.com/v1")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A field's name or value holds what HTTP does not allow there.
    #[error("header {name:?} is not valid: {why}")]
    Header {
        /// Its name, as given.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

/// What would be decided, and why. As JSON it is what `POST /v1/policy/explain` answers.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// The decision; in shadow the one that would have been.
    pub decision: Decision,
    /// The explanation for people, several lines.
    pub text: String,
    /// The same for programs.
    pub explanation: Explanation,
    /// Sensitive data in it; never its text.
    pub findings: Vec<Found>,
    /// What would be sent; none where it is refused.
    pub sent: Option<Sent>,
}

/// Sensitive data of one kind in one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// What it is: a detector's name.
    pub what: String,
    /// Where it is: `url`, `header NAME`, `body`.
    pub place: String,
    /// What becomes of it: `redact`, `deny`, `report`.
    pub action: Action,
    /// How often it is there.
    pub count: u64,
}

/// A request as it would leave: what is to be redacted replaced by its mask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Path and query.
    pub target: String,
    /// Header fields, in the order in which they are sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// A point in time as people write it (RFC 3339).
///
/// # Errors
/// One line with an example, where it is none.
pub fn instant(text: &str) -> Result<SystemTime, String> {
    let at: Result<jiff::Timestamp, jiff::Error> = text.parse();
    at.map(SystemTime::from).map_err(|_| format!("`{text}` is no time; write one such as 2026-11-23T09:30:00Z"))
}

/// Explains what `snapshot` decides for `sample` sent by `agent`, data found in it included.
///
/// # Errors
/// [`SampleError`] when the URL or a header is not valid.
pub fn explain_sample(snapshot: &Snapshot, agent: &Agent, sample: &Sample<'_>) -> Result<Explained, SampleError> {
    let (uri, port) = absolute(sample.url)?;
    let headers = headers(sample.headers)?;
    let intent = Intent {
        agent,
        scheme: uri.scheme_str().unwrap_or_default(),
        host: uri.host().unwrap_or_default(),
        port,
        method: sample.method,
        path: uri.path(),
        query: uri.query(),
        headers: &headers,
        tool: sample.tool,
        tool_in_doubt: false,
        now: sample.now,
        usage: sample.usage,
    };
    let wanted = !sample.body.is_empty() && snapshot.needs(&intent).json;
    let parsed = wanted.then(|| parse_strict_json(sample.body.as_bytes(), JSON_DEPTH));
    let json = match &parsed {
        None => JsonBody::None,
        Some(Ok(value)) => JsonBody::Value(value),
        Some(Err(_)) => JsonBody::Invalid,
    };
    // As on the way of a request: the permit says what to look for, and what is found may still deny.
    let (findings, redacted) = match snapshot.decide(&intent, &Content { json, findings: &[] }) {
        Verdict::Permit(permit) => {
            let (findings, redacted) = scan(permit.profile(), &uri, &headers, sample.body);
            (findings, Some(redacted))
        }
        Verdict::Denial(_) => (Vec::new(), None),
    };
    let content = Content { json, findings: &findings };
    let explanation = snapshot.explain(&intent, &content);
    let passes = matches!(snapshot.decide(&intent, &content), Verdict::Permit(_));
    let decision = explanation.decision.unwrap_or(Decision::Deny);
    let text = describe(&explanation, decision, &findings);
    let findings = findings.iter().map(Found::from).collect();
    Ok(Explained { decision, text, explanation, findings, sent: redacted.filter(|_| passes) })
}

impl From<&Finding> for Found {
    fn from(finding: &Finding) -> Self {
        Self {
            what: finding.detector.name().to_owned(),
            place: finding.place.to_string(),
            action: finding.action,
            count: finding.count,
        }
    }
}

/// The URL and its port.
fn absolute(url: &str) -> Result<(Uri, u16), SampleError> {
    let wrong = |why: &dyn fmt::Display| SampleError::Url { url: url.to_owned(), why: why.to_string() };
    let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| wrong(&error))?;
    let default = match uri.scheme_str() {
        Some("https") => 443,
        Some("http") => 80,
        Some(other) => return Err(wrong(&format_args!("the scheme is {other}"))),
        None => return Err(wrong(&"it has no scheme")),
    };
    let Some(authority) = uri.authority() else {
        return Err(wrong(&"it names no host"));
    };
    // A port that is no number is none to `http`; taken for the default, it would explain another request.
    let named = authority.as_str().rsplit('@').next().and_then(|place| place.strip_prefix(authority.host()));
    let port = match (authority.port_u16(), named) {
        (Some(port), _) => port,
        (None, Some("")) => default,
        (None, _) => return Err(wrong(&"its port is not a number from 0 to 65535")),
    };
    Ok((uri, port))
}

fn headers(fields: &BTreeMap<String, String>) -> Result<HeaderMap, SampleError> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let wrong = |why: &dyn fmt::Display| SampleError::Header { name: name.clone(), why: why.to_string() };
        let field = HeaderName::try_from(name.as_str()).map_err(|error| wrong(&error))?;
        headers.append(field, HeaderValue::try_from(value.as_str()).map_err(|error| wrong(&error))?);
    }
    Ok(headers)
}

fn scan(profile: &Profile, uri: &Uri, headers: &HeaderMap, body: &str) -> (Vec<Finding>, Sent) {
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let RedactedHead { path_and_query: target, headers: fields, mut findings } = redact_head(profile, target, headers);
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut scanner = Scanner::new(profile.clone(), Format::from_content_type(content_type));
    let mut redacted = Vec::new();
    if scanner.push(body.as_bytes(), &mut redacted) == Flow::Continue {
        // A denial is among the findings too.
        let _ = scanner.finish(&mut redacted);
    }
    findings.extend_from_slice(scanner.findings());
    let field = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let headers = fields.iter().map(field).collect();
    (findings, Sent { target, headers, body: String::from_utf8_lossy(&redacted).into_owned() })
}

fn describe(explanation: &Explanation, decision: Decision, findings: &[Finding]) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write_all(&mut text, explanation, decision, findings);
    text
}

fn write_all(out: &mut String, e: &Explanation, decision: Decision, findings: &[Finding]) -> fmt::Result {
    writeln!(out, "{} ({}): {}", decision.name(), e.mode.name(), e.reason)?;
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::{Mode, Source, compile};

    const KEY: &str = "AKIAQ3EGRTZYXNMB2LKJ";
    const POLICY: &str = "
version: v1
policies:
  - name: p
    agents: [a]
    rules:
      - {name: pay, hosts: [pay.test], body: [{path: amount, op: '<=', value: 10}], decision: allow}
      - {name: empty, hosts: [pay.test], body: [{path: amount, op: exists, value: false}], decision: allow}
      - {name: guarded, hosts: [api.test], decision: allow, dlp: {deny: [secrets], redact: [pii]}}
";

    fn sample<'a>(url: &'a str, headers: &'a BTreeMap<String, String>, body: &'a str) -> Sample<'a> {
        let now = SystemTime::UNIX_EPOCH;
        Sample { method: "POST", url, headers, body, tool: None, now, usage: Usage::default() }
    }

    fn explained(sample: &Sample<'_>, mode: Mode) -> Result<Explained, SampleError> {
        let source = Source { name: "p.yaml".into(), text: POLICY.into() };
        let snapshot = compile(&[source]).unwrap_or_else(|problems| panic!("{:#?}", problems.problems()));
        explain_sample(&snapshot, &Agent { name: "a".into(), mode, ..Agent::default() }, sample)
    }

    fn post(url: &str, fields: &[(&str, &str)], body: &str) -> Result<Explained, SampleError> {
        let headers = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        explained(&sample(url, &headers, body), Mode::Enforce)
    }

    #[test]
    fn data_that_must_not_leave_denies_and_shows() {
        for told in [
            post("https://api.test/", &[], &format!("key {KEY}")).unwrap(),
            post(&format!("https://api.test/?k={KEY}"), &[], "").unwrap(),
            post("https://api.test/", &[("x-note", KEY)], "").unwrap(),
        ] {
            assert_eq!((told.decision, told.explanation.rule.as_deref()), (Decision::Deny, Some("p/guarded")));
            assert!(
                told.text.starts_with("deny (enforce): ") && told.text.contains("found aws_key in "),
                "{}",
                told.text
            );
            assert!(!told.text.contains(KEY), "{}", told.text);
        }
    }

    #[test]
    fn a_credential_where_it_belongs_does_not() {
        let told = post("https://api.test/", &[("Authorization", KEY)], "").unwrap();
        assert!(told.decision.permits() && !told.text.contains("found"), "{}", told.text);
        let told = post("https://api.test/", &[("Authorization", "jane.doe@corp.example")], "").unwrap();
        assert!(told.text.contains("found email in header authorization, 1 time(s)"), "{}", told.text);
    }

    #[test]
    fn an_empty_body_is_none_and_another_must_be_json() {
        assert_eq!(post("https://pay.test/", &[], "").unwrap().explanation.rule.as_deref(), Some("p/empty"));
        assert_eq!(post("https://pay.test/", &[], r#"{"amount": 7}"#).unwrap().decision, Decision::Allow);
        let told = post("https://pay.test/", &[], "amount=7").unwrap();
        assert_eq!((told.decision, told.explanation.rule), (Decision::Deny, None));
        assert!(told.text.contains("can be read in more than one way"), "{}", told.text);
    }

    #[test]
    fn what_would_be_sent_is_redacted_and_what_is_refused_is_not_sent() {
        let told =
            post("https://api.test/?who=jane.doe@corp.example", &[("x-a", "b")], "mail jane.doe@corp.example").unwrap();
        let sent = told.sent.unwrap();
        assert!(!sent.body.contains("jane") && sent.body.starts_with("mail "), "{}", sent.body);
        assert!(!sent.target.contains("jane") && sent.target.starts_with("/?who="), "{}", sent.target);
        assert_eq!(sent.headers, [("x-a".to_owned(), "b".to_owned())]);
        assert_eq!(told.findings.len(), 2);
        for refused in ["https://api.test/", "https://other.test/"] {
            assert_eq!(post(refused, &[], &format!("key {KEY}")).unwrap().sent, None);
        }
    }

    #[test]
    fn in_shadow_it_tells_what_would_have_been() {
        let (headers, body) = (BTreeMap::new(), format!("key {KEY}"));
        let told = explained(&sample("https://api.test/", &headers, &body), Mode::Shadow).unwrap();
        assert_eq!((told.decision, told.explanation.mode), (Decision::Deny, Mode::Shadow), "{}", told.text);
        assert!(told.text.contains("found aws_key in body"), "{}", told.text);
    }

    #[test]
    fn a_sample_has_its_own_time_tool_and_use() {
        let text = "policies:
  - name: p
    agents: [a]
    rules:
      - {name: r, hosts: [a.test], tools: [pay], when: {days: [mon]}, usage: [{of: requests, per: day, op: '<', value: 2}], decision: allow}";
        let snapshot = compile(&[Source { name: "p.yaml".into(), text: text.into() }]).unwrap();
        let agent = Agent { name: "a".into(), ..Agent::default() };
        let headers = BTreeMap::new();
        let monday = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(4 * 86_400);
        let good = Sample { tool: Some("pay"), now: monday, ..sample("https://a.test/", &headers, "") };
        let decide = |sample: &Sample<'_>| explain_sample(&snapshot, &agent, sample).unwrap().decision;
        assert_eq!(decide(&good), Decision::Allow);
        assert_eq!(decide(&Sample { tool: None, ..good }), Decision::Deny);
        assert_eq!(decide(&Sample { now: SystemTime::UNIX_EPOCH, ..good }), Decision::Deny);
        let used = Usage { day: crate::Used { requests: 2, ..crate::Used::default() }, ..Usage::default() };
        assert_eq!(decide(&Sample { usage: used, ..good }), Decision::Deny);
    }

    #[test]
    fn what_is_no_request_is_said() {
        for url in ["", "/v1", "api.test", "ftp://api.test/", "https://", "https://api.test:99999/", "https://a b/"] {
            assert!(matches!(post(url, &[], ""), Err(SampleError::Url { .. })), "{url}");
        }
        for (name, value) in [("a b", "x"), ("x-a", "one\ntwo")] {
            let error = post("https://api.test/", &[(name, value)], "").unwrap_err();
            assert!(error.to_string().starts_with(&format!("header {name:?} is not valid: ")), "{error}");
        }
    }

    #[test]
    fn the_port_is_the_schemes_or_the_urls() {
        for (url, port) in [
            ("https://api.test/", 443),
            ("http://api.test", 80),
            ("https://api.test:8443/x", 8443),
            ("https://[2001:db8::1]/", 443),
            ("https://[2001:db8::1]:8443/", 8443),
            ("https://user@api.test/", 443),
        ] {
            assert_eq!(absolute(url).unwrap().1, port, "{url}");
        }
    }
}
