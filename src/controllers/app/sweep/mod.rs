//! The sweep of one App: lists all its accounts from time to time, holds them against the ledgers, and has people looked
//! at whose account is not as it was left. It changes nothing itself.

mod follow;
mod people;
mod state;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use self::people::Folk;
pub use self::state::{Report, State};
use super::{AppRuntime, Connected};
use crate::api::sweep::{Stray, SweepStatus};
use crate::api::{AppBindingSpec, AppSpec, EntitlementSpec, Reason};
use crate::connectors::any::AnyConnector;
use crate::connectors::{Connector, Failure, FailureClass};
use crate::controllers::conditions::whole_seconds;
use crate::controllers::engine::Engine;
use crate::controllers::user::decide::Decision;
use crate::converge::sweep::{Found, Inconclusive, Named, Sweep};
use crate::converge::{Lane, Resolution, parse_duration};
use crate::runtime::index::{Fleet, Key};

/// How often where the spec cannot be read; see `App.spec.sweepInterval`.
const INTERVAL: Duration = Duration::from_hours(1);
/// First wait after a sweep that concluded nothing; doubled each time.
const FIRST_RETRY: Duration = Duration::from_mins(1);
/// A listing that has to begin again does so this often before it is left to the next sweep.
const ATTEMPTS: u32 = 3;
/// How soon it is looked whether everybody has been decided about.
const LOOK: Duration = Duration::from_secs(1);
/// Accounts weighed before other tasks get a turn.
const BATCH: usize = 32;

/// Sweeps until the connection ends.
pub async fn run(engine: Arc<Engine>, app: Arc<AppRuntime>, connected: Arc<Connected>) {
    tokio::select! {
        () = connected.end.cancelled() => {}
        () = sweep_on(&engine, &app, &connected) => {}
    }
}

async fn sweep_on(engine: &Engine, app: &AppRuntime, connected: &Connected) {
    // One at a time, also while one connection takes another's place.
    let _turn = app.sweep.turn.lock().await;
    while !engine.summaries.has_begun() {
        tokio::time::sleep(LOOK).await;
    }
    loop {
        let Some(wish) = Wish::read(engine, app, &connected.target) else { return };
        tokio::time::sleep_until(wish.due(app)).await;
        let Some(wish) = Wish::read(engine, app, &connected.target) else { return };
        let began = Instant::now();
        let found = sweep_once(engine, app, connected, &wish.spec).await;
        let took = began.elapsed();
        app.sweep.note_outcome(found.is_ok());
        let Key { namespace, name } = &app.key;
        match found {
            Ok((found, note)) => {
                let confirmed = wish.confirms_mass();
                let ours = there(connected, named(engine, app, |binding| binding.authoritative)).await;
                engine.follow(app, &wish.spec, &found, confirmed, &ours);
                engine.metrics.swept(namespace, name, &found.counts, found.accounts, took);
                app.sweep.report(&connected.target, report(found, &wish, took, confirmed, note));
            }
            Err(problem) => {
                engine.metrics.sweep_failed(namespace, name);
                app.sweep.report(&connected.target, wish.failed(&problem));
            }
        }
        engine.summaries.namespace(namespace);
    }
}

/// What the App asks for now.
struct Wish {
    spec: Arc<AppSpec>,
    requested: String,
    /// What the last sweep showed.
    last: Report,
    /// That was before this process.
    first: bool,
}

impl Wish {
    fn read(engine: &Engine, app: &AppRuntime, target: &str) -> Option<Self> {
        let found = engine.fleet.read(&app.key.namespace, |ns| {
            let object = ns.apps.get(&app.key.name)?;
            let spec = object.spec.clone()?;
            let requested = object.meta.requested.clone().unwrap_or_default();
            let stored = Report::stored(&object.status, target);
            let known = app.sweep.last(target);
            Some(Self {
                requested: requested.chars().take(256).collect(),
                first: known.is_none(),
                last: known.unwrap_or(stored),
                spec,
            })
        });
        found.flatten()
    }

