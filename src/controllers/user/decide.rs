//! What should be true of one person: state, roles, and for each App the account wanted and whether work is due there.
//!
//! Reads the index and a clock reading; does nothing.

mod account;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::access::{self, Grant, Lifecycle, LifecycleInput, Phase, Roles, Scope};
use crate::api::{
    AccountState, AppSpec, EffectiveRole, LedgerEntry, Mode, Reason, RoleAssignment, RoleEffect,
};
use crate::connectors::any::traits;
use crate::controllers::app::target;
use crate::controllers::conditions::whole_seconds;
use crate::converge::{self, Cause, Claim, Due, Finding, Lane, Refusal, Wanted};
use crate::runtime::index::{AppObject, BindingObject, Name, Namespace, Person};

pub use account::{AccountDecision, OwnedContext};

/// What is known about why a User is being deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Departure {
    /// It has not been looked at yet: nothing is done.
    #[default]
    Unchecked,
    /// Somebody deleted this object.
    Ordinary,
    /// Its namespace or kind is being deleted: accounts are left as they are.
    Released(Reason),
}

/// What is decided about one person.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Who, with the ledger as it is known now.
    pub person: Person,
    /// Why the User is being deleted, as far as it was known: what is due follows from it.
    pub departure: Departure,
    /// State now.
    pub lifecycle: Lifecycle,
    /// Roles now.
    pub roles: Roles,
    /// What is wanted in each App concerned, by App.
    pub accounts: Vec<AccountDecision>,
    /// Why nothing is done for this person before somebody acts.
    pub stalled: Option<(Reason, String)>,
    /// The next instant at which time alone changes any of this.
    pub next: Option<Timestamp>,
}

impl Decision {
    /// Whether another User with the same `personId` has the person's accounts.
    pub fn is_stalled_twin(&self) -> bool {
        matches!(self.stalled, Some((Reason::DuplicatePersonId, _)))
    }

    /// Whether some App is still to be asked for an account that the ledger does not know.
    pub fn is_unanswered(&self) -> bool {
        self.accounts.iter().any(|account| account.unanswered)
    }
}

/// Decides about one person.
pub fn decide(ns: &Namespace, person: Person, departure: Departure, now: Timestamp) -> Decision {
    decide_in(ns, person, departure, now, None)
}

/// Decides about one person, and about their account in one App only where one is given.
pub fn decide_in(
    ns: &Namespace,
    mut person: Person,
    departure: Departure,
    now: Timestamp,
    only: Option<&str>,
) -> Decision {
    let twin = twins(ns, &mut person);
    let resume = unused_resume(&person);
    let lifecycle = access::lifecycle(&LifecycleInput {
        state: person.spec.state,
        start_time: person.spec.start_time,
        end_time: person.spec.end_time,
        left_at: person.status.left_at,
        left_by: person.status.left_by,
        seen_left: person.seen_left,
        resume,
        now,
    });
    let spec = person.spec.clone();
    let scope = Scope::of(&spec);
    let previous = if lifecycle.phase == Phase::Left { &[][..] } else { &person.status.roles[..] };
    let mut roles = access::effective_roles(&person.spec, &scope, &ns.book, previous, now);
    let mut apps = concerned(ns, &person, &roles);
    // What is known of a leaver may be less than there is: a crash, or a restored backup, may have lost it. And what cannot be
    // read may have granted anything.
    let anywhere = match lifecycle.phase {
        Phase::Left => is_behind(&person) || person.stored.left_at.is_none(),
        _ => person.deleting && !ns.unreadable_bindings.is_empty(),
    };
    if anywhere && person.held() {
        apps.extend(ns.apps.keys().cloned());
    }
    apps.retain(|app| only.is_none_or(|only| only == &**app));
    if lifecycle.phase == Phase::Left {
        roles.effective.clear();
    }
    let stalled = twin.map(|older| (Reason::DuplicatePersonId, older)).or_else(|| stale(&lifecycle));
    let situation = Situation {
        ns,
        lifecycle: &lifecycle,
        roles: &roles,
        scope: &scope,
        departure,
        stalled: &stalled,
        resume,
        now,
    };
    let accounts: Vec<_> = apps.into_iter().filter_map(|app| situation.account(&person, &app)).collect();
    let waits = accounts.iter().filter_map(|a| match a.due {
        Due::Nothing { next } => next,
        // Looked at again once that is stored.
        Due::Ledger(_) | Due::Work { .. } => None,
    });
    let next = waits.chain(lifecycle.next).chain(roles.next).min();
    Decision { person, departure, lifecycle, roles, accounts, stalled, next }
}

