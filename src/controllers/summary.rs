//! The status of Roles, Apps and `AppBindings`: conditions and counts, written at most once in ten seconds an object, and
//! only when something differs.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use kube::{Api, Resource};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::Instant;

use super::app::status::{self as app_status, Figures};
use super::engine::Engine;
use super::hold::is_of;
use super::patch::patch_status;
use super::{binding, role};
use crate::api::app::AccountCounts;
use crate::api::{AccountState, App, AppBinding, HoldOutcome, Role};
use crate::runtime::index::{AppObject, HoldObject, Key, Meta, Name, Namespace};

/// Least time between two writes of one object.
const PACE: Duration = Duration::from_secs(10);
/// How long a burst of changes is let come in before it is counted.
const TICK: Duration = Duration::from_secs(1);
/// How often everything is counted again although nobody said that it changed: a gate opens and closes by itself.
const SWEEP: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(15);

/// Namespaces whose Roles, Apps and `AppBindings` may have another status than is stored.
#[derive(Default)]
pub struct Summaries {
    dirty: Mutex<Dirty>,
    begun: AtomicBool,
}

#[derive(Default)]
struct Dirty {
    namespaces: BTreeSet<Name>,
    all: bool,
}

impl Summaries {
    /// Something in this namespace changed.
    pub fn namespace(&self, namespace: &Name) {
        let mut dirty = self.dirty.lock();
        if !dirty.namespaces.contains(namespace) {
            dirty.namespaces.insert(namespace.clone());
        }
    }

    /// Everybody has been looked at once: counts mean something from now on.
    pub fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// Whether everybody has been looked at once.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// Everything may have changed.
    pub fn all(&self) {
        self.dirty.lock().all = true;
    }
}

/// What is counted over people, by object.
#[derive(Default)]
pub struct Tally {
    /// Members by Role.
    pub members: HashMap<Name, i64>,
    /// People for whom a Role's rule failed.
    pub rule_errors: HashMap<Name, i64>,
    /// Accounts by `AppBinding`.
    pub bound: HashMap<Name, i64>,
    /// Accounts by App.
    pub accounts: HashMap<Name, AccountCounts>,
    /// Accounts in use by App, in trouble or not.
    pub in_use: HashMap<Name, u32>,
}

impl Tally {
    /// Counts a namespace.
    pub fn of(ns: &Namespace) -> Self {
        let mut tally = Self::default();
        for (_, person) in ns.users() {
            let summary = &person.summary;
            summary.roles.iter().for_each(|r| *tally.members.entry(r.clone()).or_default() += 1);
            summary.rule_errors.iter().for_each(|r| *tally.rule_errors.entry(r.clone()).or_default() += 1);
            summary.bindings.iter().for_each(|b| *tally.bound.entry(b.clone()).or_default() += 1);
            for account in &summary.accounts {
                if account.state == Some(AccountState::Active) {
                    *tally.in_use.entry(account.app.clone()).or_default() += 1;
                }
                let counts = tally.accounts.entry(account.app.clone()).or_default();
                match account.state {
                    _ if account.troubled => counts.failed += 1,
                    _ if account.due => counts.pending += 1,
                    Some(AccountState::Active) => counts.active += 1,
                    Some(AccountState::Suspended) => counts.suspended += 1,
                    Some(AccountState::Retained) => counts.retained += 1,
                    _ => {}
                }
            }
        }
        tally
    }
}

