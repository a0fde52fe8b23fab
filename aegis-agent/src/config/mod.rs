//! The daemon's configuration: YAML as written (`raw`) -> checked form ([`Config`]).
//!
//! A broken file never half-works: every problem of it is listed at once, each with its place in the YAML
//! and what would be right, and the daemon does not start (or keeps what it had). `docs/configuration.md`
//! describes every key; a test compares the two.

use std::path::{Path, PathBuf};

mod agents;
mod decisions;
mod discovery;
mod host;
mod masks;
mod policies;
mod problems;
mod raw;
mod services;
mod state;
#[cfg(test)]
mod tests;
mod tokens;
mod tree;
mod verify;
mod yaml;

pub use agents::{AgentMode, AgentSpec, Dial, DirectSpec, Listening, OnAgentDown, TokenMode, Transport, is_name};
pub use decisions::Decisions;
pub use discovery::{Becomes, ContainerPattern, Discovery, UnitPattern};
pub use host::{Bpf, Control, Enrolment, Listen, cgroup2_mount};
pub use masks::MaskKeySource;
pub use policies::{BundleKey, BundlePlace, BundleSource, Policies};
pub use problems::{ConfigProblems, Problem};
pub use services::{Audit, Dns, DnsLimits, Fsync, Limits, LogFormat, Telemetry, Tls, Upstream};
pub use state::{RedisState, StatePlace};
pub use tokens::{JwksSource, KeySource, Tokens, Trusted};
pub use verify::Verify;

use problems::Checker;
use raw::RawConfig;

/// A configuration that has been checked as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Names this instance where several run on one host. A DNS label.
    pub instance: String,
    pub listen: Listen,
    pub control: Control,
    /// CA, token key, `agents.json`, audit file: everything that must survive a restart.
    pub state_dir: PathBuf,
    /// The subtree whose processes are agents: absolute, or relative to the cgroup2 mount
    /// ([`Config::cgroup_dir`] gives the absolute form).
    pub cgroup_root: PathBuf,
    pub bpf: Bpf,
    pub enrolment: Enrolment,
    pub policies: Policies,
    pub agents: Vec<AgentSpec>,
    pub discovery: Discovery,
    pub audit: Audit,
    pub decisions: Decisions,
    pub dns: Dns,
    pub upstream: Upstream,
    pub tls: Tls,
    pub telemetry: Telemetry,
    pub limits: Limits,
    pub verify: Verify,
    /// Where it is kept which tokens were used and which are revoked.
    pub state: StatePlace,
    pub tokens: Tokens,
    /// What the tokens in the place of values are made with.
    pub mask_key: MaskKeySource,
}

impl Config {
    /// Reads and checks `file`; the defaults where there is none.
    ///
    /// # Errors
    /// Every problem of the file, at once.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigProblems> {
        let Some(file) = file else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(file).map_err(|error| ConfigProblems {
            file: Some(file.to_owned()),
            problems: vec![Problem { path: String::new(), line: None, message: format!("cannot be read: {error}") }],
        })?;
        // Without this a relative `--config aegis.yaml` would give relative paths, and those break at `chdir`.
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let base = file.parent().unwrap_or(Path::new("/"));
        Self::parse(&text, base).map_err(|problems| ConfigProblems { file: Some(file.clone()), ..problems })
    }

    /// Checks `text`; relative paths in it are taken from `base`.
    ///
    /// # Errors
    /// Every problem of the text, at once.
    pub fn parse(text: &str, base: &Path) -> Result<Self, ConfigProblems> {
        let (raw, mut problems) = tree::read(text);
        let mut checker = Checker::new(base);
        let config = Self::check(&raw, &mut checker);
        // A key that could not be read stands at its default now: what the check says of it would mislead.
        let unread: Vec<String> = problems.iter().map(|p| p.path.clone()).collect();
        let found = checker.problems.into_iter().filter(|p| !unread.iter().any(|u| lies_in(&p.path, u)));
        problems.extend(found.map(|p| Problem { line: tree::line_of(text, &p.path), ..p }));
        if problems.is_empty() { Ok(config) } else { Err(ConfigProblems { file: None, problems }) }
    }

    /// A commented file that sets every key to its default: what `aegis-agent --print-config` prints.
    #[must_use]
    pub fn sample() -> &'static str {
        include_str!("default.yaml")
    }

    /// The absolute directory of [`Config::cgroup_root`].
    ///
    /// # Errors
    /// One line with the fix where the root is relative and no cgroup2 hierarchy is mounted.
    pub fn cgroup_dir(&self) -> Result<PathBuf, String> {
        if self.cgroup_root.is_absolute() {
            return Ok(self.cgroup_root.clone());
        }
        cgroup2_mount().map(|mount| mount.join(&self.cgroup_root))
    }

    fn check(raw: &RawConfig, p: &mut Checker) -> Self {
        if !is_name(&raw.instance) {
            p.problem("instance", format!("`{}` is not a name; allowed: {}", raw.instance, agents::NAME_RULE));
        }
        let listen = Listen::check(&raw.listen, p);
        let state_dir = p.path("state_dir", &raw.state_dir);
        Self {
            instance: raw.instance.clone(),
            control: Control::check(&raw.control, p),
            cgroup_root: host::check_cgroup_root(&raw.cgroup_root, p),
            bpf: Bpf::check(&raw.bpf, p),
            enrolment: Enrolment::check(&raw.enrolment, p),
            policies: Policies::check(&raw.policies, p),
            agents: agents::check(&raw.agents, p),
            discovery: discovery::check(&raw.discovery, p),
            decisions: Decisions::check(&raw.decisions, p),
            audit: Audit::check(&raw.audit, &state_dir, p),
            dns: Dns::check(&raw.dns, &listen, p),
            upstream: Upstream::check(&raw.upstream, p),
            tls: Tls::check(&raw.tls, p),
            telemetry: Telemetry::check(&raw.telemetry, p),
            limits: Limits::check(&raw.limits, p),
            verify: Verify::check(&raw.verify, p),
            state: StatePlace::check(&raw.state, p),
            tokens: Tokens::check(&raw.tokens, &raw.instance, p),
            mask_key: MaskKeySource::check(&raw.masks, p),
            listen,
            state_dir,
        }
    }
}

impl Default for Config {
    /// The embedded defaults: the same as an empty file.
    fn default() -> Self {
        Self::check(&RawConfig::default(), &mut Checker::new(Path::new("/")))
    }
}

/// Whether `path` is `place` or something inside it.
fn lies_in(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
