//! What the ledger says after a step, at the end of a pass, and when one fails.

use super::compare::{changes, keeps_login, wished_login};
use super::context::has_account;
use super::digest::digest;
use super::entitlements::{ledger_id, split};
use super::steps::{DELETE, Plan, Refusal, Step};
use super::{Cause, Context, RemoteAccount, Wanted};
use crate::access::DesiredAccount;
use crate::api::app::{RemovalAction, RemoveEntitlements};
use crate::api::{AccountState, LedgerEntry, Reason, Sessions, SessionsReason};

/// Length of `LedgerEntry.message`, in characters.
const MAX_MESSAGE: usize = 512;
/// Length of `LedgerEntry.user_name`, in characters.
const MAX_LOGIN: usize = 256;

/// What is said before and after the names of attributes that an App does not keep.
const NOT_KEPT: (&str, &str) = ("the App does not keep ", "; it is not sent again");

/// What a step returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The account as the target keeps it: of create, update, suspend and resume.
    Account(RemoteAccount),
    /// Remote id of the entitlement that was granted: of grant.
    Entitlement(String),
    /// What became of sessions and tokens: of end-sessions.
    Sessions(SessionReport),
    /// Nothing to tell: of revoke, delete and every step that is ledger only.
    Done,
}

/// What became of the sessions and tokens of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionReport {
    /// Whether they are known to have ended.
    pub sessions: Sessions,
    /// Why they may live on; `None` with [`Sessions::Revoked`].
    pub reason: Option<SessionsReason>,
}

impl SessionReport {
    /// They have ended, and that is proved.
    pub const REVOKED: Self = Self { sessions: Sessions::Revoked, reason: None };

    /// They may live on, for this reason.
    pub const fn unproved(reason: SessionsReason) -> Self {
        Self { sessions: Sessions::Unproved, reason: Some(reason) }
    }

    /// The target has no way to end them, so that they live on for this reason.
    pub const fn not_supported(reason: SessionsReason) -> Self {
        Self { sessions: Sessions::NotSupported, reason: Some(reason) }
    }
}

/// The entry to begin a pass with: the one there is, or a new one.
pub fn open(entry: Option<&LedgerEntry>, ctx: &Context<'_>) -> LedgerEntry {
    entry.cloned().unwrap_or_else(|| LedgerEntry {
        app: ctx.app.to_owned(),
        target: ctx.target.to_owned(),
        last_transition_time: Some(ctx.now),
        ..LedgerEntry::default()
    })
}

/// The entry after a step that has succeeded. What [`Step::Announce`] yields must be stored before the next step; the
/// others may wait for the end.
#[must_use]
pub fn record(mut entry: LedgerEntry, step: &Step, reply: &Reply, ctx: &Context<'_>) -> LedgerEntry {
    if step.is_remote() {
        // Should the pass end here, the account is no longer what was confirmed.
        entry.applied.clear();
    }
    match step {
        Step::Adopt { id, login, in_use } => {
            link(&mut entry, id, login, ctx);
            // Nothing is handed over by an account that is out of use, also if a crash follows.
            if !in_use {
                set_state(&mut entry, AccountState::Suspended, ctx);
            }
        }
        Step::Announce(intent) => {
            if intent.operation == DELETE {
                set_state(&mut entry, AccountState::Deleting, ctx);
            }
            entry.pending = Some(intent.clone());
        }
        Step::Create(_) => {
            if let Reply::Account(account) = reply {
                link(&mut entry, &account.id, &account.login, ctx);
                entry.pending = None;
            }
        }
        Step::Revoke { kind, entitlement, .. } => {
            entry.entitlements.retain(|held| split(held) != Some((kind, entitlement)));
        }
        Step::Grant { entitlement, .. } => {
            if let Reply::Entitlement(remote) = reply {
                entry.entitlements.extend(ledger_id(&entitlement.kind, remote));
                entry.entitlements.sort_unstable();
                entry.entitlements.dedup();
            }
        }
        Step::Update { .. } => {
            if let Reply::Account(account) = reply {
                show(&mut entry, &account.login);
            }
        }
        Step::Resume { .. } => {
            keep(&mut entry);
            set_state(&mut entry, AccountState::Active, ctx);
        }
        // Not of another account with the same marker: the ledger has no place for it.
        Step::Suspend { id } => {
            if *id == entry.id {
                suspended(&mut entry, ctx);
            }
        }
        Step::EndSessions { id } => {
            if let Reply::Sessions(report) = reply
                && *id == entry.id
            {
                entry.sessions = Some(report.sessions);
                entry.sessions_reason = report.reason;
            }
        }
        Step::Delete { .. } => deleted(&mut entry, ctx),
        Step::Retain => retain(&mut entry, ctx),
        Step::Release { reason } => release(&mut entry, *reason, ctx),
        Step::Forget => forget(&mut entry, ctx),
    }
    entry
}

