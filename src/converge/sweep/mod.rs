//! A listing of all accounts of an App, held against the ledgers.
//!
//! Pages come in one after the other, in any order of accounts. Each account is joined with the ledgers by its remote
//! id and weighed at once, so that no more than a page, an index and the findings are kept. What is *not* listed counts
//! only at the end, and only if the listing proved complete: [`Sweep::conclude`] fails otherwise, and a sweep that was
//! not concluded has found nothing. Whatever changed since the sweep began is dropped, for it was weighed against
//! something else.
//!
//! A sweep changes nothing: it says who is to be looked at.

mod judge;
mod stray;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::{Context, RemoteAccount, Wanted};
use crate::api::sweep::{Stray, StrayKind, SweepFindings};
use crate::api::{AccountState, LedgerEntry};

pub(crate) use judge::is_recent;
pub use judge::{Finding, Suspect};
use stray::Strays;

/// Accounts that may be missing at once and still be believed to be gone, whatever their share.
const FEW: usize = 10;
/// Part of all accounts that may be missing at once and still be believed to be gone.
const SHARE: usize = 10;

/// What is known now of one person's account in the App.
#[derive(Clone, Debug)]
pub struct Present<'a> {
    /// What is wanted.
    pub wanted: &'a Wanted,
    /// The ledger entry.
    pub entry: Option<&'a LedgerEntry>,
    /// Work is due or under way, which will look by itself.
    pub pending: bool,
    /// The person left.
    pub left: bool,
    /// Another User with the same `personId` has the person's accounts.
    pub stalled: bool,
    /// Policies and marker.
    pub context: Context<'a>,
}

/// The people that a sweep is about, as they are known when it asks.
pub trait People {
    /// Hands in what is known of one person; `None` where there is no such person any more.
    fn present<T>(&self, person: &str, look: impl FnOnce(Option<&Present<'_>>) -> T) -> T;
    /// The people with this `personId`.
    fn with_id(&self, person_id: &str) -> Vec<Arc<str>>;
    /// The people whose `userName` is this, letter case aside.
    fn with_login(&self, login: &str) -> Vec<Arc<str>>;
    /// Whether the person's account was worked on since the sweep began.
    fn is_touched(&self, person: &str) -> bool;
    /// Whether a look at the account has shown that there is nothing to this finding.
    fn is_refuted(&self, person: &str, finding: Finding, print: u64) -> bool;
    /// Whether a listed account shows that it holds an entitlement; `None` where accounts do not show it.
    fn shows(&self, account: &RemoteAccount, kind: &str, entitlement: &str) -> Option<bool>;
}

/// A ledger entry that names an account on the App's target.
#[derive(Clone, Debug)]
pub struct Row {
    id: Box<str>,
    person: Arc<str>,
    stamp: u64,
    held: Box<[u32]>,
    active: bool,
    /// Whether the listing showed the account, and whether in use.
    listed: Option<bool>,
}

impl Row {
    fn suspect(&self, finding: Finding, print: u64, fields: Vec<String>) -> Suspect {
        Suspect { person: self.person.clone(), stamp: self.stamp, finding, print, fields }
    }
}

/// Why a sweep concludes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inconclusive {
    /// The last page did not come.
    #[error("the listing was not read to its end")]
    Unfinished,
    /// An account came twice: what lies between may have been passed over.
    #[error("the listing shows an account twice, so others may be missing from it")]
    Twice,
}

/// Entitlements that a sweep looks at beside those in ledgers, by type and remote id.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// Those that bindings name.
    pub bound: BTreeSet<(String, String)>,
    /// Those that make an administrator of the App.
    pub administrators: BTreeSet<(String, String)>,
}

/// A sweep under way.
pub struct Sweep {
    /// By id.
    rows: Vec<Row>,
    /// Entitlements of the rows, as the ledger writes them.
    entitlements: Vec<Box<str>>,
    /// How many accounts were listed.
    accounts: usize,
    /// Hashes of the ids that were listed and are in no ledger, and whether the account is in use; of the others the rows know.
    strangers: HashMap<u64, bool>,
    /// Those of them that are in use and administrators.
    privileged: HashSet<u64>,
    named: Named,
    /// What is before a `personId` in a marker; `None` where accounts bear none.
    prefix: Option<String>,
    inactive_listed: bool,
    last_page: bool,
    broken: bool,
    suspects: Vec<Suspect>,
    strays: Strays,
    /// Whose marker accounts in use bear that they should not have.
    zombies: BTreeSet<Arc<str>>,
}

