//! From agent and host to the few rules that can matter. What other agents' rules cost is paid at load.

mod memory;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aegis_dlp::{Descriptors, Details, DetectorSet, Profile};

use crate::declared::Declared;
use crate::engine::{Chain, EngineError, Program, Weight};
use crate::host::{Host, HostPattern};
use crate::input::Reads;
use crate::raw_rego::Modules;
use crate::rego;
use crate::rule::{Policy, Rule, Transport};
use crate::schema::Document;
use crate::{Mode, TokenRules};

/// Compiled buckets kept. Policies bound how many there can be; this bounds the memory if they do so badly.
const MAX_BUCKETS: usize = 100_000;

/// Steps of paths into bodies that weigh as much as a rule.
const STEPS_A_RULE: usize = 4;

/// Buckets compiled since the start, of all snapshots.
static COMPILED: AtomicU64 = AtomicU64::new(0);

/// Rules as numbers into [`Catalog::rules`], in the order in which they are tried.
type Numbers = Arc<[usize]>;

/// All policies and rules of a snapshot, and the buckets compiled from them.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) policies: Vec<Policy>,
    /// In the order in which they are tried: those of the policy's owners before those of teams, priority descending, then as
    /// they stand in the files.
    pub(crate) rules: Vec<Rule>,
    pub(crate) declared: Declared,
    /// Everything that is looked for anywhere, replaced.
    pub(crate) everything: Profile,
    /// What protocol buffers are called.
    pub(crate) descriptors: Descriptors,
    /// The raw Rego modules that rules name.
    pub(crate) modules: Modules,
    buckets: Mutex<HashMap<Numbers, Arc<Bucket>>>,
}

/// The rules for requests of one agent to one host, compiled.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) package: String,
    pub(crate) text: String,
    pub(crate) rules: Numbers,
    pub(crate) reads: Reads,
    /// None where the bucket has no rules.
    program: Option<Program>,
    /// How long it takes to ask is up to what is asked about.
    heavy: bool,
    /// No other bucket has it, of whichever snapshot.
    id: u64,
}

/// What an agent can reach, by host.
#[derive(Debug)]
pub(crate) struct AgentTable {
    /// All policies for the agent are in shadow (and one of them is not a team's): what no rule names passes too.
    pub(crate) shadow_default: bool,
    /// The strictest of what the policies for the agent say of its tokens.
    pub(crate) tokens: TokenRules,
    /// Every rule for the agent.
    rules: Numbers,
    exact: HashMap<String, HostRules>,
    below: HashMap<String, HostRules>,
    any: HostRules,
}

/// The rules for one host.
#[derive(Debug, Clone)]
pub(crate) struct HostRules {
    /// All of them, whatever the transport.
    pub(crate) all: Numbers,
    /// Those for requests.
    pub(crate) requests: Arc<Bucket>,
}

impl Catalog {
    pub(crate) fn new(document: Document) -> Catalog {
        let Document { policies, mut rules, tools, regions, modules, own, descriptors, .. } = document;
        let delegated = |rule: &Rule| policies.get(rule.policy).is_none_or(|policy| policy.team.is_some());
        rules.sort_by_key(|rule| (delegated(rule), std::cmp::Reverse(rule.priority)));
        rules.iter_mut().filter_map(|rule| rule.rego.as_mut()).for_each(|condition| condition.settle(&modules));
        let declared = Declared::new(tools, regions, &rules);
        let redact = DetectorSet::ALL.union(own.names());
        let details = (!own.is_empty()).then(|| Arc::new(Details { own, ..Details::default() }));
        let everything = Profile { redact, details, ..Profile::default() };
        Catalog { policies, rules, declared, modules, everything, descriptors, buckets: Mutex::default() }
    }

