//! A compiled set of policies: immutable to its users, shared between threads, one version.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use aegis_dlp::{MaskKey, MaskSecret, Profile};
use sha2::{Digest, Sha256};

use crate::decision_log::Seen;
use crate::engine::{self, EngineError};
use crate::glob::NameGlob;
use crate::index::{AgentTable, Catalog};
use crate::raw_rego;
use crate::rego;
use crate::rule::{Policy, Rule, Transport};
use crate::schema::{self, Document};
use crate::source::diagnostics::{Diagnostics, Problem, Source};
use crate::{
    Agent, Connect, ConnectPlan, Content, Covers, Denial, Explanation, Intent, NameVerdict, Needs, TokenRules, Verdict,
    decide, explain, input,
};

/// Agents whose tables are kept; beyond it all are made anew, so that made-up agents can't fill the memory.
const MAX_AGENTS: usize = 65_536;

/// Compiled policies.
///
/// Tables for agents are made when first asked for (those that policies name, at load) and kept; nothing else changes.
#[derive(Debug)]
pub struct Snapshot {
    pub(crate) version: Arc<str>,
    pub(crate) catalog: Catalog,
    /// What tokens in the place of values are made with.
    mask_secret: Option<MaskSecret>,
    tables: RwLock<HashMap<String, Known>>,
    /// Package and text: the complete module, then the buckets compiled at load.
    modules: Vec<(String, String)>,
}

/// An agent's table, and what it was made for.
#[derive(Debug)]
struct Known {
    tenant: String,
    labels: BTreeMap<String, String>,
    policies: Vec<String>,
    table: Arc<AgentTable>,
}

/// Compiles policy files, YAML or JSON. All problems of all files are reported together.
///
/// # Errors
/// [`Diagnostics`] when anything in any file is wrong; nothing is skipped with a warning.
pub fn compile(sources: &[Source]) -> Result<Snapshot, Diagnostics> {
    engine::configure();
    let document = schema::read(sources)?;
    let version = version(&document, sources);
    let mut snapshot = Snapshot {
        version: version.into(),
        catalog: Catalog::new(document),
        mask_secret: None,
        tables: RwLock::default(),
        modules: Vec::new(),
    };
    match snapshot.warm_up() {
        Ok(()) => Ok(snapshot),
        Err(error) => {
            Err(Diagnostics::new(sources.first().map(|source| refused(source, &error)).into_iter().collect()))
        }
    }
}

