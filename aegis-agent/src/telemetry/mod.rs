//! What the daemon tells about its decisions: the audit log (the proof), metrics, spans, and its own log.
//!
//! The audit log is part of the decision: nothing is forwarded that has no place in it. Metrics, spans and the own log are not: they never block
//! and may lose, and count what they lost.

mod audit_log;
mod audit_metrics;
mod closed_labels;
mod decision_log;
mod decision_metrics;
mod kernel_metrics;
mod live_metrics;
pub mod log;
mod metrics;
mod rollout_metrics;
mod source_metrics;
mod spans;
mod state_metrics;
mod tool_metrics;
mod verify_metrics;

pub use audit_log::{AuditHealth, AuditLog, Noted, OpenError, Slot, Unrecordable};
pub use decision_log::{DecisionLog, DecisionLogHealth};
pub use metrics::Metrics;
pub use rollout_metrics::RolloutMetrics;
pub use source_metrics::SourceMetrics;
pub use spans::{Spans, SpansError};
pub use state_metrics::StateMetrics;
