//! What one operator process knows, and how it decides: the real index, decisions, gates and recorder, on a clock of ours.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::fixture::{self, APPS};
use super::world::{Event, Form, World};
use crate::api::{AppSpec, HoldOutcome, Reason};
use crate::controllers::hold::gate::{Desk, in_use, removals};
use crate::controllers::hold::remains::Remains;
use crate::controllers::hold::{bound, holders};
use crate::controllers::user::decide::{self, AccountDecision, Decision, Departure};
use crate::controllers::user::record::Recorder;
use crate::controllers::user::status;
use crate::controllers::user::{flush, keeps_quiet, needs_hold, summarize};
use crate::converge::budget::{Bond, Class, Limits, Moment, Removal, Standing};
use crate::converge::{Cause, Due, Lane};
use crate::runtime::index::{Intake, Key, Name, Namespace, Person, StoredPerson, Suspicion};

pub(super) struct Process {
    policies: usize,
    pub(super) ns: Namespace,
    pub(super) recorder: Recorder,
    pub(super) desks: [Desk; APPS.len()],
    departures: BTreeMap<Name, (String, Departure)>,
    /// Who is to be looked at, and whether something about them is new.
    pub(super) dirty: BTreeMap<Name, bool>,
    pub(super) queue: BTreeSet<(Lane, usize, Name)>,
    /// Whose work waits before it is tried again.
    pub(super) resting: BTreeSet<(usize, Name)>,
    /// Since when an App's trouble keeps somebody's work waiting.
    pub(super) troubled: BTreeMap<(usize, Name), SignedDuration>,
    pub(super) wakeups: BTreeMap<Name, Timestamp>,
    pub(super) remains: BTreeMap<Name, Remains>,
    pub(super) refuted: HashMap<(usize, Name), Suspicion>,
}

impl Process {
    /// One that begins to lead. `behind`: its watches have not brought everything yet.
    pub(super) fn start(world: &World, policies: usize, behind: bool) -> Self {
        let structure = if behind { &world.seen } else { &world.structure };
        let mut process = Self {
            policies,
            ns: fixture::namespace(structure, policies),
            recorder: Recorder::default(),
            desks: std::array::from_fn(|_| Desk::default()),
            departures: BTreeMap::new(),
            dirty: BTreeMap::new(),
            queue: BTreeSet::new(),
            resting: BTreeSet::new(),
            troubled: BTreeMap::new(),
            wakeups: BTreeMap::new(),
            remains: BTreeMap::new(),
            refuted: HashMap::new(),
        };
        let live = world.users.iter().filter(|(_, object)| !object.garbled);
        let live = live.map(|(name, object)| (name, &object.stored));
        let seen: Vec<_> = if behind { world.seen_users.iter().collect() } else { live.collect() };
        for (name, stored) in seen {
            process.ns.put_user(name, stored.clone(), None);
            process.dirty.insert(name.clone(), true);
        }
        for (name, hold) in &world.holds {
            process.ns.put_hold(name, hold.clone(), 1);
        }
        (0..APPS.len()).for_each(|app| process.activate(world, app));
        process
    }

    /// What `Engine::activate` does.
    pub(super) fn activate(&mut self, world: &World, app: usize) {
        let Self { ns, desks, .. } = self;
        let budget = &mut desks[app].budget;
        if budget.is_active() || world.structure.apps[app] != Some(Form::Good) {
            return;
        }
        if let Some(spec) = ns.apps.get(APPS[app]).and_then(|app| app.spec.as_deref()) {
            budget.set_limits(limits(spec));
        }
        budget.bind(APPS[app]);
        let now = moment(world);
        budget.restore(world.removals[app].as_ref(), &removals(ns, APPS[app], world.now), now);
        budget.measured(in_use(ns, APPS[app]), now);
        self.touch_all();
    }

