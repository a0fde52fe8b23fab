//! The configuration and the policy that a laboratory's daemon gets.

use serde_json::{Value, json};

use super::Lab;
use super::wiring::DNS_V4;

/// The agent that most tests run as.
pub const AGENT: &str = "tester";

/// A policy under which each kind of answer has a host of its own.
const POLICY: &str = r#"version: lab-1
policies:
  - name: laboratory
    agents: ["*"]
    rules:
      - name: forbidden
        tool: forbidden-things
        hosts: [api.allowed.test, index.allowed.test, git.allowed.test, llm.allowed.test]
        paths: ["/forbidden", "/forbidden/**"]
        decision: deny
        reason: "this path is forbidden in the laboratory"
      - name: sanitized-echo
        hosts: [api.allowed.test]
        paths: ["/echo", "/echo/**"]
        decision: sanitize
        dlp: {redact: [pii], deny: [secrets]}
      - name: large-payments
        tool: payments
        hosts: [payments.allowed.test]
        methods: [POST]
        paths: [/v1/charges]
        body: [{path: amount, op: ">", value: 5000}]
        decision: approval_needed
        reason: "amounts above 5000 need approval"
      - name: payments
        tool: payments
        hosts: [payments.allowed.test]
        methods: [POST]
        paths: [/v1/charges]
        body: [{path: amount, op: "<=", value: 5000}]
        decision: allow
      - name: shadowed
        hosts: [shadow.allowed.test]
        decision: deny
        mode: shadow
        reason: "would be denied"
      - name: passthrough
        hosts: [passthrough.allowed.test]
        tls: passthrough
        decision: allow
      - name: raw
        hosts: [tcp.allowed.test]
        ports: [7, 2525]
        tcp: true
        decision: allow
      - name: allowed
        hosts: [api.allowed.test, index.allowed.test, git.allowed.test, llm.allowed.test]
        decision: allow
"#;

/// What to start a daemon with.
pub struct Settings {
    /// Merged over the laboratory's configuration, key by key; a list replaces a list.
    pub config: Value,
    /// The policy file's text; `None` leaves `policies: null`, the embedded starter policy.
    pub policy: Option<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { config: json!({}), policy: Some(POLICY.to_owned()) }
    }
}

impl Settings {
    /// The default policy with `config` merged over the configuration.
    pub fn with(config: Value) -> Settings {
        Settings { config, ..Settings::default() }
    }

    /// Another policy.
    pub fn policy(text: &str) -> Settings {
        Settings { policy: Some(text.to_owned()), ..Settings::default() }
    }

    /// The configuration file's value for `lab`.
    pub(super) fn config_for(&self, lab: &Lab) -> Value {
        let policies = self.policy.is_some().then(|| lab.path("policy.yaml"));
        let mut config = json!({
            "instance": lab.instance(),
            "listen": {"proxy_port": 15001, "dns_port": 15053, "http": "127.0.0.1:15090"},
            "control": {"socket": lab.path("control.sock")},
            "state_dir": lab.path("state"),
            "cgroup_root": lab.cgroup_name(),
            "bpf": {"pin_dir": lab.path("bpf").join("aegis")},
            "policies": policies,
            "agents": [{"name": AGENT, "org": "laboratory", "tenant": "tests"}],
            "dns": {"upstreams": [format!("{DNS_V4}:53")]},
            "upstream": {"extra_roots": [lab.path("origin-root.pem")], "system_roots": false},
        });
        merge(&mut config, &self.config);
        config
    }
}

fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}
