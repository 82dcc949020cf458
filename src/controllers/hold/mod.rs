//! The controller of Holds, and the gate of each App that removals pass through.
//!
//! [`gate`]: one object an App. [`wave`]: counts what has gathered there, and lets it go or freezes it in a Hold.
//! [`ahead`]: the same of what dates will take away.
//! [`follow`]: takes note of what people say about Holds, and of what is left of them, by [`remains`].

pub mod ahead;
pub mod follow;
pub mod gate;
pub mod remains;
pub mod status;
pub mod wave;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;

use self::gate::Gate;
use super::app::target;
use super::engine::{Engine, Touch};
use super::user::decide::{AccountDecision, Departure};
use crate::api::{HoldOutcome, LedgerEntry, Reason};
use crate::converge::Cause;
use crate::converge::budget::{Bond, Removal, Standing};
use crate::runtime::index::{AppObject, HoldObject, Key, Name, Namespace};

/// How often waves and Holds are looked at.
const TICK: Duration = Duration::from_millis(200);

/// Looks after waves and Holds until the process ends. Only the leader does.
pub async fn run(engine: Arc<Engine>) {
    if !engine.lead().await {
        return;
    }
    let mut follower = follow::Follower::default();
    while !engine.stop.is_cancelled() {
        tokio::time::sleep(TICK).await;
        if !engine.watching.waiting_for().is_empty() {
            continue;
        }
        for app in engine.apps_in_fleet() {
            engine.activate(&app).await;
        }
        for gate in engine.all_gates() {
            engine.judge(&gate).await;
            engine.judge_ahead(&gate).await;
        }
        follower.follow(&engine).await;
    }
}

impl Engine {
    /// The gate of an App. It outlives the App, so that one made anew has no new budget.
    pub fn gate(&self, app: &Key) -> Arc<Gate> {
        let mut gates = self.gates.lock();
        gates.entry(app.clone()).or_insert_with(|| Arc::new(Gate::new(app.clone()))).clone()
    }

    fn all_gates(&self) -> Vec<Arc<Gate>> {
        self.gates.lock().values().cloned().collect()
    }

    fn apps_in_fleet(&self) -> Vec<Key> {
        let all = self.fleet.all();
        all.iter()
            .flat_map(|(ns, content)| content.apps.keys().map(|app| Key::new(ns.clone(), app.clone())))
            .collect()
    }

    /// Weighs what is about to be taken from a person in an App; `None`: nothing, or it is not known before the account
    /// has been looked at.
    pub(super) fn weigh(&self, key: &Key, account: &AccountDecision) -> Option<Standing> {
        let gate = self.gate(&Key::new(key.namespace.clone(), account.app.clone()));
        let removal = gate.weigh(&key.name, account, Timestamp::now())?;
        Some(self.offer(&gate, key, account, removal))
    }

    /// Offers a removal to the App's gate.
    pub(super) fn offer(
        &self,
        gate: &Gate,
        key: &Key,
        account: &AccountDecision,
        removal: Removal,
    ) -> Standing {
        let (bond, hold) = self.bond(gate, account.ordered, &removal);
        let rejected = hold == Some(HoldOutcome::Rejected);
        let deleted = removal.cause == Some(Cause::UserDeleted);
        if let Some(spec) = account.context.spec.as_deref() {
            gate.set_limits(spec, self.settings.settle);
        }
        let standing = gate.offer(&key.name, removal, &bond, |name| self.holders(gate, name));
        if rejected && deleted && matches!(standing, Standing::Held(_)) {
            self.keep_accounts(key, Reason::HoldRejected);
        }
        standing
    }

    /// Lets go of a User that is being deleted, with the accounts as they are.
    pub(super) fn keep_accounts(&self, key: &Key, reason: Reason) {
        let mut departures = self.departures.lock();
        if let Some((_, departure)) = departures.get_mut(key)
            && *departure == Departure::Ordinary
        {
            *departure = Departure::Released(reason);
            drop(departures);
            self.touch(Touch::Changed(key.clone()));
        }
    }

