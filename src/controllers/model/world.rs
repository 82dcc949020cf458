//! An API server in memory: Users with versions, finalizers and preconditions, what the watches have not brought yet,
//! Holds, and what Apps have stored of their budgets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::fixture::{APPS, BINDINGS, PEOPLE, ROLES};
use super::observer::Observer;
use super::target::Target;
use crate::api::budget::RemovalUse;
use crate::api::{self, AccountState, Hold, UserSpec, UserStatus};
use crate::runtime::index::{Name, StoredPerson};

/// Whether an object can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Good,
    Unreadable,
}

/// Apps, Roles and bindings that exist, by their place in the fixture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Structure {
    pub(super) apps: [Option<Form>; APPS.len()],
    pub(super) roles: [Option<Form>; ROLES.len()],
    pub(super) bindings: [Option<Form>; BINDINGS.len()],
}

impl Default for Structure {
    fn default() -> Self {
        let good = Some(Form::Good);
        Self { apps: [good; APPS.len()], roles: [good; ROLES.len()], bindings: [good; BINDINGS.len()] }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Event {
    User(Name, Option<Box<StoredPerson>>),
    /// A User that cannot be decoded.
    Garbled(Name),
    App(usize, Option<Form>),
    Role(usize, Option<Form>),
    Binding(usize, Option<Form>),
}

/// What becomes of one write of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Refused,
    ReplyLost,
}

#[derive(Debug)]
pub(super) enum Refusal {
    Conflict,
    Gone,
    Failed,
}

pub(super) struct Object {
    pub(super) stored: StoredPerson,
    pub(super) spec: UserSpec,
    pub(super) status: UserStatus,
    /// It cannot be decoded.
    pub(super) garbled: bool,
}

pub(super) struct World {
    /// By the wall clock.
    pub(super) now: Timestamp,
    /// By a clock that does not jump.
    pub(super) elapsed: SignedDuration,
    pub(super) users: BTreeMap<Name, Object>,
    pub(super) structure: Structure,
    /// What a standby whose watches are behind takes for true.
    pub(super) seen_users: BTreeMap<Name, StoredPerson>,
    pub(super) seen: Structure,
    pub(super) events: VecDeque<Event>,
    pub(super) holds: BTreeMap<Name, Hold>,
    /// Who was frozen in each.
    pub(super) frozen: BTreeMap<Name, BTreeSet<String>>,
    pub(super) removals: [Option<RemovalUse>; APPS.len()],
    pub(super) troubles: VecDeque<Trouble>,
    pub(super) targets: [Target; APPS.len()],
    /// The process has ended, and does not know it yet.
    pub(super) dead: bool,
    pub(super) writes: usize,
    pub(super) observer: Observer,
    version: u64,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            now: Timestamp::from_second(1_800_000_000).unwrap(),
            elapsed: SignedDuration::ZERO,
            users: BTreeMap::new(),
            structure: Structure::default(),
            seen_users: BTreeMap::new(),
            seen: Structure::default(),
            events: VecDeque::new(),
            holds: BTreeMap::new(),
            frozen: BTreeMap::new(),
            removals: [const { None }; APPS.len()],
            troubles: VecDeque::new(),
            targets: std::array::from_fn(|_| Target::new()),
            dead: false,
            writes: 0,
            observer: Observer::default(),
            version: 0,
        }
    }

    pub(super) fn pass_time(&mut self, by: SignedDuration) {
        self.jump(by);
        self.elapsed = self.elapsed.checked_add(by).unwrap();
    }

    /// Somebody puts the wall clock forward, or back.
    pub(super) fn jump(&mut self, by: SignedDuration) {
        self.now = self.now.checked_add(by).unwrap();
    }

    pub(super) fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// Makes a person's User, unless there is one.
    pub(super) fn hire(&mut self, place: usize) {
        let (name, person_id) = PEOPLE[place];
        if self.users.contains_key(name) {
            return;
        }
        let spec = json!({"personId": person_id, "userName": format!("u{person_id}"), "title": "boss",
                          "roles": [{"name": "sales"}]});
        let spec: UserSpec = serde_json::from_value(spec).unwrap();
        let version = self.next_version();
        let created = self.now;
        let stored = read(
            name,
            &spec,
            &json!({"uid": format!("uid-{version}"), "generation": 1,
            "resourceVersion": version.to_string(), "creationTimestamp": created}),
        );
        let object = Object { stored, spec, status: UserStatus::default(), garbled: false };
        self.users.insert(name.into(), object);
        self.tell(name);
    }

    /// Changes a spec.
    pub(super) fn edit(&mut self, place: usize, change: impl FnOnce(&mut UserSpec)) {
        let version = self.next_version();
        let name = PEOPLE[place].0;
        let Some(object) = self.users.get_mut(name) else { return };
        let before = object.spec.clone();
        change(&mut object.spec);
        if object.spec == before {
            return;
        }
        let old = &object.stored;
        let word = |text: &Option<Box<str>>| text.as_deref().unwrap_or_default().to_owned();
        let metadata = json!({"uid": old.uid, "generation": old.generation + 1,
            "resourceVersion": version.to_string(), "creationTimestamp": old.created, "finalizers": old.finalizers,
            "deletionTimestamp": old.deleting.then_some(old.created),
            "annotations": {api::REMOVE_NOW: word(&old.remove_now), api::RESUME: word(&old.resume),
                            api::PROTECTED: word(&old.protected), api::PAUSED: old.paused.to_string()}});
        object.stored = read(name, &object.spec, &metadata).with_status(&object.status);
        self.tell(name);
    }

    /// Changes a User otherwise.
    pub(super) fn touch(&mut self, place: usize, change: impl FnOnce(&mut Object)) {
        let version = self.next_version();
        let name = PEOPLE[place].0;
        if let Some(object) = self.users.get_mut(name) {
            change(object);
            object.stored.resource_version = version.to_string().into();
            self.tell(name);
            self.bury(name);
        }
    }

    fn bury(&mut self, name: &str) {
        let ended = |object: &Object| object.stored.deleting && object.stored.finalizers.is_empty();
        if self.users.get(name).is_some_and(ended) {
            self.users.remove(name);
            self.tell(name);
        }
    }

    fn tell(&mut self, name: &str) {
        let event = match self.users.get(name) {
            Some(object) if object.garbled => Event::Garbled(name.into()),
            Some(object) => Event::User(name.into(), Some(Box::new(object.stored.clone()))),
            None => Event::User(name.into(), None),
        };
        self.events.push_back(event);
    }

    /// With an App goes what is in its status.
    pub(super) fn set_app(&mut self, place: usize, form: Option<Form>) {
        if self.structure.apps[place] != form {
            self.structure.apps[place] = form;
            self.removals[place] = self.removals[place].take().filter(|_| form.is_some());
            self.events.push_back(Event::App(place, form));
        }
    }

    pub(super) fn set_role(&mut self, place: usize, form: Option<Form>) {
        if self.structure.roles[place] != form {
            self.structure.roles[place] = form;
            self.events.push_back(Event::Role(place, form));
        }
    }

    pub(super) fn set_binding(&mut self, place: usize, form: Option<Form>) {
        if self.structure.bindings[place] != form {
            self.structure.bindings[place] = form;
            self.events.push_back(Event::Binding(place, form));
        }
    }

    /// Takes note that the watches have brought an event.
    pub(super) fn seen(&mut self, event: &Event) {
        match event {
            Event::User(name, Some(stored)) => {
                self.seen_users.insert(name.clone(), (**stored).clone());
            }
            // A process that begins knows nothing of one that it cannot decode.
            Event::User(name, None) | Event::Garbled(name) => drop(self.seen_users.remove(name)),
            Event::App(place, form) => self.seen.apps[*place] = *form,
            Event::Role(place, form) => self.seen.roles[*place] = *form,
            Event::Binding(place, form) => self.seen.bindings[*place] = *form,
        }
    }

    /// Whether Apps, Roles and bindings are, for the watches, what they are.
    pub(super) fn is_firm(&self) -> bool {
        self.events.iter().all(|event| matches!(event, Event::User(..) | Event::Garbled(_)))
    }

    fn refused(&mut self) -> Result<bool, Refusal> {
        if self.dead {
            return Err(Refusal::Failed);
        }
        match self.troubles.pop_front() {
            Some(Trouble::Refused) => Err(Refusal::Failed),
            other => Ok(other.is_some()),
        }
    }

    /// A write of the operator to a User, if it is still at the version that was read.
    pub(super) fn write(
        &mut self,
        name: &str,
        read: &str,
        change: impl FnOnce(&mut Object),
    ) -> Result<StoredPerson, Refusal> {
        let reply_lost = self.refused()?;
        let version = self.next_version();
        let object = self.users.get_mut(name).ok_or(Refusal::Gone)?;
        if *object.stored.resource_version != *read {
            return Err(Refusal::Conflict);
        }
        change(object);
        object.stored.resource_version = version.to_string().into();
        let written = object.stored.clone().written();
        self.writes += 1;
        self.tell(name);
        self.bury(name);
        if reply_lost { Err(Refusal::Failed) } else { Ok(written) }
    }

    pub(super) fn write_status(
        &mut self,
        name: &str,
        read: &str,
        status: &UserStatus,
    ) -> Result<StoredPerson, Refusal> {
        let written = self.write(name, read, |object| {
            object.status = status.clone();
            object.stored = object.stored.clone().with_status(status);
        });
        let stored = self.users.get(name).filter(|object| object.status == *status);
        if let Some(object) = stored {
            let marker = object.spec.person_id.clone();
            let active = status.accounts.iter().filter(|entry| entry.state == AccountState::Active);
            let apps = active.filter_map(|entry| APPS.iter().position(|app| **app == *entry.app));
            self.observer.known_in_use(&marker, apps);
            self.check_proof(name);
        }
        written
    }

    /// A write of the operator to an App's status, or of a Hold.
    pub(super) fn write_other(&mut self, change: impl FnOnce(&mut Self)) -> Result<(), Refusal> {
        let reply_lost = self.refused()?;
        change(self);
        self.writes += 1;
        if reply_lost { Err(Refusal::Failed) } else { Ok(()) }
    }
}

fn read(name: &str, spec: &UserSpec, metadata: &serde_json::Value) -> StoredPerson {
    let user = json!({"metadata": metadata, "spec": spec}).to_string();
    let mut raw: crate::runtime::index::RawUser = serde_json::from_str(&user).unwrap();
    raw.metadata.name = Some(name.to_owned());
    StoredPerson::from_raw(raw).unwrap()
}