fn link(entry: &mut LedgerEntry, id: &str, login: &str, ctx: &Context<'_>) {
    if entry.id != id || ctx.linked(Some(entry)).is_none() {
        // They belonged to another account, or to this one when it was no longer Tenure's.
        entry.entitlements.clear();
    }
    id.clone_into(&mut entry.id);
    show(entry, login);
    ctx.target.clone_into(&mut entry.target);
    entry.applied.clear();
    // Since when it is due does not begin anew with a crash; it is forgotten once the account is to be in use.
    let due_since = entry.due_since;
    keep(entry);
    entry.due_since = due_since;
    set_state(entry, AccountState::Active, ctx);
}

/// Forgets when the account was cut off: it is in use, or is to be.
pub(super) fn keep(entry: &mut LedgerEntry) {
    entry.due_since = None;
    entry.cut_at = None;
    entry.verified_at = None;
    entry.sessions = None;
    entry.sessions_reason = None;
    entry.stripped = false;
    entry.delete_at = None;
}

/// Notes that the account was in use until now: what was known of it when it was out of use before does not count.
fn suspended(entry: &mut LedgerEntry, ctx: &Context<'_>) {
    let (due_since, delete_at) = (entry.due_since, entry.delete_at);
    keep(entry);
    (entry.due_since, entry.delete_at, entry.cut_at) = (due_since, delete_at, Some(ctx.now));
    if entry.state != AccountState::Deleting {
        set_state(entry, AccountState::Suspended, ctx);
    }
}

/// Notes that the account was read back out of use.
fn verify(entry: &mut LedgerEntry, cause: Cause, ctx: &Context<'_>) {
    entry.cut_at.get_or_insert(ctx.now);
    if !ctx.is_verified(cause, entry) {
        entry.verified_at = Some(ctx.now);
    }
    entry.due_since = Some(ctx.due_since(cause, entry));
}

/// Notes the login, cut to what the ledger keeps: the target says it, and one that is too long must not keep the rest of
/// the ledger from being stored.
fn show(entry: &mut LedgerEntry, login: &str) {
    entry.user_name = login.chars().take(MAX_LOGIN).collect();
}

fn set_state(entry: &mut LedgerEntry, state: AccountState, ctx: &Context<'_>) {
    if entry.state != state {
        entry.state = state;
        entry.last_transition_time = Some(ctx.now);
    }
    if state != AccountState::Active {
        entry.applied.clear();
    }
}

fn deleted(entry: &mut LedgerEntry, ctx: &Context<'_>) {
    set_state(entry, AccountState::Deleted, ctx);
    entry.cut_at.get_or_insert(ctx.now);
    // A deletion is read back, as a suspension is.
    entry.verified_at = Some(ctx.now);
    entry.entitlements.clear();
    entry.pending = None;
    entry.delete_at = None;
    clear_reason(entry);
}

fn retain(entry: &mut LedgerEntry, ctx: &Context<'_>) {
    // What Tenure suspended stays known as such, so that it may be resumed.
    let suspended = entry.state.is_out_of_use();
    set_state(entry, if suspended { AccountState::Suspended } else { AccountState::Retained }, ctx);
}

/// Drops the link to the account, which is left as it is.
pub(super) fn release(entry: &mut LedgerEntry, reason: Reason, ctx: &Context<'_>) {
    set_state(entry, AccountState::Released, ctx);
    entry.pending = None;
    entry.delete_at = None;
    reason.as_str().clone_into(&mut entry.reason);
    "the account was left as it was".clone_into(&mut entry.message);
}

