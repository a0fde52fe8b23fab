//! Requests written as one line, verdicts read as one line.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::SystemTime;

use aegis_dlp::{Action, Confidence, Detector, Finding, Place};
use aegis_policy::{
    Agent, Content, Intent, JsonBody, Mode, Snapshot, Source, Usage, Verdict, compile, parse_strict_json,
};

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    pub agent: Agent,
    pub scheme: String,
    pub host: String,
    pub port: u16,
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    pub headers: http::HeaderMap,
    pub body: Option<Vec<u8>>,
    pub findings: Vec<Finding>,
    pub tool: Option<String>,
    pub tool_in_doubt: bool,
    pub now: SystemTime,
    pub usage: Usage,
}

/// `ask("POST https://host:port/path?query")`, as agent `a`.
pub fn ask(line: &str) -> Ask {
    let (method, url) = line.split_once(' ').expect("METHOD URL");
    let (scheme, rest) = url.split_once("://").expect("scheme");
    let at = rest.find('/').expect("path");
    let (authority, target) = rest.split_at(at);
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query.to_owned())));
    let default = if scheme == "https" { 443 } else { 80 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().expect("port")),
        _ => (authority, default),
    };
    Ask {
        agent: Agent { name: "a".into(), ..Agent::default() },
        scheme: scheme.into(),
        host: host.into(),
        port,
        method: method.into(),
        path: path.into(),
        query,
        headers: http::HeaderMap::new(),
        body: None,
        findings: Vec::new(),
        tool: None,
        tool_in_doubt: false,
        now: SystemTime::UNIX_EPOCH,
        usage: Usage::default(),
    }
}

impl Ask {
    pub fn by(mut self, name: &str) -> Ask {
        self.agent.name = name.into();
        self
    }

    pub fn in_shadow(mut self) -> Ask {
        self.agent.mode = Mode::Shadow;
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Ask {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers.append(name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    pub fn body(mut self, body: &str) -> Ask {
        self.body = Some(body.as_bytes().to_vec());
        self
    }

    /// As an instant, `2026-11-23T10:00:00Z`.
    pub fn at(mut self, instant: &str) -> Ask {
        self.now = instant.parse::<jiff::Timestamp>().expect("an instant").into();
        self
    }

    /// With the name that the protocol gives the tool.
    pub fn calling(mut self, tool: &str) -> Ask {
        self.tool = Some(tool.into());
        self
    }

    pub fn scopes(mut self, scopes: &[&str]) -> Ask {
        self.agent.scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self
    }

    pub fn acting(mut self, actor: &str) -> Ask {
        self.agent.actor = Some(actor.into());
        self
    }

    pub fn used(mut self, usage: Usage) -> Ask {
        self.usage = usage;
        self
    }

    pub fn found(mut self, detector: Detector) -> Ask {
        self.findings.push(Finding {
            detector,
            action: Action::Report,
            confidence: Confidence::High,
            place: Place::Url,
            count: 1,
        });
        self
    }

    pub fn with<T>(&self, use_it: impl FnOnce(&Intent<'_>, &Content<'_>) -> T) -> T {
        let intent = Intent {
            agent: &self.agent,
            scheme: &self.scheme,
            host: &self.host,
            port: self.port,
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            tool: self.tool.as_deref(),
            tool_in_doubt: self.tool_in_doubt,
            now: self.now,
            usage: self.usage,
        };
        let parsed = self.body.as_ref().map(|bytes| parse_strict_json(bytes, 64));
        let json = match &parsed {
            None => JsonBody::None,
            Some(Ok(value)) => JsonBody::Value(value),
            Some(Err(_)) => JsonBody::Invalid,
        };
        use_it(&intent, &Content { json, findings: &self.findings })
    }

    /// The verdict, giving `decide` the body only where `needs` asks for it, as the daemon does.
    pub fn decide(&self, snapshot: &Snapshot) -> Verdict {
        self.with(|intent, content| {
            let json = if snapshot.needs(intent).json { content.json } else { JsonBody::None };
            snapshot.decide(intent, &Content { json, ..*content })
        })
    }
}

pub fn source(name: &str, text: &str) -> Source {
    Source { name: name.into(), text: text.into() }
}

pub fn snapshot(yaml: &str) -> Snapshot {
    compile(&[source("test.yaml", yaml)]).unwrap_or_else(|problems| panic!("{:#?}\n{yaml}", problems.problems()))
}

/// Rules of one policy for agent `a`.
pub fn policy(rules: &str) -> String {
    let rules: String = rules.lines().map(|line| format!("      {line}\n")).collect();
    format!("version: v1\npolicies:\n  - name: p\n    agents: [a]\n    rules:\n{rules}")
}

/// JSON that is YAML too: what YAML wants escaped is, and the line breaks that only YAML 1.1 knows.
pub fn yaml_safe(json: &serde_json::Value) -> String {
    let escape = |c: char| match c {
        '\u{7f}'..='\u{ffff}' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    json.to_string().chars().map(escape).collect()
}

/// `[shadow ]DECISION[ policy/rule]`.
pub fn line(verdict: &Verdict) -> String {
    let (mode, decision, rule) = match verdict {
        Verdict::Permit(permit) => (permit.mode(), permit.decision(), permit.rule()),
        Verdict::Denial(denial) => (Mode::Enforce, denial.decision, denial.rule.as_deref()),
    };
    let shadow = if mode == Mode::Shadow { "shadow " } else { "" };
    let rule = rule.map(|rule| format!(" {rule}")).unwrap_or_default();
    format!("{shadow}{}{rule}", decision.name())
}

/// The verdict on `ask` under the rules in `rules` (of policy `p`, for agent `a`).
pub fn check(rules: &str, ask: Ask, expected: &str) {
    let snapshot = snapshot(&policy(rules));
    assert_eq!(line(&ask.decide(&snapshot)), expected, "{ask:?}\n{rules}");
}
