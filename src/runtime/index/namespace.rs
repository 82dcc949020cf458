//! One namespace of the fleet: its people and what is declared for them, with the indexes that decisions need.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use super::links::Links;
use super::objects::{AppObject, BindingObject, HoldObject, Meta, RoleObject};
use super::person::StoredPerson;
use super::references::References;
use super::suspicions::{Suspicion, Suspicions};
use super::{Key, Name};
use crate::access::{AppRules, BindingRules, FieldProblem, RoleBook};
use crate::api::{App, AppBinding, AppSpec, Hold, LedgerEntry, Mode, Reason, Role};
use crate::connectors;
use crate::converge::budget::FrozenSet;
use crate::converge::{self, Finding};

/// What taking a person in has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// Nothing that matters.
    Same,
    /// A decision about them could change.
    Changed,
    /// The server has an older version than before: its ledger may not know what was done since.
    WentBack,
}

/// One namespace.
#[derive(Default)]
pub struct Namespace {
    users: HashMap<Name, StoredPerson>,
    by_person: Links,
    references: References,
    suspicions: Suspicions,
    /// Compiled Roles.
    pub book: RoleBook,
    /// Roles.
    pub roles: BTreeMap<Name, RoleObject>,
    /// Apps.
    pub apps: BTreeMap<Name, AppObject>,
    /// `AppBindings` that can be, or once could be, decoded.
    pub bindings: BTreeMap<Name, BindingObject>,
    bindings_by_app: Links,
    bindings_by_role: Links,
    /// `AppBindings` that exist and were never decoded: what they grant is unknown.
    pub unreadable_bindings: BTreeMap<Name, Meta>,
    /// Holds.
    pub holds: BTreeMap<Name, HoldObject>,
}

impl Namespace {
    /// A person.
    pub fn user(&self, name: &str) -> Option<&StoredPerson> {
        self.users.get(name)
    }

    /// A person, to note what a decision found.
    pub fn user_mut(&mut self, name: &str) -> Option<&mut StoredPerson> {
        self.users.get_mut(name)
    }

    /// All people, in no order.
    pub fn users(&self) -> impl Iterator<Item = (&Name, &StoredPerson)> {
        self.users.iter()
    }

    /// People with this `personId`: usually one.
    pub fn same_person(&self, person_id: &str) -> impl Iterator<Item = (&Name, &StoredPerson)> {
        self.by_person.of(person_id).iter().filter_map(|n| self.users.get_key_value(n))
    }

    /// The other Users with the `personId` of this one.
    pub fn others_like(&self, user: &str, person_id: &str) -> impl Iterator<Item = (&Name, &StoredPerson)> {
        self.same_person(person_id).filter(move |(name, _)| ***name != *user)
    }

    /// Takes a person in.
    ///
    /// An older version than the one kept is an event that our own write overtook, and is dropped; unless it comes from
    /// a list that was begun after that write: then the server itself went back (an etcd restore).
    pub fn put_user(
        &mut self,
        name: &Name,
        mut person: StoredPerson,
        listed_since: Option<Instant>,
    ) -> Intake {
        let mut went_back = false;
        if let Some(kept) = self.users.get_mut(name)
            && kept.uid == person.uid
            && (kept.is_newer_than(&person) || kept.was_let_go(&person))
        {
            if listed_since.is_none_or(|began| kept.written.is_some_and(|w| w >= began)) {
                kept.epoch = kept.epoch.max(person.epoch);
                return Intake::Same;
            }
            went_back = true;
        }
        if !went_back
            && let Some(kept) = self.users.get_mut(name)
            && !kept.differs(&person)
        {
            // The old texts stay where they are: a relist would otherwise move everybody in memory.
            kept.take_version(person);
            return Intake::Same;
        }
        let before = self.users.get_mut(name).map(|old| {
            person.summary = std::mem::take(&mut old.summary);
            person.summary.left_at = person.summary.left_at.filter(|_| old.uid == person.uid);
            person.written = person.written.or(old.written);
            // A live read in the middle of a list must not make the person look unlisted.
            person.epoch = person.epoch.max(old.epoch);
            (old.differs(&person), old.person_id.clone(), old.manager.clone())
        });
        let manager = before.as_ref().and_then(|(.., manager)| manager.as_deref());
        if before.is_none() || manager != person.manager.as_deref() {
            self.references.unlink(manager, name);
            self.references.link(person.manager.as_deref(), name);
        }
        let changed = match &before {
            Some((changed, id, _)) if *id == person.person_id => *changed,
            Some((_, id, _)) => {
                let id = id.clone();
                self.by_person.unlink(&id, name);
                self.by_person.link(&person.person_id, name);
                true
            }
            None => {
                self.by_person.link(&person.person_id, name);
                true
            }
        };
        self.users.insert(name.clone(), person);
        match (went_back, changed) {
            (true, _) => Intake::WentBack,
            (false, true) => Intake::Changed,
            (false, false) => Intake::Same,
        }
    }

