//! The work of one App: passes, each of which takes one person one step further.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use secrecy::SecretString;

use super::act::{self, Ending, Halt, Ports, Stop, Wish};
use super::decide::{AccountDecision, Departure};
use super::guard::Ground;
use super::store::Written;
use super::{JOINED, SOON};
use crate::access::DesiredAccount;
use crate::api::{self, AppSpec, EntitlementSpec, LedgerEntry, PasswordPolicy, Reason};
use crate::connectors::any::{AnyConnector, traits};
use crate::connectors::{Failure, password};
use crate::controllers::app::crew::{self, Crew};
use crate::controllers::app::places::Place;
use crate::controllers::app::{AppRuntime, Connected, fit, sweep};
use crate::controllers::engine::{Engine, Touch};
use crate::controllers::hold::gate::Blocked;
use crate::controllers::passwords;
use crate::converge::budget::{Permit, Removal};
use crate::converge::{self, Cause, Due, Lane, Plan, Refusal, Resolution, Step, Wanted};
use crate::runtime::events::Notice;
use crate::runtime::failpoint;
use crate::runtime::index::{Key, Name};
use crate::runtime::logging::{self, AuditLine};
use crate::runtime::queue::{Job, Outcome};

/// How long a plan of an App that only plans stands before it is looked at again.
const REHEARSAL: Duration = Duration::from_mins(10);
/// How soon one that what changed meanwhile cut short is begun anew.
const CHANGED_RETRY: Duration = Duration::from_millis(200);

/// Works for a connection until it ends; what is in hand then is brought to its end.
pub fn staff(engine: &Arc<Engine>, app: &Arc<AppRuntime>, connected: &Arc<Connected>) {
    let crew = Arc::new(Crew::new(engine, app, connected));
    for reserved in [false, true] {
        engine.tasks.spawn(hand_out(engine.clone(), crew.clone(), reserved));
    }
    engine.tasks.spawn(crew::look_again(engine.clone(), crew));
    engine.tasks.spawn(sweep::run(engine.clone(), app.clone(), connected.clone()));
}

/// Begins a pass whenever there is a place and a job for it; a reserved place is for leavers only.
async fn hand_out(engine: Arc<Engine>, crew: Arc<Crew>, reserved: bool) {
    loop {
        // First the place, so that of all jobs that are there then the most urgent gets it.
        let place = tokio::select! {
            biased;
            () = crew.connected.end.cancelled() => return,
            place = async {
                if crew.app.queue.ready(reserved).await { Some(crew.places.enter(reserved).await) } else { None }
            } => place,
        };
        let Some(place) = place else { return };
        if let Some(job) = crew.app.queue.take(reserved) {
            engine.tasks.spawn(one(engine.clone(), crew.clone(), place, job));
        }
    }
}

async fn one(engine: Arc<Engine>, crew: Arc<Crew>, place: Place, job: Job<Name>) {
    let key = Key::new(crew.app.key.namespace.clone(), job.key.clone());
    crew.app.sweep.touch(&job.key);
    let lane = job.lane;
    let outcome = engine.work(&crew, &place, &key, &job).await;
    crew.app.sweep.touch(&job.key);
    failpoint::hit("after-pass");
    crew.app.queue.done(job, outcome);
    if outcome != Outcome::Ok {
        engine.touch(Touch::Again(key.clone()));
    }
    // What came of it is stored, and then the person is looked at again.
    engine.recorder.look(&key, lane, super::PATIENCE);
}

impl Engine {
    async fn work(self: &Arc<Self>, crew: &Crew, place: &Place, key: &Key, job: &Job<Name>) -> Outcome {
        let (app, connected) = (&crew.app, &crew.connected);
        let Some(mut account) = self.account(key, &app.key.name) else {
            return Outcome::Ok;
        };
        account.context.cannot_suspend = fit::cannot_suspend(app.health.lock().suspension);
        let Due::Work { lane, .. } = account.due else {
            return Outcome::Ok;
        };
        let Some(policy) = account.context.spec.clone() else {
            return Outcome::Ok;
        };
        if account.context.target != connected.target {
            // The App points elsewhere since just now; its keeper is about to connect there.
            return Outcome::Retry { after: CHANGED_RETRY };
        }
        if self.weigh(key, &account).is_some_and(|standing| !standing.may_go()) {
            return Outcome::Ok;
        }
        // Who leaves by a wave holds up nobody who leaves at once.
        let turn = lane.max(job.lane);
        let connector = connected.connector.with_lane(turn);
        let ports = Live {
            crew,
            place,
            engine: self,
            app,
            key,
            account: &account,
            lane,
            turn,
            queued: job.queued_at,
            decided: tokio::time::Instant::now(),
            acted: AtomicBool::new(false),
        };
        if account.dry_run {
            return self.rehearse(&connector, &ports, &policy).await;
        }
        let ending = Box::pin(act::pass(&connector, &ports, &account, &policy)).await;
        if !self.is_same(key, &account.uid) {
            // The object went, or was made anew: what was done will be found by its marker.
            return Outcome::Ok;
        }
        self.looked_at(app, key, &ending, ports.acted.load(Ordering::Relaxed));
        self.conclude_pass(&ports, ending)
    }