    /// When the next sweep is due.
    fn due(&self, app: &AppRuntime) -> Instant {
        let now = Instant::now();
        if !self.requested.is_empty() && self.requested != self.last.sweep.requested_at {
            return now;
        }
        if let Some(retry) = app.sweep.retry_at(FIRST_RETRY, self.interval()) {
            return retry;
        }
        // After a start, what the last sweep found may have been forgotten before anybody looked at it.
        let unfinished = self.first && self.last.is_troubled();
        let Some(last) = self.last.sweep.last_completed.filter(|_| !unfinished) else {
            return now;
        };
        let left = last.as_second().saturating_sub(Timestamp::now().as_second());
        let interval = i64::try_from(self.interval().as_secs()).unwrap_or(i64::MAX);
        let left = left.saturating_add(interval).clamp(0, interval);
        now + Duration::from_secs(left.unsigned_abs())
    }

    fn interval(&self) -> Duration {
        parse_duration(&self.spec.sweep_interval).and_then(|span| span.try_into().ok()).unwrap_or(INTERVAL)
    }

    /// Whether a person, told that too many accounts are missing at once, asked for this sweep.
    fn confirms_mass(&self) -> bool {
        self.last.is_mass() && !self.requested.is_empty() && self.requested != self.last.sweep.requested_at
    }

    /// What is reported of a sweep that concluded nothing: what was known stands.
    fn failed(self, problem: &str) -> Report {
        let mut report = self.last;
        report.sweep.requested_at = self.requested;
        report.sweep.message = state::clip(&format!("nothing was concluded: {problem}"));
        report
    }
}

fn report(found: Found, wish: &Wish, took: Duration, confirmed: bool, note: Option<String>) -> Report {
    let message = if found.mass && !confirmed {
        state::mass(found.gone.len())
    } else {
        note.map(|note| format!("entitlements were not compared: {note}")).unwrap_or_default()
    };
    Report {
        sweep: SweepStatus {
            last_completed: Some(whole_seconds(Timestamp::now())),
            duration_seconds: i64::try_from(took.as_secs()).unwrap_or(i64::MAX),
            accounts: i64::try_from(found.accounts).unwrap_or(i64::MAX),
            findings: found.counts,
            requested_at: wish.requested.clone(),
            message: state::clip(&message),
        },
        orphans: found.strays,
        orphans_total: found.strays_total,
    }
}

/// What a sweep found, and why entitlements were not compared, if they were not.
type Outcome = Result<(Found, Option<String>), String>;

async fn sweep_once(engine: &Engine, app: &AppRuntime, connected: &Connected, spec: &AppSpec) -> Outcome {
    let decide = |key: &Key| engine.decide_in(key, Some(&app.key.name));
    let gate = engine.gate(&app.key);
    let connector = connected.connector.with_lane(Lane::Verify);
    let named = Named {
        bound: there(connected, named(engine, app, |_| true)).await,
        administrators: there(connected, spec.administrators.iter().cloned()).await,
    };
    let scope = Scope {
        fleet: &engine.fleet,
        key: &app.key,
        target: &connected.target,
        prefix: prefix(spec),
        decide: &decide,
        under_way: &|person| app.is_under_way(person),
        held: &|person| gate.is_held(person),
        state: &app.sweep,
        named: &named,
    };
    let mut attempt = 1;
    loop {
        let _under_way = app.sweep.begin();
        match scope.sweep(&connector, |_| {}).await {
            Err(Broken { again: true, .. }) if attempt < ATTEMPTS => attempt += 1,
            found => return found.map_err(|broken| broken.message),
        }
    }
}

/// What is before a `personId` in a marker; `None` where accounts bear none.
pub fn prefix(spec: &AppSpec) -> Option<String> {
    (!spec.marker_attribute().is_empty()).then(|| spec.marker.prefix.clone())
}

