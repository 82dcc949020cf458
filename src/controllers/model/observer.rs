//! Watches every change of a target, and says what must not have been. It knows the operator's rules only as people would
//! say them, from the objects in the API server.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::fixture::{APPS, BINDINGS, LIMIT, PEOPLE, ROLES};
use super::target::{Target, owner};
use super::world::{Form, Object, Structure, World};
use crate::api::user::LeftBy;
use crate::api::{DesiredState, UserSpec};
use crate::controllers::conditions::ACCESS_REVOKED;
use crate::converge::Change;
use crate::runtime::index::StoredPerson;

/// A change of a target.
pub(super) enum Deed<'a> {
    Create(&'a str),
    Resume(&'a str),
    Update(&'a str, &'a [Change]),
    Grant(&'a str),
    Revoke(&'a str, &'a str),
    Suspend(&'a str),
    Delete(&'a str),
}

/// What should be true of a person in an App.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    /// An account with these groups.
    In(BTreeSet<&'static str>),
    /// No usable account.
    Out,
    /// The same, because the person left, and that is on record.
    Left,
    /// There is no such person, or it depends on what was seen when.
    Unclear,
}

/// Somebody has lost something.
#[derive(Debug)]
struct Loss {
    at: SignedDuration,
    person_id: String,
    app: usize,
}

#[derive(Default)]
pub(super) struct Observer {
    losses: Vec<Loss>,
    /// Who has lost something in which App since they were last known to use it, and whether it was a deletion.
    open: BTreeSet<(String, usize, bool)>,
    /// Accounts that were given something in the pass under way.
    granted: BTreeSet<(usize, String)>,
    pub(super) wrong: Vec<String>,
}

impl Observer {
    pub(super) fn known_in_use(&mut self, person_id: &str, apps: impl Iterator<Item = usize>) {
        for app in apps {
            self.open.retain(|(person, of, _)| person != person_id || *of != app);
        }
    }

    pub(super) fn next_pass(&mut self) {
        self.granted.clear();
    }
}

impl World {
    fn wrong(&mut self, what: String) {
        self.observer.wrong.push(what);
    }

    /// Sees a request that changes something, right before it takes effect.
    pub(super) fn watch(&mut self, app: usize, deed: &Deed<'_>) {
        let account = match deed {
            Deed::Create(person_id) => return self.watch_arrival(app, person_id, "created"),
            Deed::Update(id, _)
            | Deed::Revoke(id, _)
            | Deed::Resume(id)
            | Deed::Grant(id)
            | Deed::Suspend(id)
            | Deed::Delete(id) => id,
        };
        let Some(account) = self.targets[app].accounts.get(*account).cloned() else { return };
        if account.id.starts_with('x') {
            self.wrong(format!("{} of {} is nobody's and was changed", account.id, APPS[app]));
        }
        let person_id = owner(account.marker.as_deref()).to_owned();
        if self.structure.apps[app].is_none() && self.seen.apps[app].is_none() {
            self.wrong(format!("{} was changed in {}, which is no App any more", account.id, APPS[app]));
        }
        let in_use = account.active && !self.targets[app].revived.contains(&account.id);
        match deed {
            Deed::Resume(_) => self.watch_arrival(app, &person_id, "resumed"),
            Deed::Grant(id) => drop(self.observer.granted.insert((app, (*id).to_owned()))),
            Deed::Suspend(_) if in_use => self.watch_loss(app, &person_id, None, false),
            Deed::Delete(_) => {
                if account.active {
                    self.wrong(format!("{} was deleted while in use", account.id));
                }
                self.watch_loss(app, &person_id, None, true);
            }
            Deed::Revoke(id, group) => {
                if self.observer.granted.contains(&(app, (*id).to_owned())) {
                    self.wrong(format!("{id} got something new before the old was taken away"));
                }
                if !self.targets[app].granted.contains(&((*id).to_owned(), (*group).to_owned()))
                    && self.targets[app].members.contains(&((*id).to_owned(), (*group).to_owned()))
                {
                    self.wrong(format!("{id} lost {group}, which somebody else had granted"));
                }
                if in_use {
                    self.watch_loss(app, &person_id, Some(group), false);
                }
            }
            Deed::Update(_, changes) if in_use => {
                let taken = |change: &Change| change.value.is_none() || &*change.attribute == "userName";
                if changes.iter().any(taken) {
                    self.count_loss(app, &person_id, false);
                }
            }
            _ => {}
        }
    }

    fn watch_arrival(&mut self, app: usize, person_id: &str, how: &str) {
        if self.truth(person_id, app, &self.structure) == Truth::Left {
            self.wrong(format!("{person_id} has left, and an account in {} was {how}", APPS[app]));
        }
    }

    fn watch_loss(&mut self, app: usize, person_id: &str, group: Option<&str>, deletion: bool) {
        let keeps = |structure: &Structure| match self.truth(person_id, app, structure) {
            Truth::In(groups) => group.is_none_or(|group| groups.contains(group)),
            _ => false,
        };
        let spared = self.is_spared(person_id);
        // What follows from a person's own record does not wait for the watches of the rest.
        if keeps(&self.structure) && keeps(&self.seen) && self.is_seen(person_id) {
            self.wrong(format!(
                "{person_id} lost {} in {} without a reason",
                group.unwrap_or("all"),
                APPS[app]
            ));
        }
        if spared {
            self.wrong(format!("{person_id} is protected or paused, and lost something in {}", APPS[app]));
        }
        self.count_loss(app, person_id, deletion);
    }

    /// Whether the watches have brought every User of a person.
    fn is_seen(&self, person_id: &str) -> bool {
        self.objects(person_id).all(|(place, object)| {
            self.seen_users.get(PEOPLE[place].0).is_some_and(|seen| seen.uid == object.stored.uid)
        })
    }

    /// Whether nothing may be taken from a person, and the watches say so too.
    fn is_spared(&self, person_id: &str) -> bool {
        let spared = |stored: &StoredPerson| stored.paused || stored.protected.is_some();
        let mut objects = self.objects(person_id).peekable();
        objects.peek().is_some()
            && objects.all(|(place, object)| {
                spared(&object.stored) && self.seen_users.get(PEOPLE[place].0).is_some_and(spared)
            })
    }

    fn count_loss(&mut self, app: usize, person_id: &str, deletion: bool) {
        let excused = self.is_excused(app, person_id);
        let (at, person_id) = (self.elapsed, person_id.to_owned());
        if !self.observer.open.insert((person_id.clone(), app, deletion)) || excused {
            return;
        }
        self.observer.losses.push(Loss { at, person_id, app });
        let since = at - SignedDuration::from_hours(24);
        let recent = self.observer.losses.iter().filter(|loss| loss.app == app && loss.at > since);
        let people: BTreeSet<_> = recent.map(|loss| loss.person_id.clone()).collect();
        if people.len() > LIMIT {
            self.wrong(format!("{people:?} lost something in {} within a day", APPS[app]));
        }
    }

    /// Whether a person has said that it may be taken.
    fn is_excused(&self, app: usize, person_id: &str) -> bool {
        let approved = |(name, people): (_, &BTreeSet<String>)| {
            let hold = self.holds.get(name);
            people.contains(person_id)
                && hold.is_some_and(|hold| {
                    hold.spec.approval.is_some() && hold.status.as_ref().is_some_and(|s| s.app == APPS[app])
                })
        };
        self.frozen.iter().any(approved)
            || self.objects(person_id).any(|(_, object)| object.stored.remove_now.is_some())
    }

    pub(super) fn check_duplicates(&mut self, app: usize) {
        for (_, person_id) in PEOPLE {
            if self.targets[app].of(person_id).count() > 1 {
                self.wrong(format!("{person_id} has two accounts in {}", APPS[app]));
            }
        }
    }

    /// That a status which says that access was cut is right.
    pub(super) fn check_proof(&mut self, name: &str) {
        let Some(object) = self.users.get(name) else { return };
        let mut conditions = object.status.conditions.iter();
        let proved = conditions.any(|c| c.type_ == ACCESS_REVOKED && c.status == "True");
        let person_id = object.spec.person_id.clone();
        if !proved || self.objects(&person_id).count() > 1 {
            return;
        }
        let is_app = |(app, _): &(usize, &Target)| self.structure.apps[*app].is_some();
        for (app, target) in self.targets.iter().enumerate().filter(is_app) {
            let in_use = |id: &String| !target.revived.contains(id);
            if target.of(&person_id).any(|account| account.active && in_use(&account.id)) {
                let wrong =
                    format!("{person_id} is said to have no access, and has an account in {}", APPS[app]);
                return self.wrong(wrong);
            }
        }
    }

    pub(super) fn objects(&self, person_id: &str) -> impl Iterator<Item = (usize, &Object)> {
        let same = PEOPLE.iter().enumerate().filter(move |(_, (_, id))| *id == person_id);
        same.filter_map(|(place, (name, _))| Some((place, self.users.get(*name)?)))
    }

    pub(super) fn truth(&self, person_id: &str, app: usize, structure: &Structure) -> Truth {
        let mut objects: Vec<_> = self.objects(person_id).collect();
        objects.sort_by_key(|(place, o)| (o.stored.deleting, o.stored.created, PEOPLE[*place].0));
        let doubtful = objects.len() > 1 && objects.iter().any(|(_, o)| o.status.left_at.is_some());
        let doubtful =
            doubtful || structure.apps[app].is_none() || objects.iter().any(|(_, o)| is_unclear(o));
        let Some((_, object)) = objects.first().filter(|_| !doubtful) else { return Truth::Unclear };
        if is_left(object, self.now) {
            return if object.status.left_at.is_some() { Truth::Left } else { Truth::Out };
        }
        let spec = &object.spec;
        let active = spec.state == DesiredState::Active && spec.start_time.is_none_or(|at| at <= self.now);
        if object.stored.deleting || !active {
            return Truth::Out;
        }
        let bound = BINDINGS.iter().zip(structure.bindings).filter(|(_, form)| form.is_some());
        let mine = bound.filter(|((role, of, _), _)| *of == app && has(spec, *role, structure, self.now));
        let groups: BTreeSet<_> = mine.map(|((.., group), _)| *group).collect();
        if groups.is_empty() { Truth::Out } else { Truth::In(groups) }
    }

    /// Whether everything that exists can be read.
    pub(super) fn is_readable(&self) -> bool {
        let Structure { apps, roles, bindings } = &self.structure;
        let mut forms = apps.iter().chain(roles).chain(bindings);
        forms.all(|form| *form != Some(Form::Unreadable))
    }
}

fn has(spec: &UserSpec, role: usize, structure: &Structure, now: Timestamp) -> bool {
    let assigned =
        spec.roles.iter().any(|r| r.name == ROLES[role] && r.until.is_none_or(|until| until > now));
    let by_rule = role == 1 && spec.department.as_deref() == Some("ops");
    structure.roles[role].is_some() && (assigned || by_rule)
}

/// Whether what a person should have depends on more than what can be read of them now.
fn is_unclear(object: &Object) -> bool {
    let Object { stored, status, garbled, .. } = object;
    let resumes = stored.resume.as_deref().is_some_and(|word| word != status.handled_resume);
    *garbled || stored.paused || resumes || stored.protected.is_some()
}

/// Whether the person has left, and nothing newer says that they are back.
pub(super) fn is_left(object: &Object, now: Timestamp) -> bool {
    let spec = &object.spec;
    let back = |left: &Timestamp| {
        let prolonged = object.status.left_by == Some(LeftBy::EndTime);
        spec.start_time.is_some_and(|start| start > *left)
            || (prolonged && spec.end_time.is_some_and(|end| end > *left))
    };
    spec.state == DesiredState::Terminated
        || spec.end_time.is_some_and(|end| end <= now)
        || object.status.left_at.is_some_and(|left| !back(&left))
}
