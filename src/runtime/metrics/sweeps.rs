//! What sweeps of Apps found.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{AppLabels, Metrics, Seconds, add, gauge};
use crate::api::sweep::SweepFindings;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FindingLabels {
    namespace: String,
    app: String,
    finding: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    namespace: String,
    app: String,
    result: &'static str,
}

#[derive(Clone)]
pub(super) struct SweepMetrics {
    sweeps: Family<ResultLabels, Counter>,
    findings: Family<FindingLabels, Gauge>,
    accounts: Family<AppLabels, Gauge>,
    seconds: Family<AppLabels, Seconds>,
}

impl SweepMetrics {
    pub(super) fn new(r: &mut Registry) -> Self {
        Self {
            sweeps: add(r, "sweeps", "Sweeps of apps by what came of them", Family::default()),
            findings: add(r, "sweep_findings", "Accounts that the last sweep found amiss", Family::default()),
            accounts: add(r, "sweep_accounts", "Accounts that the app listed last", Family::default()),
            seconds: add(r, "sweep_seconds", "Duration of the last sweep", Family::default()),
        }
    }

    fn note(&self, namespace: &str, app: &str, result: &'static str) {
        let (namespace, app) = (namespace.to_owned(), app.to_owned());
        self.sweeps.get_or_create(&ResultLabels { namespace, app, result }).inc();
    }
}

fn labels(namespace: &str, app: &str) -> AppLabels {
    AppLabels { namespace: namespace.to_owned(), app: app.to_owned() }
}

fn finding(namespace: &str, app: &str, finding: &'static str) -> FindingLabels {
    FindingLabels { namespace: namespace.to_owned(), app: app.to_owned(), finding }
}

/// Every finding, with its count.
fn named(counts: &SweepFindings) -> [(&'static str, i64); 10] {
    let SweepFindings {
        drifted,
        entitlements_lost,
        entitlements_added,
        gone,
        reactivated,
        suspended_elsewhere,
        orphans,
        zombies,
        duplicates,
        privileged,
    } = *counts;
    [
        ("drifted", drifted),
        ("entitlements_lost", entitlements_lost),
        ("entitlements_added", entitlements_added),
        ("gone", gone),
        ("reactivated", reactivated),
        ("suspended_elsewhere", suspended_elsewhere),
        ("orphans", orphans),
        ("zombies", zombies),
        ("duplicates", duplicates),
        ("privileged", privileged),
    ]
}

impl Metrics {
    /// A sweep of an App came to its end.
    pub fn swept(&self, namespace: &str, app: &str, counts: &SweepFindings, accounts: usize, took: Duration) {
        self.sweeps.note(namespace, app, "ok");
        for (name, count) in named(counts) {
            self.sweeps.findings.get_or_create(&finding(namespace, app, name)).set(count);
        }
        self.sweeps.accounts.get_or_create(&labels(namespace, app)).set(gauge(accounts));
        self.sweeps.seconds.get_or_create(&labels(namespace, app)).set(took.as_secs_f64());
    }

    /// A sweep of an App concluded nothing.
    pub fn sweep_failed(&self, namespace: &str, app: &str) {
        self.sweeps.note(namespace, app, "failed");
    }

    pub(super) fn forget_sweeps(&self, namespace: &str, app: &str) {
        for (name, _) in named(&SweepFindings::default()) {
            self.sweeps.findings.remove(&finding(namespace, app, name));
        }
        self.sweeps.accounts.remove(&labels(namespace, app));
        self.sweeps.seconds.remove(&labels(namespace, app));
    }
}
