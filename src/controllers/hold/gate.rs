//! The gate of one App: the one place that removals pass through, and the places in the budget that are stored in the
//! App's status before they are spent.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::{Api, Client, ResourceExt};
use parking_lot::Mutex;
use serde_json::json;

use crate::api::budget::RemovalUse;
use crate::api::{AccountState, App, AppSpec};
use crate::controllers::engine::{Engine, Touch};
use crate::controllers::patch::{Unwritten, patch_status};
use crate::controllers::user::decide::AccountDecision;
use crate::converge::Wanted;
use crate::converge::budget::{
    Bond, Budget, Class, FrozenSet, Limits, Moment, Passage, Permit, Removal, Standing,
};
use crate::runtime::failpoint;
use crate::runtime::index::{Key, Name, Namespace};

/// How long one call to the API server may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long after the cluster could not be asked it is asked again.
const REST: Duration = Duration::from_secs(2);
/// How often a write is tried that another one of the same object overtakes.
const ATTEMPTS: usize = 5;

/// The gate of one App.
pub struct Gate {
    /// Which App.
    pub key: Key,
    began: Instant,
    state: Mutex<Desk>,
    /// One write of the App's status at a time.
    storing: tokio::sync::Mutex<()>,
    /// Until when nothing is judged, as the cluster could not be asked, or was not as it is known.
    resting: Mutex<Option<Instant>>,
}

/// Everybody at the gate, without its clock and the cluster.
pub(in crate::controllers) struct Desk {
    pub(in crate::controllers) budget: Budget,
    /// People of whom it is not known yet whether something is taken away: their accounts are being looked at.
    expected: HashSet<Name>,
    /// What had been decided when a look at the account showed what is taken away.
    noted: HashMap<Name, String>,
    /// People whose own record said so. The evidence fades when their status is written.
    own: HashSet<Name>,
}

impl Gate {
    /// One that lets nothing pass before it is known what was used.
    pub fn new(key: Key) -> Self {
        let (began, state, storing) = (Instant::now(), Mutex::default(), tokio::sync::Mutex::default());
        Self { key, began, state, storing, resting: Mutex::default() }
    }

    /// Nothing is judged for a moment.
    pub(super) fn rest(&self) {
        *self.resting.lock() = Some(Instant::now() + REST);
    }

    pub(super) fn is_resting(&self) -> bool {
        self.resting.lock().is_some_and(|until| until > Instant::now())
    }