fn stale(lifecycle: &Lifecycle) -> Option<(Reason, String)> {
    lifecycle.stale_rehire.then(|| {
        let message = "the person left, and nothing newer says that they are back: set a startTime later than \
                       status.leftAt, or the annotation tenure.dev/resume with a reason";
        (Reason::StaleRehire, message.to_owned())
    })
}

/// A `tenure.dev/resume` whose value was not used before.
pub fn unused_resume(person: &Person) -> bool {
    person.resume.as_deref().is_some_and(|value| !value.is_empty() && value != person.status.handled_resume)
}

/// A `tenure.dev/remove-now` whose value was not used before.
fn unused_order(person: &Person) -> bool {
    person.remove_now.as_deref().is_some_and(|value| value != person.status.handled_remove_now)
}

/// Settles who of several Users with one `personId` keeps the accounts. For the one who does, ledgers of those being
/// deleted are taken over; for the others the answer says who does.
fn twins(ns: &Namespace, person: &mut Person) -> Option<String> {
    let same: Vec<_> = ns.same_person(&person.spec.person_id).collect();
    if same.len() < 2 {
        return None;
    }
    let candidates: Vec<_> =
        same.iter().map(|(name, p)| Claim { created: p.created, name, deleting: p.deleting }).collect();
    let keeper = converge::keeper(&candidates)?;
    let (keeper_name, _) = same.get(keeper)?;
    if ***keeper_name != *person.key.name {
        return Some(format!(
            "User {keeper_name} has the same personId and keeps the accounts: delete one of the two"
        ));
    }
    for (_, other) in same.iter().filter(|(name, p)| p.deleting && **name != person.key.name) {
        let Some(old) = other.status() else { continue };
        // Whoever was let go of has passed everything on.
        if other.held() {
            person.status.accounts = converge::inherit(&old.accounts, &person.status.accounts);
        }
        if person.status.handled_resume.is_empty() {
            person.status.handled_resume = old.handled_resume;
        }
        if person.status.left_at.is_none() && person.stored.accounts.is_empty() {
            person.status.left_at = old.left_at;
            person.status.left_by = old.left_by;
        }
    }
    None
}

/// Apps in which this person has an account or may get one.
fn concerned(ns: &Namespace, person: &Person, roles: &Roles) -> BTreeSet<Name> {
    let names: BTreeSet<&str> = roles.effective.iter().map(|r| r.name.as_str()).collect();
    let ledger = person.status.accounts.iter().map(|e| e.app.as_str());
    let known = |app: &str| ns.apps.get_key_value(app).map_or_else(|| app.into(), |(name, _)| name.clone());
    let suspected = ns.suspected_in(&person.key.name).map(|app| &**app);
    ns.apps_for(&names).chain(ledger).chain(suspected).map(known).collect()
}

/// Whether the status is about an earlier spec, or some App is still to be asked.
fn is_behind(person: &Person) -> bool {
    person.stored.observed_generation != Some(person.generation)
}

struct Situation<'a> {
    ns: &'a Namespace,
    lifecycle: &'a Lifecycle,
    roles: &'a Roles,
    scope: &'a Scope<'a>,
    departure: Departure,
    stalled: &'a Option<(Reason, String)>,
    resume: bool,
    now: Timestamp,
}