    fn is_same(&self, key: &Key, uid: &str) -> bool {
        self.fleet
            .read(&key.namespace, |ns| ns.user(&key.name).is_some_and(|p| *p.uid == *uid))
            .unwrap_or(false)
    }

    fn account(&self, key: &Key, app: &str) -> Option<AccountDecision> {
        self.decide_in(key, Some(app))?.accounts.into_iter().find(|a| &*a.app == app)
    }

    async fn rehearse(&self, connector: &AnyConnector, ports: &Live<'_>, policy: &AppSpec) -> Outcome {
        let (app, key) = (ports.app, ports.key);
        match act::rehearse(connector, ports, ports.account, policy).await {
            Ok(plan) => {
                app.succeeded(&key.name);
                app.plan(&key.name, &plan);
                self.summaries.namespace(&key.namespace);
                // Nothing was done, so it stays due; what changes meanwhile is planned at once.
                Outcome::Retry { after: REHEARSAL }
            }
            Err(failure) => app.retry_after(&key.name, &failure),
        }
    }

    fn conclude_pass(&self, ports: &Live<'_>, ending: Ending) -> Outcome {
        let Live { app, key, account, lane, turn, .. } = *ports;
        let within = if lane == Lane::Join { JOINED } else { SOON };
        match ending {
            // The target took everything and does not show it: see the entry.
            Ending::Settled(Some(entry)) if is_still_due(account, &entry) => {
                self.recorder.result(key, &app.key.name, Some(entry), turn, within);
                app.retry_cluster(&key.name)
            }
            Ending::Settled(entry) => {
                app.succeeded(&key.name);
                if lane == Lane::Leave {
                    self.announce_leaver(key, account);
                }
                self.recorder.result(key, &app.key.name, entry, turn, within);
                Outcome::Ok
            }
            Ending::Refused(entry, refusal) => {
                self.announce_refusal(key, account, &refusal);
                self.recorder.result(key, &app.key.name, entry, turn, within);
                app.retry_refused(&key.name, &refusal)
            }
            Ending::Trouble(entry, failure) => {
                if entry.is_some() {
                    self.recorder.result(key, &app.key.name, entry, turn, within);
                }
                app.retry_after(&key.name, &failure)
            }
            Ending::Stopped(entry, stop) => {
                if entry.is_some() {
                    self.recorder.result(key, &app.key.name, entry, turn, within);
                }
                match stop {
                    Stop::Changed => Outcome::Retry { after: CHANGED_RETRY },
                    Stop::Cluster => app.retry_cluster(&key.name),
                    Stop::Held => Outcome::Ok,
                }
            }
        }
    }

    fn announce_leaver(&self, key: &Key, account: &AccountDecision) {
        if matches!(account.wanted, Wanted::Gone(Cause::Leave | Cause::UserDeleted)) {
            let note = format!("access to App {} was cut and read back", account.app);
            self.announce(key, "Suspend", Reason::AccessCut, note, false);
        }
    }

    fn announce_refusal(&self, key: &Key, account: &AccountDecision, refusal: &Refusal) {
        let known = account
            .entry
            .as_ref()
            .is_some_and(|e| e.reason == refusal.reason.as_str() && e.message == refusal.message);
        if !known {
            self.announce(
                key,
                "Reconcile",
                refusal.reason,
                format!("App {}: {}", account.app, refusal.message),
                true,
            );
        }
    }

    fn announce(&self, key: &Key, action: &'static str, reason: Reason, note: String, warning: bool) {
        let uid =
            self.fleet.read(&key.namespace, |ns| ns.user(&key.name).map(|p| p.uid.to_string())).flatten();
        let regarding = ObjectReference {
            api_version: Some(format!("{}/{}", api::GROUP, api::VERSION)),
            kind: Some("User".to_owned()),
            namespace: Some(key.namespace.to_string()),
            name: Some(key.name.to_string()),
            uid,
            ..ObjectReference::default()
        };
        self.events.publish(Notice { regarding, warning, action, reason, note });
    }

