//! How a refusal is said so that the client's own library understands it.

use serde_json::{Map, Value, json};

use crate::Protocol;

/// The JSON-RPC error code of a refusal: of the range that servers may define (JSON-RPC 2.0, section 5.1).
pub const DENIED: i64 = -32001;
/// An answer could not be handed on (JSON-RPC: internal error).
pub const INTERNAL: i64 = -32603;

/// A refusal, in the words of the agent's problem document.
#[derive(Clone, Debug, Default)]
pub struct Refused<'a> {
    pub decision: &'a str,
    pub decision_id: &'a str,
    pub reason: &'a str,
    pub rule: Option<&'a str>,
    pub approval_id: Option<&'a str>,
    pub next_steps: &'a [String],
    /// What it was refused for, where that was found in the content.
    pub detector: Option<&'a str>,
    /// Where that stands, as the record says it; never the text.
    pub place: Option<String>,
}

/// The JSON-RPC answer to the call with `id`.
#[must_use]
pub fn json_rpc(id: &Value, refused: &Refused<'_>) -> Value {
    let data = json!({
        "decision": refused.decision,
        "decision_id": refused.decision_id,
        "reason": refused.reason,
        "rule": refused.rule,
        "approval_id": refused.approval_id,
        "next_steps": refused.next_steps,
        "detector": refused.detector,
        "place": refused.place,
    });
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": DENIED, "message": message(refused), "data": data}})
}

/// The JSON-RPC answer to a call that was let through, and whose answer cannot be handed on.
#[must_use]
pub fn json_rpc_lost(id: &Value, why: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": INTERNAL, "message": why}})
}

/// A message as an event of a `text/event-stream`, as MCP's streamable HTTP sends it. JSON holds no line break.
#[must_use]
pub fn event(message: &Value) -> String {
    format!("event: message\ndata: {message}\n\n")
}

fn message(refused: &Refused<'_>) -> String {
    match refused.decision {
        "approval_needed" => format!("This call needs a human's approval: {}", refused.reason),
        _ => format!("Denied by policy: {}", refused.reason),
    }
}

/// Members for a problem document (RFC 9457 allows any beside its own) in which a provider's SDK looks for the error, and the
/// field that AWS' SDKs read beside it.
#[must_use]
pub fn members(protocol: Protocol, status: u16, refused: &Refused<'_>) -> (Map<String, Value>, Option<&'static str>) {
    let text = message(refused);
    let members = match protocol {
        Protocol::OpenAiChat | Protocol::OpenAiResponses | Protocol::OpenAiOther => {
            json!({"error": {"message": text, "type": "permission_denied", "param": null, "code": "aegis_denied"}})
        }
        Protocol::Anthropic => {
            json!({"error": {"type": "permission_error", "message": text}, "request_id": refused.decision_id})
        }
        Protocol::Gemini => json!({"error": {"code": status, "message": text, "status": "PERMISSION_DENIED"}}),
        Protocol::BedrockConverse | Protocol::BedrockInvoke | Protocol::Aws => {
            json!({"message": text, "__type": "AccessDeniedException"})
        }
        Protocol::Ollama => json!({"error": text}),
        // Clients of GraphQL hand on `errors` and nothing beside it.
        Protocol::GraphQl => json!({"errors": [{"message": text, "extensions": {
            "code": "FORBIDDEN",
            "decision": refused.decision,
            "decision_id": refused.decision_id,
            "rule": refused.rule,
            "approval_id": refused.approval_id,
            "next_steps": refused.next_steps,
            "detector": refused.detector,
            "place": refused.place,
        }}]}),
        Protocol::Mcp | Protocol::A2a | Protocol::JsonRpc | Protocol::Grpc => Value::Null,
    };
    let aws = matches!(protocol, Protocol::BedrockConverse | Protocol::BedrockInvoke | Protocol::Aws);
    let members = if let Value::Object(members) = members { members } else { Map::new() };
    (members, aws.then_some("AccessDeniedException"))
}
