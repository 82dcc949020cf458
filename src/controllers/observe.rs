//! What the operator tells of itself: readiness and metrics that are sampled rather than counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::engine::Engine;
use super::summary::{Tally, held};
use crate::api::AccountState;
use crate::connectors::gate::{Gate as RequestGate, GateState};
use crate::runtime::health::Gate;
use crate::runtime::index::Key;
use crate::runtime::lease::Standing;

/// How often gauges are sampled: a sample looks at every queued key.
const SAMPLE: Duration = Duration::from_secs(5);
/// How often readiness is looked at before it is reached.
const LOOK: Duration = Duration::from_millis(50);

/// Samples until the process ends.
pub async fn run(engine: Arc<Engine>, lists: Gate) {
    loop {
        let waiting = engine.watching.waiting_for();
        if waiting.is_empty() {
            break;
        }
        lists.wait(format!("waiting for the list of {}", waiting.join(", ")));
        tokio::time::sleep(LOOK).await;
    }
    lists.open();
    let mut standing = engine.standing.clone();
    loop {
        sample(&engine);
        let now = standing.borrow_and_update().clone();
        match now {
            Standing::Leading { until } => engine.metrics.lease_valid_until(Some(until)),
            _ => engine.metrics.lease_valid_until(None),
        }
        tokio::select! {
            () = tokio::time::sleep(SAMPLE) => {}
            changed = standing.changed() => if changed.is_err() { return },
        }
    }
}

fn sample(engine: &Engine) {
    for kind in engine.watching.up() {
        engine.metrics.watch_seen(kind, Instant::now());
    }
    for (kind, count) in engine.watching.undecodable() {
        engine.metrics.undecodable_objects(kind, usize::try_from(count).unwrap_or(usize::MAX));
    }
    let (leavers, now) = (engine.leavers.by_app(), Timestamp::now());
    for app in engine.all_apps() {
        let Key { namespace, name } = &app.key;
        let unproved = leavers.get(&(namespace.clone(), name.clone())).copied().unwrap_or_default();
        engine.metrics.unproved_leavers(namespace, name, unproved.count, unproved.age(now));
        engine.metrics.queue(namespace, name, &app.queue.stats());
        let gate = app.health.lock().gate.as_ref().map(RequestGate::state);
        engine.metrics.quarantined(namespace, name, matches!(gate, Some(GateState::Open { .. })));
        let waiting = engine.fleet.read(namespace, |ns| {
            let held = ns.apps.get(name).map(|object| held(ns, name, object)).unwrap_or_default();
            held.iter().map(|(_, people)| *people).sum::<i64>()
        });
        let waiting = usize::try_from(waiting.unwrap_or_default()).unwrap_or_default();
        engine.metrics.removals(namespace, name, engine.gate(&app.key).figures(), waiting);
    }
    for (namespace, content) in engine.fleet.all().iter() {
        for (app, states) in Tally::states(content) {
            engine.metrics.accounts(namespace, &app, &states);
        }
    }
}

impl Tally {
    /// Accounts by App and state.
    fn states(
        ns: &crate::runtime::index::Namespace,
    ) -> BTreeMap<crate::runtime::index::Name, BTreeMap<AccountState, usize>> {
        let mut all: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for account in ns.users().flat_map(|(_, p)| p.summary.accounts.iter()) {
            if let Some(state) = account.state {
                *all.entry(account.app.clone()).or_default().entry(state).or_default() += 1;
            }
        }
        all
    }
}
