//! A daemon that has two agents and no kernel.

use std::path::PathBuf;
use std::time::Duration;

use aegis_agent::control::Control;
use aegis_api::{
    Agent, AgentSpec, ExplainRequest, ExplainResponse, Finding, PolicyStatus, Problem, RunInfo, Status, TokenResponse,
    Verification, VerificationStatus,
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

    fn cgroup_root(&self) -> PathBuf {
        self.root.clone()
    }

    fn register(&self, spec: AgentSpec) -> Result<Agent, Problem> {
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

    fn mint(&self, agent: &str, ttl: Option<Duration>) -> Result<TokenResponse, Problem> {
        let expires_at = ttl.map_or(900, |ttl| ttl.as_secs());
        Ok(TokenResponse { token: "t".to_owned(), agent: agent.to_owned(), expires_at, jti: "j".to_owned() })
    }

    fn reload_policy(&self) -> Result<PolicyStatus, Problem> {
        Ok(PolicyStatus::default())
    }

    fn explain(&self, _: &ExplainRequest) -> Result<ExplainResponse, Problem> {
        Ok(ExplainResponse { decision: "deny".to_owned(), text: String::new(), explanation: json!({}) })
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