    pub(crate) fn numbered<'c>(&'c self, numbers: &'c [usize]) -> impl Iterator<Item = (usize, &'c Rule)> {
        numbers.iter().filter_map(|number| Some((*number, self.rules.get(*number)?)))
    }

    /// The table of the agent that these policies and rules are for.
    pub(crate) fn table(
        &self,
        covers: impl Fn(&Policy) -> bool,
        takes: impl Fn(&Rule) -> bool,
    ) -> Result<AgentTable, EngineError> {
        let covered: Vec<bool> = self.policies.iter().map(covers).collect();
        let mine = |at: usize| covered.get(at).copied().unwrap_or(false);
        let rules: Numbers = self
            .rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| mine(rule.policy) && takes(rule))
            .map(|(number, _)| number)
            .collect();
        let own: Vec<&Policy> =
            self.policies.iter().enumerate().filter(|(at, _)| mine(*at)).map(|(_, policy)| policy).collect();
        // A team that tries something out does not open the rest for its agents.
        let shadow_default =
            own.iter().any(|policy| policy.team.is_none()) && own.iter().all(|policy| policy.mode == Mode::Shadow);
        let own = self.policies.iter().enumerate().filter(|(at, _)| mine(*at));
        let tokens = own.fold(TokenRules::default(), |rules, (_, policy)| rules.strictest(policy.tokens));

        let (mut exact, mut below) = (HashMap::new(), HashMap::new());
        for (_, rule) in self.numbered(&rules) {
            for pattern in &rule.hosts {
                let (map, name) = match pattern {
                    HostPattern::Exact(name) => (&mut exact, name),
                    HostPattern::Below(domain) => (&mut below, domain),
                    HostPattern::Any | HostPattern::Net(_) => continue,
                };
                if !map.contains_key(name) {
                    map.insert(name.clone(), self.host_rules(&rules, |other| covers_all(other, pattern))?);
                }
            }
        }
        let any = self.host_rules(&rules, |pattern| *pattern == HostPattern::Any)?;
        Ok(AgentTable { shadow_default, tokens, rules, exact, below, any })
    }

    fn host_rules(&self, rules: &[usize], hit: impl Fn(&HostPattern) -> bool) -> Result<HostRules, EngineError> {
        let all: Numbers =
            self.numbered(rules).filter(|(_, rule)| rule.hosts.iter().any(&hit)).map(|(number, _)| number).collect();
        let requests: Numbers = self
            .numbered(&all)
            .filter(|(_, rule)| rule.transport == Transport::Http)
            .map(|(number, _)| number)
            .collect();
        Ok(HostRules { all, requests: self.bucket(requests)? })
    }

    /// The compiled bucket of these rules; equal lists share one.
    fn bucket(&self, numbers: Numbers) -> Result<Arc<Bucket>, EngineError> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = buckets.get(&numbers) {
            return Ok(found.clone());
        }
        let bucket = Arc::new(Bucket::compile(self, numbers.clone(), buckets.len())?);
        if buckets.len() < MAX_BUCKETS {
            buckets.insert(numbers, bucket.clone());
        }
        Ok(bucket)
    }

    /// The buckets compiled so far, by package.
    pub(crate) fn compiled(&self) -> Vec<Arc<Bucket>> {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<Arc<Bucket>> = buckets.values().cloned().collect();
        list.sort_by(|a, b| a.package.cmp(&b.package));
        list
    }

    /// The rules of `table` for `host`.
    pub(crate) fn for_host(&self, table: &AgentTable, host: &Host) -> Result<HostRules, EngineError> {
        match host {
            Host::Name(name) => Ok(table.for_name(name).clone()),
            // Networks may overlap in any way, so the list is made by looking; its bucket is compiled once.
            Host::Ip(_) => self.host_rules(&table.rules, |pattern| pattern.matches(host)),
        }
    }
}

