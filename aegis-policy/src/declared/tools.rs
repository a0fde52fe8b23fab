//! Tools, named by where their requests go: host, method and path.

use std::collections::HashMap;
use std::sync::Arc;

use crate::glob::PathGlob;
use crate::host::{Host, HostPattern};

/// One entry of `tools`.
#[derive(Debug, Clone)]
pub(crate) struct Tool {
    pub(crate) name: Arc<str>,
    pub(crate) hosts: Vec<HostPattern>,
    /// Empty: any.
    pub(crate) methods: Vec<String>,
    /// Empty: any.
    pub(crate) paths: Vec<PathGlob>,
}

/// All entries, in the order of the files; the first that a request meets names its tool.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    all: Vec<Tool>,
    /// For each host that is spelled out: the entries it can meet.
    exact: HashMap<String, Vec<usize>>,
    /// The entries with a pattern, for all other hosts.
    patterns: Vec<usize>,
}

/// Which tool a request is, by what was declared.
#[derive(Debug, Copy, Clone)]
pub(crate) enum Named<'t> {
    /// None that was declared.
    Nothing,
    One(&'t Arc<str>),
    /// That depends on how its path is read.
    Doubtful,
}

impl Tools {
    pub(crate) fn new(all: Vec<Tool>) -> Tools {
        let mut exact: HashMap<String, Vec<usize>> = HashMap::new();
        for pattern in all.iter().flat_map(|tool| &tool.hosts) {
            if let HostPattern::Exact(name) = pattern {
                let host = Host::Name(name.clone());
                let entries =
                    || all.iter().enumerate().filter(|(_, tool)| tool.is_at(&host)).map(|(at, _)| at).collect();
                exact.entry(name.clone()).or_insert_with(entries);
            }
        }
        let wide = |tool: &Tool| tool.hosts.iter().any(|pattern| !matches!(pattern, HostPattern::Exact(_)));
        let patterns = all.iter().enumerate().filter(|(_, tool)| wide(tool)).map(|(at, _)| at).collect();
        Tools { all, exact, patterns }
    }

    /// The tool of a request. `path` gives the normalised path, and is called only where it matters.
    pub(crate) fn named(&self, host: &Host, method: &str, path: impl FnOnce() -> Option<String>) -> Named<'_> {
        if self.all.is_empty() {
            return Named::Nothing;
        }
        let spelled = match host {
            Host::Name(name) => self.exact.get(name),
            Host::Ip(_) => None,
        };
        let entries = spelled.unwrap_or(&self.patterns).iter().filter_map(|at| self.all.get(*at));
        let mut here = entries
            .filter(|tool| tool.is_at(host) && (tool.methods.is_empty() || tool.methods.iter().any(|m| m == method)))
            .peekable();
        match here.peek() {
            None => return Named::Nothing,
            Some(tool) if tool.paths.is_empty() => return Named::One(&tool.name),
            Some(_) => {}
        }
        match path() {
            Some(path) => {
                let met = |tool: &&Tool| tool.paths.is_empty() || tool.paths.iter().any(|glob| glob.matches(&path));
                here.find(met).map_or(Named::Nothing, |tool| Named::One(&tool.name))
            }
            None => Named::Doubtful,
        }
    }
}

impl Tool {
    fn is_at(&self, host: &Host) -> bool {
        self.hosts.iter().any(|pattern| pattern.matches(host))
    }
}

impl Named<'_> {
    pub(crate) fn name(self) -> Option<Arc<str>> {
        match self {
            Named::One(name) => Some(name.clone()),
            Named::Nothing | Named::Doubtful => None,
        }
    }
}