    /// The time on the gate's own clock.
    pub(super) fn now(&self) -> Moment {
        Moment(i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    /// The budget, to look at or to judge by.
    pub(super) fn with<T>(&self, f: impl FnOnce(&mut Budget, Moment) -> T) -> T {
        let now = self.now();
        f(&mut self.state.lock().budget, now)
    }

    /// Takes over what a spec says.
    pub(super) fn set_limits(&self, spec: &AppSpec, settle: Duration) {
        self.with(|budget, _| budget.set_limits(Limits::of(&spec.removal_budget, settle)));
    }

    pub(super) fn offer(
        &self,
        person: &Name,
        removal: Removal,
        bond: &Bond,
        holders: impl Fn(&str) -> u32,
    ) -> Standing {
        // Counted before, as that must not happen under the lock; and only for those who may go at once, as it takes a look at
        // everybody.
        let asked = removal.entitlements.iter().filter(|_| removal.class() == Class::Personal);
        let holders: HashMap<_, _> = asked.map(|name| (name.clone(), holders(name))).collect();
        let holders = |name: &str| holders.get(name).copied().unwrap_or_default();
        self.with(|budget, now| budget.offer(person, removal, bond, holders, now))
    }

    /// Nothing is to be taken from this person.
    pub(super) fn withdraw(&self, person: &Name) {
        self.state.lock().withdraw(person);
    }

    /// What is about to be taken from a person, as far as that is known now.
    pub(super) fn weigh(&self, person: &Name, account: &AccountDecision, now: Timestamp) -> Option<Removal> {
        self.state.lock().weigh(person, account, now)
    }

    /// People of whom it must be seen first what is taken from them.
    pub(super) fn expected(&self) -> Vec<Name> {
        self.state.lock().expected().cloned().collect()
    }

    /// Notes that what is due for this person follows from their own record.
    pub fn note_own(&self, person: &Name) {
        self.state.lock().note_own(person);
    }

    /// The people whom a Hold concerns.
    pub(super) fn held_by(&self, hold: &str, frozen: Option<&FrozenSet>) -> Vec<Name> {
        self.state.lock().held_by(hold, frozen)
    }

    /// Whether a person waits for a wave, or for somebody's word, for a reason that is not their own.
    pub fn keeps_waiting(&self, person: &str) -> bool {
        self.state.lock().keeps_waiting(person)
    }

    /// Whether what is due for a person waits for a wave, or for somebody's word.
    pub fn is_held(&self, person: &str) -> bool {
        self.state.lock().is_held(person)
    }

    /// The use of the budget, for the App's status; `None`: it is not known yet. `accounts`: how many are in use.
    pub fn record(&self, accounts: u32) -> Option<RemovalUse> {
        self.with(|budget, now| {
            budget.is_active().then(|| {
                budget.measured(accounts, now);
                budget.trim(now);
                budget.record(now)
            })
        })
    }

    /// Removals within the window, and how many there may be.
    pub fn figures(&self) -> (u32, u32) {
        self.with(|budget, now| (budget.used(now), budget.limit()))
    }

    /// Whether what this plan takes away may be taken now. The place in the budget is stored before.
    pub async fn pass(
        &self,
        engine: &Engine,
        key: &Key,
        account: &AccountDecision,
        removal: Removal,
    ) -> Result<Permit, Blocked> {
        let removal = self.state.lock().seen(&key.name, account, removal);
        if !engine.offer(self, key, account, removal.clone()).may_go() {
            return Err(Blocked::Held);
        }
        let _turn = self.storing.lock().await;
        for _ in 0..ATTEMPTS {
            match self.with(|budget, now| budget.pass(&key.name, &removal, now)) {
                Passage::Go(permit) => return Ok(permit),
                Passage::Wait => return Err(Blocked::Held),
                Passage::Store => self.store(&engine.client).await.map_err(|()| Blocked::Cluster)?,
            }
        }
        Err(Blocked::Cluster)
    }

    /// Stores a place for everybody who was promised one. `Ok` although another write was first: try again.
    async fn store(&self, client: &Client) -> Result<(), ()> {
        let api = Api::<App>::namespaced(client.clone(), &self.key.namespace);
        let app = self.live(&api).await.ok().flatten().ok_or(())?;
        let uid = app.uid().unwrap_or_default();
        let record = self.with(|budget, now| {
            budget.bind(&uid);
            budget.ask(now)
        });
        let put = if app.status.is_some() {
            json!({"op": "add", "path": "/status/removals", "value": record})
        } else {
            json!({"op": "add", "path": "/status", "value": {"removals": record}})
        };
        let patch = json!([
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "test", "path": "/metadata/resourceVersion", "value": app.resource_version()},
            put,
        ]);
        let outcome = patch_status(&api, &self.key.name, patch, PATIENCE).await;
        failpoint::hit("after-reserve");
        self.with(|budget, _| budget.stored(outcome.is_ok()));
        match outcome {
            Ok(_) | Err(Unwritten::Overtaken) => Ok(()),
            Err(Unwritten::Failed) => Err(()),
        }
    }

    async fn live(&self, api: &Api<App>) -> Result<Option<App>, ()> {
        let read = tokio::time::timeout(PATIENCE, api.get_opt(&self.key.name)).await;
        read.map_err(drop)?.map_err(drop)
    }

    /// Takes over what was used before this process led.
    async fn restore(&self, engine: &Engine) -> bool {
        let api = Api::<App>::namespaced(engine.client.clone(), &self.key.namespace);
        let Ok(Some(app)) = self.live(&api).await else { return false };
        self.set_limits(&app.spec, engine.settings.settle);
        let now = Timestamp::now();
        let read = |ns: &Namespace| (removals(ns, &self.key.name, now), in_use(ns, &self.key.name));
        let (ages, accounts) = engine.fleet.read(&self.key.namespace, read).unwrap_or_default();
        let stored = app.status.as_ref().and_then(|status| status.removals.as_ref());
        let counted = app.status.as_ref().and_then(|status| status.accounts.as_ref()).map(|a| a.active);
        // Not everybody may have been looked at yet.
        let counted = counted.and_then(|active| u32::try_from(active).ok()).unwrap_or_default();
        self.with(|budget, now| {
            budget.bind(&app.uid().unwrap_or_default());
            budget.restore(stored, &ages, now);
            budget.measured(accounts.max(counted), now);
        });
        true
    }
}

impl Default for Desk {
    fn default() -> Self {
        let limits = Limits::of(&AppSpec::default().removal_budget, Duration::ZERO);
        Self {
            budget: Budget::new(limits),
            expected: HashSet::new(),
            noted: HashMap::new(),
            own: HashSet::new(),
        }
    }
}

impl Desk {
    /// Nothing is to be taken from this person.
    pub(in crate::controllers) fn withdraw(&mut self, person: &Name) {
        self.budget.withdraw(person);
        self.expected.remove(person);
        self.noted.remove(person);
        self.own.remove(person);
    }

    /// What is about to be taken from a person; `None`: nothing, or it is not known before the account has been looked at.
    pub(in crate::controllers) fn weigh(
        &mut self,
        person: &Name,
        account: &AccountDecision,
        now: Timestamp,
    ) -> Option<Removal> {
        if !account.is_outstanding() {
            self.withdraw(person);
            return None;
        }
        let foreseen = account.foreseen(now);
        if foreseen.is_some() {
            self.expected.remove(person);
        }
        // Also where the ledger foretold nothing: the account was not as the ledger has it.
        let removal = match foreseen {
            None if !account.is_unproved(now) => self.noted(person, account),
            foreseen => foreseen,
        };
        if removal.is_none() && account.may_remove() {
            self.budget.withdraw(person);
            self.expected.insert(person.clone());
        } else if removal.is_none() {
            self.withdraw(person);
        }
        removal
    }

