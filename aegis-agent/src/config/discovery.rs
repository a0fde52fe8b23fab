//! Which units and containers become agents by themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::agents::{self, AgentSpec};
use super::problems::Checker;
use super::raw::{RawAgent, RawDiscovery};
use crate::discovery::{Glob, Kind, Template};

/// The most entries of each list.
const MAX_PATTERNS: usize = 256;
/// The most container runtimes that are asked.
const MAX_SOCKETS: usize = 8;

/// `discovery`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Discovery {
    pub units: Vec<UnitPattern>,
    pub containers: Vec<ContainerPattern>,
}

impl Discovery {
    /// Whether there is anything to be looked for.
    #[must_use]
    pub fn wanted(&self) -> bool {
        !self.units.is_empty() || !self.containers.is_empty()
    }
}

/// Units whose name fits are agents.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitPattern {
    /// Of the unit's whole name.
    pub unit: Glob,
    pub becomes: Becomes,
}

/// Containers whose labels fit are agents.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerPattern {
    /// Each of these labels must be there and fit.
    pub labels: BTreeMap<String, Glob>,
    /// Of the runtime's Docker-compatible API.
    pub socket: PathBuf,
    pub becomes: Becomes,
}

/// What agent a unit or container becomes.
#[derive(Clone, Debug, PartialEq)]
pub struct Becomes {
    pub name: Template,
    pub tenant: Template,
    pub labels: BTreeMap<String, Template>,
    /// Name, tenant and labels in it are the templates' texts.
    pub spec: AgentSpec,
}

pub(super) fn check(raw: &RawDiscovery, p: &mut Checker) -> Discovery {
    for (list, length) in [("units", raw.units.len()), ("containers", raw.containers.len())] {
        if length > MAX_PATTERNS {
            p.problem(format!("discovery.{list}"), format!("{length} entries; at most {MAX_PATTERNS}"));
        }
    }
    let sockets: BTreeSet<&PathBuf> = raw.containers.iter().map(|entry| &entry.socket).collect();
    if sockets.len() > MAX_SOCKETS {
        p.problem("discovery.containers", format!("{} different sockets; at most {MAX_SOCKETS}", sockets.len()));
    }
    let units = raw.units.iter().enumerate().filter_map(|(i, entry)| {
        let at = format!("discovery.units[{i}]");
        if !entry.pattern.ends_with(".service") {
            let why = format!("`{}` can be no service: write one such as claude-*.service", entry.pattern);
            p.problem(format!("{at}.match"), why);
        }
        Some(UnitPattern {
            unit: Glob::new(&entry.pattern),
            becomes: becomes(&at, Kind::Unit, &entry.agent, &entry.spec, p)?,
        })
    });
    let units = units.collect();
    let containers = raw.containers.iter().enumerate().filter_map(|(i, entry)| {
        let at = format!("discovery.containers[{i}]");
        if entry.labels.is_empty() {
            p.problem(format!("{at}.labels"), "is empty; name one, such as {aegis.dev/agent: \"*\"}");
        }
        let labels = entry.labels.iter().map(|(key, glob)| (key.clone(), Glob::new(glob))).collect();
        let socket = p.path(&format!("{at}.socket"), &entry.socket);
        Some(ContainerPattern { labels, socket, becomes: becomes(&at, Kind::Container, &entry.agent, &entry.spec, p)? })
    });
    Discovery { units, containers: containers.collect() }
}

fn becomes(at: &str, kind: Kind, agent: &str, raw: &RawAgent, p: &mut Checker) -> Option<Becomes> {
    if agent.is_empty() {
        p.problem(format!("{at}.agent"), "is missing; give a name such as {unit} or {label:aegis.dev/agent}");
    }
    if !raw.name.is_empty() {
        p.problem(format!("{at}.spec.name"), format!("is given by {at}.agent; leave it out"));
    }
    let spec = agents::check_spec(&format!("{at}.spec"), raw, p);
    let mut template = |path: String, text: &str| {
        Template::parse(text, kind).map_err(|why| p.problem(path, format!("`{text}`: {why}"))).ok()
    };
    let name = template(format!("{at}.agent"), agent);
    let tenant = template(format!("{at}.spec.tenant"), &spec.tenant);
    let label =
        |(key, value): (&String, &String)| Some((key.clone(), template(format!("{at}.spec.labels.{key}"), value)?));
    let labels = spec.labels.iter().map(label).collect::<Option<_>>();
    Some(Becomes { name: name?, tenant: tenant?, labels: labels?, spec })
}
