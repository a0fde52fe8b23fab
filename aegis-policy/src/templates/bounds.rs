//! Bounds that security sets for the policies that a team writes itself.

use aegis_dlp::{DetectorSet, OwnDetectors, Profile};

use crate::glob::{NameGlob, PathGlob};
use crate::host::HostPattern;
use crate::rule::{Rule, Transport};
use crate::schema::{dlp, words};
use crate::source::cursor::Cursor;
use crate::{Decision, FailMode, Mode};

const KEYS: [&str; 12] = [
    "name",
    "teams",
    "policies",
    "agents",
    "hosts",
    "ports",
    "methods",
    "paths",
    "decisions",
    "max_priority",
    "must_dlp",
    "may",
];

/// What only bounds that say so let a team's rule do.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum Grant {
    Private,
    Tcp,
    Passthrough,
    Shadow,
    Rego,
    FailOpen,
}

const GRANTS: [(&str, Grant); 6] = [
    ("private", Grant::Private),
    ("tcp", Grant::Tcp),
    ("passthrough", Grant::Passthrough),
    ("shadow", Grant::Shadow),
    ("rego", Grant::Rego),
    ("fail_open", Grant::FailOpen),
];

/// One set of bounds.
#[derive(Debug)]
pub(crate) struct Bounds {
    pub(crate) name: String,
    pub(super) teams: Vec<NameGlob>,
    /// Names that the team's policies may have; empty: any.
    pub(super) policies: Vec<NameGlob>,
    pub(super) agents: Vec<NameGlob>,
    hosts: Vec<HostPattern>,
    ports: Vec<u16>,
    /// Empty: any.
    methods: Vec<String>,
    /// Empty: any.
    paths: Vec<PathGlob>,
    /// Empty: any.
    decisions: Vec<Decision>,
    max_priority: Option<i64>,
    must: dlp::Sets,
    may: Vec<Grant>,
}

/// Reads one entry of `bounds`.
pub(super) fn read(at: &Cursor<'_>, own: &OwnDetectors) -> Option<Bounds> {
    let fields = at.fields(&KEYS);
    let name = fields.require("name").and_then(|at| words::name(at, "a name for bounds"));
    for key in ["teams", "agents", "hosts"] {
        fields.require(key);
    }
    let ports = fields.list("ports", |item| item.integer::<u16>("a port, 1 to 65535"));
    let parsed = |read: Result<HostPattern, String>, at: &Cursor<'_>| {
        read.map_err(|why| at.problem(why, "not a host pattern")).ok()
    };
    let path = |at: &Cursor<'_>| PathGlob::parse(at.string()?).map_err(|why| at.problem(why, "not a path")).ok();
    Some(Bounds {
        teams: fields.list("teams", words::glob),
        policies: fields.list("policies", words::glob),
        agents: fields.list("agents", words::glob),
        hosts: fields.list("hosts", |at| parsed(HostPattern::parse(at.string()?), at)),
        ports: if fields.get("ports").is_some() { ports } else { vec![80, 443] },
        methods: fields.list("methods", |at| at.string().map(str::to_owned)),
        paths: fields.list("paths", path),
        decisions: fields.list("decisions", words::decision),
        max_priority: fields.get("max_priority").and_then(|at| at.integer("a whole number")),
        must: fields.get("must_dlp").map(|at| dlp::must(at, own)).unwrap_or_default(),
        may: fields.list("may", |at| words::one_of(at, &GRANTS)),
        name: name?.to_owned(),
    })
}

impl Bounds {
    /// Whether these bounds are for a team's policy of this name.
    pub(super) fn are_for(&self, team: &str) -> bool {
        self.teams.iter().any(|glob| glob.matches(team))
    }

    /// Why the policy is outside: the key that is to blame, and what is wrong.
    pub(super) fn refuse_policy(&self, name: &str, agents: &[NameGlob]) -> Option<(&'static str, String)> {
        if !self.policies.is_empty() && !self.policies.iter().any(|glob| glob.matches(name)) {
            let names: Vec<&str> = self.policies.iter().map(NameGlob::pattern).collect();
            return Some(("name", format!("a policy's name is within {}", names.join(", "))));
        }
        let wide = agents.iter().find(|glob| !self.agents.iter().any(|outer| outer.covers(glob)))?;
        let within: Vec<&str> = self.agents.iter().map(NameGlob::pattern).collect();
        Some(("agents", format!("agents `{}` are not within {}", wide.pattern(), within.join(", "))))
    }