/// What a sweep found, once nothing that changed meanwhile is left in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Accounts listed.
    pub accounts: usize,
    /// All findings, counted.
    pub counts: SweepFindings,
    /// People whose account is not as the ledger has it, each finding by itself.
    pub suspects: Vec<Suspect>,
    /// Those whose account is not listed any more, unless [`Self::mass`].
    pub gone: Vec<Suspect>,
    /// So many accounts are missing at once that the listing, not the accounts, is doubted.
    pub mass: bool,
    /// Accounts in use that are in no ledger, the first by id.
    pub strays: Vec<Stray>,
    /// How many there are in all.
    pub strays_total: i64,
    /// Everybody who should have no account and whose marker one bears that is in use, with whether they left.
    pub zombies: BTreeMap<Arc<str>, bool>,
}

/// Collects the ledger entries of a sweep.
#[derive(Default)]
pub struct Ledgers {
    rows: Vec<Row>,
    entitlements: Vec<Box<str>>,
    numbers: BTreeMap<Box<str>, u32>,
}

impl Ledgers {
    /// Takes in a person's entry for the App, if it names an account on this target.
    pub fn add(&mut self, person: &Arc<str>, entry: &LedgerEntry, target: &str) {
        if super::context::referable(entry, target).is_none() {
            return;
        }
        let held = entry.entitlements.iter().map(|held| self.number(held)).collect();
        self.rows.push(Row {
            id: entry.id.as_str().into(),
            person: person.clone(),
            stamp: stamp(Some(entry)),
            held,
            active: entry.state == AccountState::Active,
            listed: None,
        });
    }

    fn number(&mut self, entitlement: &str) -> u32 {
        if let Some(number) = self.numbers.get(entitlement) {
            return *number;
        }
        let number = u32::try_from(self.entitlements.len()).unwrap_or(u32::MAX);
        self.entitlements.push(entitlement.into());
        self.numbers.insert(entitlement.into(), number);
        number
    }
}

impl Sweep {
    /// Begins with the ledgers as they are now.
    ///
    /// `prefix`: what is before a `personId` in a marker; `None` where accounts bear none.
    pub fn begin(ledgers: Ledgers, named: Named, prefix: Option<String>) -> Self {
        let Ledgers { mut rows, entitlements, .. } = ledgers;
        rows.sort_by(|one, other| one.id.cmp(&other.id));
        rows.shrink_to_fit();
        Self {
            rows,
            entitlements,
            accounts: 0,
            strangers: HashMap::new(),
            privileged: HashSet::new(),
            named,
            prefix,
            inactive_listed: false,
            last_page: false,
            broken: false,
            suspects: Vec::new(),
            strays: Strays::default(),
            zombies: BTreeSet::new(),
        }
    }

    /// Takes in a page of the listing. `last`: the connector said that it is the last and that all are complete.
    ///
    /// Fails where the pages cannot all be of one listing; nothing can be concluded any more then.
    pub fn page(
        &mut self,
        accounts: &[RemoteAccount],
        last: bool,
        people: &impl People,
        mut each_stray: impl FnMut(&Stray),
    ) -> Result<(), Inconclusive> {
        for account in accounts {
            let known = self.of(&account.id);
            let twice = match self.rows.get(known.start).filter(|_| !known.is_empty()) {
                Some(row) => row.listed.is_some(),
                None => self.strangers.insert(hash(&account.id), account.active).is_some(),
            };
            if twice {
                self.broken = true;
                return Err(Inconclusive::Twice);
            }
            self.accounts += 1;
            self.inactive_listed |= !account.active;
            if known.is_empty() {
                let shows = |(kind, id): &(String, String)| people.shows(account, kind, id) == Some(true);
                if account.active && self.named.administrators.iter().any(shows) {
                    self.privileged.insert(hash(&account.id));
                }
                if let Some(stray) = stray::judge(account, self.prefix.as_deref(), people) {
                    each_stray(&stray);
                    if stray.marked && stray.kind == StrayKind::Zombie {
                        self.zombies.insert(stray.user.as_str().into());
                    }
                    self.strays.add(stray);
                }
                continue;
            }
            for place in known {
                self.weigh(place, account, people);
            }
        }
        self.last_page |= last;
        Ok(())
    }

    /// The rows of an account: one, unless two ledgers name the same.
    fn of(&self, id: &str) -> std::ops::Range<usize> {
        let first = self.rows.partition_point(|row| *row.id < *id);
        let after = self.rows.partition_point(|row| *row.id <= *id);
        first..after
    }

    fn weigh(&mut self, place: usize, account: &RemoteAccount, people: &impl People) {
        let Some(row) = self.rows.get_mut(place) else { return };
        row.listed = Some(account.active);
        let (person, stamp) = (row.person.clone(), row.stamp);
        let suspicions = people.present(&person, |now| {
            now.filter(|now| is_same(now, stamp))
                .map(|now| judge::known(now, account, &self.named.bound, people))
        });
        self.suspects.extend(suspicions.into_iter().flatten().map(|(finding, print, fields)| Suspect {
            person: person.clone(),
            stamp,
            finding,
            print,
            fields,
        }));
    }

