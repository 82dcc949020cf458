//! The leaver's proof: on which Apps access is known to have ended, and why not yet on the others. Pure.

#[cfg(test)]
mod tests;

use jiff::Timestamp;

use super::decide::{AccountDecision, Decision};
use super::status::Overdue;
use crate::access::Phase;
use crate::api::app::RemovalAction;
use crate::api::{AccountState, LedgerEntry, Reason, Sessions};
use crate::controllers::conditions::{Statement, whole_seconds};
use crate::converge::{self, Due, Wanted, parse_duration};
use crate::runtime::index::Name;

/// How many Apps a message names.
const NAMED: usize = 8;

/// Where a leaver stands on one App.
enum Stand {
    /// Read back suspended or gone.
    Proved { sessions_ended: bool },
    /// Kept by policy, or no longer Tenure's: it may be in use, and nothing more is done.
    Kept(&'static str),
    /// Not read back out of use, and why.
    Open(String),
}

/// What the condition `AccessRevoked` says of a person who left; `None` for everybody else.
///
/// `True` only when on every App the account was read back suspended or gone. Sessions that are not proved to have ended
/// are counted in the message; accounts that are kept or were let go of are named.
pub fn access_revoked(
    decision: &Decision,
    accounts: &[LedgerEntry],
    overdue: &Overdue,
    now: Timestamp,
) -> Option<Statement> {
    if decision.lifecycle.phase != Phase::Left {
        return None;
    }
    if let Some((Reason::DuplicatePersonId, message)) = &decision.stalled {
        return Some(Statement::no(Reason::AccessNotCut, message.clone()));
    }
    let (mut proved, mut living, mut kept, mut open) = (0, Vec::new(), Vec::new(), Vec::new());
    for (app, stand) in stands(decision, accounts, overdue, now) {
        match stand {
            Stand::Proved { sessions_ended } => {
                proved += 1;
                living.extend((!sessions_ended).then_some(app));
            }
            Stand::Kept(how) => kept.push(format!("{app} ({how})")),
            Stand::Open(why) => open.push(format!("{app} ({why})")),
        }
    }
    let mut message = match proved {
        0 if kept.is_empty() && open.is_empty() => "there is no account".to_owned(),
        1 => "1 account was read back suspended or gone".to_owned(),
        n => format!("{n} accounts were read back suspended or gone"),
    };
    if !living.is_empty() {
        let named = listed(&living);
        message = format!("{message}; sessions of {} not proved to have ended: {named}", living.len());
    }
    if !kept.is_empty() {
        message = format!("{message}; kept: {}", listed(&kept));
    }
    Some(match (open.as_slice(), kept.as_slice()) {
        ([], []) => Statement::yes(Reason::AccessCut, message),
        ([], _) => Statement::no(Reason::AccountsKept, message),
        (open, _) => Statement::no(Reason::AccessNotCut, format!("not yet: {}; {message}", listed(open))),
    })
}

/// Apps on which access of a person who left should have ended and is not proved to have, each with the instant since
/// when.
pub fn unproved(decision: &Decision, now: Timestamp) -> Vec<(Name, Timestamp)> {
    let (Phase::Left, Some(left)) = (decision.lifecycle.phase, decision.lifecycle.left_at) else {
        return Vec::new();
    };
    let open = |account: &&AccountDecision| {
        let entry = account.entry.as_ref();
        let searching = entry.is_none() && account.is_sought();
        let stand = entry.map(|entry| stand(Some(account), entry, None, now));
        !account.dry_run && (searching || matches!(stand, Some(Stand::Open(_))))
    };
    let since = |account: &AccountDecision| {
        let policy = account.context.spec.as_deref().map(|spec| &spec.on_leave);
        let after = policy.and_then(|policy| policy.after.as_deref()).and_then(parse_duration);
        left.checked_add(after.unwrap_or_default()).unwrap_or(left)
    };
    let open = decision.accounts.iter().filter(open).map(|account| (account.app.clone(), since(account)));
    open.filter(|(_, since)| *since <= now).collect()
}

fn stands<'a>(
    decision: &'a Decision,
    accounts: &'a [LedgerEntry],
    overdue: &'a Overdue,
    now: Timestamp,
) -> Vec<(&'a str, Stand)> {
    let decided = |app: &str| decision.accounts.iter().find(|account| *account.app == *app);
    let trouble = |app: &str| overdue.iter().find(|(name, _)| ***name == *app).map(|(_, t)| t.1.as_str());
    let known = accounts.iter().map(|entry| {
        let app = entry.app.as_str();
        (app, stand(decided(app), entry, trouble(app), now))
    });
    let sought = decision
        .accounts
        .iter()
        .filter(|account| account.is_sought() && !accounts.iter().any(|entry| *entry.app == *account.app));
    let sought = sought.map(|account| {
        let why = match &account.wanted {
            Wanted::Unknown { message, .. } => message,
            _ => trouble(&account.app).unwrap_or("an account is being looked for"),
        };
        (&*account.app, Stand::Open(why.to_owned()))
    });
    known.chain(sought).collect()
}

fn stand(
    account: Option<&AccountDecision>,
    entry: &LedgerEntry,
    trouble: Option<&str>,
    now: Timestamp,
) -> Stand {
    let left_at = account.and_then(|account| account.context.left_at);
    let spec = account.and_then(|account| account.context.spec.as_deref());
    let retains = spec.is_some_and(|spec| spec.on_leave.action == RemovalAction::Retain);
    let outstanding = account.is_some_and(AccountDecision::is_outstanding);
    if converge::is_proved(entry, left_at, now) && !(outstanding && entry.state == AccountState::Released) {
        return Stand::Proved { sessions_ended: entry.sessions == Some(Sessions::Revoked) };
    }
    match entry.state {
        _ if outstanding => {}
        AccountState::Released => return Stand::Kept("released"),
        AccountState::Retained => return Stand::Kept("retained"),
        // Somebody may have put it back into use before they left, and nobody looks.
        AccountState::Suspended if retains => return Stand::Kept("retained"),
        _ => {}
    }
    let waits = account.and_then(|account| match account.due {
        Due::Nothing { next } => next,
        Due::Ledger(_) | Due::Work { .. } => None,
    });
    Stand::Open(match (waits, trouble) {
        (Some(until), _) => format!("onLeave.after lets it be used until {}", whole_seconds(until)),
        _ if account.is_some_and(|account| account.dry_run) => "the App only plans".to_owned(),
        (_, Some(trouble)) => trouble.to_owned(),
        _ if !entry.reason.is_empty() => entry.reason.clone(),
        _ if entry.cut_at.is_some() => "cut off, not read back".to_owned(),
        _ => "not cut off".to_owned(),
    })
}

fn listed<T: AsRef<str>>(all: &[T]) -> String {
    let named: Vec<_> = all.iter().take(NAMED).map(AsRef::as_ref).collect();
    match all.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