    /// Why the rule is outside.
    pub(super) fn refuse_rule(&self, rule: &Rule) -> Vec<(&'static str, String)> {
        let mut list = self.grants_missing(rule);
        if !self.decisions.is_empty() && !self.decisions.contains(&rule.decision) {
            let names: Vec<&str> = self.decisions.iter().map(|decision| decision.name()).collect();
            list.push(("decision", format!("decisions are within {}", names.join(", "))));
        }
        if let Some(most) = self.max_priority.filter(|most| rule.priority > *most) {
            list.push(("priority", format!("priority {} is above {most}", rule.priority)));
        }
        // What only refuses opens nothing, wherever it points.
        if rule.decision != Decision::Deny || rule.mode != Mode::Enforce {
            list.extend(self.too_wide(rule));
        }
        list
    }

    fn grants_missing(&self, rule: &Rule) -> Vec<(&'static str, String)> {
        let used = [
            (rule.private, Grant::Private, "private"),
            (rule.transport == Transport::Tcp, Grant::Tcp, "tcp"),
            (rule.transport == Transport::Passthrough, Grant::Passthrough, "tls"),
            (rule.mode == Mode::Shadow, Grant::Shadow, "mode"),
            (rule.rego.is_some(), Grant::Rego, "rego"),
            (rule.fail_mode == FailMode::Open, Grant::FailOpen, "fail_mode"),
        ];
        let missing = used.into_iter().filter(|(used, grant, _)| *used && !self.may.contains(grant));
        let word = |wanted: Grant| GRANTS.iter().find(|(_, grant)| *grant == wanted).map_or("", |(word, _)| word);
        missing.map(|(_, grant, key)| (key, format!("they don't say `may: [{}]`", word(grant)))).collect()
    }

    fn too_wide(&self, rule: &Rule) -> Vec<(&'static str, String)> {
        let mut list = Vec::new();
        if let Some(wide) = rule.hosts.iter().find(|host| !self.hosts.iter().any(|outer| outer.covers(host))) {
            let within: Vec<String> = self.hosts.iter().map(ToString::to_string).collect();
            list.push(("hosts", format!("host `{wide}` is not within {}", within.join(", "))));
        }
        if let Some(port) = rule.ports.iter().find(|port| !self.ports.contains(port)) {
            let within: Vec<String> = self.ports.iter().map(ToString::to_string).collect();
            list.push(("ports", format!("port {port} is not within {}", within.join(", "))));
        }
        let methods = !self.methods.is_empty()
            && (rule.methods.is_empty() || rule.methods.iter().any(|one| !self.methods.contains(one)));
        if methods {
            list.push(("methods", format!("methods are within {}", self.methods.join(", "))));
        }
        let inside = |path: &PathGlob| self.paths.iter().any(|outer| outer.covers(path));
        if !self.paths.is_empty() && (rule.paths.is_empty() || !rule.paths.iter().all(inside)) {
            let within: Vec<&str> = self.paths.iter().map(PathGlob::pattern).collect();
            list.push(("paths", format!("paths are within {}", within.join(", "))));
        }
        list.extend(self.inspection_lacking(rule));
        list
    }

    /// What `must_dlp` asks for, of rules that let something pass. A rule in shadow does, and only reports what it finds.
    fn inspection_lacking(&self, rule: &Rule) -> Option<(&'static str, String)> {
        let must =
            [self.must.deny, self.must.approve, self.must.redact].into_iter().flatten().any(|set| !set.is_empty());
        match rule.mode {
            Mode::Shadow if must => {
                Some(("mode", "`dlp` is asked for, which a rule in shadow does not enforce".to_owned()))
            }
            _ if !rule.decision.permits() => None,
            _ => Some(("dlp", self.dlp_lacking(&rule.profile)?)),
        }
    }

    /// What `must_dlp` asks for and the rule does not do. A detector that is treated more strictly is fine.
    fn dlp_lacking(&self, profile: &Profile) -> Option<String> {
        let strict = [
            ("deny", self.must.deny, profile.deny),
            ("approve", self.must.approve, profile.deny.union(profile.approve)),
            ("redact", self.must.redact, profile.deny.union(profile.approve).union(profile.redact)),
            ("report", self.must.report, profile.detectors()),
        ];
        strict.into_iter().find_map(|(word, wanted, has)| {
            let missing: DetectorSet = wanted?.iter().filter(|detector| !has.contains(*detector)).collect();
            let names: Vec<&str> = missing.iter().map(|detector| detector.name()).collect();
            (!names.is_empty()).then(|| format!("`dlp: {{{word}: [{}]}}` is asked for", names.join(", ")))
        })
    }
}
