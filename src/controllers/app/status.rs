//! What an App's status says. Pure.

use jiff::Timestamp;

use super::{Health, sweep, target};
use crate::access::FieldProblem;
use crate::api::app::{AccountCounts, PlannedSteps};
use crate::api::budget::RemovalUse;
use crate::api::sweep::SweepStatus;
use crate::api::{AppStatus, Mode, Reason};
use crate::connectors::FailureClass;
use crate::connectors::gate::{Gate, GateState};
use crate::controllers::conditions::{
    CREDENTIALS_VALID, Conditions, HELD, LOGIN_LEFT_OPEN, PAUSED, REACHABLE, READY, RECONCILING, STALLED,
    Statement,
};
use crate::runtime::index::{AppObject, Name};

/// What is known of an App's accounts.
pub struct Figures<'a> {
    /// By state.
    pub accounts: AccountCounts,
    /// What would be done in mode `DryRun`.
    pub planned: PlannedSteps,
    /// What sweeps showed.
    pub sweeps: &'a sweep::State,
    /// What of the removal budget is used; `None` until that is known.
    pub removals: Option<RemovalUse>,
    /// Open Holds, with how many people are due in each.
    pub held: Vec<(Name, i64)>,
}

/// The status that follows from how an App fares.
pub fn status(object: &AppObject, health: &Health, figures: Figures<'_>, now: Timestamp) -> AppStatus {
    let Figures { accounts, planned, sweeps, removals, held } = figures;
    let stored = &object.status;
    let Some(spec) = object.spec.as_deref() else {
        return stored.clone();
    };
    let generation = object.meta.generation;
    let mut conditions = Conditions::over(&stored.conditions, generation, now);
    let ready = readiness(object, health);
    let stalled = matches!(
        ready.reason,
        Reason::InvalidConfiguration
            | Reason::InvalidExpression
            | Reason::SuspendDeletes
            | Reason::SuspendUnsupported
    );
    let working = accounts.pending > 0 && spec.mode == Mode::Enforce;
    conditions.set(REACHABLE, reachable(health));
    conditions.set(CREDENTIALS_VALID, credentials(health));
    conditions.only_while(
        PAUSED,
        object.meta.paused.then(|| (Reason::PausedByAnnotation, "nothing is sent to this App".to_owned())),
    );
    conditions.only_while(LOGIN_LEFT_OPEN, left_open(health));
    conditions.only_while(STALLED, stalled.then(|| (ready.reason, ready.message.clone())));
    conditions.only_while(
        RECONCILING,
        (working && !stalled).then(|| (Reason::Progressing, "accounts are being changed".to_owned())),
    );
    conditions.only_while(HELD, (!held.is_empty()).then(|| (Reason::RemovalsHeld, holds(&held))));
    conditions.set(READY, ready);
    let target = target::hash(spec);
    let swept = sweeps.last(&target).unwrap_or_else(|| sweep::Report::stored(stored, &target));
    AppStatus {
        observed_generation: Some(generation),
        target,
        endpoint: target::endpoint(spec),
        capabilities: if health.capabilities.is_empty() {
            stored.capabilities.clone()
        } else {
            health.capabilities.clone()
        },
        accounts: Some(accounts),
        planned: (spec.mode == Mode::DryRun).then_some(planned),
        sweep: (swept.sweep != SweepStatus::default()).then_some(swept.sweep),
        orphans: swept.orphans,
        orphans_total: swept.orphans_total,
        // Until it is known what was used, what is stored says it.
        removals: removals.or_else(|| stored.removals.clone()),
        last_handled_reconcile_at: health
            .handled
            .clone()
            .unwrap_or_else(|| stored.last_handled_reconcile_at.clone()),
        conditions: conditions.finish(),
    }
}

/// Names Holds that wait for a person.
fn holds(held: &[(Name, i64)]) -> String {
    let names: Vec<_> =
        held.iter().take(5).map(|(name, people)| format!("{name} ({people} people)")).collect();
    let more = if held.len() > 5 { " and others" } else { "" };
    format!("waiting for approval or rejection: Hold {}{more}", names.join(", "))
}

fn readiness(object: &AppObject, health: &Health) -> Statement {
    if object.undecodable {
        return Statement::no(Reason::Undecodable, "the object cannot be decoded; its last good form counts");
    }
    if let Some((reason, message)) = &health.refused {
        return Statement::no(*reason, message.clone());
    }
    if let Some(FieldProblem { field, message, reason }) = object.problems.first() {
        return Statement::no(*reason, format!("{field}: {message}"));
    }
    if object.meta.paused {
        return Statement::unknown(
            Reason::PausedByAnnotation,
            "the annotation tenure.dev/paused is \"true\"",
        );
    }
    if let Some(failure) = &health.probe_failure {
        return Statement::no(failure.reason, failure.message.clone());
    }
    if let Some((reason, message)) = &health.unfit {
        return Statement::no(*reason, message.clone());
    }
    match health.gate.as_ref().map(Gate::state) {
        Some(GateState::Open { reason, .. }) => {
            let last = health.last_failure.as_ref().map(|f| format!(": {}", f.message)).unwrap_or_default();
            Statement::no(
                reason,
                format!("in quarantine after repeated failures{last}; it is probed and released by itself"),
            )
        }
        Some(GateState::Paused { .. }) => {
            Statement::no(Reason::Throttled, "the App asked for a pause (Retry-After)")
        }
        _ if !health.known => Statement::unknown(Reason::Progressing, "the App has not been asked yet"),
        _ => match &health.last_failure {
            Some(failure) => Statement::no(failure.reason, failure.message.clone()),
            None if object.spec.as_ref().is_some_and(|s| s.mode == Mode::DryRun) => {
                Statement::yes(Reason::DryRun, "the App answers; nothing is written there")
            }
            None => Statement::yes(Reason::InSync, "the App answers"),
        },
    }
}

fn left_open(health: &Health) -> Option<(Reason, String)> {
    let ways: Vec<_> = health.left_open.iter().map(|way| way.as_str()).collect();
    let message =
        format!("when an account is suspended, {}: cut the single sign-on as well", ways.join(", "));
    (!ways.is_empty()).then_some((Reason::LoginLeftOpen, message))
}

fn reachable(health: &Health) -> Statement {
    let failure = health.probe_failure.as_ref().or(health.last_failure.as_ref());
    match failure {
        Some(failure) if failure.reason == Reason::Unreachable => {
            Statement::no(Reason::Unreachable, failure.message.clone())
        }
        Some(_) => Statement::yes(Reason::Answered, "the App answers"),
        None if health.known && health.refused.is_none() => {
            Statement::yes(Reason::Answered, "the App answers")
        }
        None => Statement::unknown(Reason::Progressing, "the App has not been asked yet"),
    }
}

fn credentials(health: &Health) -> Statement {
    let failure = health.probe_failure.as_ref().or(health.last_failure.as_ref());
    if let Some((reason, message)) = &health.refused {
        return if *reason == Reason::SecretNotFound {
            Statement::no(*reason, message.clone())
        } else {
            Statement::unknown(Reason::Progressing, "the credentials have not been tried")
        };
    }
    match failure {
        Some(failure) if failure.class == FailureClass::Credentials => {
            Statement::no(Reason::CredentialsRefused, failure.message.clone())
        }
        Some(failure) if failure.reason == Reason::Unreachable => {
            Statement::unknown(Reason::Unreachable, "the App could not be asked")
        }
        _ if health.known => Statement::yes(Reason::CredentialsAccepted, "the App accepts the credentials"),
        _ => Statement::unknown(Reason::Progressing, "the credentials have not been tried"),
    }
}
