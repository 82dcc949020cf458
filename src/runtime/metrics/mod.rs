//! What is counted and measured, in the `OpenMetrics` text format.
//!
//! Labels name Apps, namespaces, kinds and our own closed sets: never a person, an account or an attribute.

mod removals;
mod sweeps;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use self::removals::RemovalMetrics;
use self::sweeps::SweepMetrics;
use super::queue::Stats;
use crate::api::AccountState;
use crate::connectors::http::{Meter, RequestReport};
use crate::converge::Lane;

/// Media type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds; remote requests take 10 s at most.
const REQUEST_BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Seconds; from at once to a working day.
const EFFECT_BUCKETS: &[f64] =
    &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 28_800.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AppLabels {
    namespace: String,
    app: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabels {
    namespace: String,
    app: String,
    lane: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    namespace: String,
    app: String,
    operation: &'static str,
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AccountLabels {
    namespace: String,
    app: String,
    state: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    kind: &'static str,
    result: &'static str,
}

type Seconds = Gauge<f64, AtomicU64>;
type Label = [(&'static str, &'static str); 1];

#[derive(Clone, Copy)]
struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

/// Instants whose distance from now is reported when the metrics are read.
#[derive(Debug, Default)]
struct Clocks {
    lease_valid_until: Option<Instant>,
    watch_seen: BTreeMap<&'static str, Instant>,
}

/// All metrics; clones are the same ones.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    clocks: Arc<Mutex<Clocks>>,
    apps: AppMetrics,
    sweeps: SweepMetrics,
    removals: RemovalMetrics,
    process: ProcessMetrics,
}

#[derive(Clone)]
struct AppMetrics {
    queue_depth: Family<LaneLabels, Gauge>,
    queue_waiting: Family<LaneLabels, Gauge>,
    queue_oldest: Family<LaneLabels, Seconds>,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<AppLabels, Histogram, Buckets>,
    accounts: Family<AccountLabels, Gauge>,
    change_to_effect: Family<Label, Histogram, Buckets>,
    released: Counter,
    unproved: Family<AppLabels, Gauge>,
    oldest_unproved: Family<AppLabels, Seconds>,
    quarantined: Family<AppLabels, Gauge>,
}

#[derive(Clone)]
struct ProcessMetrics {
    leader: Gauge,
    lease_valid: Seconds,
    watch_staleness: Family<Label, Seconds>,
    api_writes: Family<WriteLabels, Counter>,
    undecodable: Family<Label, Gauge>,
    events_dropped: Counter,
}

fn add<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

fn histogram<L: Clone + Hash + Eq>(buckets: &'static [f64]) -> Family<L, Histogram, Buckets> {
    Family::new_with_constructor(Buckets(buckets))
}

impl AppMetrics {
    fn new(r: &mut Registry) -> Self {
        let (requests, effect) = (histogram(REQUEST_BUCKETS), histogram(EFFECT_BUCKETS));
        Self {
            queue_depth: add(r, "queue_depth", "Accounts that a worker may take", Family::default()),
            queue_waiting: add(r, "queue_waiting", "Accounts backing off or due later", Family::default()),
            queue_oldest: add(
                r,
                "queue_oldest_seconds",
                "Age of the oldest work not done",
                Family::default(),
            ),
            requests: add(r, "remote_requests", "Requests to apps by what came of them", Family::default()),
            request_seconds: add(r, "remote_request_seconds", "Duration of requests to apps", requests),
            accounts: add(r, "accounts", "Accounts in the ledgers", Family::default()),
            change_to_effect: add(
                r,
                "change_to_effect_seconds",
                "From a change to its effect in the app",
                effect,
            ),
            released: add(r, "released_accounts", "Accounts let go of as they were", Counter::default()),
            unproved: add(
                r,
                "unproved_leavers",
                "People who left whose account is not read back out of use",
                Family::default(),
            ),
            oldest_unproved: add(
                r,
                "oldest_unproved_leaver_seconds",
                "Since the access of the first of them should have ended",
                Family::default(),
            ),
            quarantined: add(r, "quarantined", "Whether only probes are sent to the app", Family::default()),
        }
    }
}

impl ProcessMetrics {
    fn new(r: &mut Registry) -> Self {
        Self {
            leader: add(r, "leader", "Whether this process may write to apps", Gauge::default()),
            lease_valid: add(r, "lease_valid_seconds", "How long it may, unless renewed", Seconds::default()),
            watch_staleness: add(
                r,
                "watch_staleness_seconds",
                "Since a watch was heard of",
                Family::default(),
            ),
            api_writes: add(r, "api_writes", "Writes to the Kubernetes API", Family::default()),
            undecodable: add(r, "undecodable_objects", "Objects that could not be read", Family::default()),
            events_dropped: add(
                r,
                "events_dropped",
                "Events without room to be published",
                Counter::default(),
            ),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers everything, with the version of this build.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("tenure");
        registry.register("build", "This build", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let (apps, process) = (AppMetrics::new(&mut registry), ProcessMetrics::new(&mut registry));
        let (sweeps, removals) = (SweepMetrics::new(&mut registry), RemovalMetrics::new(&mut registry));
        Self { registry: Arc::new(registry), clocks: Arc::default(), apps, sweeps, removals, process }
    }

    /// How an App's queue stands.
    pub fn queue(&self, namespace: &str, app: &str, stats: &Stats) {
        for (lane, stats) in Lane::ALL.iter().zip(stats.lanes) {
            let labels = lane_labels(namespace, app, *lane);
            self.apps.queue_depth.get_or_create(&labels).set(gauge(stats.ready));
            self.apps.queue_waiting.get_or_create(&labels).set(gauge(stats.waiting));
            self.apps.queue_oldest.get_or_create(&labels).set(stats.oldest.unwrap_or_default().as_secs_f64());
        }
    }

    /// A meter for the requests of one App: how often, how long, and what became of them.
    pub fn meter(&self, namespace: &str, app: &str) -> Meter {
        let (metrics, namespace, app) = (self.clone(), namespace.to_owned(), app.to_owned());
        std::sync::Arc::new(move |report| metrics.remote_request(&namespace, &app, report))
    }

    fn remote_request(&self, namespace: &str, app: &str, report: &RequestReport) {
        let (namespace, app) = (namespace.to_owned(), app.to_owned());
        let labels = AppLabels { namespace: namespace.clone(), app: app.clone() };
        self.apps.request_seconds.get_or_create(&labels).observe(report.elapsed.as_secs_f64());
        let labels = RequestLabels { namespace, app, operation: report.operation, class: report.class };
        self.apps.requests.get_or_create(&labels).inc();
    }

    /// How many accounts an App has by state; states that are not named have none.
    pub fn accounts(&self, namespace: &str, app: &str, counts: &BTreeMap<AccountState, usize>) {
        for state in ACCOUNT_STATES {
            let count = counts.get(&state).copied().unwrap_or_default();
            self.apps.accounts.get_or_create(&account_labels(namespace, app, state)).set(gauge(count));
        }
    }

    /// A change took this long to show in the app.
    pub fn change_to_effect(&self, lane: Lane, took: Duration) {
        self.apps.change_to_effect.get_or_create(&[("lane", lane.as_str())]).observe(took.as_secs_f64());
    }

    /// Until when this process may write to apps; `None` while it may not.
    pub fn lease_valid_until(&self, until: Option<Instant>) {
        self.clocks().lease_valid_until = until;
    }

    /// Something was heard of the watch of a kind: an event, a bookmark or a completed list.
    pub fn watch_seen(&self, kind: &'static str, at: Instant) {
        self.clocks().watch_seen.insert(kind, at);
    }

    /// A write to the Kubernetes API ended. `result` is one of our fixed words: `ok`, `conflict`, `error`.
    pub fn api_write(&self, kind: &'static str, result: &'static str) {
        self.process.api_writes.get_or_create(&WriteLabels { kind, result }).inc();
    }

    /// How many objects of a kind cannot be read at present.
    pub fn undecodable_objects(&self, kind: &'static str, count: usize) {
        self.process.undecodable.get_or_create(&[("kind", kind)]).set(gauge(count));
    }

    /// Accounts were let go of as they were.
    pub fn released_accounts(&self, count: u64) {
        self.apps.released.inc_by(count);
    }

    /// How many people who left are not proved to have lost access to an App, and for how long that is overdue.
    pub fn unproved_leavers(&self, namespace: &str, app: &str, count: usize, oldest: Duration) {
        let labels = AppLabels { namespace: namespace.to_owned(), app: app.to_owned() };
        self.apps.unproved.get_or_create(&labels).set(gauge(count));
        self.apps.oldest_unproved.get_or_create(&labels).set(oldest.as_secs_f64());
    }

    /// Whether an App is in quarantine.
    pub fn quarantined(&self, namespace: &str, app: &str, is: bool) {
        let labels = AppLabels { namespace: namespace.to_owned(), app: app.to_owned() };
        self.apps.quarantined.get_or_create(&labels).set(i64::from(is));
    }

    /// An event found no room.
    pub fn event_dropped(&self) {
        self.process.events_dropped.inc();
    }

    /// Forgets the gauges of an App that is gone. Its counters stay, as they would after a restart of the scraper.
    pub fn forget_app(&self, namespace: &str, app: &str) {
        for lane in Lane::ALL {
            let labels = lane_labels(namespace, app, lane);
            self.apps.queue_depth.remove(&labels);
            self.apps.queue_waiting.remove(&labels);
            self.apps.queue_oldest.remove(&labels);
        }
        let labels = AppLabels { namespace: namespace.to_owned(), app: app.to_owned() };
        self.apps.unproved.remove(&labels);
        self.apps.oldest_unproved.remove(&labels);
        for state in ACCOUNT_STATES {
            self.apps.accounts.remove(&account_labels(namespace, app, state));
        }
        self.apps.quarantined.remove(&labels);
        self.forget_sweeps(namespace, app);
        self.forget_removals(namespace, app);
    }

    /// Everything, as text of type [`CONTENT_TYPE`].
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        self.read_clocks(Instant::now());
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    fn read_clocks(&self, now: Instant) {
        let clocks = self.clocks();
        let valid =
            clocks.lease_valid_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        self.process.leader.set(i64::from(!valid.is_zero()));
        self.process.lease_valid.set(valid.as_secs_f64());
        for (kind, seen) in &clocks.watch_seen {
            let staleness = now.saturating_duration_since(*seen).as_secs_f64();
            self.process.watch_staleness.get_or_create(&[("kind", *kind)]).set(staleness);
        }
    }

    fn clocks(&self) -> MutexGuard<'_, Clocks> {
        self.clocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const ACCOUNT_STATES: [AccountState; 9] = [
    AccountState::Creating,
    AccountState::Active,
    AccountState::Suspended,
    AccountState::Deleting,
    AccountState::Deleted,
    AccountState::Retained,
    AccountState::Released,
    AccountState::Conflict,
    AccountState::Failed,
];

fn lane_labels(namespace: &str, app: &str, lane: Lane) -> LaneLabels {
    LaneLabels { namespace: namespace.to_owned(), app: app.to_owned(), lane: lane.as_str() }
}

fn account_labels(namespace: &str, app: &str, state: AccountState) -> AccountLabels {
    AccountLabels { namespace: namespace.to_owned(), app: app.to_owned(), state: format!("{state:?}") }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
