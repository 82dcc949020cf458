//! The way out: suspend, strip, delete, or keep, as the policy says.

use super::context::{has_account, is_ended};
use super::correlate::{Leaver, locate_leaver};
use super::entitlements::{held, revoke};
use super::observe::{Observed, Query};
use super::steps::{DELETE, Plan, Refusal, Step, announce};
use super::{Cause, Context, RemoteAccount};
use crate::api::app::{RemovalAction, RemoveEntitlements};
use crate::api::{AccountState, LedgerEntry, Reason};

/// A person who should not use an account. Every account with their marker is suspended, but only one that is
/// certainly the ledger's is stripped or deleted.
pub(super) fn plan_gone(
    cause: Cause,
    entry: Option<&LedgerEntry>,
    seen: &Observed,
    ctx: &Context<'_>,
) -> Result<Plan, Query> {
    if entry.is_some_and(is_ended) {
        return Ok(Plan::default());
    }
    let Leaver { accounts, unclear } = locate_leaver(entry, seen, ctx)?;
    Ok(match accounts.as_slice() {
        [one] => plan_removal(cause, one, entry, ctx),
        [] => Plan { steps: no_account(unclear.is_some(), entry, ctx), blocked: unclear, account: None },
        several => {
            let keep = ctx.policy(cause).action == RemovalAction::Retain || ctx.cannot_suspend.is_some();
            let active = several.iter().filter(|account| account.active && !keep);
            let message = if keep {
                "several accounts bear this person's marker: none is touched; take the marker from all but one"
            } else {
                "several accounts bear this person's marker: all are suspended; take the marker from all but one"
            };
            Plan {
                steps: active.map(|account| Step::Suspend { id: account.id.clone() }).collect(),
                blocked: Some(Refusal::new(Reason::AmbiguousMatch, message)),
                account: None,
            }
        }
    })
}

fn no_account(unclear: bool, entry: Option<&LedgerEntry>, ctx: &Context<'_>) -> Vec<Step> {
    match entry {
        _ if unclear => Vec::new(),
        Some(entry) if has_account(entry) && entry.target != ctx.target => {
            vec![Step::Release { reason: Reason::TargetChanged }]
        }
        _ => vec![Step::Forget],
    }
}

/// Suspends, then strips, then deletes what is a leaver's.
fn plan_removal(
    cause: Cause,
    account: &RemoteAccount,
    entry: Option<&LedgerEntry>,
    ctx: &Context<'_>,
) -> Plan {
    let policy = ctx.policy(cause);
    let linked = ctx.linked(entry).filter(|entry| entry.id == account.id);
    let id = || account.id.clone();
    let mut steps = Vec::new();
    if linked.is_none() {
        steps.push(Step::Adopt { id: id(), login: account.login.clone() });
    }
    if policy.action == RemovalAction::Retain {
        steps.push(Step::Retain);
        return Plan { steps, blocked: None, account: Some(account.clone()) };
    }
    match ctx.cannot_suspend.filter(|_| account.active) {
        Some(_) if policy.action == RemovalAction::Delete => {}
        Some(reason) => {
            return Plan { steps, blocked: Some(no_suspension(reason)), account: Some(account.clone()) };
        }
        None if account.active => steps.push(Step::Suspend { id: id() }),
        None => {}
    }
    if let Some(entry) = linked
        && policy.remove_entitlements == RemoveEntitlements::Managed
    {
        steps.extend(held(entry).into_iter().map(|(kind, remote)| revoke(&account.id, kind, remote)));
    }
    if policy.action == RemovalAction::Delete || linked.is_some_and(|entry| deletion_due(cause, entry, ctx)) {
        steps.extend(announce(linked, DELETE, &account.id, ctx));
        steps.push(Step::Delete { id: id() });
    }
    Plan { steps, blocked: None, account: Some(account.clone()) }
}

/// A deletion cannot be undone, so it never stands in for a suspension.
fn no_suspension(reason: Reason) -> Refusal {
    let message = if reason == Reason::SuspendDeletes {
        "suspending would delete the account in this App: it was left in use. End it there by hand, or let the person \
         leave"
    } else {
        "this App cannot suspend accounts: it was left in use. End access there by hand, or let the person leave"
    };
    Refusal::new(reason, message)
}

/// Whether the suspended account's time is up. Never before the date has been on record, since it lies ahead then.
pub(super) fn deletion_due(cause: Cause, entry: &LedgerEntry, ctx: &Context<'_>) -> bool {
    matches!(entry.state, AccountState::Suspended | AccountState::Deleting)
        && ctx.delete_at(cause, entry).is_some_and(|at| at <= ctx.now)
}
