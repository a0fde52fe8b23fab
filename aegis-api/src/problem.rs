//! The one error answer of the API: problem details for HTTP (RFC 9457).

use std::fmt;

use serde::{Deserialize, Serialize};

/// An error answer. `type` is always `about:blank`, so `title` is the status' own phrase (RFC 9457, 4.2.1).
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// URI of the problem type.
    #[serde(rename = "type", default = "blank")]
    pub kind: String,
    /// Short summary, the same for every occurrence.
    pub title: String,
    /// The HTTP status again.
    pub status: u16,
    /// What went wrong this time.
    pub detail: String,
    /// What the caller can do about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_steps: Vec<String>,
}

fn blank() -> String {
    "about:blank".to_owned()
}

impl Problem {
    fn new(status: u16, title: &str, detail: impl Into<String>) -> Self {
        Self { kind: blank(), title: title.to_owned(), status, detail: detail.into(), next_steps: Vec::new() }
    }

    /// 400: the request makes no sense.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(400, "Bad Request", detail)
    }

    /// 403: this caller may not.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", detail)
    }

    /// 404: there is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, "Not Found", detail)
    }

    /// 405: the path exists, the method does not.
    pub fn method_not_allowed(detail: impl Into<String>) -> Self {
        Self::new(405, "Method Not Allowed", detail)
    }

    /// 409: it is there already, or cannot be changed here.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(409, "Conflict", detail)
    }

    /// 413: the request body is over the limit.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(413, "Content Too Large", detail)
    }

    /// 415: the body is of another type than the call reads.
    pub fn unsupported_media_type(detail: impl Into<String>) -> Self {
        Self::new(415, "Unsupported Media Type", detail)
    }

    /// 422: understood, and refused because of its content (a policy that does not compile).
    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(422, "Unprocessable Content", detail)
    }

    /// 429: too many calls of this kind by this caller.
    pub fn too_many_requests(detail: impl Into<String>) -> Self {
        Self::new(429, "Too Many Requests", detail)
    }

    /// 500: the daemon failed.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(500, "Internal Server Error", detail)
    }

    /// 503: not now.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(503, "Service Unavailable", detail)
    }

    /// The same problem with one more thing that the caller can do.
    #[must_use]
    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.next_steps.push(step.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        self.next_steps.iter().try_for_each(|step| write!(f, "\n  next: {step}"))
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Problem;

    #[test]
    fn is_rfc_9457() {
        let problem = Problem::not_found("no agent \"x\"").next("aegisctl agents register x");
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["type"], "about:blank");
        assert_eq!(json["status"], 404);
        assert_eq!(json["next_steps"][0], "aegisctl agents register x");
        assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), problem);
    }
}
