//! The ports of a pass, as the operator's own implement them, on the world in memory.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use secrecy::SecretString;

use super::fixture::APPS;
use super::process::{Process, moment};
use super::target::Wire;
use super::world::{Form, Refusal, World};
use crate::access::DesiredAccount;
use crate::api::{self, EntitlementSpec, LedgerEntry};
use crate::connectors::{Connector, Failure, Membership};
use crate::controllers::user::act::{Entitlement, Halt, Ports, Stop, Turn, Wish};
use crate::controllers::user::decide::AccountDecision;
use crate::converge::budget::{Passage, Permit, Removal};
use crate::converge::{Lane, Plan, Resolution, Step};
use crate::runtime::index::{Key, Name};

pub(super) struct Live<'a> {
    pub(super) world: &'a Mutex<World>,
    pub(super) process: &'a Mutex<Process>,
    pub(super) key: &'a Key,
    pub(super) account: &'a AccountDecision,
    pub(super) app: usize,
    pub(super) lane: Lane,
    pub(super) acted: std::sync::atomic::AtomicBool,
}

impl Live<'_> {
    fn read_again(&self) -> Result<(), Stop> {
        let world = self.world.lock();
        if world.dead {
            return Err(Stop::Cluster);
        }
        let live = world.users.get(&self.key.name).ok_or(Stop::Changed)?;
        if !live.garbled {
            self.process.lock().take_in_live(&self.key.name, live.stored.clone());
        }
        Ok(())
    }

    fn confirm(&self) -> Result<(), Stop> {
        self.read_again()?;
        let at = self.world.lock().now;
        let now = self.process.lock().account(self.key, self.app, at).ok_or(Stop::Changed)?;
        if self.account.still_holds(&now) { Ok(()) } else { Err(Stop::Changed) }
    }

    /// What `Gate::pass` does.
    fn pass_gate(&self, removal: Removal) -> Result<Permit, Stop> {
        let mut process = self.process.lock();
        let mut world = self.world.lock();
        let removal = process.desks[self.app].seen(&self.key.name, self.account, removal);
        if !process.offer(&world, self.app, self.key, self.account, removal.clone()).may_go() {
            return Err(Stop::Held);
        }
        for _ in 0..5 {
            let now = moment(&world);
            match process.desks[self.app].budget.pass(&self.key.name, &removal, now) {
                Passage::Go(permit) => return Ok(permit),
                Passage::Wait => return Err(Stop::Held),
                Passage::Store if world.structure.apps[self.app] != Some(Form::Good) => {
                    return Err(Stop::Cluster);
                }
                Passage::Store => {
                    let budget = &mut process.desks[self.app].budget;
                    budget.bind(APPS[self.app]);
                    let record = budget.ask(now);
                    let stored = world.write_other(|world| world.removals[self.app] = Some(record));
                    budget.stored(stored.is_ok());
                    stored.map_err(|_| Stop::Cluster)?;
                }
            }
        }
        Err(Stop::Cluster)
    }
}

impl Ports for Live<'_> {
    fn now(&self) -> Timestamp {
        self.world.lock().now
    }

    async fn before_first_account(&self) -> Result<(), Stop> {
        let person = self.process.lock().person(self.key).ok_or(Stop::Changed)?;
        if person.held() {
            return if self.account.names_account() { self.confirm() } else { Ok(()) };
        }
        if person.deleting {
            return if self.lane == Lane::Leave { Ok(()) } else { Err(Stop::Changed) };
        }
        let mut world = self.world.lock();
        let held = world.write(&self.key.name, &person.resource_version, |object| {
            object.stored.finalizers = [api::FINALIZER.into()].into();
        });
        drop(world);
        match held {
            Ok(stored) => {
                self.process.lock().take_in(&self.key.name, stored);
                Ok(())
            }
            Err(Refusal::Gone) => Err(Stop::Changed),
            Err(Refusal::Conflict) => self.read_again().and(Err(Stop::Cluster)),
            Err(Refusal::Failed) => Err(Stop::Cluster),
        }
    }

    async fn first_password(&self, _: &DesiredAccount) -> Result<Option<SecretString>, Halt> {
        Ok(None)
    }

    async fn before_removal(&self, plan: &Plan) -> Result<Permit, Stop> {
        if !self.account.is_own() && !self.world.lock().is_firm() {
            return Err(Stop::Cluster);
        }
        self.confirm()?;
        let person = (self.account.uid.as_str(), self.account.personal);
        let entry = self.account.entry.as_ref();
        match Removal::of(plan, &self.account.wanted, entry, "userName", person) {
            Some(removal) => self.pass_gate(removal),
            None => Ok(Permit::uncounted()),
        }
    }

    async fn resolve(&self, entitlement: &EntitlementSpec) -> Result<Resolution, Failure> {
        let found = Wire { world: self.world, app: self.app }.resolve(entitlement).await?;
        Ok(found.map_or(Resolution::Missing, Resolution::Id))
    }

    async fn entitle(&self, _: Option<&LedgerEntry>, wishes: Vec<Wish>) -> Vec<Result<String, Halt>> {
        let wire = Wire { world: self.world, app: self.app };
        let mut outcomes = Vec::new();
        for Wish { entitlement, account, held, .. } in wishes {
            let Entitlement::Known { kind, id } = entitlement else { continue };
            let written = wire.entitle(&kind, &id, &[Membership { account, held }]).await;
            let written = written.and_then(|outcomes| outcomes.into_iter().collect());
            outcomes.push(written.map(|()| id).map_err(Halt::Target));
        }
        outcomes
    }

    async fn administration(&self) -> Turn {
        Arc::<tokio::sync::Mutex<()>>::default().lock_owned().await
    }

    async fn announce(&self, entry: &LedgerEntry) -> Result<(), Stop> {
        let app = Name::from(APPS[self.app]);
        let mut process = self.process.lock();
        process.recorder.result(self.key, &app, Some(entry.clone()), self.lane, std::time::Duration::ZERO);
        let mut world = self.world.lock();
        match process.store_now(&mut world, self.key) {
            Ok(()) => Ok(()),
            Err(Refusal::Gone) => Err(Stop::Changed),
            Err(Refusal::Conflict | Refusal::Failed) => Err(Stop::Cluster),
        }
    }

    fn performed(&self, _: &Step, _: &LedgerEntry, outcome: Result<(), &Failure>) {
        if outcome.is_ok() {
            self.acted.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }
}