/// Writes until the process ends. Only the leader writes.
pub async fn run(engine: Arc<Engine>) {
    if !engine.lead().await {
        return;
    }
    let mut written: HashMap<(&'static str, Key), Instant> = HashMap::new();
    let mut swept = Instant::now();
    while !engine.stop.is_cancelled() {
        tokio::time::sleep(TICK).await;
        if !engine.summaries.has_begun() {
            continue;
        }
        if swept.elapsed() >= SWEEP {
            engine.summaries.all();
            swept = Instant::now();
        }
        for namespace in engine.take_dirty() {
            engine.summarize(&namespace, &mut written).await;
        }
    }
}

/// A status to write.
struct Draft {
    kind: &'static str,
    name: Name,
    resource_version: String,
    status: serde_json::Value,
    first: bool,
}

impl Engine {
    fn take_dirty(&self) -> Vec<Name> {
        let dirty = std::mem::take(&mut *self.summaries.dirty.lock());
        if dirty.all {
            return self.fleet.all().keys().cloned().collect();
        }
        dirty.namespaces.into_iter().collect()
    }

    async fn summarize(
        self: &Arc<Self>,
        namespace: &Name,
        written: &mut HashMap<(&'static str, Key), Instant>,
    ) {
        let drafts = self.fleet.read(namespace, |ns| self.drafts(namespace, ns)).unwrap_or_default();
        for draft in drafts {
            let place = (draft.kind, Key::new(namespace.clone(), draft.name.clone()));
            if !draft.first && written.get(&place).is_some_and(|at| at.elapsed() < PACE) {
                self.summaries.namespace(namespace);
                continue;
            }
            self.write_summary(namespace, &draft).await;
            written.insert(place, Instant::now());
        }
        written.retain(|_, at| at.elapsed() < PACE);
    }

    fn drafts(&self, namespace: &Name, ns: &Namespace) -> Vec<Draft> {
        let now = Timestamp::now();
        let tally = Tally::of(ns);
        let roles = ns.roles.iter().filter_map(|(name, object)| {
            let status = role::status(name, object, ns, &tally, now);
            let observed = object.status.observed_generation;
            draft("Role", name, &object.meta, (&object.status, &status), observed)
        });
        let bindings = ns.bindings.iter().filter_map(|(name, object)| {
            let app = self.known_app(&Key::new(namespace.clone(), object.spec.app_ref.name.as_str()));
            let catalogue = app.map(|app| app.catalogue());
            let known = |e: &_| catalogue.as_ref().and_then(|catalogue| catalogue.known(e));
            let status = binding::status(name, object, ns, &tally, known, now);
            let observed = object.status.observed_generation;
            draft("AppBinding", name, &object.meta, (&object.status, &status), observed)
        });
        let apps = ns.apps.iter().filter_map(|(name, object)| {
            let runtime = self.known_app(&Key::new(namespace.clone(), name.clone()))?;
            let health = runtime.health.lock().clone();
            if !health.known {
                return None;
            }
            let figures = Figures {
                accounts: tally.accounts.get(name).cloned().unwrap_or_default(),
                planned: runtime.planned(),
                sweeps: &runtime.sweep,
                removals: self.gate(&runtime.key).record(tally.in_use.get(name).copied().unwrap_or_default()),
                held: held(ns, name, object),
            };
            let status = app_status::status(object, &health, figures, now);
            let observed = object.status.observed_generation;
            draft("App", name, &object.meta, (&object.status, &status), observed)
        });
        roles.chain(bindings).chain(apps).collect()
    }

    async fn write_summary(&self, namespace: &Name, draft: &Draft) {
        let result = match draft.kind {
            "Role" => self.patch::<Role>(namespace, draft).await,
            "App" => self.patch::<App>(namespace, draft).await,
            _ => self.patch::<AppBinding>(namespace, draft).await,
        };
        self.metrics.api_write(draft.kind, if result { "ok" } else { "failed" });
    }

    /// JSON patch with a precondition. A failure is no matter: the next count tries again with what the watch brought.
    async fn patch<K>(&self, namespace: &Name, draft: &Draft) -> bool
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let patch = json!([
            {"op": "test", "path": "/metadata/resourceVersion", "value": draft.resource_version},
            {"op": "add", "path": "/status", "value": draft.status},
        ]);
        let api = Api::<K>::namespaced(self.client.clone(), namespace);
        patch_status(&api, &draft.name, patch, PATIENCE).await.is_ok()
    }
}

/// The Holds of an App that wait for a person, and how many people are in each.
pub(super) fn held(ns: &Namespace, name: &str, app: &AppObject) -> Vec<(Name, i64)> {
    let waits = |hold: &HoldObject| hold.status.outcome == HoldOutcome::Pending && is_of(hold, name, app);
    let holds = ns.holds.iter().filter(|(_, hold)| waits(hold) && !hold.status.digest.is_empty());
    holds.map(|(name, hold)| (name.clone(), hold.status.people)).collect()
}

fn draft<S: Serialize + PartialEq>(
    kind: &'static str,
    name: &Name,
    meta: &Meta,
    (stored, status): (&S, &S),
    observed: Option<i64>,
) -> Option<Draft> {
    if stored == status {
        return None;
    }
    Some(Draft {
        kind,
        name: name.clone(),
        resource_version: meta.resource_version.clone(),
        status: serde_json::to_value(status).ok()?,
        first: observed.unwrap_or(-1) < 0,
    })
}
