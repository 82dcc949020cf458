//! Takes note of what people say about Holds, and of what is left of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Api;
use serde_json::json;
use tokio::time::Instant;

use super::status;
use crate::api::{Hold, HoldOutcome, HoldStatus};
use crate::controllers::engine::{Engine, Touch};
use crate::controllers::patch::patch_status;
use crate::runtime::index::{HoldObject, Key, Name};

/// How often Holds are looked at: everybody who waits is compared with every one of them.
const LOOK: Duration = Duration::from_secs(1);
/// Least time between two writes of one Hold that say nothing but how much is left.
const PACE: Duration = Duration::from_secs(10);
/// How long nothing must have been due before that is believed: work may be about to be found.
const BELIEF: Duration = Duration::from_secs(5);
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
    /// Since when nothing that it holds has been due.
    idle: Option<Instant>,
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
        let due = self.due(key, hold, seen);
        let of_app = self.fleet.read(&key.namespace, |ns| {
            let app = ns.apps.get(hold.status.app.as_str());
            app.is_some_and(|app| hold.is_of((&hold.status.app, &app.meta.uid)))
        });
        // Its making may have been cut short: it is made good, or has nothing in it.
        let made = !hold.status.digest.is_empty();
        let young = hold.created.duration_until(Timestamp::now()) < jiff::SignedDuration::from_mins(1);
        if !made && young {
            return;
        }
        let wanted = status::status(hold, made && of_app.unwrap_or(false), due, Timestamp::now());
        if wanted == hold.status {
            return;
        }
        let decided = wanted.outcome != hold.status.outcome || wanted.conditions != hold.status.conditions;
        if !decided && seen.written.is_some_and(|at| at.elapsed() < PACE) {
            return;
        }
        seen.written = Some(Instant::now());
        if !self.write_hold(key, hold, &wanted).await {
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

    /// In how many of those that a Hold has frozen something is still due; `None`: it is not certain that all of them are
    /// known.
    fn due(&self, key: &Key, hold: &HoldObject, seen: &mut Seen) -> Option<i64> {
        let gate = self.gate(&Key::new(key.namespace.clone(), Name::from(hold.status.app.as_str())));
        let count = gate.with(|budget, _| {
            budget.is_active().then(|| {
                let ahead = budget.coming().map(|(_, removal)| removal);
                let all = budget.people().map(|(.., removal)| removal).chain(ahead);
                all.filter(|removal| hold.frozen.holds(removal)).count()
            })
        })?;
        let changes = hold.status.counts.as_ref().is_some_and(|counts| counts.change > 0);
        let unclear = self.is_deciding() || (changes && !gate.expected().is_empty());
        if count > 0 || unclear {
            seen.idle = None;
        }
        if count == 0 {
            let idle = *seen.idle.get_or_insert_with(Instant::now);
            if unclear || idle.elapsed() < BELIEF {
                return None;
            }
        }
        i64::try_from(count).ok()
    }

    async fn write_hold(&self, key: &Key, hold: &HoldObject, status: &HoldStatus) -> bool {
        let mut status = status.clone();
        // It is not kept in memory, and never changes.
        status.frozen = hold.frozen.encode();
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