impl Situation<'_> {
    fn account(&self, person: &Person, app: &Name) -> Option<AccountDecision> {
        let entry = person.entry(app).cloned();
        let object = self.ns.apps.get(&**app);
        let spec = object.and_then(|o| o.spec.clone());
        let mut issues = Vec::new();
        let mut bindings = Vec::new();
        let wanted = match (object, &spec) {
            (None, _) => {
                entry.as_ref()?;
                Wanted::Released(Reason::AppDeleted)
            }
            (Some(_), None) => unknown(Reason::Undecodable, "the App cannot be decoded"),
            (Some(object), Some(spec)) => {
                let outcome = self.outcome(app, object);
                bindings = outcome.bindings.iter().map(|name| self.binding_name(name)).collect();
                issues = outcome.issues;
                self.wanted(person, entry.as_ref(), outcome.grant, (app, spec))
            }
        };
        let context = self.context(person, app, spec);
        let dry_run = context.spec.as_ref().is_some_and(|s| s.mode == Mode::DryRun);
        let unanswered = entry.is_none() && !dry_run && self.may_have_more(person, app, &wanted);
        let due = self.due(person, entry.as_ref(), (&wanted, unanswered), &context);
        Some(AccountDecision {
            uid: person.uid.clone(),
            app: app.clone(),
            personal: self.personal(person, app, &wanted),
            ordered: unused_order(person),
            dry_run,
            unanswered,
            wanted,
            entry,
            due,
            bindings,
            issues,
            context,
        })
    }

    /// The index's own copy of a binding's name.
    fn binding_name(&self, name: &str) -> Name {
        self.ns.bindings.get_key_value(name).map_or_else(|| name.into(), |(known, _)| known.clone())
    }

    fn context(&self, person: &Person, app: &Name, spec: Option<Arc<AppSpec>>) -> OwnedContext {
        let marker = spec.as_ref().map(|s| format!("{}{}", s.marker.prefix, person.spec.person_id));
        OwnedContext {
            app: app.clone(),
            target: spec.as_deref().map(target::hash).unwrap_or_default(),
            spec,
            marker: marker.unwrap_or_default(),
            protected: person.protected,
            resume: self.resume,
            cannot_suspend: None,
            deleting: person.deleting,
            findings: self
                .ns
                .suspicion(&person.key.name, app)
                .map(|s| s.findings.clone())
                .unwrap_or_default(),
            left_at: self
                .lifecycle
                .left_at
                .filter(|_| self.lifecycle.phase == Phase::Left)
                .map(whole_seconds),
        }
    }

    fn due(
        &self,
        person: &Person,
        entry: Option<&LedgerEntry>,
        (wanted, unanswered): (&Wanted, bool),
        context: &OwnedContext,
    ) -> Due {
        let paused = person.paused && !matches!(self.departure, Departure::Released(_));
        // Until it is known why the User is being deleted, only what is due anyhow is done.
        let unclear =
            person.deleting && self.departure == Departure::Unchecked && self.lifecycle.phase != Phase::Left;
        if paused || unclear {
            return Due::Nothing { next: None };
        }
        let default_policy = AppSpec::default();
        let policy = context.spec.as_deref().unwrap_or(&default_policy);
        let due = converge::due(wanted, entry, &context.at(policy, self.now));
        match due {
            Due::Nothing { .. } if unanswered && matches!(wanted, Wanted::Gone(_)) => {
                Due::Work { lane: Lane::Leave, removal: true }
            }
            Due::Nothing { .. } => suspected(wanted, &context.findings).unwrap_or(due),
            due => due,
        }
    }

    /// Whether there may be an account that the ledger does not know: one is being made, or what was known of it is lost. The
    /// finalizer says that one was once about to be made. Of somebody who leaves every App is asked once, of others who should
    /// have no access those Apps that are granted.
    fn may_have_more(&self, person: &Person, app: &str, wanted: &Wanted) -> bool {
        if !person.held() || person.fresh.iter().any(|(looked, _)| **looked == *app) {
            return false;
        }
        let behind = is_behind(person);
        match wanted {
            // A date needs no newer record.
            Wanted::Gone(Cause::Leave) => behind || person.stored.left_at.is_none(),
            Wanted::Gone(Cause::UserDeleted | Cause::Suspension) => behind,
            Wanted::Unknown { .. } => behind && self.lifecycle.phase == Phase::Left,
            Wanted::Gone(Cause::Unassign) | Wanted::Account(_) | Wanted::Released(_) => false,
        }
    }

    fn outcome(&self, app: &str, object: &AppObject) -> access::AccountOutcome {
        let bindings: Vec<_> = self.ns.bindings_of(app).map(|b: &BindingObject| &b.rules).collect();
        access::desired_account(app, &object.rules, &bindings, &self.roles.effective, self.scope)
    }

    fn wanted(
        &self,
        person: &Person,
        entry: Option<&LedgerEntry>,
        grant: Grant,
        (app, spec): (&str, &AppSpec),
    ) -> Wanted {
        if let Some((Reason::DuplicatePersonId, message)) = self.stalled {
            return Wanted::Unknown { reason: Reason::DuplicatePersonId, message: message.clone() };
        }
        if let (Departure::Released(reason), true) = (self.departure, person.deleting) {
            return Wanted::Released(reason);
        }
        match self.by_phase(person, entry, grant, (app, spec)) {
            // Letting go of the accounts is the only way out for the object.
            Wanted::Gone(_) if person.protected && person.deleting => {
                Wanted::Released(Reason::ProtectedPerson)
            }
            Wanted::Gone(_) if person.protected => {
                let Refusal { reason, message } = converge::protected_person();
                Wanted::Unknown { reason, message }
            }
            wanted => wanted,
        }
    }

    fn by_phase(
        &self,
        person: &Person,
        entry: Option<&LedgerEntry>,
        grant: Grant,
        (app, spec): (&str, &AppSpec),
    ) -> Wanted {
        let frozen = !self.ns.unreadable_bindings.is_empty();
        match self.lifecycle.phase {
            Phase::Left => Wanted::Gone(Cause::Leave),
            _ if person.deleting => Wanted::Gone(Cause::UserDeleted),
            // What is still in use ends at once; what becomes of it afterwards follows from the grant that is gone.
            Phase::Staged | Phase::Suspended if grant == Grant::No && !frozen && is_out(entry) => {
                Wanted::Gone(Cause::Unassign)
            }
            Phase::Staged | Phase::Suspended => Wanted::Gone(Cause::Suspension),
            Phase::Active => match grant {
                Grant::No if frozen => freeze(),
                Grant::No => Wanted::Gone(Cause::Unassign),
                // What the unreadable binding grants here is not known, so what is held cannot be weighed.
                Grant::Yes(_) if frozen && entry.is_some_and(|e| !e.entitlements.is_empty()) => freeze(),
                Grant::Yes(mut account) => {
                    // The marker is Tenure's own; a rule for it would fight it.
                    account.attributes.remove(spec.marker_attribute());
                    account.attributes.retain(|name, _| !traits(&spec.connector).is_reserved(name));
                    let target = target::hash(spec);
                    account.refer(traits(&spec.connector), |user| self.ns.remote_id(user, app, &target));
                    Wanted::Account(account)
                }
                Grant::Unknown { reason, message } => Wanted::Unknown { reason, message },
            },
        }
    }

    /// A removal is personal when it follows from this person's own record: their state, a date, or an assignment that
    /// the status lists and that is gone from the spec or out of its dates. That a Role was deleted, or its rule or
    /// bindings changed, is nobody's own doing.
    fn personal(&self, person: &Person, app: &str, wanted: &Wanted) -> bool {
        let assigned = |name: &str| {
            let counts = |r: &RoleAssignment| {
                r.effect == RoleEffect::Grant
                    && r.from.is_none_or(|from| from <= self.now)
                    && r.until.is_none_or(|until| self.now < until)
            };
            person.spec.roles.iter().any(|r| r.name == name && counts(r))
        };
        match wanted {
            Wanted::Gone(Cause::Leave | Cause::Suspension) => true,
            Wanted::Gone(Cause::Unassign) | Wanted::Account(_) => person
                .stored
                .roles
                .iter()
                .filter(|role| role.via == EffectiveRole::ASSIGNED && !assigned(&role.name))
                .any(|role| self.ns.bindings_of(app).any(|binding| binding.role() == role.name)),
            _ => false,
        }
    }
}

fn is_out(entry: Option<&LedgerEntry>) -> bool {
    let ended = |state| matches!(state, AccountState::Deleted | AccountState::Released);
    entry.is_none_or(|entry| entry.state.is_out_of_use() || ended(entry.state))
}

/// The look at an account about which a sweep found something, where nothing else is due.
fn suspected(wanted: &Wanted, findings: &[Finding]) -> Option<Due> {
    if !matches!(wanted, Wanted::Account(_) | Wanted::Gone(_)) {
        return None;
    }
    let lane = findings.iter().map(|finding| finding.lane()).min()?;
    // A leaver's account in use again is suspended anew, which takes nothing away that had not gone.
    Some(Due::Work { lane, removal: findings.iter().any(|finding| finding.may_take()) })
}

fn freeze() -> Wanted {
    unknown(
        Reason::RemovalsFrozen,
        "an AppBinding of this namespace cannot be decoded: nothing is taken away before it can",
    )
}

fn unknown(reason: Reason, message: &str) -> Wanted {
    Wanted::Unknown { reason, message: message.to_owned() }
}
