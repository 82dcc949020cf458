//! What a User's status says. Pure: the same decision gives the same status, byte for byte.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::decide::{AccountDecision, Decision};
use super::proof;
use crate::access::Phase;
use crate::api::user::PersonState;
use crate::api::{AccountState, LedgerEntry, Reason, UserStatus};
use crate::controllers::conditions::{
    ACCESS_REVOKED, Conditions, PAUSED, READY, RECONCILING, STALLED, Statement, whole_seconds,
};
use crate::converge::{Due, Wanted};
use crate::runtime::index::Name;

/// Trouble of Apps that has kept this person's work waiting too long, by App.
pub type Overdue = BTreeMap<Name, (Reason, String)>;

/// The status that follows from a decision.
pub fn status(decision: &Decision, overdue: &Overdue, now: Timestamp) -> UserStatus {
    let person = &decision.person;
    let stored = &person.stored;
    let accounts = ledger(decision);
    let busy = decision.accounts.iter().any(AccountDecision::is_outstanding);
    let mut status = UserStatus {
        observed_generation: if decision.is_unanswered() {
            // What is still to be asked goes by it.
            stored.observed_generation.map(|seen| seen.min(person.generation - 1))
        } else {
            Some(person.generation)
        },
        state: Some(state(decision, busy)),
        summary: summary(&accounts),
        left_at: decision.lifecycle.left_at.map(whole_seconds),
        left_by: decision.lifecycle.left_by,
        roles: decision.roles.effective.clone(),
        next_transition_time: decision.next.map(whole_seconds),
        last_handled_reconcile_at: person.requested.clone().unwrap_or_default(),
        handled_resume: handled_resume(decision, busy),
        handled_remove_now: handled_remove_now(decision, busy),
        conditions: Vec::new(),
        accounts,
    };
    let mut conditions = Conditions::over(&stored.conditions, person.generation, now);
    let ready = readiness(decision, &status.accounts, overdue);
    conditions.only_while(
        RECONCILING,
        (busy && decision.stalled.is_none()).then(|| (ready.reason, ready.message.clone())),
    );
    conditions.only_while(STALLED, decision.stalled.clone());
    conditions.only_while(
        PAUSED,
        person.paused.then(|| (Reason::PausedByAnnotation, "nothing is done for this person".to_owned())),
    );
    conditions.set_or_remove(ACCESS_REVOKED, proof::access_revoked(decision, &status.accounts, overdue, now));
    conditions.set(READY, ready);
    status.conditions = conditions.finish();
    status
}

/// A resume counts as used once the person is back and nothing waits for it.
fn handled_resume(decision: &Decision, busy: bool) -> String {
    let person = &decision.person;
    let back = matches!(decision.lifecycle.phase, Phase::Active | Phase::Suspended);
    // One that stood there before a leave began was not meant for that leave.
    let leaves_now = decision.lifecycle.phase == Phase::Left && person.stored.left_at.is_none();
    match &person.resume {
        Some(value) if (back && !busy && !person.paused && decision.stalled.is_none()) || leaves_now => {
            value.clone()
        }
        _ => person.status.handled_resume.clone(),
    }
}

/// An order counts as used once nothing is due any more: it is about what was due when it was given.
fn handled_remove_now(decision: &Decision, busy: bool) -> String {
    let person = &decision.person;
    match &person.remove_now {
        Some(value) if !busy && !person.paused => value.clone(),
        _ => person.status.handled_remove_now.clone(),
    }
}

fn state(decision: &Decision, busy: bool) -> PersonState {
    match decision.lifecycle.phase {
        Phase::Staged => PersonState::Staged,
        Phase::Active => PersonState::Active,
        Phase::Suspended => PersonState::Suspended,
        Phase::Left if busy => PersonState::Leaving,
        Phase::Left => PersonState::Left,
    }
}

/// The ledger as it is to be stored: what is known, and for accounts that cannot be told why.
fn ledger(decision: &Decision) -> Vec<LedgerEntry> {
    let mut entries: BTreeMap<&str, LedgerEntry> =
        decision.person.status.accounts.iter().map(|e| (e.app.as_str(), e.clone())).collect();
    for account in &decision.accounts {
        if let Due::Ledger(entry) = &account.due {
            entries.insert(&account.app, (**entry).clone());
        }
    }
    entries.into_values().collect()
}

fn summary(accounts: &[LedgerEntry]) -> String {
    if accounts.is_empty() {
        return String::new();
    }
    let active = accounts.iter().filter(|e| e.state == AccountState::Active).count();
    format!("{active}/{}", accounts.len())
}

fn readiness(decision: &Decision, accounts: &[LedgerEntry], overdue: &Overdue) -> Statement {
    if let Some((reason, message)) = &decision.stalled {
        return Statement::no(*reason, message.clone());
    }
    if decision.person.paused {
        return Statement::unknown(
            Reason::PausedByAnnotation,
            "the annotation tenure.dev/paused is \"true\"",
        );
    }
    if let Some(trouble) = account_trouble(accounts) {
        return trouble;
    }
    if let Some(statement) = undecided(&decision.accounts) {
        return statement;
    }
    if let Some(issue) = decision.roles.issues.first() {
        return Statement::no(issue.reason, issue.message.clone());
    }
    if let Some((app, (reason, message))) = overdue.iter().next() {
        return Statement::no(*reason, format!("App {app}: {message}"));
    }
    let waiting: Vec<&str> =
        decision.accounts.iter().filter(|a| a.is_outstanding()).map(|a| &*a.app).collect();
    if !waiting.is_empty() {
        return Statement::no(Reason::Progressing, format!("waiting for: {}", waiting.join(", ")));
    }
    match decision.lifecycle.phase {
        Phase::Left => Statement::yes(Reason::AccessCut, "the person left, and every account is dealt with"),
        _ => Statement::yes(Reason::InSync, "every account is as declared"),
    }
}

/// What the ledger says is wrong. Conflicts come first: a person must act.
fn account_trouble(accounts: &[LedgerEntry]) -> Option<Statement> {
    let quiet = [
        Reason::AttributesNotKept,
        Reason::TargetChanged,
        Reason::AppDeleted,
        Reason::NamespaceDeleted,
        Reason::DefinitionsDeleted,
    ]
    .map(Reason::as_str);
    let troubled = |e: &&LedgerEntry| {
        !e.reason.is_empty()
            && !quiet.contains(&e.reason.as_str())
            && !matches!(e.state, AccountState::Released | AccountState::Retained | AccountState::Deleted)
    };
    let worst = accounts.iter().filter(troubled).min_by_key(|e| e.state != AccountState::Conflict)?;
    let reason = if worst.state == AccountState::Conflict {
        Reason::AccountsInConflict
    } else {
        Reason::AccountsFailed
    };
    Some(Statement::no(reason, format!("App {}: {}: {}", worst.app, worst.reason, worst.message)))
}

/// Accounts of which it cannot be told what they should be. From whom nothing can be taken nothing is kept.
fn undecided(accounts: &[AccountDecision]) -> Option<Statement> {
    let concerns = |account: &&AccountDecision| {
        let spared = matches!(account.wanted, Wanted::Unknown { reason: Reason::ProtectedPerson, .. });
        !spared || account.entry.is_some() || account.unanswered
    };
    accounts.iter().filter(concerns).find_map(|account| match &account.wanted {
        Wanted::Unknown { reason, message } => {
            Some(Statement::no(*reason, format!("App {}: {message}", account.app)))
        }
        _ => None,
    })
}