    /// Drops a person who is no longer in the API server.
    pub fn remove_user(&mut self, name: &str) -> Option<StoredPerson> {
        let person = self.users.remove(name)?;
        self.by_person.unlink(&person.person_id, name);
        self.references.unlink(person.manager.as_deref(), name);
        self.references.forget(name);
        self.suspicions.forget_user(name);
        Some(person)
    }

    /// Keeps what a sweep found about a person's account until it is looked at.
    pub fn suspect(&mut self, user: &Name, app: &Name, finding: Finding, print: u64) {
        if self.users.contains_key(user) {
            self.suspicions.add(user, app, finding, print);
        }
    }

    /// What a sweep found about a person's account, if nobody has looked since.
    pub fn suspicion(&self, user: &str, app: &str) -> Option<&Suspicion> {
        self.suspicions.of(user, app)
    }

    /// Apps in which a sweep found something about this person.
    pub fn suspected_in(&self, user: &str) -> impl Iterator<Item = &Name> {
        self.suspicions.apps(user)
    }

    /// The account was looked at: answers what had been found.
    pub fn clear_suspicion(&mut self, user: &str, app: &str) -> Option<Suspicion> {
        self.suspicions.take(user, app)
    }

    /// Those whose manager this is.
    pub fn reports(&self, manager: &str) -> &[Name] {
        self.references.reports(manager)
    }

    /// Takes note of a person's accounts as known and as stored; whether those who refer to them have to be looked at.
    pub fn note_accounts(&mut self, name: &Name, ledger: &[LedgerEntry], stored: &[LedgerEntry]) -> bool {
        self.references.note(name, ledger, stored)
    }

    /// The User whom this one refers to, if nobody has taken note of that one's accounts.
    pub fn unnoted_manager(&self, manager: &str) -> Option<&Name> {
        let (name, _) = self.users.get_key_value(manager)?;
        (!self.references.knows(manager)).then_some(name)
    }

    /// The remote id of a User's account in an App, for others to refer to.
    pub fn remote_id(&self, user: &str, app: &str, target: &str) -> Option<String> {
        if self.references.knows(user) {
            return self.references.id(user, app, target).map(str::to_owned);
        }
        // Nobody who was not looked at yet may seem to have no account: what is stored of them counts.
        let status = self.users.get(user)?.status()?;
        let entry = status.accounts.iter().find(|entry| entry.app == app)?;
        converge::referable(entry, target).map(str::to_owned)
    }

    /// Marks that a User was listed which cannot be decoded; the last good form, if any, stays.
    pub fn user_undecodable(&mut self, name: &str, epoch: u32) {
        if let Some(person) = self.users.get_mut(name) {
            person.epoch = epoch;
        }
    }

    /// Takes a Role in; whether anybody's roles could change by it.
    pub fn put_role(&mut self, name: &Name, role: Role, epoch: u32) -> bool {
        let meta = Meta::of(&role.metadata, epoch);
        let changed = self.roles.get(name).is_none_or(|old| old.spec != role.spec || old.undecodable);
        if changed {
            self.book.insert(name, &role.spec);
        }
        let object =
            RoleObject { meta, spec: role.spec, status: role.status.unwrap_or_default(), undecodable: false };
        self.roles.insert(name.clone(), object);
        changed
    }

    /// Takes an App in; whether accounts could change by it.
    pub fn put_app(&mut self, name: &Name, app: App, epoch: u32) -> bool {
        let meta = Meta::of(&app.metadata, epoch);
        let old = self.apps.get(name);
        let same = old.is_some_and(|o| {
            o.spec.as_deref() == Some(&app.spec) && o.meta.uid == meta.uid && !o.undecodable
        });
        let untouched =
            same && old.is_some_and(|o| o.meta.paused == meta.paused && o.meta.requested == meta.requested);
        let (rules, problems) = match old {
            Some(old) if same => (old.rules.clone(), old.problems.clone()),
            _ => compile_app(&app.spec),
        };
        let status = app.status.unwrap_or_default();
        let object =
            AppObject { meta, spec: Some(Arc::new(app.spec)), status, rules, problems, undecodable: false };
        self.apps.insert(name.clone(), object);
        !untouched
    }

    /// Takes an `AppBinding` in; the roles whose holders it may concern, or `None` where nothing changed.
    pub fn put_binding(&mut self, name: &Name, binding: AppBinding, epoch: u32) -> Option<Vec<Name>> {
        let readable_now = self.unreadable_bindings.remove(name).is_some();
        let meta = Meta::of(&binding.metadata, epoch);
        let status = binding.status.unwrap_or_default();
        if let Some(old) = self.bindings.get_mut(name)
            && old.spec == binding.spec
            && !old.undecodable
        {
            old.meta = meta;
            old.status = status;
            return readable_now.then(Vec::new);
        }
        let (rules, problems) = BindingRules::compile(name, &binding.spec);
        let object = BindingObject { meta, spec: binding.spec, status, rules, problems, undecodable: false };
        let mut concerned: Vec<Name> = vec![object.role().into()];
        concerned.extend(self.drop_binding(name).filter(|role| !concerned.contains(role)));
        self.bindings_by_app.link(object.app(), name);
        self.bindings_by_role.link(object.role(), name);
        self.bindings.insert(name.clone(), object);
        // While it could not be read, everybody's removals were frozen.
        Some(if readable_now { Vec::new() } else { concerned })
    }

