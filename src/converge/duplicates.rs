//! Several Users with one `personId`.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::context::has_account;
use crate::api::LedgerEntry;

/// A User that claims a `personId`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// When the object was created.
    pub created: Timestamp,
    /// What tells apart objects of the same second: the name.
    pub name: &'a str,
    /// Whether the object is being deleted.
    pub deleting: bool,
}

/// Which of several Users with one `personId` has the accounts: the oldest of those that are not being deleted, else
/// the oldest. `None` if there are none.
pub fn keeper(claims: &[Claim<'_>]) -> Option<usize> {
    let order = |claim: &Claim<'_>| (claim.deleting, claim.created);
    (0..claims.len()).min_by_key(|&place| (order(&claims[place]), claims[place].name))
}

/// The ledger of a User that takes over from another one with its `personId`, which is being deleted: the other's
/// entries, but its own where it has an account, or knows what became of the other's. Sorted by App.
pub fn inherit(old: &[LedgerEntry], new: &[LedgerEntry]) -> Vec<LedgerEntry> {
    let mut merged: BTreeMap<&str, &LedgerEntry> =
        old.iter().map(|entry| (entry.app.as_str(), entry)).collect();
    for entry in new {
        let held = merged.entry(&entry.app).or_insert(entry);
        let same = held.id == entry.id && !held.id.is_empty();
        if same || has_account(entry) {
            *held = entry;
        }
    }
    merged.into_values().cloned().collect()
}