    /// The audit line of an account that is left as it is because what held it is gone.
    pub(super) fn audit_release(&self, key: &Key, entry: &LedgerEntry, reason: &str) {
        self.metrics.released_accounts(1);
        logging::audit(&AuditLine {
            namespace: &key.namespace,
            user: &key.name,
            app: &entry.app,
            id: &entry.id,
            operation: "release",
            fields: &[],
            result: "ok",
            cause: reason,
        });
    }
}

/// The ports of a pass, live.
struct Live<'a> {
    crew: &'a Crew,
    place: &'a Place,
    engine: &'a Arc<Engine>,
    app: &'a Arc<AppRuntime>,
    key: &'a Key,
    account: &'a AccountDecision,
    lane: Lane,
    /// The lane in which it goes before others.
    turn: Lane,
    queued: Instant,
    decided: tokio::time::Instant,
    /// Something was changed in the App.
    acted: AtomicBool,
}

impl Ports for Live<'_> {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn before_first_account(&self) -> Result<(), Stop> {
        let lock = self.engine.holds.of(self.key);
        let _turn = lock.lock().await;
        if self.engine.person(self.key).ok_or(Stop::Changed)?.held() {
            // An account that is gone is not made again for somebody who left meanwhile.
            return if self.account.names_account() { self.confirm().await } else { Ok(()) };
        }
        // Leavers wait for no joiner. The semaphore is never closed.
        let _place = if self.lane == Lane::Leave { None } else { self.engine.holders.acquire().await.ok() };
        // Only now: it may have changed meanwhile.
        let person = self.engine.person(self.key).ok_or(Stop::Changed)?;
        if person.held() {
            return Ok(());
        }
        if person.deleting {
            // Too late to hold on to; but what a leaver has is cut off all the same.
            return if self.lane == Lane::Leave { Ok(()) } else { Err(Stop::Changed) };
        }
        match self.engine.store.hold(&person).await {
            Written::Done(user) => {
                self.engine.take_in(self.key, *user);
                Ok(())
            }
            Written::Gone => Err(Stop::Changed),
            Written::Conflict => {
                self.read_again().await?;
                Err(Stop::Cluster)
            }
            Written::Failed(_) => Err(Stop::Cluster),
        }
    }

    async fn first_password(&self, desired: &DesiredAccount) -> Result<Option<SecretString>, Halt> {
        let Some(policy) = self.account.context.spec.as_ref().and_then(|spec| spec.initial_password()) else {
            return Ok(None);
        };
        let words = passwords::words(desired);
        match policy.policy {
            PasswordPolicy::Random => Ok(Some(password::random(policy.length.into(), words))),
            PasswordPolicy::Secret => {
                let owner = passwords::Owner {
                    user: self.key,
                    uid: &self.account.uid,
                    app: &self.app.key.name,
                    target: &self.account.context.target,
                };
                let kept = self.engine.passwords.keep(&owner, &policy, words).await;
                kept.map(Some)
            }
        }
    }

    async fn before_removal(&self, plan: &Plan) -> Result<Permit, Stop> {
        if !self.account.is_own() {
            match self.engine.guard.ground(&self.key.namespace, self.decided).await {
                Ground::Firm => {}
                Ground::Vanishing(reason) => return Err(self.give_up(reason)),
                Ground::Behind | Ground::Unclear(_) => return Err(Stop::Cluster),
            }
        }
        self.confirm().await?;
        let person = (self.account.uid.as_str(), self.account.personal);
        let login = self.account.context.spec.as_deref().map_or("", |spec| traits(&spec.connector).login);
        let entry = self.account.entry.as_ref();
        let Some(removal) = Removal::of(plan, &self.account.wanted, entry, login, person) else {
            return Ok(Permit::uncounted());
        };
        let gate = self.engine.gate(&self.app.key);
        gate.pass(self.engine, self.key, self.account, removal).await.map_err(|blocked| match blocked {
            Blocked::Held => Stop::Held,
            Blocked::Cluster => Stop::Cluster,
        })
    }

    async fn resolve(&self, entitlement: &EntitlementSpec) -> Result<Resolution, Failure> {
        let connected = &self.crew.connected;
        let connector = connected.connector.with_lane(self.lane);
        let resolution = connected.catalogue.resolve(&connector, entitlement).await?;
        if matches!(resolution, Resolution::Missing | Resolution::Refused(_)) {
            // Its bindings say so.
            self.engine.summaries.namespace(&self.key.namespace);
        }
        Ok(resolution)
    }

    async fn entitle(&self, entry: Option<&LedgerEntry>, wishes: Vec<Wish>) -> Vec<Result<String, Halt>> {
        let waits = wishes.iter().any(|wish| self.crew.collects(wish));
        let changes = wishes.into_iter().map(|wish| self.crew.memberships.change(wish, self.lane));
        let changes = futures::future::join_all(changes);
        if !waits {
            return changes.await;
        }
        let leaver = self.lane == Lane::Leave;
        if leaver {
            // That access was cut is not kept back until groups are tidied up.
            self.engine.recorder.result(self.key, &self.app.key.name, entry.cloned(), self.turn, SOON);
        }
        self.place.aside(leaver, changes).await
    }

    async fn administration(&self) -> act::Turn {
        self.app.administration.clone().lock_owned().await
    }

    async fn announce(&self, entry: &LedgerEntry) -> Result<(), Stop> {
        self.engine.recorder.result(self.key, &self.app.key.name, Some(entry.clone()), self.turn, SOON);
        self.engine.store_now(self.key).await
    }

    fn performed(&self, step: &Step, entry: &LedgerEntry, outcome: Result<(), &Failure>) {
        if outcome.is_ok() {
            self.acted.store(true, Ordering::Relaxed);
            self.engine.metrics.change_to_effect(self.lane, self.queued.elapsed());
        }
        let fields = fields(step, entry);
        logging::audit(&AuditLine {
            namespace: &self.key.namespace,
            user: &self.key.name,
            app: &self.app.key.name,
            id: &entry.id,
            operation: step.as_str(),
            fields: &fields.iter().map(String::as_str).collect::<Vec<_>>(),
            result: outcome.map_or_else(|failure| failure.reason.as_str(), |()| "ok"),
            cause: cause(self.account),
        });
    }
}

