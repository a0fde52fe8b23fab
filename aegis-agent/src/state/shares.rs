//! How much of the embedded store each holder takes: no agent can fill it for all others.

use std::collections::HashMap;

/// The most that is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Entries of each table.
    pub(super) entries: u64,
    /// Entries of one holder.
    pub(super) share: u64,
}

impl Default for Limits {
    /// Some 300 MB in all.
    fn default() -> Self {
        Self { entries: 2_000_000, share: 250_000 }
    }
}

impl Limits {
    /// The most entries of a table that `holder` may add to: a tenth of it is for administrators alone, who have no name here.
    pub(super) fn entries_for(&self, holder: &str) -> u64 {
        if holder.is_empty() { self.entries } else { self.entries - self.entries / 10 }
    }
}

/// Entries by who made them. As large as the number of holders with living entries, which the store itself bounds.
#[derive(Debug, Default)]
pub(super) struct Shares {
    pub(super) limits: Limits,
    by: HashMap<String, u64>,
}

impl Shares {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, by: HashMap::new() }
    }

    /// Whether `holder` may have one more. Administrators, who have no name here, always may.
    pub(super) fn has_room(&self, holder: &str) -> bool {
        holder.is_empty() || self.by.get(holder).is_none_or(|count| *count < self.limits.share)
    }

    pub(super) fn add(&mut self, holder: &str) {
        match self.by.get_mut(holder) {
            Some(count) => *count += 1,
            None => _ = self.by.insert(holder.to_owned(), 1),
        }
    }

    pub(super) fn remove(&mut self, holder: &str) {
        match self.by.get_mut(holder) {
            Some(count) if *count > 1 => *count -= 1,
            _ => _ = self.by.remove(holder),
        }
    }
}
