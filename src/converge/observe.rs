//! What has been asked of the target in one pass, and what it answered.

use std::collections::{BTreeMap, BTreeSet};

use super::{Refusal, RemoteAccount, Resolution, Resolved, Standing};
use crate::api::EntitlementSpec;

/// A question that must be answered before [`plan`](super::plan) can go on. None of them changes anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// The account with this id: `Connector::get`. Answer with [`Observed::account`].
    Get(String),
    /// All accounts whose attribute has this value: `Connector::find`. Answer with [`Observed::found`].
    Find {
        /// Attribute by its name in `AttributeRule.to`.
        attribute: String,
        /// The value.
        value: String,
    },
    /// All that the account with this id holds, whoever granted it: `Connector::held`. Answer with [`Observed::holds`].
    Held(String),
    /// Whether the account with this id is the last one in use that is an administrator of the App. Answer with
    /// [`Observed::administers`].
    LastAdministrator(String),
    /// What is known of an entitlement: `Connector::resolve` and `may_create`. Answer with [`Observed::resolution`].
    Resolve(EntitlementSpec),
}

/// What the target showed in one pass. Start every pass with an empty one: it goes stale.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    accounts: BTreeMap<String, Option<RemoteAccount>>,
    found: BTreeMap<(String, String), Vec<RemoteAccount>>,
    standing: BTreeMap<String, Standing>,
    last_administrator: BTreeMap<String, bool>,
    held: BTreeMap<String, BTreeSet<(String, String)>>,
    hidden: BTreeMap<String, Refusal>,
    resolved: Resolved,
    refused: BTreeSet<String>,
}

impl Observed {
    /// Takes in the answer to [`Query::Get`]. An account with another id is no answer.
    pub fn account(&mut self, id: String, account: Option<RemoteAccount>) {
        let account = account.filter(|account| account.id == id);
        self.accounts.insert(id, account);
    }

    /// Takes in the answer to [`Query::Find`]. Accounts without an id cannot be told apart and do not count.
    pub fn found(&mut self, attribute: String, value: String, mut accounts: Vec<RemoteAccount>) {
        accounts.retain(|account| !account.id.is_empty());
        self.found.insert((attribute, value), accounts);
    }

    /// Notes what the connector knows of an account; to be told with every account that is taken in.
    pub fn stands(&mut self, id: &str, standing: Standing) {
        self.standing.insert(id.to_owned(), standing);
    }

    /// Takes in the answer to [`Query::LastAdministrator`].
    pub fn administers(&mut self, id: String, alone: bool) {
        self.last_administrator.insert(id, alone);
    }

    /// Takes in the answer to [`Query::Held`]: type and remote id of each entitlement.
    pub fn holds(&mut self, id: String, entitlements: impl IntoIterator<Item = (String, String)>) {
        self.held.insert(id, entitlements.into_iter().collect());
    }

    /// Takes in that the target could not answer [`Query::Held`], and why. Of an account in use: that is no reason to leave
    /// it so.
    pub fn hides(&mut self, id: String, why: Refusal) {
        self.hidden.insert(id, why);
    }

    /// Whether an account was seen in use.
    pub fn is_in_use(&self, id: &str) -> bool {
        let mut seen = self.accounts.values().flatten().chain(self.found.values().flatten());
        seen.any(|account| account.id == id && account.active)
    }

    /// Takes in the answer to [`Query::Resolve`].
    pub fn resolution(&mut self, entitlement: EntitlementSpec, resolution: Resolution) {
        self.resolved.insert(entitlement, resolution);
    }

    /// Takes in that the target refused to make or rename an account because this login (or something else that must
    /// be unique) is taken; then plan again.
    ///
    /// All accounts must be looked for again: an earlier attempt whose reply was lost may have made ours meanwhile.
    pub fn refused(&mut self, login: String) {
        self.accounts.clear();
        self.found.clear();
        self.last_administrator.clear();
        self.refused.insert(login);
    }

    pub(super) fn get(&self, id: &str) -> Result<Option<&RemoteAccount>, Query> {
        self.accounts.get(id).map(Option::as_ref).ok_or_else(|| Query::Get(id.to_owned()))
    }

    pub(super) fn find(&self, attribute: &str, value: &str) -> Result<&[RemoteAccount], Query> {
        let key = (attribute.to_owned(), value.to_owned());
        match self.found.get(&key) {
            Some(accounts) => Ok(accounts),
            None => Err(Query::Find { attribute: key.0, value: key.1 }),
        }
    }

    pub(super) fn standing(&self, id: &str) -> Standing {
        self.standing.get(id).copied().unwrap_or_default()
    }

    pub(super) fn is_last_administrator(&self, id: &str) -> Result<bool, Query> {
        self.last_administrator.get(id).copied().ok_or_else(|| Query::LastAdministrator(id.to_owned()))
    }

    pub(super) fn held(&self, id: &str) -> Result<&BTreeSet<(String, String)>, Query> {
        self.held.get(id).ok_or_else(|| Query::Held(id.to_owned()))
    }

    /// Why it cannot be told what an account holds, if that was asked in vain.
    pub(super) fn hidden(&self, id: &str) -> Option<&Refusal> {
        self.hidden.get(id)
    }

    pub(super) fn resolve(&self, entitlement: &EntitlementSpec) -> Result<&Resolution, Query> {
        self.resolved.get(entitlement).ok_or_else(|| Query::Resolve(entitlement.clone()))
    }

    pub(super) fn is_refused(&self, login: &str) -> bool {
        self.refused.contains(login)
    }
}
