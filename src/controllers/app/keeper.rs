//! Keeps one App connected: reads its Secrets, builds the connector, probes, and says how it fares.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::connect::{self, Connected, Refused, Surroundings};
use super::{AppRuntime, fit, target};
use crate::api::app::Capability;
use crate::api::{AppSpec, Reason};
use crate::connectors::gate::{Gate, GateConfig, GateState};
use crate::connectors::{Connector, Failure, LeftOpen, Probe, Suspending};
use crate::controllers::engine::{Engine, Touch};
use crate::runtime::index::Key;

/// First and longest wait after a probe that failed.
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LAST_RETRY: Duration = Duration::from_mins(5);

/// How an App fares, for its status.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// The last look came to its end; before it nothing is known.
    pub known: bool,
    /// Why there is no connector.
    pub refused: Option<(Reason, String)>,
    /// Why the last probe failed.
    pub probe_failure: Option<Failure>,
    /// Why the last pass failed, unless one succeeded since.
    pub last_failure: Option<Failure>,
    /// Why the App is not used although it answers.
    pub unfit: Option<(Reason, String)>,
    /// What suspending an account does there.
    pub suspension: Suspending,
    /// Ways in that suspending an account leaves open there.
    pub left_open: Vec<LeftOpen>,
    /// What is known of the target.
    pub capabilities: Vec<Capability>,
    /// The gate in use.
    pub gate: Option<Gate>,
    /// The request for a reconcile that was handled last.
    pub handled: Option<String>,
}

/// Runs until the App or the process ends.
pub async fn run(engine: Arc<Engine>, app: Arc<AppRuntime>) {
    let mut keeper = Keeper { engine, app, connector: None, gate: None };
    let mut failures = 0_u32;
    let mut wake = Wake::Change;
    while wake != Wake::End {
        let Some((spec, paused, requested)) = keeper.read() else {
            keeper.app.set_connection(None);
            wake = pause(&keeper.app, LAST_RETRY).await;
            continue;
        };
        let fine = keeper.look(&spec, paused, wake).await;
        failures = if fine { 0 } else { failures + 1 };
        keeper.app.health.lock().handled = requested;
        keeper.engine.summaries.namespace(&keeper.app.key.namespace);
        let wait = if fine { keeper.engine.settings.probe_interval } else { retry(&keeper.app, failures) };
        wake = pause(&keeper.app, wait).await;
    }
}

/// Why the keeper looks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wake {
    /// The spec, an annotation or a Secret may have changed.
    Change,
    /// It is time.
    Time,
    /// The App ends.
    End,
}

struct Keeper {
    engine: Arc<Engine>,
    app: Arc<AppRuntime>,
    connector: Option<Arc<Connected>>,
    gate: Option<(Arc<AppSpec>, Gate)>,
}

impl Keeper {
    fn read(&self) -> Option<(Arc<AppSpec>, bool, Option<String>)> {
        let key = &self.app.key;
        let found = self.engine.fleet.read(&key.namespace, |ns| {
            let object = ns.apps.get(&key.name)?;
            Some((object.spec.clone()?, object.meta.paused, object.meta.requested.clone()))
        });
        found.flatten()
    }

    /// One look: whether the App answers.
    async fn look(&mut self, spec: &Arc<AppSpec>, paused: bool, wake: Wake) -> bool {
        if wake == Wake::Change {
            self.connector = None;
        }
        let connected = match self.connect(spec).await {
            Ok(connected) => connected,
            Err(refused) => {
                self.app.set_connection(None);
                *self.app.health.lock() = Health { known: true, refused: Some(refused), ..Health::default() };
                return false;
            }
        };
        let probe = connected.connector.probe().await;
        let fine = probe.is_ok();
        let gate = self.gate_for(spec);
        self.app.health.lock().left_open = connected.connector.left_open();
        let usable = note(&self.app, spec, probe, gate);
        if !fine || paused {
            self.connector = None;
            self.app.set_connection(None);
        } else if !usable {
            self.app.set_connection(None);
        } else if self.app.connection().is_none_or(|now| !Arc::ptr_eq(&now, &connected)) {
            self.app.set_connection(Some(connected.clone()));
            self.app.staff(&self.engine, &connected);
            for person in self.app.troubled() {
                // What they waited for may be over.
                self.engine.touch(Touch::Changed(Key::new(self.app.key.namespace.clone(), person)));
            }
        }
        fine
    }

