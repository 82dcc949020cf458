//! The controller of `AppBindings`: what their status says. Pure.

use jiff::Timestamp;

use super::conditions::{Conditions, READY, STALLED, Statement};
use super::summary::Tally;
use crate::access::{FieldProblem, foreign_entitlement};
use crate::api::{AppBindingStatus, EntitlementSpec, Reason};
use crate::connectors::any::traits;
use crate::converge::{self, Resolution};
use crate::runtime::index::{BindingObject, Namespace};

/// The status that follows from the `AppBinding` and the accounts it grants.
pub fn status(
    name: &str,
    object: &BindingObject,
    ns: &Namespace,
    tally: &Tally,
    known: impl Fn(&EntitlementSpec) -> Option<Resolution>,
    now: Timestamp,
) -> AppBindingStatus {
    let generation = object.meta.generation;
    let mut conditions = Conditions::over(&object.status.conditions, generation, now);
    let ready = readiness(object, ns, known);
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

fn readiness(
    object: &BindingObject,
    ns: &Namespace,
    known: impl Fn(&EntitlementSpec) -> Option<Resolution>,
) -> Statement {
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
    let entitlements: Vec<_> = object.spec.entitlements.iter().map(|e| (e, known(e))).collect();
    let wrong = entitlements.iter().enumerate().find_map(|(place, (entitlement, known))| {
        let refusal = match known.as_ref()? {
            Resolution::Missing => converge::not_found(entitlement),
            Resolution::Refused(refusal) => refusal.clone(),
            Resolution::Id(_) | Resolution::Creatable => return None,
        };
        Some(Statement::no(refusal.reason, format!("spec.entitlements[{place}]: {}", refusal.message)))
    });
    if let Some(wrong) = wrong {
        return wrong;
    }
    if entitlements.iter().any(|(_, known)| known.is_none())
        && let Some(stored) = found_missing(object)
    {
        return Statement::no(Reason::EntitlementNotFound, stored);
    }
    Statement::yes(Reason::InSync, "the binding is in force")
}

/// What was found to be missing before this process began, of the binding as it is now.
fn found_missing(object: &BindingObject) -> Option<String> {
    let ready = object.status.conditions.iter().find(|condition| condition.type_ == READY)?;
    let holds = ready.reason == Reason::EntitlementNotFound.as_str()
        && ready.observed_generation == Some(object.meta.generation);
    holds.then(|| ready.message.clone())
}
