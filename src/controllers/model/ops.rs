//! What happens to the operator, and how a story of it is lived.

use std::fmt;

use jiff::SignedDuration;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::fixture::{APPS, BINDINGS, PEOPLE, POLICIES, ROLES};
use super::observer::{Truth, is_left};
use super::process::key;
use super::sim::Sim;
use super::target::{Fault, Listing};
use super::world::{Form, Trouble, World};
use crate::api::hold::Verdict;
use crate::api::{DesiredState, HoldOutcome, RoleAssignment};
use crate::runtime::index::Name;

/// Until there is nothing to do.
const REST: usize = 999;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mix {
    People,
    Structure,
    Faults,
    All,
}

/// What somebody else does to an account.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hand {
    Revive,
    Suspend,
    Delete,
    Retitle,
    Leave(&'static str),
    Join(&'static str),
}

#[derive(Clone, Debug)]
pub(super) enum Op {
    Hire(usize),
    Assign(usize, bool),
    Department(usize, bool),
    Title(usize, bool),
    Rename(usize),
    State(usize, DesiredState),
    Rehire(usize),
    EndsIn(usize, i64),
    Delete(usize),
    RemoveNow(usize),
    Role(usize, Option<Form>),
    Binding(usize, Option<Form>),
    Fault(usize, Fault),
    Down(usize, bool),
    Trouble(Trouble),
    Lag(bool),
    Crash,
    FailOver,
    Hand(usize, usize, Hand),
    Sweep(usize, Listing),
    Approve,
    Reject,
    Time(i64),
}

/// What happens, each with how many steps the operator takes afterwards.
#[derive(Clone)]
pub(super) struct Story {
    policies: usize,
    ops: Vec<(Op, usize)>,
}

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policies {}", self.policies)?;
        self.ops.iter().try_for_each(|(op, steps)| write!(f, "\n  {op:?}, {steps} steps"))
    }
}

fn people() -> BoxedStrategy<Op> {
    let who = || 0..PEOPLE.len();
    let state = select(vec![DesiredState::Active, DesiredState::Suspended, DesiredState::Terminated]);
    let seconds = select(vec![2_i64, 8, 8, 70, 600, 4_000, 90_000]);
    prop_oneof![
        6 => who().prop_map(Op::Hire),
        3 => (who(), any::<bool>()).prop_map(|(who, has)| Op::Assign(who, has)),
        2 => (who(), any::<bool>()).prop_map(|(who, is)| Op::Department(who, is)),
        1 => (who(), any::<bool>()).prop_map(|(who, has)| Op::Title(who, has)),
        1 => who().prop_map(Op::Rename),
        5 => (who(), state).prop_map(|(who, state)| Op::State(who, state)),
        2 => who().prop_map(Op::Rehire),
        1 => (who(), -60_i64..3_600).prop_map(|(who, seconds)| Op::EndsIn(who, seconds)),
        2 => who().prop_map(Op::Delete),
        1 => who().prop_map(Op::RemoveNow),
        1 => Just(Op::Approve),
        1 => Just(Op::Reject),
        5 => seconds.prop_map(Op::Time),
    ]
    .boxed()
}

fn structure() -> BoxedStrategy<Op> {
    let form = || select(vec![None, Some(Form::Unreadable), Some(Form::Good), Some(Form::Good)]);
    prop_oneof![
        2 => (0..ROLES.len(), form()).prop_map(|(role, form)| Op::Role(role, form)),
        3 => (0..BINDINGS.len(), form()).prop_map(|(binding, form)| Op::Binding(binding, form)),
        1 => any::<bool>().prop_map(Op::Lag),
        1 => Just(Op::Approve),
        1 => Just(Op::Crash),
    ]
    .boxed()
}

fn faults() -> BoxedStrategy<Op> {
    let app = || 0..APPS.len();
    let fault =
        select(vec![Fault::Lost, Fault::ReplyLost, Fault::Unavailable, Fault::Ends, Fault::EndsAfterwards]);
    let hand = select(vec![
        Hand::Revive,
        Hand::Suspend,
        Hand::Delete,
        Hand::Retitle,
        Hand::Leave("g1"),
        Hand::Join("g2"),
    ]);
    let listing =
        select(vec![Listing::Whole, Listing::Whole, Listing::Cut, Listing::Lacking, Listing::Twice]);
    prop_oneof![
        5 => (app(), fault).prop_map(|(app, fault)| Op::Fault(app, fault)),
        2 => (app(), any::<bool>()).prop_map(|(app, down)| Op::Down(app, down)),
        2 => select(vec![Trouble::Refused, Trouble::ReplyLost]).prop_map(Op::Trouble),
        2 => any::<bool>().prop_map(Op::Lag),
        1 => Just(Op::Crash),
        2 => Just(Op::FailOver),
        2 => (app(), 0..PEOPLE.len(), hand).prop_map(|(app, who, hand)| Op::Hand(app, who, hand)),
        2 => (app(), listing).prop_map(|(app, listing)| Op::Sweep(app, listing)),
    ]
    .boxed()
}

pub(super) fn story(mix: Mix) -> impl Strategy<Value = Story> {
    let op = match mix {
        Mix::People => people(),
        Mix::Structure => prop_oneof![2 => people(), 1 => structure()].boxed(),
        Mix::Faults => prop_oneof![1 => people(), 1 => faults()].boxed(),
        Mix::All => prop_oneof![3 => people(), 1 => structure(), 2 => faults()].boxed(),
    };
    let steps = select(vec![0, 1, 2, 4, REST, REST]);
    (0..POLICIES, vec((op, steps), 1..20)).prop_map(|(policies, ops)| Story { policies, ops })
}

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
            if known.is_none_or(|decision| !decision.person.fresh.is_empty()) {
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
        Op::Delete(who) => world.touch(*who, |stored| stored.deleting = true),
        Op::RemoveNow(who) => {
            world.touch(*who, |stored| stored.remove_now = Some(now.to_string().into()));
        }
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
