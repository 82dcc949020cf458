//! What the controllers share, and the loops that run them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::app::AppRuntime;
use super::hold::gate::Gates;
use super::passwords::Passwords;
use super::summary::Summaries;
use super::user::decide::{self, Decision, Departure};
use super::user::flush;
use super::user::guard::Guard;
use super::user::leavers::Leavers;
use super::user::record::Recorder;
use super::user::store::Store;
use crate::connectors::fence::Fence;
use crate::connectors::locks::Locks;
use crate::runtime::events::Events;
use crate::runtime::index::{Fleet, Key, Person, Watching};
use crate::runtime::lease::Standing;
use crate::runtime::metrics::Metrics;

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long removals that follow from a changed rule, Role, binding or deleted object wait until no more join them,
    /// where `spec.removalBudget.settle` does not say; a renamed manifest or a correction overtakes them.
    pub settle: Duration,
    /// Plain http and targets on this machine are permitted.
    pub insecure_targets: bool,
    /// The longest that a request to a target may take, so that the lease outlasts it.
    pub longest_request: Duration,
    /// How long the grant of an entitlement may wait for others of the same, so that they are made together.
    pub linger: Duration,
    /// How often an App that answers is asked whether it still does.
    pub probe_interval: Duration,
}

/// Somebody is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touch {
    /// This person, because something about them changed: back-off is forgotten.
    Changed(Key),
    /// This person, after work of our own.
    Again(Key),
}

/// What the controllers share.
pub struct Engine {
    /// Settings.
    pub settings: Settings,
    /// For Kubernetes, without retries of its own.
    pub client: Client,
    /// The index.
    pub fleet: Arc<Fleet>,
    /// State of the watches.
    pub watching: Arc<Watching>,
    /// Results not stored yet.
    pub recorder: Recorder,
    /// Writes to Users.
    pub store: Store,
    /// First passwords that are kept for their people.
    pub passwords: Passwords,
    /// Live reads before removals.
    pub guard: Guard,
    /// One finalizer patch a person at a time.
    pub holds: Locks<Key>,
    /// Places for finalizer patches of joiners.
    pub(super) holders: Semaphore,
    /// Who left and may still have access somewhere.
    pub leavers: Leavers,
    /// Roles, Apps and `AppBindings` whose status may have to be written.
    pub summaries: Summaries,
    /// Whether remote systems may be changed.
    pub fence: Fence,
    /// Metrics.
    pub metrics: Metrics,
    /// Kubernetes events.
    pub events: Events,
    /// Where this process stands in the election.
    pub standing: watch::Receiver<Standing>,
    /// Ends everything.
    pub stop: CancellationToken,
    /// What must end before the lease is given up.
    pub tasks: TaskTracker,
    /// People are waiting to be decided about, some of whom may need work.
    pub(super) deciding: AtomicBool,
    pub(super) touches: mpsc::UnboundedSender<Touch>,
    pub(super) apps: Mutex<HashMap<Key, Arc<AppRuntime>>>,
    pub(super) departures: Mutex<HashMap<Key, (String, Departure)>>,
    /// The gates that removals pass through.
    pub(super) gates: Gates,
}

impl Engine {
    /// Puts the shared parts together, with nothing in them.
    pub fn new(
        settings: Settings,
        client: Client,
        fence: Fence,
        metrics: Metrics,
        events: Events,
        standing: watch::Receiver<Standing>,
        touches: mpsc::UnboundedSender<Touch>,
    ) -> Self {
        let fleet = Arc::<Fleet>::default();
        Self {
            settings,
            watching: Arc::default(),
            recorder: Recorder::default(),
            store: Store::new(client.clone(), metrics.clone()),
            passwords: Passwords::new(client.clone(), metrics.clone()),
            guard: Guard::new(client.clone(), fleet.clone()),
            holds: Locks::default(),
            holders: Semaphore::new(flush::WRITERS),
            leavers: Leavers::default(),
            summaries: Summaries::default(),
            fence,
            metrics,
            events,
            standing,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            deciding: AtomicBool::new(true),
            touches,
            apps: Mutex::default(),
            departures: Mutex::default(),
            gates: Gates::default(),
            client,
            fleet,
        }
    }

    /// The person with the ledger as it is known now, results not stored yet included.
    pub fn person(&self, key: &Key) -> Option<Person> {
        let mut person = self
            .fleet
            .read(&key.namespace, |ns| ns.user(&key.name).and_then(|p| p.load(key.clone())))
            .flatten()?;
        person.fresh = self.recorder.overlay(key, &mut person.status.accounts);
        Some(person)
    }

    /// Decides about a person.
    pub fn decide(&self, key: &Key) -> Option<Decision> {
        self.decide_in(key, None)
    }

    /// The same, about the account in one App only where one is given.
    pub fn decide_in(&self, key: &Key, only: Option<&str>) -> Option<Decision> {
        self.decide_at(key, only, Timestamp::now())
    }

    /// The same, for an instant that may lie ahead.
    pub(super) fn decide_at(&self, key: &Key, only: Option<&str>, at: Timestamp) -> Option<Decision> {
        let person = self.person(key)?;
        let departure = self.departure(&person);
        self.fleet.read(&key.namespace, |ns| decide::decide_in(ns, person, departure, at, only))
    }

    /// Why this User is being deleted, as far as that is known. An earlier object of the same name does not count.
    pub(super) fn departure(&self, person: &Person) -> Departure {
        let departures = self.departures.lock();
        departures.get(&person.key).filter(|(uid, _)| *uid == person.uid).map(|(_, d)| *d).unwrap_or_default()
    }

    /// Has a person looked at.
    pub fn touch(&self, touch: Touch) {
        // The receiver goes away only when the process ends.
        let _ = self.touches.send(touch);
    }

    /// The App's runtime; it is made when the App is first met.
    pub fn app(self: &Arc<Self>, key: &Key) -> Arc<AppRuntime> {
        let mut apps = self.apps.lock();
        apps.entry(key.clone()).or_insert_with(|| AppRuntime::start(self, key.clone())).clone()
    }

    /// The App's runtime, if there is one.
    pub fn known_app(&self, key: &Key) -> Option<Arc<AppRuntime>> {
        self.apps.lock().get(key).cloned()
    }

    /// Every App's runtime.
    pub fn all_apps(&self) -> Vec<Arc<AppRuntime>> {
        self.apps.lock().values().cloned().collect()
    }

    /// Whether this process leads now.
    pub fn leads(&self) -> bool {
        matches!(*self.standing.borrow(), Standing::Leading { .. })
    }

    /// Waits until this process leads; `false` when it ends before that.
    pub async fn lead(&self) -> bool {
        let mut standing = self.standing.clone();
        tokio::select! {
            () = self.stop.cancelled() => false,
            led = standing.wait_for(|s| matches!(s, Standing::Leading { .. })) => led.is_ok(),
        }
    }
}
