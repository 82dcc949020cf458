//! The controller of Roles: what their status says. Pure.

use jiff::Timestamp;

use super::conditions::{CASES_PASSED, Conditions, READY, STALLED, Statement};
use super::summary::Tally;
use crate::api::{Reason, RoleStatus};
use crate::runtime::index::{Namespace, RoleObject};

/// The status that follows from the Role and its members.
pub fn status(name: &str, object: &RoleObject, ns: &Namespace, tally: &Tally, now: Timestamp) -> RoleStatus {
    let generation = object.meta.generation;
    let mut conditions = Conditions::over(&object.status.conditions, generation, now);
    let ready = readiness(name, object, ns, tally);
    let stalled = ready.status == "False" && ready.reason == Reason::InvalidExpression;
    conditions.only_while(STALLED, stalled.then(|| (ready.reason, ready.message.clone())));
    conditions.set(READY, ready);
    if object.spec.cases.is_empty() {
        conditions.only_while(CASES_PASSED, None);
    } else {
        conditions.set(CASES_PASSED, cases(name, ns));
    }
    RoleStatus {
        observed_generation: Some(generation),
        members: Some(tally.members.get(name).copied().unwrap_or_default()),
        last_handled_reconcile_at: object.meta.requested.clone().unwrap_or_default(),
        conditions: conditions.finish(),
    }
}

fn readiness(name: &str, object: &RoleObject, ns: &Namespace, tally: &Tally) -> Statement {
    if object.undecodable {
        return Statement::no(
            Reason::Undecodable,
            "the object cannot be decoded; its last good form counts, and nobody loses the role by it",
        );
    }
    if let Some((reason, message)) = ns.book.problems(name).into_iter().next() {
        return Statement::no(reason, message);
    }
    if tally.rule_errors.get(name).copied().unwrap_or_default() > 0 {
        let message = "spec.match failed for some people; they keep the role or stay without it as before";
        return Statement::no(Reason::ExpressionFailed, message);
    }
    Statement::yes(Reason::InSync, "the role is in force")
}

fn cases(name: &str, ns: &Namespace) -> Statement {
    let failed = ns.book.run_cases(name);
    if failed.is_empty() {
        Statement::yes(Reason::CasesPassed, "every case holds")
    } else {
        Statement::no(Reason::CasesFailed, failed.join("; "))
    }
}
