//! What the controller of Holds does: counts waves, freezes what is too much, and follows what people say.

use std::collections::{BTreeSet, HashMap};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::fixture::APPS;
use super::process::{Process, limits, moment, place};
use super::world::World;
use crate::api::{Hold, HoldSpec, HoldStatus};
use crate::controllers::app::target;
use crate::controllers::hold::follow::tells;
use crate::controllers::hold::gate::in_use;
use crate::controllers::hold::wave::name;
use crate::controllers::hold::{holders, is_of, status};
use crate::converge::budget::{Class, Excess, FrozenSet, Removal, Verdict};
use crate::runtime::index::Name;

impl Process {
    /// What `Engine::judge` does for each App.
    pub(super) fn judge(&mut self, world: &mut World) {
        for app in 0..APPS.len() {
            for class in Class::ALL {
                let unclear = class != Class::Personal
                    && (!self.dirty.is_empty() || self.is_looking(app) || !world.is_firm());
                if self.is_settled(world, app, class) && !unclear {
                    self.judge_wave(world, app, class);
                }
            }
        }
    }

    fn judge_wave(&mut self, world: &mut World, app: usize, class: Class) {
        let Some(spec) = self.ns.apps.get(APPS[app]).and_then(|app| app.spec.clone()) else { return };
        let now = moment(world);
        let Self { ns, desks, .. } = self;
        let budget = &mut desks[app].budget;
        budget.set_limits(limits(&spec));
        budget.measured(in_use(ns, APPS[app]), now);
        let taken = budget.wave(class).flat_map(|(_, removal)| removal.entitlements.iter().cloned());
        let counts: HashMap<_, _> = taken.map(|name| (name.clone(), holders(ns, APPS[app], &name))).collect();
        let verdict = budget.judge(class, |name| counts.get(name).copied().unwrap_or_default(), now);
        match verdict {
            Verdict::Passes => {
                let admitted = budget.admit(class);
                for name in admitted {
                    self.touch(&name, false);
                }
            }
            Verdict::Held(excess) => self.freeze(world, app, class, &excess),
            Verdict::Empty | Verdict::Settling => {}
        }
    }

    /// What `Engine::freeze` does.
    fn freeze(&mut self, world: &mut World, app: usize, class: Class, excess: &Excess) {
        let wave = self.desks[app].budget.wave(class);
        let wave: Vec<(Name, Removal)> = wave.map(|(n, removal)| (Name::from(n), removal.clone())).collect();
        let frozen = FrozenSet::of(wave.iter().map(|(_, removal)| removal));
        let spec = self.ns.apps.get(APPS[app]).and_then(|app| app.spec.as_deref());
        let target = spec.map(target::hash).unwrap_or_default();
        let mut held = status::frozen(&wave, class, excess, None);
        held.app = APPS[app].to_owned();
        held.app_uid = APPS[app].to_owned();
        held.target.clone_from(&target);
        held.digest = frozen.digest(APPS[app], &target);
        held.frozen = frozen.encode();
        let people = wave.iter().filter_map(|(name, _)| Some(self.ns.user(name)?.person_id.to_string()));
        let people = people.collect();
        let Some((made, hold)) = make(world, held, people) else { return };
        self.ns.put_hold(&made, hold, 1);
        self.desks[app].budget.hold(class, &made, |removal| frozen.holds(removal));
    }

    /// What `Follower::follow` does.
    pub(super) fn follow(&mut self, world: &mut World) {
        let open: Vec<_> = self.ns.holds.iter().filter(|(_, hold)| hold.is_open()).collect();
        let open: Vec<_> = open.into_iter().map(|(name, hold)| (name.clone(), hold.clone())).collect();
        for (name, hold) in open {
            let app = place(&hold.status.app);
            let desk = &self.desks[app];
            let unclear =
                !tells(&self.ns, APPS[app]) || !self.dirty.is_empty() || desk.expected().next().is_some();
            let all = desk.budget.people().map(|(.., removal)| removal);
            let remains = self.remains.entry(name.clone()).or_default();
            let (due, left) = remains.look(&hold.frozen, all, unclear, moment(world));
            let object = self.ns.apps.get(APPS[app]);
            let of_app = object.is_some_and(|object| is_of(&hold, APPS[app], object));
            let mut wanted = status::status(&hold, of_app, due, world.now);
            if wanted == hold.status && left.len() == hold.frozen.len() {
                continue;
            }
            let decided = wanted.outcome != hold.status.outcome;
            wanted.frozen = left.encode();
            let written = world.write_other(|world| {
                let version = world.next_version();
                let object = world.holds.get_mut(&name).unwrap();
                object.metadata.resource_version = Some(version.to_string());
                object.status = Some(wanted);
            });
            if written.is_ok() {
                self.learn(world, &name);
                if decided {
                    self.touch_held(&name);
                }
            }
        }
    }

    /// Takes a Hold in as it is.
    pub(super) fn learn(&mut self, world: &World, name: &Name) {
        self.ns.put_hold(name, world.holds[name].clone(), 1);
    }

    pub(super) fn touch_held(&mut self, hold: &Name) {
        let Some(object) = self.ns.holds.get(hold) else { return };
        let held: Vec<_> =
            self.desks.iter().flat_map(|desk| desk.held_by(hold, Some(&object.frozen))).collect();
        for name in held {
            self.touch(&name, true);
        }
    }
}

/// Makes a Hold, or finds it made.
fn make(world: &mut World, held: HoldStatus, people: BTreeSet<String>) -> Option<(Name, Hold)> {
    for attempt in 0..10 {
        let name = Name::from(name(&held.app, &held.digest, attempt));
        if let Some(known) = world.holds.get(&name) {
            let same =
                known.status.as_ref().is_some_and(|s| s.digest == held.digest && s.outcome == held.outcome);
            if same {
                return Some((name, known.clone()));
            }
            continue;
        }
        let mut hold = Hold::new(&name, HoldSpec::default());
        let version = world.next_version().to_string();
        hold.metadata.uid = Some(version.clone());
        hold.metadata.resource_version = Some(version);
        hold.metadata.creation_timestamp = Some(Time(world.now));
        hold.status = Some(held);
        let made = hold.clone();
        let written = world.write_other(|world| {
            world.holds.insert(name.clone(), hold);
            world.frozen.insert(name.clone(), people);
        });
        return written.is_ok().then_some((name, made));
    }
    None
}
