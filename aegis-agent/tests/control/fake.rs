//! A daemon that has two agents and no kernel: who has left an agent says so in its environment.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

use aegis_agent::control::{Control, PolicyControl};
use aegis_agent::policy::Who;
use aegis_api::{
    Agent, AgentSpec, ExplainRequest, ExplainResponse, Finding, Inspection, Keys, PolicyDiff, PolicyStatus,
    PolicyVersion, PolicyVersions, Problem, PromoteRequest, PushRequest, PushResponse, ResetPins, ResetResponse,
    RevokeRequest, RevokeResponse, RevokedTokens, RollbackRequest, RolloutStatus, RunInfo, Status, TokenRequest,
    TokenResponse, ToolPins, Verification, VerificationStatus,
};
use futures_util::stream::{self, BoxStream, StreamExt};
use serde_json::json;

pub struct Fake {
    pub root: PathBuf,
    pub log: PathBuf,
}

impl Fake {
    fn agent(&self, name: &str) -> Agent {
        serde_json::from_value(json!({
            "name": name, "org": "o", "tenant": "t", "parent": null, "labels": {}, "scopes": [], "token": "ambient",
            "mode": "enforce", "cgroup": self.root.join(name), "direct": [], "origin": "registered",
        }))
        .unwrap()
    }
}

impl PolicyControl for Fake {
    fn reload(&self, _: Who) -> Result<PolicyStatus, Problem> {
        Ok(PolicyStatus::default())
    }

    fn versions(&self) -> PolicyVersions {
        PolicyVersions::default()
    }

    /// Says who pushed, as the kernel tells it.
    fn push(&self, request: PushRequest, who: Who) -> Result<PushResponse, Problem> {
        let revision = format!("{} file(s) by {who}", request.files.len());
        Ok(PushResponse { number: 1, revision, ..PushResponse::default() })
    }

    fn diff(&self, from: Option<u64>, to: Option<u64>, _: bool) -> Result<PolicyDiff, Problem> {
        Ok(PolicyDiff { from: from.unwrap_or(1), to: to.unwrap_or(2), ..PolicyDiff::default() })
    }

    fn rollback(&self, _: RollbackRequest, _: Who) -> Result<PolicyVersion, Problem> {
        Ok(PolicyVersion::default())
    }

    fn rollout(&self) -> Option<RolloutStatus> {
        None
    }

    fn promote(&self, _: PromoteRequest, _: Who) -> Result<Option<RolloutStatus>, Problem> {
        Ok(None)
    }

    fn abort(&self, _: Who) -> Result<RolloutStatus, Problem> {
        Ok(RolloutStatus::default())
    }
}

impl Control for Fake {
    fn status(&self) -> Status {
        serde_json::from_value(json!({
            "instance": "fake", "version": "0", "host": "h", "pid": 1, "started": "", "uptime_s": 0, "ready": true,
            "kernel": {"cgroup_root": "", "pin_dir": "", "hooks": [], "counters": {}, "events_dropped": 0},
            "policy": PolicyStatus::default(), "agents": [], "flows": {"active": 0, "total": 0}, "decisions": {},
            "listeners": [], "ca": {"certificate": "", "not_after": "", "days_left": 0},
            "audit": {"path": "", "checkpoints": null, "public_key": null, "healthy": true, "last_seq": 0, "queued": 0,
                      "last_error": null},
        }))
        .unwrap()
    }

    fn doctor(&self) -> Vec<Finding> {
        vec![Finding::ok("kernel", "fine")]
    }

    fn agents(&self) -> Vec<Agent> {
        vec![self.agent("a"), self.agent("b")]
    }

    fn agent_of(&self, cgroup: &Path) -> Option<String> {
        let found = ["a", "b"].into_iter().find(|name| cgroup.starts_with(self.root.join(name)));
        found.map(str::to_owned)
    }

    /// As the caller's environment says it.
    fn has_departed(&self, process: BorrowedFd<'_>) -> io::Result<bool> {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", process.as_raw_fd()))?;
        let pid = info.lines().find_map(|line| line.strip_prefix("Pid:")).unwrap_or_default().trim();
        let environment = std::fs::read(format!("/proc/{pid}/environ"))?;
        Ok(environment.split(|byte| *byte == 0).any(|variable| variable == b"AEGIS_TEST_DEPARTED=1"))
    }

