//! The controller of Apps: one runtime an App, with its connection, its queue and its workers.

pub mod catalogue;
pub mod connect;
pub mod crew;
pub mod fit;
pub mod keeper;
pub mod memberships;
pub mod places;
pub mod planned;
pub mod status;
pub mod sweep;
pub mod target;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::catalogue::Catalogue;
pub use self::connect::Connected;
pub use self::keeper::Health;
use self::planned::Planned;
use super::engine::Engine;
use super::user::work;
use crate::api::Reason;
use crate::connectors::locks::Locks;
use crate::connectors::{Failure, FailureClass};
use crate::converge::{Lane, Plan, Refusal};
use crate::runtime::backoff::{Backoff, Severity};
use crate::runtime::index::{Key, Name};
use crate::runtime::queue::{Outcome, WorkQueue};

/// What runs for one App.
pub struct AppRuntime {
    /// Which App.
    pub key: Key,
    /// Work that is due, by person.
    pub queue: WorkQueue<Name>,
    /// How the App fares.
    pub health: Mutex<Health>,
    connection: Mutex<Option<Arc<Connected>>>,
    catalogue: Mutex<Arc<Catalogue>>,
    wake: Notify,
    secrets: Mutex<Vec<Name>>,
    backoff: Mutex<Backoff<Name>>,
    trouble: Mutex<HashMap<Name, Trouble>>,
    planned: Mutex<Planned>,
    /// What sweeps remember.
    pub sweep: sweep::State,
    /// One writer an entitlement, by type and remote id, even while one connection takes another's place.
    pub(super) writing: Locks<(String, String)>,
    /// Taken by whoever may take away what an administrator has.
    pub administration: Arc<tokio::sync::Mutex<()>>,
    end: CancellationToken,
}

/// What keeps a person's work waiting.
struct Trouble {
    since: Instant,
    reason: Reason,
    message: String,
}

impl AppRuntime {
    /// Makes the runtime and starts its tasks, which wait until this process leads.
    pub(super) fn start(engine: &Arc<Engine>, key: Key) -> Arc<Self> {
        let runtime = Arc::new(Self {
            key,
            queue: WorkQueue::default(),
            health: Mutex::default(),
            connection: Mutex::default(),
            catalogue: Mutex::default(),
            writing: Locks::default(),
            wake: Notify::new(),
            secrets: Mutex::default(),
            backoff: Mutex::default(),
            trouble: Mutex::default(),
            planned: Mutex::default(),
            sweep: sweep::State::default(),
            administration: Arc::default(),
            end: engine.stop.child_token(),
        });
        let (engine, app) = (engine.clone(), runtime.clone());
        tokio::spawn(async move {
            if engine.lead().await {
                keeper::run(engine, app).await;
            }
        });
        runtime
    }

    /// Starts the work of a connection. It ends with it.
    pub(super) fn staff(self: &Arc<Self>, engine: &Arc<Engine>, connected: &Arc<Connected>) {
        work::staff(engine, self, connected);
    }

    /// Takes a person out of the queue until the gate lets them go on.
    pub fn park(&self, person: &Name) {
        self.queue.remove(person);
    }

    /// Queues a person. A fresh reason forgets the back-off.
    pub fn enqueue(&self, person: &Name, lane: Lane, fresh: bool) {
        if fresh {
            self.backoff.lock().reset(person);
            self.queue.push_fresh(person.clone(), lane);
        } else {
            self.queue.push(person.clone(), lane);
        }
    }

    /// Whether the person is queued to be worked on at once, or is being worked on.
    pub fn is_under_way(&self, person: &str) -> bool {
        self.queue.is_under_way(&person.into())
    }

    /// Puts the connection in place, or takes it away; workers of the old one end.
    pub(super) fn set_connection(&self, connected: Option<Arc<Connected>>) {
        if let Some(connected) = &connected {
            *self.catalogue.lock() = connected.catalogue.clone();
        }
        if let Some(old) = std::mem::replace(&mut *self.connection.lock(), connected) {
            old.end.cancel();
        }
    }

    /// The connection now.
    pub fn connection(&self) -> Option<Arc<Connected>> {
        self.connection.lock().clone()
    }

    /// What the last connection that was made knows, or knew, of entitlements.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.lock().clone()
    }

    /// The App's spec or annotations changed.
    pub fn spec_changed(&self) {
        self.wake.notify_one();
    }

    /// A labelled Secret changed.
    pub fn secret_changed(&self, name: &Name) {
        if self.secrets.lock().contains(name) {
            self.wake.notify_one();
        }
    }

    pub(super) fn uses_secrets(&self, names: Vec<Name>) {
        *self.secrets.lock() = names;
    }

    /// Ends everything that runs for the App.
    pub fn end(&self) {
        self.end.cancel();
        self.queue.close();
    }

    /// A pass over this person came to its end.
    pub fn succeeded(&self, person: &Name) {
        self.backoff.lock().reset(person);
        self.trouble.lock().remove(person);
        self.health.lock().last_failure = None;
    }

    /// The target failed: when the person is to be tried again.
    pub fn retry_after(&self, person: &Name, failure: &Failure) -> Outcome {
        self.trouble
            .lock()
            .entry(person.clone())
            .and_modify(|t| (t.reason, t.message) = (failure.reason, failure.message.clone()))
            .or_insert_with(|| Trouble {
                since: Instant::now(),
                reason: failure.reason,
                message: failure.message.clone(),
            });
        self.health.lock().last_failure = Some(failure.clone());
        if failure.class == FailureClass::Credentials {
            // A new secret may be there already; the keeper looks, and its probe says.
            self.wake.notify_one();
        }
        let wait = self.backoff.lock().failed(
            person.clone(),
            Severity::Transient,
            failure.retry_after,
            rand::random(),
        );
        Outcome::Retry { after: wait }
    }

    /// Something cannot be done for this person: when to see whether the world has changed.
    pub fn retry_refused(&self, person: &Name, refusal: &Refusal) -> Outcome {
        self.trouble.lock().remove(person);
        let severity = match refusal.reason {
            Reason::NotApplied | Reason::AccountGone => Severity::Transient,
            _ => Severity::Permanent,
        };
        Outcome::Retry { after: self.backoff.lock().failed(person.clone(), severity, None, rand::random()) }
    }

    /// What has kept this person's work waiting longer than `patience`.
    pub fn overdue(&self, person: &str, patience: Duration) -> Option<(Reason, String)> {
        let trouble = self.trouble.lock();
        trouble.get(person).filter(|t| t.since.elapsed() >= patience).map(|t| (t.reason, t.message.clone()))
    }

    /// The people whose work this App's trouble keeps waiting.
    pub(super) fn troubled(&self) -> Vec<Name> {
        self.trouble.lock().keys().cloned().collect()
    }

    /// The cluster could not be asked, or does not agree with the index: when to try again.
    pub fn retry_cluster(&self, person: &Name) -> Outcome {
        Outcome::Retry {
            after: self.backoff.lock().failed(person.clone(), Severity::Transient, None, rand::random()),
        }
    }

    /// Keeps what would be done for a person, in mode `DryRun`.
    pub fn plan(&self, person: &Name, plan: &Plan) {
        self.planned.lock().put(person, plan);
    }

    /// Nothing is due for this person any more.
    pub fn unplan(&self, person: &str) {
        self.planned.lock().remove(person);
        self.trouble.lock().remove(person);
        self.queue.remove(&person.into());
    }

    /// What would be done, in mode `DryRun`.
    pub fn planned(&self) -> crate::api::app::PlannedSteps {
        self.planned.lock().report()
    }
}
