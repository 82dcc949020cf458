//! Examples, and properties on a simulated target.

mod arbitrary;
mod compare;
mod examples;
mod leavers;
mod ledger;
mod passwords;
mod properties;
mod protect;
mod world;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::access::DesiredAttribute;
use crate::api::{AccountState, AppSpec, LedgerEntry, Sessions, Strength};

pub(super) const TARGET: &str = "t1";
pub(super) const OURS: &str = "p-1";
pub(super) const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

pub(super) fn context(spec: &AppSpec) -> Context<'_> {
    Context {
        app: "chat",
        target: TARGET,
        spec,
        marker: OURS,
        login_attribute: "userName",
        protected: false,
        resume: false,
        cannot_suspend: None,
        deleting: false,
        findings: &[],
        left_at: None,
        now: NOW,
    }
}

pub(super) fn attribute(value: Value) -> DesiredAttribute {
    DesiredAttribute { value, strength: Strength::Always, clear_when_null: false }
}

pub(super) fn group(name: &str) -> EntitlementSpec {
    EntitlementSpec { kind: "group".to_owned(), value: name.to_owned() }
}

pub(super) fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

/// Ann, with a title, a mail address and these groups.
pub(super) fn ann(groups: &[&str]) -> DesiredAccount {
    DesiredAccount {
        logins: strings(&["ann"]),
        attributes: [("title", "Engineer"), ("mail", "ann@x")]
            .map(|(name, value)| (name.to_owned(), attribute(json!(value))))
            .into(),
        entitlements: groups.iter().copied().map(group).collect(),
    }
}

pub(super) fn wanted(desired: DesiredAccount) -> Wanted {
    Wanted::Account(Box::new(desired))
}

pub(super) fn account(id: &str, login: &str, marker: Option<&str>) -> RemoteAccount {
    RemoteAccount {
        id: id.to_owned(),
        login: login.to_owned(),
        marker: marker.map(str::to_owned),
        active: true,
        attributes: BTreeMap::new(),
        terms: Arc::default(),
    }
}

/// Suspended, read back, and with its sessions ended.
pub(super) fn cut(id: &str, login: &str) -> LedgerEntry {
    LedgerEntry {
        due_since: Some(NOW),
        cut_at: Some(NOW),
        verified_at: Some(NOW),
        sessions: Some(Sessions::Revoked),
        ..entry(id, login, AccountState::Suspended)
    }
}

pub(super) fn entry(id: &str, login: &str, state: AccountState) -> LedgerEntry {
    LedgerEntry {
        app: "chat".to_owned(),
        target: TARGET.to_owned(),
        id: id.to_owned(),
        user_name: login.to_owned(),
        state,
        last_transition_time: Some(NOW),
        ..LedgerEntry::default()
    }
}