fn forget(entry: &mut LedgerEntry, ctx: &Context<'_>) {
    let by_us = entry.pending.as_ref().is_some_and(|pending| pending.operation == DELETE);
    let had_one = has_account(entry);
    deleted(entry, ctx);
    if had_one && !by_us {
        Reason::AccountGone.as_str().clone_into(&mut entry.reason);
        "the account was deleted by somebody else".clone_into(&mut entry.message);
    }
}

/// The entry of an account that was seen out of use while what it holds, or the account, is still held by the budget.
#[must_use]
pub fn read_back(mut entry: LedgerEntry, wanted: &Wanted, ctx: &Context<'_>) -> LedgerEntry {
    if let Wanted::Gone(cause) = wanted {
        verify(&mut entry, *cause, ctx);
    }
    entry
}

/// The entry at the end of a pass: all of the plan's steps have succeeded. `None`: there is nothing to remember, and
/// the entry is dropped.
///
/// `account` is the person's account as the last reply showed it, or as it was seen if no step returned it.
#[must_use]
pub fn settle(
    mut entry: LedgerEntry,
    wanted: &Wanted,
    plan: &Plan,
    account: Option<&RemoteAccount>,
    ctx: &Context<'_>,
) -> Option<LedgerEntry> {
    let account = account.filter(|account| account.id == entry.id);
    if let Wanted::Account(_) = wanted
        && ctx.linked(Some(&entry)).is_some()
        && account.is_some_and(|account| account.active)
    {
        set_state(&mut entry, AccountState::Active, ctx);
        keep(&mut entry);
    }
    if let Some(Refusal { reason, message }) = &plan.blocked {
        return Some(fail(entry, *reason, message, ctx));
    }
    match wanted {
        Wanted::Account(desired) => Some(settle_account(entry, desired, account, ctx)),
        Wanted::Gone(cause) => settle_gone(entry, *cause, account, ctx),
        Wanted::Released(reason) => {
            release(&mut entry, *reason, ctx);
            Some(entry)
        }
        Wanted::Unknown { reason, message } => {
            set_reason(&mut entry, *reason, message);
            Some(entry)
        }
    }
}

fn settle_account(
    mut entry: LedgerEntry,
    desired: &DesiredAccount,
    account: Option<&RemoteAccount>,
    ctx: &Context<'_>,
) -> LedgerEntry {
    let Some(account) = account.filter(|account| account.active) else {
        return fail(entry, Reason::NotApplied, "the App does not show the account in use", ctx);
    };
    show(&mut entry, &account.login);
    entry.pending = None;
    entry.applied =
        wished_login(desired, &account.login).map_or_else(String::new, |login| digest(desired, login));
    entry.entitlements.retain(|held| split(held).is_some());
    clear_reason(&mut entry);
    let unkept = unkept(desired, account, ctx);
    if !unkept.is_empty() {
        let message = format!("{}{}{}", NOT_KEPT.0, unkept.join(", "), NOT_KEPT.1);
        set_reason(&mut entry, Reason::AttributesNotKept, &message);
    }
    entry
}

/// Names of what was written and is not there.
fn unkept(desired: &DesiredAccount, account: &RemoteAccount, ctx: &Context<'_>) -> Vec<String> {
    let login = (!keeps_login(desired, account)).then(|| ctx.login_attribute.to_owned());
    let marker = (ctx.marks() && !ctx.marked(account)).then(|| ctx.spec.marker_attribute().to_owned());
    let attributes = changes(desired, account).into_iter().map(|change| change.attribute);
    login.into_iter().chain(marker).chain(attributes).collect()
}

/// Whether the ledger says that the App does not keep this attribute. Where the list of them was cut off, all are taken
/// to be on it.
pub(super) fn is_known_unkept(entry: &LedgerEntry, attribute: &str) -> bool {
    let names = entry.message.strip_prefix(NOT_KEPT.0).and_then(|rest| rest.strip_suffix(NOT_KEPT.1));
    entry.reason == Reason::AttributesNotKept.as_str()
        && names.is_none_or(|names| names.split(", ").any(|name| name == attribute))
}

