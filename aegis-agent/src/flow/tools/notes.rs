//! What the record tells of an exchange's protocol: what the request said, and what its answer did.

use std::sync::{Mutex, OnceLock, PoisonError};

use aegis_audit::CallEntry;
use aegis_tools::{Observed, Protocol, Understood};

use crate::flow::inspect::Head;
use crate::flow::record::Masks;

/// What the request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub protocol: Protocol,
    provider: Option<&'static str>,
    operation: Option<String>,
    model: Option<String>,
    tools: Vec<String>,
    session: Option<String>,
}

/// What is known of one exchange, filled in as it goes on.
#[derive(Debug)]
pub struct Notes {
    told: Told,
    observed: OnceLock<Observed>,
    changed: Mutex<Vec<String>>,
    withheld: OnceLock<String>,
}

impl Told {
    pub(super) fn of(understood: &Understood<'_>, head: &Head) -> Option<Self> {
        let protocol = understood.protocol.or_else(|| super::reading::of_stream(head))?;
        let mut tools: Vec<String> = Vec::new();
        for name in understood.calls.iter().filter_map(|call| call.tool.name()) {
            if !tools.iter().any(|known| known == name) {
                tools.push(name.to_owned());
            }
        }
        Some(Self {
            protocol,
            provider: protocol.provider(&head.host),
            operation: understood.operation.clone(),
            model: understood.model.clone(),
            tools,
            session: understood.session.clone(),
        })
    }

    /// Only these are called: the rest of a batch was refused, or has a record of its own.
    #[must_use]
    pub fn only(&self, tools: &[String]) -> Self {
        Self { tools: tools.to_vec(), ..self.clone() }
    }
}

impl Notes {
    #[must_use]
    pub fn new(told: Told) -> Self {
        Self { told, observed: OnceLock::new(), changed: Mutex::default(), withheld: OnceLock::new() }
    }

    #[must_use]
    pub fn told(&self) -> &Told {
        &self.told
    }

    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.told.protocol
    }

    /// The answer has been read, as far as it went.
    pub fn observed(&self, observed: Observed) {
        let _ = self.observed.set(observed);
    }

    /// The definition of this tool is another than it was.
    pub fn changed(&self, tool: &str) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        if changed.len() < CallEntry::MOST && !changed.iter().any(|known| known == tool) {
            changed.push(tool.to_owned());
        }
    }

    /// A list of tools did not reach the agent.
    pub fn withheld(&self, why: &str) {
        let _ = self.withheld.set(why.to_owned());
    }

    /// Why a list of tools did not reach the agent, where one did not.
    #[must_use]
    pub fn why_withheld(&self) -> Option<&str> {
        self.withheld.get().map(String::as_str)
    }

    /// For the record. Names are the other side's words, or the agent's: nothing sensitive is written down with them.
    #[must_use]
    pub fn entry(&self, masks: &Masks) -> CallEntry {
        let safe = |text: &str| masks.text(text);
        let nothing = Observed::default();
        let observed = self.observed.get().unwrap_or(&nothing);
        let words = |names: &mut dyn Iterator<Item = &str>| names.take(CallEntry::MOST).map(safe).collect();
        let calls = observed.tool_calls.iter().map(|call| call.name.as_str());
        let changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let Told { protocol, provider, operation, model, tools, session } = &self.told;
        CallEntry {
            protocol: protocol.name().to_owned(),
            provider: provider.map(str::to_owned),
            operation: operation.as_deref().map(safe),
            model: observed.model.as_deref().or(model.as_deref()).map(safe),
            session: session.as_deref().map(safe),
            tools: words(&mut tools.iter().map(String::as_str)),
            tool_calls: words(&mut { calls }),
            changed_tools: words(&mut changed.iter().map(String::as_str)),
            input_tokens: observed.tokens.input,
            output_tokens: observed.tokens.output,
            cached_tokens: observed.tokens.cached,
            partial: observed.cut,
        }
    }
}