/// Whether `pattern` takes in every host that `narrow` (a name or a domain) does.
fn covers_all(pattern: &HostPattern, narrow: &HostPattern) -> bool {
    match (pattern, narrow) {
        (HostPattern::Any, HostPattern::Exact(_) | HostPattern::Below(_)) => true,
        (HostPattern::Exact(name), HostPattern::Exact(other)) => name == other,
        (HostPattern::Below(domain), HostPattern::Exact(name)) => {
            name.len() > domain.len() && name.ends_with(domain.as_str())
        }
        (HostPattern::Below(domain), HostPattern::Below(inner)) => inner.ends_with(domain.as_str()),
        _ => false,
    }
}

impl AgentTable {
    /// Every rule for the agent, whatever its hosts.
    pub(crate) fn all(&self) -> &[usize] {
        &self.rules
    }

    fn for_name(&self, name: &str) -> &HostRules {
        self.exact.get(name).or_else(|| self.below(name).map(|(_, rules)| rules)).unwrap_or(&self.any)
    }

    /// The longest domain that a rule names with all that is below it, and where in `name` it begins.
    fn below(&self, name: &str) -> Option<(usize, &HostRules)> {
        let mut dots = name.match_indices('.').map(|(at, _)| at).filter(|at| *at > 0);
        dots.find_map(|at| Some((at, self.below.get(name.get(at..)?)?)))
    }

    /// How many bytes at the front of `name` no rule spells out: nothing where a rule names it, all where only `*` fits.
    pub(crate) fn unspelled(&self, name: &str) -> usize {
        if self.exact.contains_key(name) {
            return 0;
        }
        self.below(name).map_or(name.len(), |(at, _)| at)
    }
}

impl Bucket {
    fn compile(catalog: &Catalog, numbers: Numbers, serial: usize) -> Result<Bucket, EngineError> {
        let package = format!("aegis.bucket_{serial}");
        let rules: Vec<(usize, &Rule)> = catalog.numbered(&numbers).collect();
        let text = rego::module(&package, &rules, None);
        let shadow = rules.iter().filter(|(_, rule)| rule.mode == Mode::Shadow).count();
        let enforced = shadow > 0 && shadow < rules.len();
        let program = match rules.len() {
            0 => None,
            count => {
                let authored = catalog.modules.for_rules(rules.iter().map(|(_, rule)| *rule));
                let lists = rules.iter().map(|(_, rule)| rule.lists()).sum();
                let deep: usize = rules.iter().map(|(_, rule)| rule.depth() / STEPS_A_RULE).sum();
                let weight = Weight { rules: count.saturating_add(deep), lists };
                Some(Program::compile(&package, &text, &authored, weight, enforced)?)
            }
        };
        let reads = Reads::of(rules.iter().map(|(_, rule)| *rule));
        let heavy = rules.iter().any(|(_, rule)| rule.rego.is_some() || rule.lists() > 0);
        let id = COMPILED.fetch_add(1, Ordering::Relaxed);
        Ok(Bucket { heavy, package, text, rules: numbers.clone(), reads, program, id })
    }

    /// Whether how long it takes to ask is up to what is asked about.
    pub(crate) fn is_heavy(&self) -> bool {
        self.heavy
    }

    /// The first rule of the chain that holds for `input`.
    pub(crate) fn first<'c>(
        &self,
        catalog: &'c Catalog,
        chain: Chain,
        input: regorus::Value,
    ) -> Result<Option<&'c Rule>, EngineError> {
        let Some(program) = &self.program else {
            return Ok(None);
        };
        if let Some(known) = memory::recall(self.id, chain, &input) {
            return Ok(known.and_then(|number| catalog.rules.get(number)));
        }
        let number = match program.first(chain, input.clone())? {
            Some(id) => Some(self.number(catalog, &id).ok_or_else(|| EngineError::stray(&id))?),
            None => None,
        };
        memory::remember(self.id, chain, input, number);
        Ok(number.and_then(|number| catalog.rules.get(number)))
    }

    fn number(&self, catalog: &Catalog, id: &str) -> Option<usize> {
        let is = |number: &&usize| catalog.rules.get(**number).is_some_and(|rule| *rule.id == *id);
        self.rules.iter().find(is).copied()
    }
}
