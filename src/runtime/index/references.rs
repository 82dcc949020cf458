//! Who refers to whom, and by which remote ids: what a person's account in an App says of their manager's.

use std::collections::HashMap;

use super::Name;
use super::links::Links;
use crate::api::LedgerEntry;
use crate::converge;

/// One remote account that others may refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Referable {
    app: Box<str>,
    target: Box<str>,
    id: Box<str>,
}

/// Managers, their reports, and the managers' accounts.
#[derive(Default)]
pub(super) struct References {
    reports: Links,
    /// Of managers only, as a decision last knew them: results that are not stored yet included.
    accounts: HashMap<Name, Box<[Referable]>>,
}

impl References {
    pub(super) fn link(&mut self, manager: Option<&str>, report: &Name) {
        if let Some(manager) = manager {
            self.reports.link(manager, report);
        }
    }

    pub(super) fn unlink(&mut self, manager: Option<&str>, report: &str) {
        let Some(manager) = manager else { return };
        self.reports.unlink(manager, report);
        if self.reports(manager).is_empty() {
            self.accounts.remove(manager);
        }
    }

    /// Those whose manager this is.
    pub(super) fn reports(&self, manager: &str) -> &[Name] {
        self.reports.of(manager)
    }

    /// Takes note of a person's accounts; whether others may refer to other ones than before. Those who looked before
    /// the first note saw what is stored.
    pub(super) fn note(&mut self, name: &Name, ledger: &[LedgerEntry], stored: &[LedgerEntry]) -> bool {
        if self.reports(name).is_empty() {
            return false;
        }
        let now = referable(ledger);
        let before = self.accounts.get(name).map_or_else(|| referable(stored), Clone::clone);
        let changed = before != now;
        self.accounts.insert(name.clone(), now);
        changed
    }

    /// Whether a manager's accounts have been noted.
    pub(super) fn knows(&self, manager: &str) -> bool {
        self.accounts.contains_key(manager)
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.accounts.remove(name);
    }

    /// The remote id of a manager's account, from what was noted of them.
    pub(super) fn id(&self, manager: &str, app: &str, target: &str) -> Option<&str> {
        let mut accounts = self.accounts.get(manager)?.iter();
        let found = accounts.find(|account| *account.app == *app && *account.target == *target);
        found.map(|account| &*account.id)
    }
}

fn referable(ledger: &[LedgerEntry]) -> Box<[Referable]> {
    let one = |entry: &LedgerEntry| {
        let id = converge::referable(entry, &entry.target)?;
        let (app, target) = (entry.app.as_str().into(), entry.target.as_str().into());
        Some(Referable { app, target, id: id.into() })
    };
    ledger.iter().filter_map(one).collect()
}
