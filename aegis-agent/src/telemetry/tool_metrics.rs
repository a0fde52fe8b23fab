//! Metrics of what agents and models call.

use aegis_audit::CallEntry;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::closed_labels::protocol;

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct ProtocolLabel {
    protocol: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct TokenLabels {
    protocol: &'static str,
    kind: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct ActionLabel {
    action: &'static str,
}

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct ToolMetrics {
    requests: Family<ProtocolLabel, Counter>,
    calls: Family<ProtocolLabel, Counter>,
    tokens: Family<TokenLabels, Counter>,
    changes: Family<ActionLabel, Counter>,
}

impl ToolMetrics {
    /// An exchange whose protocol is known has ended.
    pub(super) fn ended(&self, call: &CallEntry) {
        let protocol = protocol(&call.protocol);
        self.requests.get_or_create(&ProtocolLabel { protocol }).inc();
        let calls = u64::try_from(call.tool_calls.len()).unwrap_or(u64::MAX);
        if calls > 0 {
            self.calls.get_or_create(&ProtocolLabel { protocol }).inc_by(calls);
        }
        for (kind, count) in
            [("input", call.input_tokens), ("output", call.output_tokens), ("cached", call.cached_tokens)]
        {
            if let Some(count) = count {
                self.tokens.get_or_create(&TokenLabels { protocol, kind }).inc_by(count);
            }
        }
    }

    /// The definition of a tool has changed.
    pub fn changed(&self, withheld: bool) {
        let action = if withheld { "deny" } else { "report" };
        self.changes.get_or_create(&ActionLabel { action }).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("protocol_requests", "Requests in a protocol of tools or models", self.requests.clone());
        registry.register("model_tool_calls", "Calls of tools that models asked for", self.calls.clone());
        registry.register(
            "model_tokens",
            "Tokens as answers count them, by kind; cached ones are input too",
            self.tokens.clone(),
        );
        registry.register(
            "tool_definition_changes",
            "Definitions of tools that are not the known ones, by what became of them",
            self.changes.clone(),
        );
    }
}
