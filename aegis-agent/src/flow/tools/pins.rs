//! Definitions of tools, pinned: the first that an agent gets from a server is the one that it knows, or those that the rule names
//! are. A server that changes a tool's description after somebody has trusted it is found out here.

use std::sync::Arc;
use std::time::SystemTime;

use aegis_policy::{Handling, ToolChanges};
use aegis_tools::Definition;

use super::notes::Notes;
use crate::daemon::Aegis;
use crate::flow::record::Masks;
use crate::state::{Defined, Unavailable};

/// Whose definitions are compared with which.
#[derive(Clone)]
pub struct Pins {
    aegis: Arc<Aegis>,
    agent: String,
    /// `host:port/path` of the endpoint: one gateway may have several servers.
    server: String,
    handling: Handling,
    /// Names of tools are the server's words.
    masks: Masks,
}

/// Why a list of tools must not reach the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Withheld(pub(super) String);

impl Pins {
    #[must_use]
    pub fn new(aegis: &Arc<Aegis>, agent: &str, server: String, handling: &Handling, masks: Masks) -> Self {
        Self { aegis: Arc::clone(aegis), agent: agent.to_owned(), server, handling: handling.clone(), masks }
    }

    /// Whether anything is withheld.
    pub(super) fn denies(&self) -> bool {
        self.handling.tool_changes == ToolChanges::Deny
    }

    /// Compares a list with what is known. `all` tells that nothing of the list was left out.
    pub(super) async fn look(
        self,
        definitions: Vec<Definition>,
        all: bool,
        notes: Option<Arc<Notes>>,
    ) -> Result<(), Withheld> {
        let changed = match &self.handling.tool_pins {
            Some(pins) => Ok(definitions.into_iter().filter(|one| pins.get(&one.name) != Some(&one.hash)).collect()),
            None => self.compared(definitions).await,
        };
        let withheld = match changed {
            Ok(changed) if changed.is_empty() => {
                (!all).then(|| "more tools than are looked at, or some without a name".to_owned())
            }
            Ok(changed) => {
                changed.iter().for_each(|one| self.tell(one, notes.as_deref()));
                let names: Vec<String> = changed.iter().take(8).map(|one| self.masks.text(&one.name)).collect();
                Some(format!("the definition is not the one that is known: {}", names.join(", ")))
            }
            Err(why) => {
                tracing::warn!(agent = self.agent, server = self.masks.text(&self.server), %why, "definitions of tools cannot be compared");
                Some(format!("it cannot be told whether they are the ones that are known: {why}"))
            }
        };
        match withheld {
            Some(why) if self.denies() => Err(Withheld(format!("the server's list of tools is withheld: {why}"))),
            _ => Ok(()),
        }
    }

    /// Those that are others than the agent first got from this server.
    async fn compared(&self, definitions: Vec<Definition>) -> Result<Vec<Definition>, Unavailable> {
        if definitions.is_empty() {
            return Ok(definitions);
        }
        let defined =
            |one: &Definition| Defined { tool: format!("{}\n{}", self.server, one.name), hash: one.hash.clone() };
        let asked = definitions.iter().map(defined).collect();
        let known = self.aegis.replay.store().define(&self.agent, asked, SystemTime::now()).await?;
        let changed = definitions.into_iter().zip(known).filter(|(one, known)| one.hash != *known);
        Ok(changed.map(|(one, _)| one).collect())
    }

    fn tell(&self, changed: &Definition, notes: Option<&Notes>) {
        let Definition { name, hash } = changed;
        self.aegis.metrics.tools().changed(self.denies());
        tracing::warn!(agent = self.agent, server = self.masks.text(&self.server), tool = self.masks.text(name), now = %format_args!("sha256:{hash}"), "the definition of a tool has changed");
        if let Some(notes) = notes {
            notes.changed(name);
        }
    }
}
