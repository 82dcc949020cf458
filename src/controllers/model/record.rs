//! How what is known of people comes to be stored.

use std::time::Duration;

use futures::FutureExt;
use jiff::SignedDuration;

use super::process::{Process, place};
use super::world::{Object, Refusal, World};
use crate::api::{FINALIZER, Reason};
use crate::controllers::user::decide::Decision;
use crate::controllers::user::record::Outcome;
use crate::controllers::user::status::{self, Overdue};
use crate::controllers::user::{flush, needs_hold};
use crate::runtime::index::{Key, Name, StoredPerson};

impl Process {
    /// What `Engine::overdue` does.
    pub(super) fn overdue(&self, decision: &Decision, elapsed: SignedDuration) -> Overdue {
        let accounts = decision.accounts.iter().filter(|account| account.is_outstanding());
        let late = accounts.filter(|account| {
            let since = self.troubled.get(&(place(&account.app), decision.person.key.name.clone()));
            since.is_some_and(|since| elapsed - *since >= SignedDuration::from_mins(10))
        });
        late.map(|account| (account.app.clone(), (Reason::Unreachable, "fault".to_owned()))).collect()
    }

    pub(super) fn store_now(&mut self, world: &mut World, key: &Key) -> Result<(), Refusal> {
        let decision = self.decide(key, None, world.now).ok_or(Refusal::Gone)?;
        let status = status::status(&decision, &Overdue::default(), world.now);
        let person = &decision.person;
        let stored = world.write_status(&key.name, &person.resource_version, &status)?;
        self.take_in(&key.name, stored);
        Ok(())
    }

    /// Gives every status that is due one try.
    pub(super) fn flush_all(&mut self, world: &mut World) -> bool {
        let mut turns = Vec::new();
        while let Some(turn) = self.recorder.next().now_or_never() {
            turns.push(turn);
        }
        let mut done = false;
        for turn in turns {
            let written = self.flush(world, &turn.key);
            done |= written.is_some();
            let outcome = match written {
                Some(seen) => Outcome::Stored { seen },
                None => Outcome::Again(Duration::ZERO),
            };
            self.recorder.done(&turn, outcome);
        }
        done
    }

    /// What `Engine::flush` does; `None`: try again.
    fn flush(&mut self, world: &mut World, key: &Key) -> Option<Vec<(Name, u64)>> {
        let Some(decision) = self.decide(key, None, world.now) else { return Some(Vec::new()) };
        let person = &decision.person;
        let version = &person.resource_version;
        if person.deleting && person.held() && flush::is_dealt_with(&self.ns, &decision) {
            let done = world.write(&key.name, version, |object| object.stored.finalizers = [].into());
            return self.concluded(world, &decision, done, Vec::new());
        }
        if needs_hold(&decision) {
            let hold = |object: &mut Object| object.stored.finalizers = [FINALIZER.into()].into();
            let done = world.write(&key.name, version, hold);
            return self.concluded(world, &decision, done, Vec::new());
        }
        if self.keeps_quiet(&decision) {
            return Some(Vec::new());
        }
        let status = status::status(&decision, &self.overdue(&decision, world.elapsed), world.now);
        let seen = flush::superfluous(&decision);
        if status == person.stored {
            self.touch(&key.name, false);
            return Some(seen);
        }
        let done = world.write_status(&key.name, version, &status);
        self.concluded(world, &decision, done, seen)
    }

    /// Takes in what came of a write of a User; the results that were in it.
    fn concluded(
        &mut self,
        world: &World,
        decision: &Decision,
        done: Result<StoredPerson, Refusal>,
        seen: Vec<(Name, u64)>,
    ) -> Option<Vec<(Name, u64)>> {
        let name = &decision.person.key.name;
        match done {
            Ok(stored) => {
                self.take_in(name, stored);
                self.touch_same(&decision.person.spec.person_id);
                Some(seen)
            }
            Err(Refusal::Gone) => Some(decision.person.fresh.clone()),
            Err(Refusal::Conflict) => {
                if let Some(live) = world.users.get(name).filter(|live| !live.garbled) {
                    self.take_in_live(name, live.stored.clone());
                }
                None
            }
            Err(Refusal::Failed) => None,
        }
    }
}
