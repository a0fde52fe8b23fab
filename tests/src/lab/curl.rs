//! curl, as most tests and the demo use it: one request, and the answer taken apart.

use anyhow::Result;
use serde_json::Value;

use super::{AgentCommand, Outcome};

/// Stands between the parts of what curl writes; no body of the laboratory contains it.
const SEPARATOR: char = '\u{1e}';

/// An HTTP answer; status 0 where there was none.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// HTTP version as curl says it: `1.1` or `2`.
    pub version: String,
    /// Header names in lower case, each with a list of values.
    pub headers: Value,
    /// The body, as text.
    pub body: String,
    /// How curl itself ended.
    pub outcome: Outcome,
}

impl AgentCommand<'_> {
    /// Runs curl with `arguments`.
    pub fn curl(self, arguments: &[&str]) -> Result<Answer> {
        let format = format!("{SEPARATOR}%{{http_code}}{SEPARATOR}%{{http_version}}{SEPARATOR}%{{header_json}}");
        let mut command = vec!["curl", "-sS", "--max-time", "25", "-w", &format];
        command.extend(arguments);
        let outcome = self.run(&command)?;
        let mut parts = outcome.stdout.splitn(4, SEPARATOR).map(str::to_owned);
        let mut part = || parts.next().unwrap_or_default();
        let (body, status, version, headers) = (part(), part(), part(), part());
        let headers = serde_json::from_str(&headers).unwrap_or(Value::Null);
        Ok(Answer { status: status.parse().unwrap_or(0), version, headers, body, outcome })
    }
}

impl Answer {
    /// First value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|values| values.get(0)).and_then(Value::as_str).unwrap_or_default()
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// A field of the JSON body, as text.
    pub fn field(&self, name: &str) -> String {
        self.json().get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Whether this is Aegis' own refusal of a request: 403 with a problem document.
    pub fn is_denial(&self) -> bool {
        self.status == 403 && self.header("content-type").starts_with("application/problem+json")
    }

    /// What a person would look at: status and reason, or what curl complained about.
    pub fn summary(&self) -> String {
        if self.status == 0 {
            return self.outcome.stderr.trim().to_owned();
        }
        match self.field("reason") {
            reason if reason.is_empty() => format!("{} {}", self.status, self.body.trim()),
            reason => format!("{} {}: {reason}", self.status, self.header("content-type")),
        }
    }
}