    fn cgroup_root(&self) -> PathBuf {
        self.root.clone()
    }

    fn register(&self, spec: AgentSpec) -> Result<Agent, Problem> {
        Ok(self.agent(&spec.name))
    }

    fn update(&self, spec: AgentSpec) -> Result<Agent, Problem> {
        Ok(self.agent(&spec.name))
    }

    fn remove(&self, _: &str) -> Result<(), Problem> {
        Ok(())
    }

    fn run_info(&self, name: &str) -> Result<RunInfo, Problem> {
        if name != "a" {
            return Err(Problem::not_found(format!("there is no agent {name:?}")));
        }
        let text = |text: &str| text.to_owned();
        Ok(RunInfo {
            agent: text(name),
            instance: text("fake"),
            cgroup: self.root.join(name).display().to_string(),
            ca_certificate: text("/ca.pem"),
            ca_pem: text("PEM"),
            proxy: Vec::new(),
            token: aegis_api::TokenMode::Ambient,
        })
    }

    fn mint(&self, agent: &str, request: TokenRequest) -> Result<TokenResponse, Problem> {
        Ok(TokenResponse {
            token: "t".to_owned(),
            agent: agent.to_owned(),
            agent_id: request.child.map_or_else(|| agent.to_owned(), |child| format!("{agent}/{child}")),
            scopes: request.scopes.unwrap_or_default(),
            expires_at: request.ttl_s.unwrap_or(900),
            jti: "j".to_owned(),
        })
    }

    fn inspect(&self, token: &str) -> Inspection {
        Inspection { verified: token == "t", reason: None }
    }

    fn keys(&self) -> Keys {
        Keys { issuer: "fake".to_owned(), place: String::new(), rotates: None, keys: Vec::new(), trusted: Vec::new() }
    }

    fn rotate_keys(&self) -> Result<Keys, Problem> {
        Ok(self.keys())
    }

    fn revoke(&self, agent: Option<&str>, _: &RevokeRequest) -> Result<RevokeResponse, Problem> {
        let jti = agent.unwrap_or("an administrator").to_owned();
        Ok(RevokeResponse { jti, issuer: "i".to_owned(), kept_until: 0, stored: true, error: None })
    }

    fn tool_pins(&self, agent: &str) -> Result<ToolPins, Problem> {
        Ok(ToolPins { agent: agent.to_owned(), ..ToolPins::default() })
    }

    fn reset_pins(&self, _: &ResetPins, _: Who) -> Result<ResetResponse, Problem> {
        Ok(ResetResponse { forgotten: 1 })
    }

    fn revoked(&self) -> Result<RevokedTokens, Problem> {
        Ok(RevokedTokens::default())
    }

    fn explain(&self, _: &ExplainRequest) -> Result<ExplainResponse, Problem> {
        Ok(ExplainResponse {
            decision: "deny".to_owned(),
            text: String::new(),
            explanation: json!({}),
            findings: Vec::new(),
            sent: None,
        })
    }

    fn decision(&self, id: &str) -> Result<aegis_api::LoggedDecision, Problem> {
        let event = json!({"decision_id": id});
        Ok(aegis_api::LoggedDecision { event, explained_by: None, account: json!({}), text: String::new() })
    }

    fn verified(&self, report: Verification) -> Result<VerificationStatus, Problem> {
        let leaked = report.leaked();
        let (agent, private) = (report.agent, report.private);
        Ok(VerificationStatus {
            agent,
            at: String::new(),
            private,
            held: 1,
            deployment: 0,
            na: 0,
            leaked,
            current: true,
        })
    }

    fn audit_path(&self) -> PathBuf {
        self.log.clone()
    }

    fn audit_lines(&self) -> BoxStream<'static, String> {
        let lines = (3..=5).map(|seq| format!("{{\"seq\":{seq}}}"));
        stream::iter(lines).chain(stream::pending()).boxed()
    }
}
