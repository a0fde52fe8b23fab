//! Definitions of tools as each agent first got them from each server, in `state.redb`. They are kept for good, up to a bound for
//! each agent.

use redb::{ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction};

/// `AGENT LF SERVER LF TOOL` -> SHA-256 of the definition, in hex.
pub(super) const DEFINITIONS: TableDefinition<'_, &str, &str> = TableDefinition::new("definitions");
/// Definitions that are kept for one agent.
pub(super) const MOST: usize = 20_000;

/// A definition to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defined {
    /// `HOST:PORT`, a line feed, the tool's name.
    pub tool: String,
    pub hash: String,
}

/// Which of an agent's definitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Which {
    /// Of this server only.
    pub server: Option<String>,
    /// Of this tool only.
    pub tool: Option<String>,
}

impl Which {
    /// Whether the definition of `SERVER LF TOOL` is among them.
    pub(super) fn holds(&self, named: &str) -> bool {
        let (server, tool) = named.split_once('\n').unwrap_or(("", named));
        self.server.as_deref().is_none_or(|wanted| wanted == server)
            && self.tool.as_deref().is_none_or(|wanted| wanted == tool)
    }
}

/// The keys of an agent's definitions lie between these.
fn range(agent: &str) -> (String, String) {
    (format!("{agent}\n"), format!("{agent}\u{b}"))
}

/// How many an agent has, and at most so many of them, by server and tool.
pub(super) fn list(db: &redb::Database, agent: &str, most: usize) -> Result<(u64, Vec<Defined>), redb::Error> {
    let table = match db.begin_read()?.open_table(DEFINITIONS) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok((0, Vec::new())),
        Err(error) => return Err(error.into()),
    };
    let (from, to) = range(agent);
    let (mut total, mut all) = (0, Vec::new());
    for entry in table.range(from.as_str()..to.as_str())? {
        let (key, hash) = entry?;
        total += 1;
        if all.len() < most {
            let tool = key.value().strip_prefix(&from).unwrap_or_default().to_owned();
            all.push(Defined { tool, hash: hash.value().to_owned() });
        }
    }
    Ok((total, all))
}

/// Forgets some of an agent's; says how many.
pub(super) fn forget(transaction: &WriteTransaction, agent: &str, which: &Which) -> Result<u64, redb::Error> {
    let mut table = transaction.open_table(DEFINITIONS)?;
    let (from, to) = range(agent);
    let gone = |key: &str| key.strip_prefix(&from).is_some_and(|named| which.holds(named));
    let mut forgotten = 0;
    for entry in table.extract_from_if(from.as_str()..to.as_str(), |key, _| gone(key))? {
        entry?;
        forgotten += 1;
    }
    Ok(forgotten)
}

fn key(agent: &str, tool: &str) -> String {
    format!("{agent}\n{tool}")
}

/// What is known of each, in their order.
pub(super) fn known(db: &redb::Database, agent: &str, all: &[Defined]) -> Result<Vec<Option<String>>, redb::Error> {
    let table = match db.begin_read()?.open_table(DEFINITIONS) {
        Ok(table) => table,
        // A file of before there were any.
        Err(TableError::TableDoesNotExist(_)) => return Ok(vec![None; all.len()]),
        Err(error) => return Err(error.into()),
    };
    let one =
        |defined: &Defined| Ok(table.get(key(agent, &defined.tool).as_str())?.map(|hash| hash.value().to_owned()));
    all.iter().map(one).collect()
}

/// Keeps those that nobody has kept; says what is known of each then. `None` where the agent has too many.
pub(super) fn keep(
    transaction: &WriteTransaction,
    agent: &str,
    all: &[Defined],
) -> Result<Option<Vec<String>>, redb::Error> {
    let mut table = transaction.open_table(DEFINITIONS)?;
    let (from, to) = range(agent);
    let mut room = MOST.saturating_sub(table.range(from.as_str()..to.as_str())?.count());
    let mut hashes = Vec::with_capacity(all.len());
    for Defined { tool, hash } in all {
        let key = key(agent, tool);
        let found = table.get(key.as_str())?.map(|hash| hash.value().to_owned());
        let known = match found {
            Some(known) => known,
            None if room == 0 => return Ok(None),
            None => {
                room -= 1;
                table.insert(key.as_str(), hash.as_str())?;
                hash.clone()
            }
        };
        hashes.push(known);
    }
    Ok(Some(hashes))
}
