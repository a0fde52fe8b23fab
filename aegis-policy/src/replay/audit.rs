//! Audit records as past decisions: agent, host, port, method and path, and nothing of the content.

use serde::Deserialize;

use super::known::Known;
use super::past::{Asked, Connection, Live, Past, PastError, Request, finding, strangers, time};
use crate::decision_log::Found;
use crate::path::normalise;
use crate::{Agent, Decision, Mode};

/// What is read of a record (`docs/audit.md`).
#[derive(Deserialize)]
struct Record {
    ts: String,
    decision_id: String,
    org: String,
    tenant: String,
    agent_id: String,
    parent_agent_id: Option<String>,
    method: Option<String>,
    scheme: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    path: Option<String>,
    decision: String,
    mode: Mode,
    reason: String,
    rule: Option<String>,
    policy_version: String,
    #[serde(default)]
    findings: Vec<Found>,
    status: Option<u16>,
}

/// The past decision of a line of the audit log; `None` where it records something else.
pub(super) fn past(line: &str) -> Result<Option<Past>, PastError> {
    let record: Record = serde_json::from_str(line).map_err(|error| PastError::Unknown(error.to_string()))?;
    let decision = match record.decision.as_str() {
        "allow" => Decision::Allow,
        "deny" => Decision::Deny,
        "sanitize" => Decision::Sanitize,
        "approval_needed" => Decision::ApprovalNeeded,
        _ => return Ok(None),
    };
    let Some(asked) = asked(&record) else { return Ok(None) };
    // A sub-agent's record names its path (`agent/child`); policies are for the agent.
    let name = record.agent_id.split('/').next().unwrap_or_default().to_owned();
    let agent =
        Agent { name, org: record.org, tenant: record.tenant, parent: record.parent_agent_id, ..Agent::default() };
    let by_policy = decision.permits() || record.mode == Mode::Shadow || matches!(record.status, None | Some(403));
    Ok(Some(Past {
        at: time(&record.ts)?,
        live: Live {
            decision,
            mode: record.mode,
            rule: record.rule,
            reason: record.reason,
            policy_version: record.policy_version,
            by_policy,
        },
        known: Known::of_audit(&asked, record.mode),
        agent,
        asked,
        findings: record.findings.iter().filter_map(finding).collect(),
        strangers: strangers(&record.findings),
        decision_id: record.decision_id,
    }))
}

fn asked(record: &Record) -> Option<Asked> {
    let (scheme, host, port) = (record.scheme.clone()?, record.host.clone()?, record.port?);
    match (scheme.as_str(), record.method.clone()) {
        ("http" | "https", Some(method)) => {
            let path = record.path.as_deref().and_then(normalise);
            Some(Asked::Request(Box::new(Request::bare(scheme, host, port, method, path))))
        }
        ("tls", _) => Some(Asked::Connection(Connection { host: Some(host), destination: None, protocol: None })),
        ("tcp", _) => {
            let address = host.parse().ok()?;
            let destination = Some(std::net::SocketAddr::new(address, port));
            Some(Asked::Connection(Connection { host: None, destination, protocol: None }))
        }
        _ => None,
    }
}