impl Live<'_> {
    /// The namespace or the definitions are being deleted: a User that is being deleted is let go of; others wait for
    /// their own deletion.
    fn give_up(&self, reason: Reason) -> Stop {
        let mut departures = self.engine.departures.lock();
        if let Some((_, departure)) = departures.get_mut(self.key) {
            *departure = Departure::Released(reason);
            return Stop::Changed;
        }
        Stop::Cluster
    }

    /// Reads the User live, and makes sure that what was decided still holds.
    async fn confirm(&self) -> Result<(), Stop> {
        self.read_again().await?;
        let now = self.engine.account(self.key, &self.app.key.name).ok_or(Stop::Changed)?;
        if self.account.still_holds(&now) { Ok(()) } else { Err(Stop::Changed) }
    }

    /// Reads the User live into the index.
    async fn read_again(&self) -> Result<(), Stop> {
        match self.engine.store.read(self.key).await {
            Ok(Some(user)) => {
                self.engine.take_in_live(self.key, user);
                Ok(())
            }
            Ok(None) => Err(Stop::Changed),
            Err(problem) => {
                tracing::warn!(user = %self.key, problem, "the User could not be read before a removal; it waits");
                Err(Stop::Cluster)
            }
        }
    }
}

/// Whether the entry at the end of a pass leaves something to do at once.
fn is_still_due(account: &AccountDecision, entry: &LedgerEntry) -> bool {
    let Some(policy) = account.context.spec.as_deref() else { return false };
    let ctx = account.context.at(policy, Timestamp::now());
    matches!(converge::due(&account.wanted, Some(entry), &ctx), Due::Work { .. })
}

/// What a step changes, by name; `entry` is the ledger entry after it.
fn fields(step: &Step, entry: &LedgerEntry) -> Vec<String> {
    match step {
        Step::Create(account) => account.attributes.keys().cloned().collect(),
        Step::Update { changes, .. } => changes.iter().map(|c| c.attribute.clone()).collect(),
        Step::Grant { entitlement, .. } => vec![format!("{}:{}", entitlement.kind, entitlement.value)],
        Step::Revoke { kind, entitlement, .. } => vec![format!("{kind}:{entitlement}")],
        Step::EndSessions { .. } => {
            entry.sessions.iter().map(|s| format!("sessions:{}", s.as_str())).collect()
        }
        _ => Vec::new(),
    }
}

fn cause(account: &AccountDecision) -> &'static str {
    match account.wanted {
        Wanted::Gone(_) if account.ordered => "ordered",
        Wanted::Account(_) => "granted",
        Wanted::Gone(Cause::Leave) => "left",
        Wanted::Gone(Cause::Suspension) => "suspended",
        Wanted::Gone(Cause::Unassign) => "unassigned",
        Wanted::Gone(Cause::UserDeleted) => "deleted",
        Wanted::Released(_) => "released",
        Wanted::Unknown { .. } => "unknown",
    }
}