    /// The entitlements that ledgers name and that only a look at who holds them can tell about, with type and remote
    /// id. Accounts that show them have been weighed by that.
    pub fn entitlements(&self) -> BTreeSet<(String, String)> {
        let split =
            |held: &str| super::entitlements::split(held).map(|(k, id)| (k.to_owned(), id.to_owned()));
        let held = self.entitlements.iter().filter_map(|held| split(held));
        held.chain(self.named.administrators.iter().cloned())
            .chain(self.named.bound.iter().cloned())
            .collect()
    }

    /// Takes in who holds an entitlement: ids of accounts.
    pub fn holders(&mut self, kind: &str, entitlement: &str, holders: &HashSet<String>) {
        if self.named.administrators.contains(&(kind.to_owned(), entitlement.to_owned())) {
            let strangers = holders.iter().map(hash).filter(|id| self.strangers.get(id) == Some(&true));
            self.privileged.extend(strangers);
        }
        let name = format!("{kind}:{entitlement}");
        let number = self.entitlements.iter().position(|held| **held == *name);
        let number = number.and_then(|place| u32::try_from(place).ok());
        for row in self.rows.iter().filter(|row| row.active && row.listed == Some(true)) {
            let granted = number.is_some_and(|number| row.held.contains(&number));
            let finding = match (granted, holders.contains(&*row.id)) {
                (true, false) => Finding::EntitlementLost,
                (false, true) => Finding::EntitlementAdded,
                _ => continue,
            };
            self.suspects.push(row.suspect(finding, hash(&(&row.id, &name)), vec![name.clone()]));
        }
    }

    /// What was found. Fails unless the listing was read to its end.
    pub fn conclude(self, people: &impl People) -> Result<Found, Inconclusive> {
        if self.broken {
            return Err(Inconclusive::Twice);
        }
        if !self.last_page {
            return Err(Inconclusive::Unfinished);
        }
        let hides_inactive = !self.inactive_listed;
        let missing = self.rows.iter().filter(|row| row.listed.is_none());
        let gone: Vec<_> = missing
            .filter(|row| row.active || !hides_inactive)
            .map(|row| row.suspect(Finding::Gone, hash(&row.id), Vec::new()))
            .filter(|suspect| still_holds(suspect, people))
            .collect();
        let mut suspects = self.suspects;
        suspects.retain(|suspect| still_holds(suspect, people));
        let nothing_listed = self.accounts == 0 && !gone.is_empty();
        let mass = nothing_listed || (gone.len() > FEW && gone.len() * SHARE > self.rows.len());
        let mut found = Found {
            accounts: self.accounts,
            counts: self.strays.counts(),
            strays_total: self.strays.total(),
            strays: self.strays.first(),
            zombies: self
                .zombies
                .into_iter()
                .map(|person| (person.clone(), has_left(&person, people)))
                .collect(),
            mass,
            ..Found::default()
        };
        found.counts.privileged = i64::try_from(self.privileged.len()).unwrap_or(i64::MAX);
        for suspect in suspects.iter().chain(&gone) {
            judge::count(suspect.finding, &mut found.counts);
        }
        found.suspects = suspects;
        found.gone = gone;
        Ok(found)
    }
}

fn has_left(person: &str, people: &impl People) -> bool {
    people.present(person, |now| now.is_some_and(|now| now.left))
}

/// Whether nothing has changed since the sweep began that the finding could come from.
fn still_holds(suspect: &Suspect, people: &impl People) -> bool {
    // An account that a listing lacked once may be gone the next time.
    let refuted = suspect.finding != Finding::Gone
        && people.is_refuted(&suspect.person, suspect.finding, suspect.print);
    !refuted
        && !people.is_touched(&suspect.person)
        && people.present(&suspect.person, |now| {
            now.is_some_and(|now| is_same(now, suspect.stamp) && judge::is_due(now, suspect.finding))
        })
}

fn is_same(now: &Present<'_>, then: u64) -> bool {
    !now.pending && stamp(now.entry) == then
}

/// Stands for all of an entry that a pass over the account could change.
fn stamp(entry: Option<&LedgerEntry>) -> u64 {
    hash(&entry.map(|entry| {
        (
            (&entry.id, &entry.target, entry.state, &entry.applied, &entry.entitlements),
            (entry.pending.is_some(), &entry.reason, entry.last_transition_time),
        )
    }))
}

fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
