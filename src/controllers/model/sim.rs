//! One operator after the other at work on the world, one step at a time, until there is nothing to do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;

use super::fixture::APPS;
use super::ports::Live;
use super::process::{Process, key};
use super::target::Wire;
use super::world::World;
use crate::controllers::user::act::{self, Ending, Stop};
use crate::controllers::user::decide::AccountDecision;
use crate::converge::{self, Due, Lane};
use crate::runtime::index::{Key, Name};

/// More steps than any sequence needs to come to rest.
const TOO_MANY: usize = 600;

pub(super) struct Sim {
    pub(super) world: Mutex<World>,
    pub(super) process: Mutex<Process>,
    pub(super) policies: usize,
    /// The watches bring nothing.
    pub(super) lagging: bool,
}

impl Sim {
    pub(super) fn new(policies: usize) -> Self {
        let world = World::new();
        let process = Process::start(&world, policies, false);
        Self { world: world.into(), process: process.into(), policies, lagging: false }
    }

    /// Another process leads from here on. `behind`: it has seen what the watches brought, and nothing more.
    pub(super) fn fail_over(&self, behind: bool) {
        let mut world = self.world.lock();
        world.dead = false;
        if !behind {
            while let Some(event) = world.events.pop_front() {
                world.seen(&event);
            }
        }
        let mut old =
            std::mem::replace(&mut *self.process.lock(), Process::start(&world, self.policies, behind));
        if behind {
            // It has sent its last, which reaches the API server when the other has begun.
            old.flush_all(&mut world);
        }
    }

    /// Works until nothing is to be done, or for so many steps.
    pub(super) fn run(&self, most: usize) {
        for _ in 0..most.min(TOO_MANY) {
            if !self.step() {
                return;
            }
            if self.world.lock().dead {
                self.fail_over(false);
            }
        }
        if most > TOO_MANY {
            self.world.lock().observer.wrong.push("it does not come to rest".to_owned());
        }
    }

    fn step(&self) -> bool {
        self.deliver();
        if self.look_next() || self.work_next() {
            return true;
        }
        if self.process.lock().flush_all(&mut self.world.lock()) {
            return true;
        }
        let mut process = self.process.lock();
        let mut world = self.world.lock();
        (0..APPS.len()).for_each(|app| process.activate(&world, app));
        process.judge(&mut world);
        process.follow(&mut world);
        !process.dirty.is_empty()
    }

    fn deliver(&self) {
        if self.lagging {
            return;
        }
        let mut world = self.world.lock();
        while let Some(event) = world.events.pop_front() {
            world.seen(&event);
            self.process.lock().deliver(&event);
        }
    }

    fn look_next(&self) -> bool {
        let mut process = self.process.lock();
        let next = process.dirty.pop_first();
        if let Some((name, fresh)) = &next {
            process.look(&self.world.lock(), name, *fresh);
        }
        next.is_some()
    }

    fn work_next(&self) -> bool {
        let next = self.process.lock().queue.pop_first();
        let Some((_, app, name)) = next else { return false };
        self.world.lock().observer.next_pass();
        let rests = self.work(app, &key(&name));
        let mut process = self.process.lock();
        if rests {
            process.resting.insert((app, name.clone()));
        }
        process.touch(&name, false);
        process.recorder.look(&key(&name), Lane::Join, Duration::ZERO);
        true
    }

    /// What `Engine::work` does: whether it is to be tried again later.
    fn work(&self, app: usize, key: &Key) -> bool {
        let mut process = self.process.lock();
        let now = self.world.lock().now;
        let Some(account) = process.account(key, app, now) else { return false };
        let Due::Work { lane, .. } = account.due else { return false };
        let Some(policy) = account.context.spec.clone() else { return false };
        let standing = process.weigh(&self.world.lock(), app, key, &account);
        if standing.is_some_and(|standing| !standing.may_go()) {
            return false;
        }
        drop(process);
        let wire = Wire { world: &self.world, app };
        let ports = Live {
            world: &self.world,
            process: &self.process,
            key,
            account: &account,
            app,
            lane,
            acted: AtomicBool::new(false),
        };
        let ending = Box::pin(act::pass(&wire, &ports, &account, &policy)).now_or_never().unwrap();
        if self.world.lock().dead {
            return false;
        }
        let acted = ports.acted.load(Ordering::Relaxed);
        self.conclude(app, key, &account, ending, acted)
    }

    fn conclude(
        &self,
        app: usize,
        key: &Key,
        account: &AccountDecision,
        ending: Ending,
        acted: bool,
    ) -> bool {
        let mut process = self.process.lock();
        if process.ns.user(&key.name).is_none_or(|person| *person.uid != *account.uid) {
            return false;
        }
        let settled = matches!(ending, Ending::Settled(_));
        if ending.is_looked_at() {
            let found = process.ns.clear_suspicion(&key.name, APPS[app]);
            if acted || found.is_some() {
                let place = (app, key.name.clone());
                match found.filter(|_| settled && !acted) {
                    Some(found) => drop(process.refuted.insert(place, found)),
                    None => drop(process.refuted.remove(&place)),
                }
            }
        }
        let now = self.world.lock().now;
        let place = (app, key.name.clone());
        match &ending {
            Ending::Trouble(..) => {
                process.troubled.entry(place).or_insert(self.world.lock().elapsed);
            }
            Ending::Stopped(..) => {}
            Ending::Settled(_) | Ending::Refused(..) => drop(process.troubled.remove(&place)),
        }
        let (entry, store, rests) = match ending {
            Ending::Settled(entry) => {
                let due = entry.as_ref().is_some_and(|entry| {
                    let policy = account.context.spec.as_deref().unwrap();
                    let due = converge::due(&account.wanted, Some(entry), &account.context.at(policy, now));
                    matches!(due, Due::Work { .. })
                });
                (entry, true, due)
            }
            Ending::Refused(entry, _) => (entry, true, true),
            Ending::Trouble(entry, _) | Ending::Stopped(entry, Stop::Cluster) => {
                let store = entry.is_some();
                (entry, store, true)
            }
            Ending::Stopped(entry, Stop::Held) => {
                let store = entry.is_some();
                (entry, store, false)
            }
            Ending::Stopped(entry, Stop::Changed) => {
                let store = entry.is_some();
                // It is begun anew a moment later, and so on until the watches have brought what changed.
                (entry, store, !self.world.lock().events.is_empty())
            }
        };
        if store {
            process.recorder.result(key, &APPS[app].into(), entry, Lane::Join, Duration::ZERO);
        }
        rests
    }

    /// What waited for its time is tried again.
    pub(super) fn wake(&self) {
        let mut process = self.process.lock();
        let now = self.world.lock().now;
        let due: Vec<_> = process.wakeups.iter().filter(|(_, at)| **at <= now).collect();
        let due: Vec<Name> = due.into_iter().map(|(name, _)| name.clone()).collect();
        for name in due {
            process.touch(&name, true);
        }
        let resting = std::mem::take(&mut process.resting);
        for (_, name) in resting {
            process.touch(&name, false);
        }
    }
}