    async fn connect(&mut self, spec: &Arc<AppSpec>) -> Result<Arc<Connected>, Refused> {
        // One whose workers were sent home by a quarantine cannot be used again.
        if let Some(connected) = self.connector.as_ref().filter(|c| !c.end.is_cancelled()) {
            return Ok(connected.clone());
        }
        let key = &self.app.key;
        self.app.uses_secrets(connect::secrets(spec));
        let around = Surroundings {
            client: self.engine.client.clone(),
            fence: self.engine.fence.clone(),
            insecure_targets: self.engine.settings.insecure_targets,
            longest_request: self.engine.settings.longest_request,
            meter: self.engine.metrics.meter(&key.namespace, &key.name),
        };
        let gate = self.gate_for(spec);
        let key = self.app.key.clone();
        let connected =
            connect::connect(&around, &key.namespace, spec, gate, self.app.end.child_token()).await?;
        let connected = Arc::new(connected);
        self.connector = Some(connected.clone());
        Ok(connected)
    }

    /// The gate; one with a history lives on while limits and target stay the same.
    fn gate_for(&mut self, spec: &Arc<AppSpec>) -> Gate {
        if let Some((old, gate)) = &self.gate
            && old.limits == spec.limits
            && target::hash(old) == target::hash(spec)
        {
            return gate.clone();
        }
        let limits = &spec.limits;
        let gate = Gate::new(GateConfig {
            requests_per_second: limits.requests_per_second,
            concurrency: Some(limits.concurrency),
        });
        self.gate = Some((spec.clone(), gate.clone()));
        gate
    }
}

/// Keeps what a probe showed; whether the App can be used as its policies say.
fn note(app: &AppRuntime, spec: &AppSpec, probe: Result<Probe, Failure>, gate: Gate) -> bool {
    let mut health = app.health.lock();
    health.known = true;
    health.refused = None;
    health.gate = Some(gate);
    match probe {
        Ok(probe) => {
            health.probe_failure = None;
            health.last_failure = None;
            health.capabilities = probe.capabilities;
            health.suspension = probe.suspension;
            health.unfit = fit::misfit(spec, probe.suspension);
        }
        Err(failure) => health.probe_failure = Some(failure),
    }
    health.unfit.is_none()
}

fn retry(app: &AppRuntime, failures: u32) -> Duration {
    let health = app.health.lock();
    let doubled = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(10)));
    let asked = health.probe_failure.as_ref().and_then(|f| f.retry_after).unwrap_or_default();
    let wait = match health.gate.as_ref().map(Gate::state) {
        Some(GateState::Open { next_probe, .. }) => next_probe.saturating_duration_since(Instant::now()),
        _ => doubled,
    };
    // Jitter, so that Apps that failed together are not probed together.
    wait.max(asked).min(LAST_RETRY).mul_f64(rand::random_range(0.9..1.1))
}

/// Waits for the time, a change, or trouble at the gate.
async fn pause(app: &AppRuntime, wait: Duration) -> Wake {
    tokio::select! {
        () = app.end.cancelled() => Wake::End,
        () = app.wake.notified() => Wake::Change,
        () = tokio::time::sleep(wait) => Wake::Time,
        () = quarantined(app) => Wake::Time,
    }
}

/// Resolves when the gate of a connected App opens, so that the App is probed instead of worked on.
async fn quarantined(app: &AppRuntime) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let state = app.connection().and_then(|_| app.health.lock().gate.as_ref().map(Gate::state));
        if let Some(GateState::Open { next_probe, .. }) = state {
            app.set_connection(None);
            tokio::time::sleep_until(next_probe).await;
            return;
        }
    }
}
