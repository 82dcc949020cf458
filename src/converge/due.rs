//! Whether anything is to be done about one (person, App), from the ledger alone.

use jiff::Timestamp;

use super::compare::{is_empty, same_login, wished_login};
use super::digest::digest;
use super::entitlements::split;
use super::record::{at_rest, clear_reason, keep, release, set_reason};
use super::removal::deletion_due;
use super::{Cause, Context, Lane, Wanted};
use crate::access::DesiredAccount;
use crate::api::app::{RemovalAction, RemoveEntitlements};
use crate::api::{AccountState, LedgerEntry, Reason, Strength};

/// What is to be done about one (person, App).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing, and no write anywhere.
    Nothing {
        /// When time alone changes that.
        next: Option<Timestamp>,
    },
    /// The ledger is to say something else; the target need not be reached. Decide again afterwards.
    Ledger(Box<LedgerEntry>),
    /// The target is to be reached.
    Work {
        /// In this lane of the App's queue.
        lane: Lane,
        /// Whether it may take something away. [`Plan::removes`](super::Plan::removes) knows, once there is a plan.
        removal: bool,
    },
}

const NOTHING: Due = Due::Nothing { next: None };

/// Decides without looking at the target. What failed or is in conflict stays due, for the caller to try again at its
/// own pace.
///
/// A person without an entry who should have no account needs nothing. (A caller that fears to have lost an entry may
/// call [`plan`](super::plan) all the same: it looks for the marker.)
pub fn due(wanted: &Wanted, entry: Option<&LedgerEntry>, ctx: &Context<'_>) -> Due {
    match (wanted, entry) {
        (Wanted::Account(desired), _) => due_account(desired, entry, ctx),
        (_, None) => NOTHING,
        (Wanted::Gone(cause), Some(entry)) => due_gone(*cause, entry, ctx),
        (Wanted::Released(reason), Some(entry)) => due_release(*reason, entry, ctx),
        (Wanted::Unknown { reason, message }, Some(entry)) => due_note(*reason, message, entry),
    }
}

fn due_account(desired: &DesiredAccount, entry: Option<&LedgerEntry>, ctx: &Context<'_>) -> Due {
    let Some(entry) = ctx.linked(entry) else {
        return Due::Work { lane: Lane::Join, removal: false };
    };
    if !is_applied(desired, entry) {
        return Due::Work { lane: Lane::Change, removal: may_take_away(desired, entry) };
    }
    let noted = !entry.reason.is_empty() && entry.reason != Reason::AttributesNotKept.as_str();
    if noted || entry.delete_at.is_some() || entry.due_since.is_some() {
        let mut entry = entry.clone();
        clear_reason(&mut entry);
        keep(&mut entry);
        return Due::Ledger(Box::new(entry));
    }
    NOTHING
}

fn is_applied(desired: &DesiredAccount, entry: &LedgerEntry) -> bool {
    if entry.state != AccountState::Active || entry.pending.is_some() || entry.applied.is_empty() {
        return false;
    }
    let login = wished_login(desired, &entry.user_name);
    login.is_some_and(|login| digest(desired, login) == entry.applied)
}

/// Which entitlements would go cannot be told before they are resolved, so having any counts.
fn may_take_away(desired: &DesiredAccount, entry: &LedgerEntry) -> bool {
    !entry.entitlements.is_empty()
        || !desired.logins.iter().any(|login| same_login(login, &entry.user_name))
        || desired
            .attributes
            .values()
            .any(|want| want.strength == Strength::Always && want.clear_when_null && is_empty(&want.value))
}

fn due_gone(cause: Cause, entry: &LedgerEntry, ctx: &Context<'_>) -> Due {
    if ctx.is_ended(entry) {
        return NOTHING;
    }
    if let Some(until) = ctx.handed_over_at(cause, entry) {
        return hand_over(cause, entry, until, ctx);
    }
    let policy = ctx.policy(cause);
    let keep = policy.action == RemovalAction::Retain;
    let work = Due::Work { lane: Lane::Leave, removal: !keep };
    if ctx.linked(Some(entry)).is_none() || entry.pending.is_some() {
        return work;
    }
    let suspended = entry.state == AccountState::Suspended;
    let proved = ctx.is_verified(cause, entry) && (entry.sessions.is_some() || !policy.revoke_sessions);
    let strip = to_strip(policy.remove_entitlements, entry);
    match policy.action {
        RemovalAction::Retain => {
            let state = if suspended { AccountState::Suspended } else { AccountState::Retained };
            rest(entry, state, cause, ctx)
        }
        RemovalAction::Suspend if suspended && proved && !strip && !deletion_due(cause, entry, ctx) => {
            rest(entry, entry.state, cause, ctx)
        }
        RemovalAction::Suspend | RemovalAction::Delete => work,
    }
}

/// Whether entitlements of a suspended account are still to be taken away.
pub(super) fn to_strip(which: RemoveEntitlements, entry: &LedgerEntry) -> bool {
    let held = || entry.entitlements.iter().any(|held| split(held).is_some());
    match which {
        RemoveEntitlements::None => false,
        RemoveEntitlements::Managed => held(),
        RemoveEntitlements::All => !entry.stripped || held(),
    }
}

/// The account stays in use for a while; the ledger remembers since when it is due.
fn hand_over(cause: Cause, entry: &LedgerEntry, until: Timestamp, ctx: &Context<'_>) -> Due {
    let since = Some(ctx.due_since(cause, entry));
    if entry.due_since == since {
        return Due::Nothing { next: Some(until) };
    }
    Due::Ledger(Box::new(LedgerEntry { due_since: since, ..entry.clone() }))
}

fn rest(entry: &LedgerEntry, state: AccountState, cause: Cause, ctx: &Context<'_>) -> Due {
    let mut resting = entry.clone();
    if resting.state != state {
        resting.state = state;
        resting.last_transition_time = Some(ctx.now);
        resting.applied.clear();
    }
    let resting = at_rest(resting, cause, ctx);
    if resting != *entry {
        return Due::Ledger(Box::new(resting));
    }
    // Who was let go before their first day has left as of that day.
    let leaves = ctx.left_at.filter(|at| cause == Cause::Leave && *at > ctx.now);
    Due::Nothing { next: resting.delete_at.into_iter().chain(leaves).min() }
}

fn due_release(reason: Reason, entry: &LedgerEntry, ctx: &Context<'_>) -> Due {
    if matches!(entry.state, AccountState::Deleted | AccountState::Released) {
        return NOTHING;
    }
    let mut released = entry.clone();
    release(&mut released, reason, ctx);
    Due::Ledger(Box::new(released))
}

fn due_note(reason: Reason, message: &str, entry: &LedgerEntry) -> Due {
    if matches!(entry.state, AccountState::Deleted | AccountState::Released) {
        return NOTHING;
    }
    let mut noted = entry.clone();
    set_reason(&mut noted, reason, message);
    if noted == *entry { NOTHING } else { Due::Ledger(Box::new(noted)) }
}
