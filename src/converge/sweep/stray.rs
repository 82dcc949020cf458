//! Accounts in use that no ledger names.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{People, Present, has_left};
use crate::api::sweep::{Stray, StrayKind, SweepFindings};
use crate::converge::{RemoteAccount, Wanted};

/// How many are kept, the first by id.
const KEPT: usize = 50;
/// Length of `Stray.userName`, in characters.
const LOGIN_AT_MOST: usize = 256;

/// Strays, counted, and the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Strays {
    first: BTreeMap<String, Stray>,
    counts: SweepFindings,
}

impl Strays {
    pub(super) fn add(&mut self, stray: Stray) {
        *match stray.kind {
            StrayKind::Orphan => &mut self.counts.orphans,
            StrayKind::Zombie => &mut self.counts.zombies,
            StrayKind::Duplicate => &mut self.counts.duplicates,
        } += 1;
        self.first.insert(stray.id.clone(), stray);
        if self.first.len() > KEPT {
            self.first.pop_last();
        }
    }

    pub(super) fn counts(&self) -> SweepFindings {
        self.counts
    }

    pub(super) fn total(&self) -> i64 {
        self.counts.orphans + self.counts.zombies + self.counts.duplicates
    }

    pub(super) fn first(self) -> Vec<Stray> {
        self.first.into_values().collect()
    }
}

/// What an account is that no ledger names; `None` where nothing is wrong with it: it cannot be used, or somebody is
/// about to get it.
pub(super) fn judge(account: &RemoteAccount, prefix: Option<&str>, people: &impl People) -> Option<Stray> {
    if !account.active {
        return None;
    }
    let by_marker = prefix.and_then(|prefix| account.marker.as_deref()?.strip_prefix(prefix));
    let by_marker = by_marker.filter(|person_id| !person_id.is_empty());
    let stray = |kind, person: Option<Arc<str>>| {
        Some(Stray {
            id: account.id.clone(),
            user_name: account.login.chars().take(LOGIN_AT_MOST).collect(),
            kind,
            marked: by_marker.is_some(),
            user: person.as_deref().unwrap_or_default().to_owned(),
        })
    };
    if let Some(person_id) = by_marker {
        let owners = people.with_id(person_id);
        if !owners.is_empty() {
            let (kind, owner) = of_owner(&owners, people)?;
            return stray(kind, Some(owner));
        }
    }
    let namesakes = people.with_login(&account.login);
    if namesakes.iter().any(|person| is_expecting(person, account, people)) {
        return None;
    }
    let gone = namesakes.into_iter().find(|person| has_left(person, people));
    match gone {
        Some(person) => stray(StrayKind::Zombie, Some(person)),
        None => stray(StrayKind::Orphan, None),
    }
}

/// An account with the marker of these Users: of one, unless several have the same `personId`. Then it is that one's who has
/// the person's accounts.
fn of_owner(owners: &[Arc<str>], people: &impl People) -> Option<(StrayKind, Arc<str>)> {
    if owners.iter().any(|owner| people.is_touched(owner)) {
        return None;
    }
    let keeps = |owner: &&Arc<str>| people.present(owner, |now| now.is_some_and(|now| !now.stalled));
    let owner = owners.iter().find(keeps)?;
    let kind = people.present(owner, |now| {
        let now = now.filter(|now| !now.pending)?;
        match now.wanted {
            _ if now.context.linked(now.entry).is_some() => Some(StrayKind::Duplicate),
            Wanted::Gone(_) => Some(StrayKind::Zombie),
            Wanted::Account(_) | Wanted::Released(_) | Wanted::Unknown { .. } => None,
        }
    });
    Some((kind?, owner.clone()))
}

/// Whether the account may be, or become, this person's.
fn is_expecting(person: &str, account: &RemoteAccount, people: &impl People) -> bool {
    let may = |now: &Present<'_>| {
        let linked = now.context.linked(now.entry);
        linked.is_some_and(|entry| entry.id == account.id)
            || (linked.is_none() && (now.pending || matches!(now.wanted, Wanted::Account(_))))
    };
    people.is_touched(person) || people.present(person, |now| now.is_some_and(may))
}