    /// Takes in what a watch brings.
    pub(super) fn deliver(&mut self, event: &Event) {
        match event {
            Event::User(name, Some(stored)) => {
                if self.ns.put_user(name, (**stored).clone(), None) != Intake::Same {
                    self.touch(name, true);
                    self.touch_same(&stored.person_id);
                }
            }
            Event::User(name, None) => {
                if let Some(gone) = self.ns.remove_user(name) {
                    self.forget(name);
                    self.touch_same(&gone.person_id);
                }
            }
            Event::Garbled(_) => {}
            Event::App(place, form) => {
                fixture::put_app(&mut self.ns, *place, self.policies, *form);
                if form.is_none() {
                    self.resting.retain(|(app, _)| app != place);
                    self.queue.retain(|(_, app, _)| app != place);
                    self.troubled.retain(|(app, _), _| app != place);
                }
                self.touch_all();
            }
            Event::Role(place, form) => {
                fixture::put_role(&mut self.ns, *place, *form);
                self.touch_all();
            }
            Event::Binding(place, form) => match fixture::put_binding(&mut self.ns, *place, *form) {
                Some(roles) => {
                    let concerned = self.ns.concerned(&"ns".into(), &roles, None);
                    for key in concerned {
                        self.touch(&key.name, true);
                    }
                }
                None => self.touch_all(),
            },
        }
    }

    fn forget(&mut self, name: &Name) {
        let key = key(name);
        self.recorder.forget(&key);
        self.departures.remove(name);
        self.wakeups.remove(name);
        self.dirty.remove(name);
        self.queue.retain(|(.., queued)| queued != name);
        self.desks.iter_mut().for_each(|desk| desk.withdraw(name));
    }

    pub(super) fn touch(&mut self, name: &Name, fresh: bool) {
        *self.dirty.entry(name.clone()).or_default() |= fresh;
    }

    pub(super) fn touch_all(&mut self) {
        let all: Vec<_> = self.ns.users().map(|(name, _)| name.clone()).collect();
        for name in all {
            self.touch(&name, true);
        }
    }

    pub(super) fn touch_same(&mut self, person_id: &str) {
        let same: Vec<_> = self.ns.same_person(person_id).map(|(name, _)| name.clone()).collect();
        for name in same {
            self.touch(&name, true);
        }
    }

    pub(super) fn take_in(&mut self, name: &Name, stored: StoredPerson) -> Intake {
        match self.ns.user(name) {
            Some(known) if known.uid == stored.uid => self.ns.put_user(name, stored, None),
            _ => Intake::Same,
        }
    }

    pub(super) fn take_in_live(&mut self, name: &Name, live: StoredPerson) {
        if self.take_in(name, live.written()) != Intake::Same {
            self.touch(name, true);
        }
    }

    pub(super) fn person(&self, key: &Key) -> Option<Person> {
        let mut person = self.ns.user(&key.name)?.load(key.clone())?;
        person.fresh = self.recorder.overlay(key, &mut person.status.accounts);
        Some(person)
    }

    pub(super) fn decide(&self, key: &Key, only: Option<&str>, now: Timestamp) -> Option<Decision> {
        let person = self.person(key)?;
        let known = self.departures.get(&key.name).filter(|(uid, _)| *uid == person.uid);
        let departure = known.map(|(_, departure)| *departure).unwrap_or_default();
        Some(decide::decide_in(&self.ns, person, departure, now, only))
    }

    pub(super) fn account(&self, key: &Key, app: usize, now: Timestamp) -> Option<AccountDecision> {
        let accounts = self.decide(key, Some(APPS[app]), now)?.accounts;
        accounts.into_iter().find(|account| *account.app == *APPS[app])
    }

    /// What `Looker::look` does.
    pub(super) fn look(&mut self, world: &World, name: &Name, fresh: bool) {
        let (key, now) = (key(name), world.now);
        let Some(decision) = self.decide(&key, None, now) else { return };
        match decision.next {
            Some(at) => drop(self.wakeups.insert(name.clone(), at)),
            None => drop(self.wakeups.remove(name)),
        }
        let person = &decision.person;
        if !person.deleting {
            self.departures.remove(name);
        } else if self.departures.get(name).is_none_or(|(uid, _)| *uid != person.uid) {
            self.departures.insert(name.clone(), (person.uid.clone(), Departure::Ordinary));
            self.touch(name, true);
        }
        if let Some(known) = self.ns.user_mut(name) {
            known.summary = summarize(&decision);
        }
        decision.accounts.iter().for_each(|account| self.see_to(world, &key, account, fresh));
        if self.keeps_quiet(&decision) {
            return;
        }
        let status = status::status(&decision, &self.overdue(&decision, world.elapsed), now);
        let finished = person.deleting && person.held() && flush::is_dealt_with(&self.ns, &decision);
        if status != person.stored || finished || needs_hold(&decision) {
            self.recorder.look(&key, Lane::Join, Duration::ZERO);
        }
    }