    fn bond(&self, gate: &Gate, ordered: bool, removal: &Removal) -> (Bond, Option<HoldOutcome>) {
        if ordered {
            return (Bond::Ordered, None);
        }
        let bound = self.fleet.read(&gate.key.namespace, |ns| bound(ns, &gate.key.name, removal));
        bound.unwrap_or((Bond::Free, None))
    }

    /// How many accounts of the App hold an entitlement through Tenure, as the ledgers say.
    pub(super) fn holders(&self, gate: &Gate, entitlement: &str) -> u32 {
        let count = self.fleet.read(&gate.key.namespace, |ns| holders(ns, &gate.key.name, entitlement));
        count.unwrap_or_default()
    }

    /// Whether people are waiting to be decided about.
    pub(super) fn is_deciding(&self) -> bool {
        self.deciding.load(Ordering::Relaxed)
    }

    /// Nothing of this person is left anywhere.
    pub(super) fn withdraw_everywhere(&self, key: &Key) {
        for gate in self.all_gates() {
            if gate.key.namespace == key.namespace {
                gate.withdraw(&key.name);
                gate.with(|budget, now| budget.foresee(&key.name, None, now));
            }
        }
    }

    /// The people whom a Hold concerns: those whom it has frozen, or who stand under its name.
    pub(super) fn held_by(&self, hold: &Key) -> Vec<Key> {
        let object = self.fleet.read(&hold.namespace, |ns| ns.holds.get(&hold.name).cloned()).flatten();
        let mut people = Vec::new();
        for gate in self.all_gates() {
            if gate.key.namespace == hold.namespace {
                let frozen = object.as_ref().map(|object| &*object.frozen);
                let names = gate.held_by(&hold.name, frozen);
                people.extend(names.into_iter().map(|name: Name| Key::new(hold.namespace.clone(), name)));
            }
        }
        people
    }
}

/// Whether a Hold is of this App, pointing to what it points to now.
pub(super) fn is_of(hold: &HoldObject, name: &str, app: &AppObject) -> bool {
    let points = || app.spec.as_deref().is_none_or(|spec| target::hash(spec) == hold.status.target);
    hold.status.app == name && hold.status.app_uid == app.meta.uid && points()
}

/// What Holds say of a removal in an App.
pub(super) fn bound(ns: &Namespace, app: &str, removal: &Removal) -> (Bond, Option<HoldOutcome>) {
    let found = ns.apps.get(app).and_then(|object| {
        let mine =
            |hold: &HoldObject| hold.is_open() && hold.frozen.holds(removal) && is_of(hold, app, object);
        let holds: Vec<_> = ns.holds.iter().filter(|(_, hold)| mine(hold)).collect();
        let approved = holds.iter().find(|(_, h)| h.status.outcome == HoldOutcome::Approved);
        let (name, hold) = approved.or_else(|| holds.first())?;
        Some((name.to_string(), hold.status.outcome, hold.status.due_from.is_some()))
    });
    let Some((name, outcome, ahead)) = found else { return (Bond::Free, None) };
    let bond = match outcome {
        HoldOutcome::Approved => Bond::Approved(name),
        HoldOutcome::Pending if ahead => Bond::Announced(name),
        _ => Bond::Held(name),
    };
    (bond, Some(outcome))
}

/// How many accounts of an App hold an entitlement through Tenure, as the ledgers say.
pub(super) fn holders(ns: &Namespace, app: &str, entitlement: &str) -> u32 {
    // Most people are told apart by a word in the text of their status.
    let word = serde_json::to_string(entitlement).unwrap_or_default();
    let holds = |entry: &LedgerEntry| entry.app == app && entry.entitlements.iter().any(|e| e == entitlement);
    let likely = ns.users().filter(|(_, person)| person.status_text().contains(&word));
    let count = likely.filter_map(|(_, p)| p.status()).filter(|s| s.accounts.iter().any(holds)).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}
