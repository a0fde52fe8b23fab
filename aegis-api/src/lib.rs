//! Types of Aegis' control API: what the daemon answers on its unix socket and what `aegisctl` reads.
//!
//! The API is HTTP/1.1 with JSON over a unix stream socket. Who may call what is decided by the kernel's peer
//! credentials of the connection, never by anything in the request; `docs/openapi.json` is the same in OpenAPI.
//! Times are RFC 3339 strings in UTC unless a field says seconds. Fields may be added; none is taken away within `/v1`.

mod agents;
mod bundle;
mod decisions;
mod doctor;
mod policy;
mod problem;
mod revocation;
mod rollout;
mod run;
mod status;
mod token;
mod tools;
mod verification;

pub use agents::{
    Agent, AgentSpec, Dial, DirectRule, Listening, Mode, OnAgentDown, Origin, TokenMode, Transport, valid_name,
};
pub use bundle::BundleStatus;
pub use decisions::{DecisionLogStatus, LoggedDecision};
pub use doctor::{Finding, Level};
pub use policy::{ExplainRequest, ExplainResponse, FoundData, SentRequest};
pub use problem::Problem;
pub use revocation::{RevokeRequest, RevokeResponse, RevokedToken, RevokedTokens};
pub use rollout::{
    Canary, KeyChange, PolicyChange, PolicyDiff, PolicyFile, PolicyVersion, PolicyVersions, PromoteRequest,
    PushRequest, PushResponse, RollbackRequest, RolloutDifference, RolloutExample, RolloutSide, RolloutStatus,
};
pub use run::RunInfo;
pub use status::{
    Account, AuditStatus, CaStatus, FlowStatus, GuardStatus, HookStatus, KernelStatus, ListenerStatus, NamespaceStatus,
    PolicyStatus, RefusedCgroup, StateStatus, Status, TableStatus,
};
pub use token::{InspectRequest, Inspection, KeyInfo, KeyState, Keys, TokenRequest, TokenResponse, TrustedIssuer};
pub use tools::{ResetPins, ResetResponse, ToolPin, ToolPins};
pub use verification::{Actor, VectorResult, Verdict, Verification, VerificationStatus};

/// Where the daemon's socket is unless the configuration says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/aegis/control.sock";

/// Content type of every error answer (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Content type of `GET /v1/audit/tail`: one JSON object a line.
pub const JSON_LINES: &str = "application/x-ndjson";
