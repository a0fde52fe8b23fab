//! Policy versions: kept by number, pushed, compared, rolled back, rolled out in stages.

use serde::{Deserialize, Serialize};

/// One policy that was live or a candidate on this host.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// Never given twice on a host.
    pub number: u64,
    /// The version that the policy gives itself; what records show.
    pub revision: String,
    /// SHA-256 of its files, hex.
    pub digest: String,
    /// Number of rules.
    pub rules: u64,
    /// `embedded`, `file`, `bundle`, `push` or `rollback`: the last act that put it in its place.
    pub source: String,
    /// When that was.
    pub at: String,
    /// Who asked, by the kernel's word; null: the daemon did it by itself.
    pub uid: Option<u32>,
    /// The process that asked.
    pub pid: Option<i32>,
    /// What whoever pushed it said.
    pub note: Option<String>,
    /// `live`, `candidate`, `previous` (live before the live one) or `kept`.
    pub state: String,
}

/// `GET /v1/policy/versions`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct PolicyVersions {
    /// Number of the live one.
    pub live: u64,
    /// It was pushed or rolled back to: it stays live over restarts until another act, or until the source changes.
    pub pinned: bool,
    /// The newest first.
    pub versions: Vec<PolicyVersion>,
}

/// A policy file on its way to the daemon.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// Its path below the policy's directory.
    pub name: String,
    /// All of it; a descriptor set (`*.binpb`) in base64.
    pub text: String,
}

/// `POST /v1/policy/push`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushRequest {
    /// The whole policy.
    pub files: Vec<PolicyFile>,
    /// Why, for the list and the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Refuse it unless this version is live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<u64>,
    /// Try it on some agents first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Compile and compare it, and leave everything as it is.
    #[serde(default)]
    pub dry_run: bool,
}

/// How a candidate is tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// On how many of the agents, in percent.
    pub percent: f64,
    /// How long each phase lasts before the next begins by itself, in seconds; without it steps are taken by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_promote_after_s: Option<u64>,
    /// How far its deny rate may lie from the live one's, in percentage points.
    pub max_deny_delta: f64,
    /// After how many decisions the rates are compared, again and again.
    pub min_decisions: u64,
}

/// What a push has done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PushResponse {
    /// The version's number; 0 for a dry run.
    pub number: u64,
    /// The version that the policy gives itself.
    pub revision: String,
    /// Number of rules.
    pub rules: u64,
    /// Whether anything changed: false where it was live and pinned already, and for a dry run.
    pub changed: bool,
    /// What differs from the policy that was live.
    pub diff: PolicyDiff,
}

/// What differs between two policies.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct PolicyDiff {
    /// The earlier version.
    pub from: u64,
    /// The later version; 0 for one that has no number.
    pub to: u64,
    /// Policies (`policy`), rules (`policy/rule`) and files that only the later one has.
    pub added: Vec<String>,
    /// Those that only the earlier one has.
    pub removed: Vec<String>,
    /// Those that both have, with other keys.
    pub changed: Vec<PolicyChange>,
    /// Rules that stand in another order.
    pub reordered: Vec<String>,
    /// Line by line, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A policy, rule or file whose keys differ.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct PolicyChange {
    /// Its name.
    pub name: String,
    /// Its keys that differ.
    pub keys: Vec<KeyChange>,
}

/// A key's two values, as JSON cut short; null where it is not there.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct KeyChange {
    /// Its name.
    pub key: String,
    /// The earlier value.
    pub before: Option<String>,
    /// The later value.
    pub after: Option<String>,
}

/// `POST /v1/policy/rollback`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// To which version; without it to the one that was live before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Why, for the list and the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// `POST /v1/policy/rollout/promote`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromoteRequest {
    /// For how many of the agents the candidate decides then; without it the next step of its plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
}

/// A rollout that is under way, in its present phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RolloutStatus {
    /// The candidate's number.
    pub candidate: u64,
    /// The version that the candidate gives itself.
    pub revision: String,
    /// Number of the live version that it is compared with.
    pub live: u64,
    /// `shadow`: it is asked and decides nothing. `enforced`: it decides for its agents.
    pub phase: String,
    /// On how many of the agents, in percent.
    pub percent: f64,
    /// Which of this host's agents those are.
    pub agents: Vec<String>,
    /// When the phase began.
    pub since: String,
    /// How long each phase lasts before the next begins by itself, in seconds.
    pub auto_promote_after_s: Option<u64>,
    /// How far its deny rate may lie from the live one's, in percentage points.
    pub max_deny_delta: f64,
    /// After how many decisions the rates are compared, again and again.
    pub min_decisions: u64,
    /// Decisions that both policies were asked for.
    pub compared: u64,
    /// Of these: refused by the live policy.
    pub live_denied: u64,
    /// Of these: refused by the candidate.
    pub candidate_denied: u64,
    /// The candidate's deny rate less the live one's, in percentage points.
    pub deny_delta: f64,
    /// Decisions that come out differently.
    pub decisions_changed: u64,
    /// Decisions that come out alike, by another rule.
    pub rules_changed: u64,
    /// Decisions that were not compared because the queue was full.
    pub dropped: u64,
    /// Decisions that the other policy would have needed more for than was at hand.
    pub unanswerable: u64,
    /// How decisions differ, by agent and rule, most often first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<RolloutDifference>,
    /// The last decisions that came out differently, the last one last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<RolloutExample>,
}

/// One way in which an agent's decisions differ.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct RolloutDifference {
    /// The agent.
    pub agent: String,
    /// What the live policy says.
    pub live: RolloutSide,
    /// What the candidate says.
    pub candidate: RolloutSide,
    /// How often.
    pub count: u64,
}

/// One policy's answer.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct RolloutSide {
    /// `allow`, `deny`, `sanitize` or `approval_needed`.
    pub decision: String,
    /// `enforce` or `shadow`.
    pub mode: String,
    /// The rule, as `policy/rule`.
    pub rule: Option<String>,
}

/// One decision that came out differently.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct RolloutExample {
    /// When.
    pub at: String,
    /// What was asked, without a query and redacted.
    pub about: String,
    /// The agent.
    pub agent: String,
    /// What the live policy says.
    pub live: RolloutSide,
    /// What the candidate says.
    pub candidate: RolloutSide,
}
