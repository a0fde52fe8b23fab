//! The tables of `state.redb` and what one entry of them means. Times are seconds since 1970.

use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, TableError, WriteTransaction};

use super::shares::{Limits, Shares};
use super::store::{Claim, Revoked};
use super::token_id::TokenId;

/// `jti` -> kept until when, and who holds it.
const CLAIMS: TableDefinition<'_, &str, (u64, &str)> = TableDefinition::new("claims");
/// `jti` -> kept until when, and who revoked it (empty: an administrator).
const REVOKED: TableDefinition<'_, &str, (u64, &str)> = TableDefinition::new("revoked");
/// When what ends: (until, table, `jti`).
const EXPIRY: TableDefinition<'_, (u64, u8, &str), ()> = TableDefinition::new("expiry");
/// Format of the file.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const FORMAT: u64 = 1;

const IN_CLAIMS: u8 = 0;
const IN_REVOKED: u8 = 1;

/// Why an entry was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Store,
    Share,
}

/// Makes the tables of a new file; refuses one of another format, and where `known` one that is new: it would have forgotten all that the other knew.
pub(super) fn prepare(db: &redb::Database, known: bool) -> Result<(), redb::Error> {
    let transaction = db.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        let format = meta.get("format")?.map(|value| value.value());
        match format {
            None if known => return Err(redb::Error::Corrupted("it has been emptied".to_owned())),
            None => _ = meta.insert("format", FORMAT)?,
            Some(FORMAT) => {}
            Some(other) => {
                return Err(redb::Error::Corrupted(format!("its format is {other}, this version reads {FORMAT}")));
            }
        }
        transaction.open_table(CLAIMS)?;
        transaction.open_table(REVOKED)?;
        transaction.open_table(EXPIRY)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Who has how many entries.
pub(super) fn shares(db: &redb::Database, limits: Limits) -> Result<Shares, redb::Error> {
    let transaction = db.begin_read()?;
    let mut shares = Shares::new(limits);
    for table in [CLAIMS, REVOKED] {
        for entry in transaction.open_table(table)?.iter()? {
            shares.add(entry?.1.value().1);
        }
    }
    Ok(shares)
}

/// Claims `id` for `holder` unless somebody has it.
pub(super) fn claim(
    transaction: &WriteTransaction,
    shares: &mut Shares,
    id: &str,
    holder: &str,
    (until, now): (u64, u64),
) -> Result<Result<Claim, Full>, redb::Error> {
    if living(transaction, REVOKED, id, now)?.is_some() {
        return Ok(Ok(Claim::Revoked));
    }
    match living(transaction, CLAIMS, id, now)? {
        Some((_, by)) if by == holder => return Ok(Ok(Claim::Same)),
        Some(_) => return Ok(Ok(Claim::Other)),
        None => {}
    }
    let made = put(transaction, shares, (CLAIMS, IN_CLAIMS), id, (until, holder))?;
    Ok(made.map(|()| Claim::First))
}

/// Revokes `id`; a revocation that is there already ends at the later of both times.
pub(super) fn revoke(
    transaction: &WriteTransaction,
    shares: &mut Shares,
    id: &str,
    by: &str,
    (until, now): (u64, u64),
) -> Result<Result<(), Full>, redb::Error> {
    match living(transaction, REVOKED, id, now)? {
        Some((kept, _)) if kept >= until => Ok(Ok(())),
        _ => put(transaction, shares, (REVOKED, IN_REVOKED), id, (until, by)),
    }
}

/// Removes at most `most` entries whose time is over; says how many.
pub(super) fn sweep(
    transaction: &WriteTransaction,
    shares: &mut Shares,
    now: u64,
    most: usize,
) -> Result<usize, redb::Error> {
    let mut expiry = transaction.open_table(EXPIRY)?;
    let mut claims = transaction.open_table(CLAIMS)?;
    let mut revoked = transaction.open_table(REVOKED)?;
    let mut removed = 0;
    while removed < most {
        let Some((until, table, id)) = first(&expiry)?.filter(|(until, ..)| *until <= now) else { break };
        expiry.remove((until, table, id.as_str()))?;
        let table = if table == IN_REVOKED { &mut revoked } else { &mut claims };
        if let Some(entry) = table.remove(id.as_str())? {
            shares.remove(entry.value().1);
        }
        removed += 1;
    }
    Ok(removed)
}

/// Whether `id` is revoked.
pub(super) fn revoked(db: &redb::Database, id: &str, now: u64) -> Result<bool, redb::Error> {
    let table = db.begin_read()?.open_table(REVOKED)?;
    Ok(table.get(id)?.is_some_and(|entry| entry.value().0 > now))
}

/// How many revocations there are, and those that end last.
pub(super) fn revocations(db: &redb::Database, now: u64, most: usize) -> Result<(u64, Vec<Revoked>), redb::Error> {
    let transaction = db.begin_read()?;
    let total = transaction.open_table(REVOKED)?.len()?;
    let expiry = transaction.open_table(EXPIRY)?;
    let mut list = Vec::new();
    for entry in expiry.range((now.saturating_add(1), 0, "")..)?.rev() {
        if list.len() >= most {
            break;
        }
        let (key, _) = entry?;
        let (until, table, id) = key.value();
        if table == IN_REVOKED {
            list.push(Revoked { id: TokenId::kept(id), until });
        }
    }
    Ok((total, list))
}

type Entries = TableDefinition<'static, &'static str, (u64, &'static str)>;

fn living(
    transaction: &WriteTransaction,
    table: Entries,
    id: &str,
    now: u64,
) -> Result<Option<(u64, String)>, TableError> {
    let table = transaction.open_table(table)?;
    let found = table.get(id)?.map(|entry| (entry.value().0, entry.value().1.to_owned()));
    Ok(found.filter(|(until, _)| *until > now))
}

/// Puts an entry in place of the one that may be there.
fn put(
    transaction: &WriteTransaction,
    shares: &mut Shares,
    (table, number): (Entries, u8),
    id: &str,
    (until, holder): (u64, &str),
) -> Result<Result<(), Full>, redb::Error> {
    let mut table = transaction.open_table(table)?;
    if table.len()? >= shares.limits.entries_for(holder) {
        return Ok(Err(Full::Store));
    }
    if !shares.has_room(holder) {
        return Ok(Err(Full::Share));
    }
    let mut expiry = transaction.open_table(EXPIRY)?;
    if let Some(old) = table.insert(id, (until, holder))? {
        expiry.remove((old.value().0, number, id))?;
        shares.remove(old.value().1);
    }
    expiry.insert((until, number, id), ())?;
    shares.add(holder);
    Ok(Ok(()))
}

fn first(
    expiry: &impl ReadableTable<(u64, u8, &'static str), ()>,
) -> Result<Option<(u64, u8, String)>, redb::StorageError> {
    Ok(expiry.first()?.map(|(key, _)| {
        let (until, table, id) = key.value();
        (until, table, id.to_owned())
    }))
}
