//! The controller of `AppBindings`: what their status says. Pure.

use jiff::Timestamp;

use super::conditions::{Conditions, READY, STALLED, Statement};
use super::summary::Tally;
use crate::access::{FieldProblem, foreign_entitlement};
use crate::api::{AppBindingStatus, Reason};
use crate::connectors::any::traits;
use crate::runtime::index::{BindingObject, Namespace};

/// The status that follows from the `AppBinding` and the accounts it grants.
pub fn status(
    name: &str,
    object: &BindingObject,
    ns: &Namespace,
    tally: &Tally,
    now: Timestamp,
) -> AppBindingStatus {
    let generation = object.meta.generation;
    let mut conditions = Conditions::over(&object.status.conditions, generation, now);
    let ready = readiness(object, ns);
    let stalled = ready.reason == Reason::InvalidExpression || ready.reason == Reason::InvalidConfiguration;
    conditions.only_while(STALLED, stalled.then(|| (ready.reason, ready.message.clone())));
    conditions.set(READY, ready);
    AppBindingStatus {
        observed_generation: Some(generation),
        accounts: Some(tally.bound.get(name).copied().unwrap_or_default()),
        last_handled_reconcile_at: object.meta.requested.clone().unwrap_or_default(),
        conditions: conditions.finish(),
    }
}

fn readiness(object: &BindingObject, ns: &Namespace) -> Statement {
    if object.undecodable {
        return Statement::no(Reason::Undecodable, "the object cannot be decoded; its last good form counts");
    }
    let (role, app) = (object.role(), &object.spec.app_ref.name);
    let Some(target) = ns.apps.get(app.as_str()) else {
        return Statement::no(
            Reason::AppNotFound,
            format!("spec.appRef.name: there is no App {app} in this namespace"),
        );
    };
    if !ns.roles.contains_key(role) {
        return Statement::no(
            Reason::RoleNotFound,
            format!("spec.roleRef.name: there is no Role {role} in this namespace"),
        );
    }
    let connector = target.spec.as_ref().map(|spec| traits(&spec.connector));
    let foreign = connector.and_then(|traits| foreign_entitlement(&object.spec.entitlements, traits));
    if let Some(FieldProblem { field, message, reason }) = object.problems.first().or(foreign.as_ref()) {
        return Statement::no(*reason, format!("{field}: {message}"));
    }
    Statement::yes(Reason::InSync, "the binding is in force")
}
