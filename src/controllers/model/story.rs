//! How a story is lived, and what must be true in the end.

use jiff::SignedDuration;

use super::fixture::{APPS, BINDINGS, PEOPLE, ROLES};
use super::observer::{Truth, is_left};
use super::ops::{Hand, Op, REST, Story};
use super::process::key;
use super::sim::Sim;
use super::target::Listing;
use super::world::{Form, World};
use crate::api::hold::Verdict;
use crate::api::{DesiredState, HoldOutcome, RoleAssignment};
use crate::controllers::user::decide::Decision;
use crate::runtime::index::Name;

impl Story {
    /// What went wrong.
    pub(super) fn live(&self) -> Vec<String> {
        let mut sim = Sim::new(self.policies);
        for (op, steps) in &self.ops {
            sim.happens(op);
            sim.run(*steps);
            let wrong = std::mem::take(&mut sim.world.lock().observer.wrong);
            if !wrong.is_empty() {
                return wrong;
            }
        }
        sim.end_well()
    }
}

impl Sim {
    fn happens(&mut self, op: &Op) {
        let mut guard = self.world.lock();
        let world = &mut *guard;
        match op {
            Op::App(app, form) => world.set_app(*app, *form),
            Op::Role(role, form) => world.set_role(*role, *form),
            Op::Binding(binding, form) => world.set_binding(*binding, *form),
            Op::Fault(app, fault) => world.targets[*app].faults.push_back(*fault),
            Op::Down(app, down) => world.targets[*app].down = *down,
            Op::Trouble(trouble) => world.troubles.push_back(*trouble),
            Op::Hand(app, who, hand) => lend_a_hand(world, *app, *who, *hand),
            Op::Time(seconds) => {
                world.pass_time(SignedDuration::from_secs(*seconds));
                drop(guard);
                self.wake();
            }
            Op::Jump(seconds) => {
                world.jump(SignedDuration::from_secs(*seconds));
                drop(guard);
                self.wake();
            }
            Op::Lag(lag) => {
                drop(guard);
                self.lagging = *lag;
            }
            Op::Crash | Op::FailOver => {
                drop(guard);
                self.fail_over(matches!(op, Op::FailOver));
            }
            Op::Sweep(app, listing) => {
                world.targets[*app].listing = *listing;
                drop(guard);
                self.sweep(*app);
            }
            Op::Approve | Op::Reject => {
                drop(guard);
                self.decide_hold(matches!(op, Op::Approve));
            }
            Op::Drop => {
                drop(guard);
                self.drop_hold();
            }
            op => happens_to_people(world, op),
        }
    }

    /// Somebody approves or rejects the first Hold that is open.
    fn decide_hold(&self, approve: bool) -> bool {
        let (mut process, mut world) = (self.process.lock(), self.world.lock());
        let undecided = |hold: &crate::api::Hold| {
            hold.spec == crate::api::HoldSpec::default()
                && hold.status.as_ref().is_some_and(|status| status.outcome == HoldOutcome::Pending)
        };
        let Some(name) = world.holds.iter().find(|(_, hold)| undecided(hold)).map(|(name, _)| name.clone())
        else {
            return false;
        };
        let version = world.next_version().to_string();
        let hold = world.holds.get_mut(&name).unwrap();
        let digest = hold.status.as_ref().unwrap().digest.clone();
        let word = Some(Verdict { digest, reason: "so be it".to_owned(), by: "eve".to_owned() });
        hold.metadata.resource_version = Some(version);
        if approve {
            hold.spec.approval = word;
        } else {
            hold.spec.rejection = word;
        }
        process.learn(&world, &name);
        process.touch_held(&name);
        true
    }

    fn drop_hold(&self) {
        let (mut process, mut world) = (self.process.lock(), self.world.lock());
        let Some((name, _)) = world.holds.pop_first() else { return };
        // Before it goes, it says whom it held.
        process.touch_held(&name);
        process.ns.holds.remove(&name);
    }

    /// Everything is mended, everything is approved, and days go by: then everything is as it should be, and rests.
    fn end_well(&mut self) -> Vec<String> {
        self.lagging = false;
        self.mend();
        for _ in 0..4 {
            self.run(REST);
            self.happens(&Op::Time(90_000));
            self.run(REST);
            while self.decide_hold(true) {
                self.run(REST);
            }
            (0..APPS.len()).for_each(|app| self.happens(&Op::Sweep(app, Listing::Whole)));
            self.run(REST);
            self.happens(&Op::Time(8));
        }
        self.run(REST);
        let before = self.written();
        self.process.lock().touch_all();
        self.run(REST);
        let mut world = self.world.lock();
        let mut wrong = std::mem::take(&mut world.observer.wrong);
        drop(world);
        if self.written() != before {
            wrong.push("it wrote although nothing had changed".to_owned());
        }
        let (world, process) = (self.world.lock(), self.process.lock());
        for person_id in ["1", "2", "3", "4"] {
            (0..APPS.len()).for_each(|app| wrong.extend(judge(&world, person_id, app)));
        }
        for name in world.users.keys() {
            let known = process.decide(&key(name), None, world.now);
            // That there is no account may be known and kept for as long as there is more to ask.
            let stored = |decision: &Decision| {
                let Decision { person, .. } = decision;
                person.fresh.iter().all(|(app, _)| person.entry(app).is_none())
            };
            if !known.as_ref().is_some_and(stored) {
                wrong.push(format!("{name} is not known, or has results that are not stored"));
            }
        }
        wrong
    }

