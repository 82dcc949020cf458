//! Takes note of what people say about Holds, and of what is left of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Api;
use serde_json::json;
use tokio::time::Instant;

use super::remains::Remains;
use super::{is_of, status};
use crate::api::{Hold, HoldOutcome, HoldStatus};
use crate::controllers::engine::{Engine, Touch};
use crate::controllers::patch::patch_status;
use crate::converge::budget::FrozenSet;
use crate::runtime::index::{HoldObject, Key, Name, Namespace};

/// How often Holds are looked at: everybody who waits is compared with every one of them.
const LOOK: Duration = Duration::from_secs(1);
/// Least time between two writes of one Hold that say nothing but how much is left.
const PACE: Duration = Duration::from_secs(10);
/// How often those are looked at again who may go once there is room.
const AGAIN: Duration = Duration::from_mins(1);
const PATIENCE: Duration = Duration::from_secs(15);

/// Follows Holds.
#[derive(Default)]
pub struct Follower {
    looked: Option<Instant>,
    seen: HashMap<Key, Seen>,
}

/// What was seen of a Hold.
#[derive(Default)]
struct Seen {
    written: Option<Instant>,
    /// When those who wait for a day that has come were last looked at again.
    looked: Option<Instant>,
    remains: Remains,
}

impl Follower {
    /// Looks at every open Hold, if it is time.
    pub(super) async fn follow(&mut self, engine: &Arc<Engine>) {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return;
        }
        self.looked = Some(Instant::now());
        let open = engine.open_holds();
        self.seen.retain(|key, _| open.iter().any(|(known, _)| known == key));
        for (key, hold) in open {
            let seen = self.seen.entry(key.clone()).or_default();
            engine.follow_hold(&key, &hold, seen).await;
        }
    }
}

impl Engine {
    fn open_holds(&self) -> Vec<(Key, HoldObject)> {
        let all = self.fleet.all();
        let open = |hold: &HoldObject| hold.is_open() && !hold.meta.deleting;
        all.iter()
            .flat_map(|(ns, content)| {
                let holds = content.holds.iter().filter(|(_, hold)| open(hold));
                holds.map(|(name, hold)| (Key::new(ns.clone(), name.clone()), hold.clone()))
            })
            .collect()
    }

    async fn follow_hold(&self, key: &Key, hold: &HoldObject, seen: &mut Seen) {
        let (due, left) = self.left(key, hold, seen).unwrap_or_else(|| (None, (*hold.frozen).clone()));
        let of_app = self.fleet.read(&key.namespace, |ns| {
            let app = ns.apps.get_key_value(hold.status.app.as_str());
            app.is_some_and(|(name, app)| is_of(hold, name, app))
        });
        self.look_again(key, hold, seen);
        // Its making may have been cut short: it is made good, or has nothing in it.
        let made = !hold.status.digest.is_empty();
        let young = hold.created.duration_until(Timestamp::now()) < jiff::SignedDuration::from_mins(1);
        if !made && young {
            return;
        }
        let wanted = status::status(hold, made && of_app.unwrap_or(false), due, Timestamp::now());
        if wanted == hold.status && left.len() == hold.frozen.len() {
            return;
        }
        let decided = wanted.outcome != hold.status.outcome || wanted.conditions != hold.status.conditions;
        if !decided && seen.written.is_some_and(|at| at.elapsed() < PACE) {
            return;
        }
        seen.written = Some(Instant::now());
        if !self.write_hold(key, hold, &wanted, &left).await {
            return;
        }
        if wanted.outcome != hold.status.outcome {
            audit(key, &wanted);
            for person in self.held_by(key) {
                self.touch(Touch::Changed(person));
            }
            self.summaries.namespace(&key.namespace);
        }
    }

    /// In how many of those that a Hold has frozen something is still due, and who is left; `None`: it is not known.
    fn left(&self, key: &Key, hold: &HoldObject, seen: &mut Seen) -> Option<(Option<i64>, FrozenSet)> {
        let app = Key::new(key.namespace.clone(), Name::from(hold.status.app.as_str()));
        let gate = self.gate(&app);
        let told = self.fleet.read(&key.namespace, |ns| tells(ns, &app.name)).unwrap_or(false);
        let unclear = !told || self.is_deciding() || !gate.expected().is_empty();
        gate.with(|budget, now| {
            budget.is_active().then(|| {
                let ahead = budget.coming().map(|(_, removal)| removal);
                let all = budget.people().map(|(.., removal)| removal).chain(ahead);
                seen.remains.look(&hold.frozen, all, unclear, now)
            })
        })
    }

    /// Once the day of a Hold has come that was made ahead, as many go as there is room for, whenever there is.
    fn look_again(&self, key: &Key, hold: &HoldObject, seen: &mut Seen) {
        let come = hold.status.due_from.is_some_and(|from| from <= Timestamp::now());
        let lately = seen.looked.is_some_and(|at| at.elapsed() < AGAIN);
        if come && hold.status.outcome == HoldOutcome::Pending && !lately {
            seen.looked = Some(Instant::now());
            for person in self.held_by(key) {
                self.touch(Touch::Again(person));
            }
        }
    }

    async fn write_hold(&self, key: &Key, hold: &HoldObject, status: &HoldStatus, left: &FrozenSet) -> bool {
        let mut status = status.clone();
        status.frozen = left.encode();
        let patch = json!([
            {"op": "test", "path": "/metadata/resourceVersion", "value": hold.meta.resource_version},
            {"op": "add", "path": "/status", "value": status},
        ]);
        let api = Api::<Hold>::namespaced(self.client.clone(), &key.namespace);
        let Ok(hold) = patch_status(&api, &key.name, patch, PATIENCE).await else {
            self.metrics.api_write("Hold", "failed");
            return false;
        };
        self.metrics.api_write("Hold", "ok");
        self.know_hold(key, hold);
        true
    }
}

/// Whether what is due in an App can be told: while an `AppBinding` cannot be decoded, or the App does nothing but plan,
/// nothing seems to be.
pub(in crate::controllers) fn tells(ns: &Namespace, app: &str) -> bool {
    let unread =
        !ns.unreadable_bindings.is_empty() || ns.bindings.values().any(|binding| binding.undecodable);
    !unread && !ns.only_plans(app)
}

fn audit(key: &Key, status: &HoldStatus) {
    let outcome = match status.outcome {
        HoldOutcome::Pending => "pending",
        HoldOutcome::Approved => "approved",
        HoldOutcome::Done => "done",
        HoldOutcome::Rejected => "rejected",
        HoldOutcome::Expired => "expired",
        HoldOutcome::Superseded => "superseded",
    };
    crate::runtime::logging::audit_hold(key, &status.app, outcome, &status.decided_by, status.people);
}
