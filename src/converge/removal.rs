//! The way out: suspend, strip, delete, or keep, as the policy says.

use super::context::has_account;
use super::correlate::{Leaver, locate_leaver};
use super::entitlements::{held, revoke};
use super::observe::{Observed, Query};
use super::protect::spared;
use super::record::open;
use super::steps::{DELETE, Plan, Refusal, Step, announce};
use super::sweep::is_recent;
use super::{Cause, Context, Finding, RemoteAccount};
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
    // What was deleted can be there again: a bin gave it back, or somebody made it anew.
    if entry.is_some_and(|entry| ctx.is_ended(entry)) && !ctx.findings.contains(&Finding::Zombie) {
        return Ok(Plan::default());
    }
    let Leaver { accounts, unclear } = locate_leaver(entry, seen, ctx)?;
    Ok(match accounts.as_slice() {
        [one] => plan_removal(cause, one, entry, seen, ctx)?,
        [] => match unclear.or_else(|| not_surely_gone(entry, ctx)) {
            Some(why) => Plan::blocked(why),
            None => Plan { steps: vec![no_account(entry, ctx)], ..Plan::default() },
        },
        several => {
            let keep = ctx.policy(cause).action == RemovalAction::Retain || ctx.cannot_suspend.is_some();
            let mut active = Vec::new();
            for account in several.iter().copied().filter(|account| account.active && !keep) {
                if spared(account, seen, ctx)?.is_none() {
                    active.push(account);
                }
            }
            let sessions = active.iter().copied().filter(|_| ctx.policy(cause).revoke_sessions);
            let message = if keep {
                "several accounts bear this person's marker: none is touched; take the marker from all but one"
            } else {
                "several accounts bear this person's marker: all are suspended; take the marker from all but one"
            };
            Plan {
                steps: active.iter().copied().map(suspend).chain(sessions.map(end_sessions)).collect(),
                blocked: Some(Refusal::new(Reason::AmbiguousMatch, message)),
                account: None,
            }
        }
    })
}

/// Why the account that the ledger names, and that is not found, is not taken to be gone yet.
fn not_surely_gone(entry: Option<&LedgerEntry>, ctx: &Context<'_>) -> Option<Refusal> {
    let entry = ctx.linked(entry).filter(|entry| entry.pending.is_none())?;
    may_show_late(entry, ctx)
}

/// That an App may show late what was changed a short while ago.
pub(super) fn may_show_late(entry: &LedgerEntry, ctx: &Context<'_>) -> Option<Refusal> {
    let message =
        "the App does not show the account, which was changed a short while ago: it is looked for again";
    is_recent(entry, ctx).then(|| Refusal::new(Reason::AccountGone, message))
}

fn no_account(entry: Option<&LedgerEntry>, ctx: &Context<'_>) -> Step {
    match entry {
        Some(entry) if has_account(entry) && entry.target != ctx.target => {
            Step::Release { reason: Reason::TargetChanged }
        }
        _ => Step::Forget,
    }
}

/// Suspends, then ends sessions, then strips, then deletes what is a leaver's.
fn plan_removal(
    cause: Cause,
    account: &RemoteAccount,
    entry: Option<&LedgerEntry>,
    seen: &Observed,
    ctx: &Context<'_>,
) -> Result<Plan, Query> {
    let policy = ctx.policy(cause);
    let linked = ctx.linked(entry).filter(|entry| entry.id == account.id);
    let id = || account.id.clone();
    let mut steps = Vec::new();
    if linked.is_none() {
        steps.push(Step::Adopt { id: id(), login: account.login.clone(), in_use: account.active });
    }
    if account.active && stays_in_use(cause, account, entry, linked, ctx) {
        return Ok(Plan { steps, blocked: None, account: Some(account.clone()) });
    }
    if policy.action == RemovalAction::Retain {
        steps.push(Step::Retain);
        return Ok(Plan { steps, blocked: None, account: Some(account.clone()) });
    }
    if let Some(why) = spared(account, seen, ctx)? {
        return Ok(Plan { account: Some(account.clone()), ..Plan::blocked(why) });
    }
    match ctx.cannot_suspend.filter(|_| account.active) {
        Some(_) if policy.action == RemovalAction::Delete => {}
        Some(reason) => {
            let blocked = Some(no_suspension(reason));
            return Ok(Plan { steps, blocked, account: Some(account.clone()) });
        }
        None => {
            steps.extend(account.active.then(|| suspend(account)));
            // Sessions of a time when the account was in use before are no proof for these.
            let proved = |entry: &LedgerEntry| entry.sessions.is_some() && ctx.is_verified(cause, entry);
            let ended = !account.active && linked.is_some_and(proved);
            steps.extend((policy.revoke_sessions && !ended).then(|| end_sessions(account)));
        }
    }
    steps.extend(strip(policy.remove_entitlements, account, linked, seen)?);
    if policy.remove_entitlements == RemoveEntitlements::All
        && let Some(why) = seen.hidden(&account.id)
    {
        // What it holds is taken away once that can be seen, and only then it is deleted.
        return Ok(Plan { steps, blocked: Some(why.clone()), account: Some(account.clone()) });
    }
    if policy.action == RemovalAction::Delete || linked.is_some_and(|entry| deletion_due(cause, entry, ctx)) {
        steps.extend(announce(linked, DELETE, &account.id, ctx));
        steps.push(Step::Delete { id: id() });
    }
    Ok(Plan { steps, blocked: None, account: Some(account.clone()) })
}

/// Whether work is still to be handed over, also with an account that was only just found.
fn stays_in_use(
    cause: Cause,
    account: &RemoteAccount,
    entry: Option<&LedgerEntry>,
    linked: Option<&LedgerEntry>,
    ctx: &Context<'_>,
) -> bool {
    let found = LedgerEntry {
        id: account.id.clone(),
        target: ctx.target.to_owned(),
        state: AccountState::Active,
        ..open(entry, ctx)
    };
    ctx.handed_over_at(cause, linked.unwrap_or(&found)).is_some()
}

fn suspend(account: &RemoteAccount) -> Step {
    Step::Suspend { id: account.id.clone() }
}

fn end_sessions(account: &RemoteAccount) -> Step {
    Step::EndSessions { id: account.id.clone() }
}

/// Takes away what the account holds: what Tenure granted, or all that it is seen to hold besides.
fn strip(
    which: RemoveEntitlements,
    account: &RemoteAccount,
    linked: Option<&LedgerEntry>,
    seen: &Observed,
) -> Result<Vec<Step>, Query> {
    let mut all = match which {
        RemoveEntitlements::None => return Ok(Vec::new()),
        RemoveEntitlements::Managed | RemoveEntitlements::All => linked.map(held).unwrap_or_default(),
    };
    if which == RemoveEntitlements::All && seen.hidden(&account.id).is_none() {
        all.extend(seen.held(&account.id)?.iter().map(|(kind, remote)| (kind.as_str(), remote.as_str())));
    }
    Ok(all.into_iter().map(|(kind, remote)| revoke(&account.id, kind, remote)).collect())
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
    entry.state.is_out_of_use() && ctx.delete_at(cause, entry).is_some_and(|at| at <= ctx.now)
}