    fn mend(&self) {
        let mut world = self.world.lock();
        world.troubles.clear();
        for target in &mut world.targets {
            target.faults.clear();
            target.down = false;
        }
        let structure = world.structure.clone();
        for place in 0..APPS.len() {
            world.set_app(place, structure.apps[place].map(|_| Form::Good));
        }
        for place in 0..PEOPLE.len() {
            world.touch(place, |object| {
                (object.garbled, object.stored.paused) = (false, false);
            });
        }
        for place in 0..ROLES.len() {
            world.set_role(place, structure.roles[place].map(|_| Form::Good));
        }
        for place in 0..BINDINGS.len() {
            world.set_binding(place, structure.bindings[place].map(|_| Form::Good));
        }
        debug_assert!(world.is_readable());
    }

    /// Writes to the API server and to the targets.
    fn written(&self) -> (usize, usize) {
        let world = self.world.lock();
        (world.writes, world.targets.iter().map(|target| target.writes).sum())
    }
}

/// What is wrong with a person's account in the end.
fn judge(world: &World, person_id: &str, app: usize) -> Option<String> {
    let rejected = |(name, people): (&Name, &std::collections::BTreeSet<String>)| {
        let hold = world.holds.get(name);
        people.contains(person_id) && hold.is_some_and(|hold| hold.spec.rejection.is_some())
    };
    let truth = world.truth(person_id, app, &world.structure);
    if world.frozen.iter().any(rejected) || truth == Truth::Unclear {
        return None;
    }
    let objects: Vec<_> = world.objects(person_id).collect();
    let mut entries = objects.iter().flat_map(|(_, object)| &object.status.accounts);
    let noted = entries.any(|entry| *entry.app == *APPS[app] && !entry.reason.is_empty());
    let accounts: Vec<_> = world.targets[app].of(person_id).filter(|account| account.active).collect();
    let left = objects.iter().any(|(_, object)| is_left(object, world.now));
    match (truth, accounts.as_slice()) {
        (Truth::Out | Truth::Left, [_, ..]) if left || !noted => {
            Some(format!("{person_id} still has an account in {}", APPS[app]))
        }
        (Truth::In(groups), [one]) => {
            let holds =
                |group: &str| world.targets[app].members.contains(&(one.id.clone(), group.to_owned()));
            let lacks = groups.iter().find(|group| !holds(group));
            lacks.filter(|_| !noted).map(|group| format!("{person_id} lacks {group} in {}", APPS[app]))
        }
        (Truth::In(_), []) if !noted => Some(format!("{person_id} has no account in {}", APPS[app])),
        _ => None,
    }
}

fn happens_to_people(world: &mut World, op: &Op) {
    let now = world.now;
    match op {
        Op::Hire(who) => world.hire(*who),
        Op::Assign(who, has) => world.edit(*who, |spec| {
            let sales = RoleAssignment { name: "sales".to_owned(), ..RoleAssignment::default() };
            spec.roles = if *has { vec![sales] } else { Vec::new() };
        }),
        Op::Department(who, is) => {
            world.edit(*who, |spec| spec.department = is.then(|| "ops".to_owned()));
        }
        Op::Title(who, has) => world.edit(*who, |spec| spec.title = has.then(|| "boss".to_owned())),
        Op::Rename(who) => world.edit(*who, |spec| spec.user_name.push('x')),
        Op::State(who, state) => world.edit(*who, |spec| spec.state = *state),
        Op::Rehire(who) => world.edit(*who, |spec| {
            (spec.state, spec.start_time, spec.end_time) = (DesiredState::Active, Some(now), None);
        }),
        Op::EndsIn(who, seconds) => world.edit(*who, |spec| {
            spec.end_time = now.checked_add(SignedDuration::from_secs(*seconds)).ok();
        }),
        Op::Delete(who) => world.touch(*who, |object| object.stored.deleting = true),
        Op::RemoveNow(who) => {
            world.touch(*who, |object| object.stored.remove_now = Some(now.to_string().into()));
        }
        Op::Resume(who) => world.touch(*who, |object| object.stored.resume = Some(now.to_string().into())),
        Op::Protect(who, is) => {
            world.touch(*who, |object| object.stored.protected = is.then(|| "vip".into()));
        }
        Op::Pause(who, is) => world.touch(*who, |object| object.stored.paused = *is),
        Op::Garble(who, is) => world.touch(*who, |object| object.garbled = *is),
        _ => {}
    }
}

fn lend_a_hand(world: &mut World, app: usize, who: usize, hand: Hand) {
    let target = &mut world.targets[app];
    let Some(id) = target.of(PEOPLE[who].1).map(|account| account.id.clone()).next() else { return };
    let account = target.accounts.get_mut(&id).unwrap();
    match hand {
        Hand::Revive if !account.active => {
            account.active = true;
            target.revived.insert(id);
        }
        Hand::Suspend => account.active = false,
        Hand::Retitle => drop(account.attributes.insert("title".to_owned(), "fool".into())),
        Hand::Delete => {
            target.accounts.remove(&id);
            target.members.retain(|(account, _)| *account != id);
        }
        Hand::Leave(group) => drop(target.members.remove(&(id, group.to_owned()))),
        Hand::Join(group) => drop(target.members.insert((id, group.to_owned()))),
        Hand::Revive => {}
    }
}