/// The entitlements that such bindings name.
fn named(
    engine: &Engine,
    app: &AppRuntime,
    which: impl Fn(&AppBindingSpec) -> bool,
) -> BTreeSet<EntitlementSpec> {
    let named = engine.fleet.read(&app.key.namespace, |ns| {
        let bindings = ns.bindings_of(&app.key.name).map(|binding| &binding.spec);
        let named = bindings.filter(|spec| which(spec)).flat_map(|spec| &spec.entitlements);
        named.cloned().collect()
    });
    named.unwrap_or_default()
}

/// Those of the entitlements that are there, by type and remote id. What cannot be asked now is left out.
async fn there(
    connected: &Connected,
    entitlements: impl IntoIterator<Item = EntitlementSpec>,
) -> BTreeSet<(String, String)> {
    let connector = connected.connector.with_lane(Lane::Verify);
    let mut found = BTreeSet::new();
    for entitlement in entitlements {
        if let Ok(Resolution::Id(id)) = connected.catalogue.resolve(&connector, &entitlement).await {
            found.insert((entitlement.kind, id));
        }
    }
    found
}

/// Why a sweep concluded nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The listing has to begin again, and may then come to its end.
    pub again: bool,
    /// What happened, for people.
    pub message: String,
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        let again = failure.class == FailureClass::RetryAfter && failure.reason == Reason::UnexpectedAnswer;
        Self { again, message: failure.message }
    }
}

impl From<Inconclusive> for Broken {
    fn from(inconclusive: Inconclusive) -> Self {
        Self { again: inconclusive == Inconclusive::Twice, message: inconclusive.to_string() }
    }
}

/// What a sweep is about.
pub struct Scope<'a> {
    /// Everything known of the cluster.
    pub fleet: &'a Fleet,
    /// The App.
    pub key: &'a Key,
    /// Hash of its target.
    pub target: &'a str,
    /// See [`prefix`].
    pub prefix: Option<String>,
    /// Decides about a person.
    pub decide: &'a (dyn Fn(&Key) -> Option<Decision> + Sync),
    /// Whether a person's account is being worked on.
    pub under_way: &'a (dyn Fn(&str) -> bool + Sync),
    /// Whether what is due for a person waits for a wave, or for somebody's word.
    pub held: &'a (dyn Fn(&str) -> bool + Sync),
    /// What sweeps remember.
    pub state: &'a State,
    /// Entitlements that are looked at beside those in ledgers.
    pub named: &'a Named,
}

impl Scope<'_> {
    /// Lists all accounts and holds them against the ledgers. `each_stray` is told of every account in use that is in no
    /// ledger, also where nothing can be concluded in the end.
    pub async fn sweep(
        &self,
        connector: &AnyConnector,
        mut each_stray: impl FnMut(&Stray),
    ) -> Result<(Found, Option<String>), Broken> {
        let (folk, ledgers) = Folk::gather(self, connector).await;
        let mut sweep = Sweep::begin(ledgers, self.named.clone(), self.prefix.clone());
        let mut cursor = None;
        loop {
            let page = connector.page(cursor.as_deref()).await?;
            for accounts in page.accounts.chunks(BATCH) {
                sweep.page(accounts, false, &folk, &mut each_stray)?;
                tokio::task::yield_now().await;
            }
            cursor = page.next;
            if cursor.is_none() {
                sweep.page(&[], true, &folk, &mut each_stray)?;
                break;
            }
        }
        let mut note = None;
        for (kind, id) in sweep.entitlements() {
            match connector.holders(&kind, &id).await {
                Ok(Some(holders)) => sweep.holders(&kind, &id, &holders),
                Ok(None) => {}
                Err(failure) => {
                    note = Some(failure.message);
                    break;
                }
            }
        }
        Ok((sweep.conclude(&folk)?, note))
    }
}
