//! What the removal budgets of Apps let go, and what waits for a person.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{AppLabels, Metrics, add, gauge};

#[derive(Clone)]
pub(super) struct RemovalMetrics {
    used: Family<AppLabels, Gauge>,
    allowed: Family<AppLabels, Gauge>,
    held: Family<AppLabels, Gauge>,
}

impl RemovalMetrics {
    pub(super) fn new(r: &mut Registry) -> Self {
        Self {
            used: add(r, "removals_used", "Removals within the window of the budget", Family::default()),
            allowed: add(r, "removals_allowed", "Removals that the budget lets go in it", Family::default()),
            held: add(r, "held_people", "People in Holds that wait for an answer", Family::default()),
        }
    }
}

impl Metrics {
    /// How an App's removal budget stands, and how many people are in Holds that nobody has answered.
    pub fn removals(&self, namespace: &str, app: &str, (used, allowed): (u32, u32), held: usize) {
        let labels = AppLabels { namespace: namespace.to_owned(), app: app.to_owned() };
        self.removals.used.get_or_create(&labels).set(used.into());
        self.removals.allowed.get_or_create(&labels).set(allowed.into());
        self.removals.held.get_or_create(&labels).set(gauge(held));
    }

    pub(super) fn forget_removals(&self, namespace: &str, app: &str) {
        let labels = AppLabels { namespace: namespace.to_owned(), app: app.to_owned() };
        self.removals.used.remove(&labels);
        self.removals.allowed.remove(&labels);
        self.removals.held.remove(&labels);
    }
}
