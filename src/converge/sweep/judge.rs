//! What an account that a ledger names shows.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;

use super::{People, Present, hash};
use crate::access::DesiredAccount;
use crate::api::app::RemovalAction;
use crate::api::sweep::SweepFindings;
use crate::api::{AccountState, LedgerEntry};
use crate::converge::compare::{changes, keeps_login};
use crate::converge::entitlements::held;
use crate::converge::record::is_known_unkept;
use crate::converge::{Cause, Context, Lane, RemoteAccount, Wanted};

/// How long after a change an App may still show what was before, so that nothing is concluded from an account that is
/// not there. Crossplane waits 30 s; targets that show a new account after 40 s have been met.
pub(crate) const PROPAGATION: SignedDuration = SignedDuration::from_mins(2);

/// Why a person's account is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Finding {
    /// Attributes, login or marker are others.
    Drifted,
    /// An entitlement that Tenure granted is not there.
    EntitlementLost,
    /// An entitlement that Tenure did not grant is there.
    EntitlementAdded,
    /// The account is not listed.
    Gone,
    /// A suspended account is in use.
    Reactivated,
    /// An account in use is suspended.
    SuspendedElsewhere,
    /// Accounts in use bear the marker of somebody who should have none.
    Zombie,
}

impl Finding {
    /// The lane in which it is looked at. Access that should not be there goes before everything.
    pub const fn lane(self) -> Lane {
        match self {
            Self::Reactivated | Self::Zombie => Lane::Leave,
            _ => Lane::Verify,
        }
    }

    /// Whether it is access that nobody should have, rather than drift.
    pub const fn is_access(self) -> bool {
        matches!(self, Self::Reactivated | Self::Zombie)
    }

    /// Whether to put it right may take something away that the removal budget counts: a login, the value of an
    /// attribute, the use of an account.
    pub const fn may_take(self) -> bool {
        matches!(self, Self::Drifted | Self::Zombie)
    }

    /// Name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drifted => "drifted",
            Self::EntitlementLost => "entitlement-lost",
            Self::EntitlementAdded => "entitlement-added",
            Self::Gone => "gone",
            Self::Reactivated => "reactivated",
            Self::SuspendedElsewhere => "suspended-elsewhere",
            Self::Zombie => "zombie",
        }
    }
}

/// A person whose account is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Name of the User.
    pub person: Arc<str>,
    /// Stands for the ledger entry that the account was held against.
    pub(super) stamp: u64,
    /// Why.
    pub finding: Finding,
    /// Stands for what was seen: the same again, which a look at the account has refuted, is no news.
    pub print: u64,
    /// Names of the attributes that are not as they should be, or the entitlements, as the ledger writes them.
    pub fields: Vec<String>,
}

/// What was found, with what stands for it and the fields that it is about.
pub(super) type Suspicion = (Finding, u64, Vec<String>);

/// What a listed account shows that is not as the ledger has it.
///
/// `bound`: entitlements that bindings name, by type and remote id.
pub(super) fn known(
    now: &Present<'_>,
    account: &RemoteAccount,
    bound: &BTreeSet<(String, String)>,
    people: &impl People,
) -> Vec<Suspicion> {
    let Some(entry) = linked(now).filter(|entry| entry.id == account.id) else {
        return Vec::new();
    };
    let print = print(account, entry);
    let found = |finding, fields| vec![(finding, print, fields)];
    match now.wanted {
        Wanted::Account(desired) if entry.state == AccountState::Active => {
            if !account.active {
                return found(Finding::SuspendedElsewhere, Vec::new());
            }
            let fields = drift(desired, account, entry, &now.context);
            let mut all = if fields.is_empty() { Vec::new() } else { found(Finding::Drifted, fields) };
            let held = held(entry);
            let shown = |&(kind, id): &(&str, &str), shown| people.shows(account, kind, id) == Some(shown);
            let bound: BTreeSet<_> = bound.iter().map(|(kind, id)| (kind.as_str(), id.as_str())).collect();
            let lost: Vec<_> = held.iter().filter(|e| shown(e, false)).collect();
            let added: Vec<_> = bound.difference(&held).filter(|e| shown(e, true)).collect();
            for (finding, which) in [(Finding::EntitlementLost, lost), (Finding::EntitlementAdded, added)] {
                if !which.is_empty() {
                    let named = which.into_iter().map(|(kind, id)| format!("{kind}:{id}"));
                    all.push((finding, print, named.collect()));
                }
            }
            all
        }
        Wanted::Gone(cause) if account.active && is_suspended(entry, *cause, &now.context) => {
            found(Finding::Reactivated, Vec::new())
        }
        _ => Vec::new(),
    }
}

/// Whether a finding can still be one, as far as that can be told without the account.
pub(super) fn is_due(now: &Present<'_>, finding: Finding) -> bool {
    let Some(entry) = linked(now) else { return false };
    match (finding, now.wanted) {
        (Finding::Reactivated, Wanted::Gone(cause)) => is_suspended(entry, *cause, &now.context),
        (Finding::Gone, Wanted::Account(_) | Wanted::Gone(_)) => !is_recent(entry, &now.context),
        (Finding::Reactivated | Finding::Gone | Finding::Zombie, _) => false,
        (_, Wanted::Account(_)) => entry.state == AccountState::Active,
        _ => false,
    }
}

/// Whether the account changed its state so short a time ago that the App may not show it yet.
pub(crate) fn is_recent(entry: &LedgerEntry, ctx: &Context<'_>) -> bool {
    // A time in the future is one of a clock that was put back: it says nothing.
    let age = entry.last_transition_time.map(|since| ctx.now.duration_since(since));
    age.is_some_and(|age| !age.is_negative() && age < PROPAGATION)
}

fn linked<'a>(now: &Present<'a>) -> Option<&'a LedgerEntry> {
    now.context.linked(now.entry)
}

fn is_suspended(entry: &LedgerEntry, cause: Cause, ctx: &Context<'_>) -> bool {
    entry.state == AccountState::Suspended
        && ctx.cannot_suspend.is_none()
        && ctx.policy(cause).action != RemovalAction::Retain
}

/// What of the account is other than wanted, by name; not what the ledger says that the App does not keep.
fn drift(
    desired: &DesiredAccount,
    account: &RemoteAccount,
    entry: &LedgerEntry,
    ctx: &Context<'_>,
) -> Vec<String> {
    let mut names: Vec<_> = changes(desired, account).into_iter().map(|change| change.attribute).collect();
    if !keeps_login(desired, account) {
        names.push(ctx.login_attribute.to_owned());
    }
    if ctx.marks() && !ctx.marked(account) {
        names.push(ctx.spec.marker_attribute().to_owned());
    }
    names.retain(|name| !is_known_unkept(entry, name));
    names
}

fn print(account: &RemoteAccount, entry: &LedgerEntry) -> u64 {
    let attributes: Vec<_> =
        account.attributes.iter().map(|(name, value)| (name.as_str(), value.to_string())).collect();
    hash(&(&account.id, &account.login, &account.marker, account.active, attributes, &entry.applied))
}

pub(super) fn count(finding: Finding, counts: &mut SweepFindings) {
    *match finding {
        Finding::Drifted => &mut counts.drifted,
        Finding::EntitlementLost => &mut counts.entitlements_lost,
        Finding::EntitlementAdded => &mut counts.entitlements_added,
        Finding::Gone => &mut counts.gone,
        Finding::Reactivated => &mut counts.reactivated,
        Finding::SuspendedElsewhere => &mut counts.suspended_elsewhere,
        Finding::Zombie => &mut counts.zombies,
    } += 1;
}