    /// Drops an `AppBinding`; the roles whose holders it concerned.
    pub fn remove_binding(&mut self, name: &str) -> Vec<Name> {
        self.unreadable_bindings.remove(name);
        self.drop_binding(name).into_iter().collect()
    }

    /// Drops a binding from the indexes too; the Role that it named.
    fn drop_binding(&mut self, name: &str) -> Option<Name> {
        let old = self.bindings.remove(name)?;
        self.bindings_by_app.unlink(old.app(), name);
        self.bindings_by_role.unlink(old.role(), name);
        Some(old.role().into())
    }

    /// Takes a Hold in; whether those that it holds could be concerned. An older version than the one kept, which an
    /// event brings that our own write overtook, is dropped.
    pub fn put_hold(&mut self, name: &Name, hold: Hold, epoch: u32) -> bool {
        let mut meta = Meta::of(&hold.metadata, epoch);
        let old = self.holds.get(name);
        let version = |meta: &Meta| meta.resource_version.parse::<u64>().unwrap_or_default();
        if let Some(old) = old.filter(|old| old.meta.uid == meta.uid && version(&old.meta) > version(&meta)) {
            meta = Meta { epoch: epoch.max(old.meta.epoch), ..old.meta.clone() };
            if let Some(kept) = self.holds.get_mut(name) {
                kept.meta = meta;
            }
            return false;
        }
        let mut status = hold.status.unwrap_or_default();
        let text = std::mem::take(&mut status.frozen);
        let frozen = FrozenSet::decode(&text).unwrap_or_default();
        let frozen = match old.filter(|old| *old.frozen == frozen) {
            Some(old) => old.frozen.clone(),
            None => Arc::new(frozen),
        };
        let changed = old.is_none_or(|old| {
            old.meta.uid != meta.uid || old.spec != hold.spec || old.status.outcome != status.outcome
        });
        let created = hold.metadata.creation_timestamp.map_or(jiff::Timestamp::UNIX_EPOCH, |t| t.0);
        let object = HoldObject { meta, spec: hold.spec, status, frozen, created };
        self.holds.insert(name.clone(), object);
        changed
    }

    /// Drops a Role.
    pub fn remove_role(&mut self, name: &str) {
        self.book.remove(name);
        self.roles.remove(name);
    }

    /// Whether an App is one that does nothing but plan.
    pub fn only_plans(&self, app: &str) -> bool {
        self.apps.get(app).and_then(|app| app.spec.as_ref()).is_some_and(|spec| spec.mode == Mode::DryRun)
    }

    /// Bindings that name an App, by name.
    pub fn bindings_of(&self, app: &str) -> impl Iterator<Item = &BindingObject> {
        self.bindings_by_app.of(app).iter().filter_map(|name| self.bindings.get(name))
    }

    /// Names of Apps that bindings of these roles name.
    pub fn apps_for<'a>(&'a self, roles: &'a BTreeSet<&str>) -> impl Iterator<Item = &'a str> {
        let named = roles.iter().flat_map(|role| self.bindings_by_role.of(role));
        named.filter_map(|name| self.bindings.get(name)).map(BindingObject::app)
    }

    /// People whom a change of these roles' bindings or of this App may concern.
    pub fn concerned(&self, namespace: &Name, roles: &[Name], app: Option<&str>) -> Vec<Key> {
        let concerns = |person: &StoredPerson| {
            person.summary.roles.iter().any(|r| roles.contains(r))
                || app.is_some_and(|app| person.summary.accounts.iter().any(|a| &*a.app == app))
        };
        self.users
            .iter()
            .filter(|(_, p)| concerns(p))
            .map(|(n, _)| Key::new(namespace.clone(), n.clone()))
            .collect()
    }
}

/// Attribute rules of an App, over its connector's defaults.
fn compile_app(spec: &AppSpec) -> (AppRules, Vec<FieldProblem>) {
    let (rules, mut problems) = AppRules::compile(connectors::any::traits(&spec.connector), &spec.attributes);
    let marker = spec.attributes.iter().position(|rule| rule.to == spec.marker_attribute());
    problems.extend(marker.map(|place| FieldProblem {
        field: format!("spec.attributes[{place}].to"),
        reason: Reason::InvalidConfiguration,
        message: format!(
            "{} is the marker, which Tenure writes itself: choose another spec.marker.attribute",
            spec.marker_attribute()
        ),
    }));
    (rules, problems)
}

#[cfg(test)]
mod tests;