    pub(super) fn keeps_quiet(&self, decision: &Decision) -> bool {
        keeps_quiet(decision, |app| self.desks[place(app)].keeps_waiting(&decision.person.key.name))
    }

    /// What `Engine::see_to` does.
    fn see_to(&mut self, world: &World, key: &Key, account: &AccountDecision, fresh: bool) {
        let app = place(&account.app);
        let standing = self.weigh(world, app, key, account);
        self.queue.retain(|(_, of, name)| *of != app || *name != key.name);
        let Due::Work { lane, removal } = account.due else {
            self.troubled.remove(&(app, key.name.clone()));
            return;
        };
        if removal && account.personal {
            self.desks[app].note_own(&key.name);
        }
        let lane = match standing {
            Some(Standing::Waiting | Standing::Held(_)) => return,
            Some(Standing::Admitted | Standing::Approved(_)) => lane.max(Lane::Change),
            _ => lane,
        };
        let rest = (app, key.name.clone());
        if fresh {
            self.resting.remove(&rest);
        }
        if !self.resting.contains(&rest) {
            self.queue.insert((lane, app, key.name.clone()));
        }
    }

    pub(super) fn weigh(
        &mut self,
        world: &World,
        app: usize,
        key: &Key,
        account: &AccountDecision,
    ) -> Option<Standing> {
        let removal = self.desks[app].weigh(&key.name, account, world.now)?;
        Some(self.offer(world, app, key, account, removal))
    }

    /// What `Engine::offer` does.
    pub(super) fn offer(
        &mut self,
        world: &World,
        app: usize,
        key: &Key,
        account: &AccountDecision,
        removal: Removal,
    ) -> Standing {
        let (bond, hold) =
            if account.ordered { (Bond::Ordered, None) } else { bound(&self.ns, APPS[app], &removal) };
        let rejected = hold == Some(HoldOutcome::Rejected) && removal.cause == Some(Cause::UserDeleted);
        let Self { ns, desks, .. } = self;
        let budget = &mut desks[app].budget;
        if let Some(spec) = account.context.spec.as_deref() {
            budget.set_limits(limits(spec));
        }
        let holders = |name: &str| holders(ns, APPS[app], name);
        let standing = budget.offer(&key.name, removal, &bond, holders, moment(world));
        if rejected && matches!(standing, Standing::Held(_)) {
            self.keep_accounts(&key.name);
        }
        standing
    }

    fn keep_accounts(&mut self, name: &Name) {
        if let Some((_, departure)) = self.departures.get_mut(name)
            && *departure == Departure::Ordinary
        {
            *departure = Departure::Released(Reason::HoldRejected);
            self.touch(name, true);
        }
    }

    /// Whether accounts are being looked at that may turn out to have something taken away.
    pub(super) fn is_looking(&self, app: usize) -> bool {
        let under_way = |name: &Name| self.queue.iter().any(|(_, of, queued)| *of == app && queued == name);
        self.desks[app].expected().any(under_way)
    }

    pub(super) fn is_settled(&self, world: &World, app: usize, class: Class) -> bool {
        self.desks[app].budget.is_settled(class, moment(world)) == Some(true)
    }
}

pub(super) fn moment(world: &World) -> Moment {
    Moment(i64::try_from(world.elapsed.as_millis()).unwrap())
}

pub(super) fn limits(spec: &AppSpec) -> Limits {
    Limits::of(&spec.removal_budget, Duration::from_secs(5))
}

pub(super) fn key(name: &Name) -> Key {
    Key::new("ns", name.clone())
}

pub(super) fn place(app: &str) -> usize {
    APPS.iter().position(|known| *known == app).unwrap()
}