/// The versions that the files give themselves; for files without one, what identifies their text.
fn version(document: &Document, sources: &[Source]) -> String {
    let mut versions: Vec<&str> = Vec::new();
    for version in &document.versions {
        if !versions.contains(&version.as_str()) {
            versions.push(version);
        }
    }
    let joined = versions.join("+");
    if !joined.is_empty() && joined.len() <= 128 {
        return joined;
    }
    let mut hash = Sha256::new();
    for source in sources {
        hash.update(source.text.len().to_le_bytes());
        hash.update(source.text.as_bytes());
    }
    let digest = hash.finalize();
    let hex: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The engine refused what was generated. Not the author's fault, but not to be loaded either.
fn refused(source: &Source, error: &EngineError) -> Problem {
    let message = format!("the policy engine refused the compiled rules: {error}");
    Problem::at(source, 1, 1, message, "while compiling this".to_owned(), None)
}

impl Snapshot {
    /// The version, shown in every record.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The same, with what the tokens that stand for values of a tenant are made with (`masks: {...: token}`). Without it such a value
    /// is replaced by what it is alone.
    #[must_use]
    pub fn with_mask_secret(self, secret: MaskSecret) -> Snapshot {
        Snapshot { mask_secret: Some(secret), ..self }
    }

    /// The key of an agent's tenant for these.
    pub(crate) fn mask_key(&self, agent: &Agent) -> Option<MaskKey> {
        self.mask_secret.as_ref().map(|secret| secret.key_of(&agent.tenant))
    }

    /// Everything that is looked for anywhere, replaced: for what is written of a request.
    pub fn everything(&self) -> &Profile {
        &self.catalog.everything
    }

    /// What a rule (`policy/rule`) looks for in what it lets pass; `None` where there is no such rule.
    pub fn rule_profile(&self, rule: &str) -> Option<&Profile> {
        self.catalog.rules.iter().find(|known| *known.id == *rule).map(|known| &known.profile)
    }

    /// How many rules there are.
    pub fn rules(&self) -> usize {
        self.catalog.rules.len()
    }

    /// Every rule as `policy/rule`, in the order in which they are tried.
    pub fn rule_names(&self) -> impl Iterator<Item = &str> {
        self.catalog.rules.iter().map(|rule| &*rule.id)
    }

    /// Whether there is a policy of this name.
    pub fn has_policy(&self, name: &str) -> bool {
        self.catalog.policies.iter().any(|policy| *policy.name == *name)
    }

    /// The Rego modules by package: first the complete one (`aegis.policy`), which decides from the documented input, alone
    /// but for authors' Rego; that comes next, the conditions of rules (`aegis.custom_*`) and the modules; then those that the
    /// index chooses from, compiled at load.
    pub fn rego(&self) -> impl Iterator<Item = (&str, &str)> {
        self.modules.iter().map(|(package, text)| (package.as_str(), text.as_str()))
    }

    /// What to do with a connection, before any of its bytes went anywhere.
    pub fn connect(&self, agent: &Agent, connect: &Connect<'_>) -> ConnectPlan {
        decide::connect(self, agent, connect)
    }

    /// Whether a name may be resolved for the agent.
    pub fn name(&self, agent: &Agent, host: &str) -> NameVerdict {
        decide::name(self, agent, host)
    }

    /// How many bytes at the front of `host` are the agent's own choice: what a wildcard stands for. Nothing where a rule
    /// spells the host out. In them data could leave, so they have limits of their own where the name is resolved.
    pub fn chosen(&self, agent: &Agent, host: &str) -> usize {
        decide::chosen(self, agent, host)
    }

    /// How strict to be with the agent's tokens: the strictest of what the policies for it say.
    pub fn token_rules(&self, agent: &Agent) -> TokenRules {
        self.table(agent).map_or(TokenRules::STRICTEST, |table| table.tokens)
    }

    /// What `decide` must be given for this request.
    pub fn needs(&self, intent: &Intent<'_>) -> Needs {
        decide::needs(self, intent)
    }

    /// Whether a request that another policy's rule `by` let through may go on under this one, when its body is gone; `covers` tells
    /// whether it went on the terms of a rule. For requests of which [`Snapshot::needs`] asks for the body: others are decided again.
    ///
    /// # Errors
    /// The denial.
    pub fn stands(&self, intent: &Intent<'_>, by: Option<&str>, covers: &Covers<'_>) -> Result<(), Box<Denial>> {
        decide::stands(self, intent, by, covers)
    }

    /// Decides a request.
    pub fn decide(&self, intent: &Intent<'_>, content: &Content<'_>) -> Verdict {
        decide::decide(self, intent, content)
    }

    /// Decides a request, and gives what the decision looked at, for the decision log.
    pub fn decide_noting(&self, intent: &Intent<'_>, content: &Content<'_>) -> (Verdict, Seen) {
        decide::decide_noting(self, intent, content)
    }

    /// The whole input document, as docs/policy.md shows it: with it, the complete module of [`Snapshot::rego`] decides in any
    /// Rego engine what `decide` decides.
    pub fn input_document(&self, intent: &Intent<'_>, content: &Content<'_>) -> serde_json::Value {
        input::whole(&self.catalog.declared, intent, content)
    }

    /// Decides and tells the whole story: every rule for this agent and host, every condition, what was seen.
    pub fn explain(&self, intent: &Intent<'_>, content: &Content<'_>) -> Explanation {
        explain::explain(self, intent, content)
    }

    /// The agent's table.
    pub(crate) fn table(&self, agent: &Agent) -> Result<Arc<AgentTable>, EngineError> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = tables.get(&agent.name).filter(|known| known.is(agent)) {
            return Ok(known.table.clone());
        }
        drop(tables);
        let table = Arc::new(self.catalog.table(|policy| policy.covers(agent), |rule| rule.covers(agent))?);
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        if tables.len() < MAX_AGENTS {
            let known = Known {
                tenant: agent.tenant.clone(),
                labels: agent.labels.clone(),
                policies: agent.policies.clone(),
                table: table.clone(),
            };
            tables.insert(agent.name.clone(), known);
        }
        Ok(table)
    }

    /// Compiles what the policies' own agent names lead to, so that load time finds every error and the first request is
    /// as fast as the next.
    fn warm_up(&mut self) -> Result<(), EngineError> {
        let of_rules = self.catalog.rules.iter().flat_map(|rule| &rule.agents);
        let patterns = self.catalog.policies.iter().flat_map(|policy| &policy.agents).chain(of_rules);
        let names: HashSet<String> = patterns.map(|glob| glob.pattern().to_owned()).collect();
        for name in names {
            let takes = |globs: &[NameGlob]| globs.iter().any(|glob| glob.matches(&name));
            self.catalog.table(|policy| takes(&policy.agents), |rule| rule.agents.is_empty() || takes(&rule.agents))?;
            if let Some(agent) = self.plain_agent(name) {
                self.table(&agent)?;
            }
        }
        // Rules for unread bytes are asked per connection, not per request.
        let requests = |(_, rule): &(usize, &Rule)| rule.transport == Transport::Http;
        let all: Vec<(usize, &Rule)> = self.catalog.rules.iter().enumerate().filter(requests).collect();
        let policies: &[Policy] = &self.catalog.policies;
        let complete = rego::module("aegis.policy", &all, Some(policies));
        let buckets = self.catalog.compiled();
        self.modules.push(("aegis.policy".to_owned(), complete));
        self.modules.extend(raw_rego::packages_of(self.catalog.rules.iter()));
        self.modules.extend(self.catalog.modules.packages());
        self.modules.extend(buckets.iter().map(|bucket| (bucket.package.clone(), bucket.text.clone())));
        Ok(())
    }

    /// The agent of a literal name, where no policy looks at more than the name.
    fn plain_agent(&self, name: String) -> Option<Agent> {
        let by_name_only =
            self.catalog.policies.iter().all(|policy| policy.tenants.is_empty() && policy.labels.is_empty())
                && self.catalog.rules.iter().all(|rule| rule.tenants.is_empty());
        (by_name_only && !name.contains('*')).then(|| Agent { name, ..Agent::default() })
    }
}

impl Known {
    fn is(&self, agent: &Agent) -> bool {
        self.tenant == agent.tenant && self.labels == agent.labels && self.policies == agent.policies
    }
}