fn settle_gone(
    mut entry: LedgerEntry,
    cause: Cause,
    account: Option<&RemoteAccount>,
    ctx: &Context<'_>,
) -> Option<LedgerEntry> {
    if entry.id.is_empty() {
        return None;
    }
    let ended = matches!(entry.state, AccountState::Deleted | AccountState::Released);
    let active = account.is_some_and(|account| account.active);
    if active && ctx.handed_over_at(cause, &entry).is_some() {
        entry.due_since = Some(ctx.due_since(cause, &entry));
        return Some(entry);
    }
    if ctx.policy(cause).action == RemovalAction::Retain {
        if !ended && active {
            set_state(&mut entry, AccountState::Retained, ctx);
        }
    } else if !ended {
        if active || account.is_none() {
            let Refusal { reason, message } = Refusal::not_applied();
            return Some(fail(entry, reason, &message, ctx));
        }
        set_state(&mut entry, AccountState::Suspended, ctx);
        verify(&mut entry, cause, ctx);
        entry.stripped |= ctx.policy(cause).remove_entitlements == RemoveEntitlements::All;
    } else if entry.state == AccountState::Deleted {
        verify(&mut entry, cause, ctx);
    }
    Some(at_rest(entry, cause, ctx))
}

/// The entry of an account that nothing more is to be done about for this cause, until its time is up.
pub(super) fn at_rest(mut entry: LedgerEntry, cause: Cause, ctx: &Context<'_>) -> LedgerEntry {
    match entry.state {
        AccountState::Suspended => {
            entry.pending = None;
            entry.delete_at = ctx.delete_at(cause, &entry);
            if entry.reason != Reason::SuspendedElsewhere.as_str() {
                clear_reason(&mut entry);
            }
        }
        AccountState::Retained => {
            entry.pending = None;
            entry.delete_at = None;
            set_reason(&mut entry, Reason::RetainedByPolicy, "kept by policy although no longer granted");
        }
        _ => {}
    }
    entry
}

/// The entry after a step or a question failed, or something must not be done. The work stays due: what was or was
/// not done is looked at afresh, so that the account heals when the world has changed.
///
/// An account that is there keeps its state; where there is none yet, the state says who must act: `Conflict` a
/// person, `Failed` perhaps nobody.
#[must_use]
pub fn fail(mut entry: LedgerEntry, reason: Reason, message: &str, ctx: &Context<'_>) -> LedgerEntry {
    if !has_account(&entry) {
        let state = match reason {
            Reason::AccountExists
            | Reason::AmbiguousMatch
            | Reason::NothingToAdopt
            | Reason::NotOurs
            | Reason::ProtectedAccount
            | Reason::SuspendedElsewhere => AccountState::Conflict,
            _ => AccountState::Failed,
        };
        set_state(&mut entry, state, ctx);
        entry.id.clear();
        entry.user_name.clear();
        entry.entitlements.clear();
        keep(&mut entry);
        ctx.target.clone_into(&mut entry.target);
    } else if reason == Reason::SuspendedElsewhere && entry.state == AccountState::Active {
        // It is not in use, and Tenure did not suspend it: neither of those states would be true.
        set_state(&mut entry, AccountState::Conflict, ctx);
    }
    entry.applied.clear();
    set_reason(&mut entry, reason, message);
    entry
}

/// Sets reason and message. That a suspended account was so before Tenure came is not forgotten over another trouble,
/// since it decides whether the account may be resumed.
pub(super) fn set_reason(entry: &mut LedgerEntry, reason: Reason, message: &str) {
    let found_suspended =
        entry.state == AccountState::Suspended && entry.reason == Reason::SuspendedElsewhere.as_str();
    if !found_suspended {
        reason.as_str().clone_into(&mut entry.reason);
        entry.message = message.chars().take(MAX_MESSAGE).collect();
    }
}

pub(super) fn clear_reason(entry: &mut LedgerEntry) {
    entry.reason.clear();
    entry.message.clear();
}