    /// What a look at the account has shown to be taken away, if what is decided is still the same.
    fn noted(&self, person: &Name, account: &AccountDecision) -> Option<Removal> {
        let removal = self.budget.standing(person).map(|(_, removal)| removal.clone())?;
        (self.noted.get(person)? == &fingerprint(account)).then_some(removal)
    }

    /// A look at the account has shown what is taken away: what that is to the gate.
    pub(in crate::controllers) fn seen(
        &mut self,
        person: &Name,
        account: &AccountDecision,
        mut removal: Removal,
    ) -> Removal {
        removal.personal |= self.own.contains(person);
        self.expected.remove(person);
        if let Some(known) = self.budget.covering(person, &removal) {
            removal = known.clone();
        }
        self.noted.insert(person.clone(), fingerprint(account));
        removal
    }

    /// Notes that what is due for this person follows from their own record.
    pub(in crate::controllers) fn note_own(&mut self, person: &Name) {
        self.own.insert(person.clone());
    }

    /// People of whom it must be seen first what is taken from them.
    pub(in crate::controllers) fn expected(&self) -> impl Iterator<Item = &Name> {
        self.expected.iter()
    }

    /// Whether what is due for a person waits for a wave, or for somebody's word.
    pub(in crate::controllers) fn is_held(&self, person: &str) -> bool {
        self.budget.standing(person).is_some_and(|(standing, _)| !standing.may_go())
    }

    /// Whether a person waits for a wave, or for somebody's word, for a reason that is not their own.
    pub(in crate::controllers) fn keeps_waiting(&self, person: &str) -> bool {
        let standing = self.budget.standing(person);
        standing.is_some_and(|(standing, removal)| !standing.may_go() && !removal.personal)
    }

    /// The people whom a Hold concerns.
    pub(in crate::controllers) fn held_by(&self, hold: &str, frozen: Option<&FrozenSet>) -> Vec<Name> {
        let concerned = |standing: &Standing, removal: &Removal| match standing {
            Standing::Held(by) | Standing::Approved(by) => by == hold,
            _ => frozen.is_some_and(|frozen| frozen.holds(removal)),
        };
        let people = self.budget.people().filter(|(_, standing, removal)| concerned(standing, removal));
        people.map(|(name, ..)| name.clone()).collect()
    }
}

/// Why a removal may not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// It waits for its wave, or for a person.
    Held,
    /// Its place could not be stored.
    Cluster,
}

impl Engine {
    /// Has a gate take over what was used before this process led, once.
    pub(super) async fn activate(&self, app: &Key) {
        let gate = self.gate(app);
        if gate.with(|budget, _| budget.is_active()) || gate.is_resting() {
            return;
        }
        let people =
            gate.with(|budget, _| budget.people().map(|(name, ..)| name.clone()).collect::<Vec<_>>());
        if !gate.restore(self).await {
            return gate.rest();
        }
        for name in people {
            self.touch(Touch::Again(Key::new(app.namespace.clone(), name)));
        }
    }
}

/// What must be the same for what was seen of an account to be still about what is decided.
fn fingerprint(account: &AccountDecision) -> String {
    let entry = account.entry.as_ref();
    let held = entry.map(|e| (e.state, e.id.as_str(), e.user_name.as_str(), &e.entitlements));
    match &account.wanted {
        Wanted::Account(desired) => {
            let digest = crate::converge::digest(desired, "");
            format!("{digest} {:?} {held:?} {}", desired.logins, account.personal)
        }
        Wanted::Gone(cause) => format!("{cause:?} {held:?}"),
        _ => String::new(),
    }
}

/// Ages, in seconds, of the removals that the ledgers remember.
pub(in crate::controllers) fn removals(ns: &Namespace, app: &str, now: Timestamp) -> Vec<u64> {
    let remembered = ns.users().filter(|(_, person)| person.status_text().contains("\"removedAt\""));
    let entries = remembered.filter_map(|(_, person)| person.status()).flat_map(|status| status.accounts);
    entries
        .filter(|entry| entry.app == app)
        .filter_map(|entry| entry.removed_at)
        .map(|at| u64::try_from(now.as_second() - at.as_second()).unwrap_or_default())
        .collect()
}

/// How many accounts of an App are in use.
pub fn in_use(ns: &Namespace, app: &str) -> u32 {
    let uses = |person: &crate::runtime::index::StoredPerson| {
        let mut accounts = person.summary.accounts.iter();
        accounts.any(|a| &*a.app == app && a.state == Some(AccountState::Active))
    };
    u32::try_from(ns.users().filter(|(_, person)| uses(person)).count()).unwrap_or(u32::MAX)
}

/// Gates by App.
pub type Gates = Mutex<HashMap<Key, Arc<Gate>>>;
