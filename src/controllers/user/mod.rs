//! The controller of Users: looks at people when something about them changes or falls due, queues work at the Apps
//! concerned, and has their status written.

pub mod act;
pub mod administrators;
pub mod decide;
pub mod flush;
pub mod guard;
pub mod leavers;
pub mod proof;
pub mod record;
pub mod status;
pub mod store;
pub mod work;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use self::decide::{AccountDecision, Decision, Departure};
use super::engine::{Engine, Touch};
use super::hold::ahead;
use crate::api::AccountState;
use crate::controllers::conditions::whole_seconds;
use crate::converge::budget::Standing;
use crate::converge::{Due, Lane};
use crate::runtime::index::{AccountSummary, Change, Key, Name, Person, Summary};
use crate::runtime::schedule::Wakeups;
use crate::runtime::watchdog::Beat;

/// A result that cuts or changes access is stored within this time.
pub(in crate::controllers) const SOON: Duration = Duration::from_secs(1);
/// A new account is stored within this time: until then results in other Apps may join it in one write. A crash in
/// between loses nothing, as the account bears the marker.
pub(super) const JOINED: Duration = Duration::from_secs(10);
/// How long an App's trouble keeps a person's work waiting before it is written on the person.
pub(super) const PATIENCE: Duration = Duration::from_mins(10);

/// How many people are looked at before other tasks get a turn.
const BATCH: usize = 32;

/// Looks at people, one after the other, for as long as the process lives. Runs on the standby too, so that its queues
/// hold exactly what is outstanding when it takes over.
pub struct Looker {
    engine: Arc<Engine>,
    wakeups: Wakeups<Key>,
    backlog: Backlog,
}

/// People to look at when nothing more urgent is there; taken from the end, each once.
#[derive(Default)]
struct Backlog {
    order: Vec<Key>,
    members: HashSet<Key>,
}

impl Backlog {
    fn extend(&mut self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            if self.members.insert(key.clone()) {
                self.order.push(key);
            }
        }
    }

    fn pop(&mut self) -> Option<Key> {
        let key = self.order.pop()?;
        self.members.remove(&key);
        Some(key)
    }
}

impl Looker {
    /// A looker without work.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, wakeups: Wakeups::default(), backlog: Backlog::default() }
    }

    /// Runs until the channels close. What concerns one person goes before the backlog of what concerns many.
    pub async fn run(
        mut self,
        mut changes: UnboundedReceiver<Change>,
        mut touches: UnboundedReceiver<Touch>,
        beat: Beat,
    ) {
        let mut tick = tokio::time::interval(Duration::from_millis(500));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut synced = false;
        loop {
            let idle = self.backlog.order.is_empty();
            self.engine.deciding.store(!synced || !idle, Ordering::Relaxed);
            if synced && idle {
                self.engine.summaries.begin();
            }
            beat.alive();
            tokio::select! {
                biased;
                _ = tick.tick() => {
                    for key in self.wakeups.next_due(Timestamp::now()) {
                        self.look(&key, true);
                    }
                }
                change = changes.recv() => match change {
                    Some(Change::Synced) => {
                        synced = true;
                        self.everybody();
                    }
                    // Before the first lists are complete nothing can be decided.
                    Some(change) if synced => self.change(change),
                    Some(_) => {}
                    None => return beat.finish(),
                },
                touch = touches.recv() => match touch {
                    Some(Touch::Changed(key)) => self.look(&key, true),
                    Some(Touch::Again(key)) => self.look(&key, false),
                    None => return beat.finish(),
                },
                () = std::future::ready(()), if !idle => {
                    for _ in 0..BATCH {
                        let Some(key) = self.backlog.pop() else { break };
                        self.look(&key, true);
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// After the first lists: those who should not have access first, then managers, as their reports' accounts refer to
    /// theirs.
    fn everybody(&mut self) {
        let (mut leavers, mut managers, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (namespace, content) in self.engine.fleet.all().iter() {
            for (name, person) in content.users() {
                let turn = match person.leaving {
                    true => &mut leavers,
                    false if !content.reports(name).is_empty() => &mut managers,
                    false => &mut others,
                };
                turn.push(Key::new(namespace.clone(), name.clone()));
            }
            for app in content.apps.keys() {
                self.engine.app(&Key::new(namespace.clone(), app.clone()));
            }
        }
        // The backlog is taken from its end.
        for mut turn in [others, managers, leavers] {
            turn.sort_unstable_by(|a, b| b.cmp(a));
            self.backlog.extend(turn);
        }
        self.engine.summaries.all();
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::User(key) => {
                if !self.engine.leads() {
                    // The leader has stored what this replica may only have doubted.
                    self.engine.recorder.drop_results(&key);
                }
                self.look(&key, true);
                self.look_at_twins(&key);
            }
            Change::WentBack(key) => {
                self.doubt(&key);
                self.look(&key, true);
            }
            Change::UserGone { key, person_id } => {
                self.forget(&key);
                // Whoever has the same personId may have waited for this.
                self.look_at_same(&key, &person_id);
                self.look_at_reports(&key);
                self.engine.summaries.namespace(&key.namespace);
            }
            Change::Role(key) => {
                self.engine.summaries.namespace(&key.namespace);
                self.enqueue_namespace(&key.namespace);
            }
            Change::Binding { key, roles } => {
                self.engine.summaries.namespace(&key.namespace);
                match roles {
                    Some(roles) => self.enqueue_concerned(&key.namespace, &roles, None),
                    None => self.enqueue_namespace(&key.namespace),
                }
            }
            Change::App(key) => self.app_changed(&key),
            Change::Secret(key) => {
                for app in self.engine.all_apps() {
                    if app.key.namespace == key.namespace {
                        app.secret_changed(&key.name);
                    }
                }
            }
            Change::Hold(key) => {
                self.engine.summaries.namespace(&key.namespace);
                self.backlog.extend(self.engine.held_by(&key));
            }
            Change::Synced => {}
        }
    }

    /// What the ledger says was confirmed is looked at again, because the ledger is an old one.
    fn doubt(&self, key: &Key) {
        let Some(person) = self.engine.person(key) else {
            return;
        };
        for mut entry in person.status.accounts {
            if entry.state == AccountState::Active {
                entry.applied.clear();
                let app = Name::from(entry.app.as_str());
                self.engine.recorder.result(key, &app, Some(entry), Lane::Change, PATIENCE);
            }
        }
    }

    fn app_changed(&mut self, key: &Key) {
        let (exists, roles) = self
            .engine
            .fleet
            .read(&key.namespace, |ns| {
                let roles: Vec<Name> = ns.bindings_of(&key.name).map(|b| b.role().into()).collect();
                (ns.apps.contains_key(&key.name), roles)
            })
            .unwrap_or_default();
        if exists {
            self.engine.app(key).spec_changed();
        } else if let Some(app) = self.engine.apps.lock().remove(key) {
            app.end();
            self.engine.metrics.forget_app(&key.namespace, &key.name);
        }
        self.engine.summaries.namespace(&key.namespace);
        self.enqueue_concerned(&key.namespace, &roles, Some(&key.name));
    }

    fn enqueue_namespace(&mut self, namespace: &Name) {
        let keys = self.engine.fleet.read(namespace, |ns| {
            ns.users().map(|(n, _)| Key::new(namespace.clone(), n.clone())).collect::<Vec<_>>()
        });
        self.backlog.extend(keys.into_iter().flatten());
    }

    fn enqueue_concerned(&mut self, namespace: &Name, roles: &[Name], app: Option<&str>) {
        let keys = self.engine.fleet.read(namespace, |ns| ns.concerned(namespace, roles, app));
        self.backlog.extend(keys.into_iter().flatten());
    }

    fn look_at_twins(&mut self, key: &Key) {
        let id = self.engine.fleet.read(&key.namespace, |ns| ns.user(&key.name).map(|p| p.person_id.clone()));
        if let Some(id) = id.flatten() {
            self.look_at_same(key, &id);
        }
    }

    /// Looks at the other Users with this `personId`.
    fn look_at_same(&mut self, key: &Key, person_id: &str) {
        let others = self.engine.fleet.read(&key.namespace, |ns| {
            ns.others_like(&key.name, person_id).map(|(name, _)| name.clone()).collect::<Vec<_>>()
        });
        for name in others.into_iter().flatten() {
            self.look(&Key::new(key.namespace.clone(), name), true);
        }
    }

    fn forget(&mut self, key: &Key) {
        self.wakeups.remove(key);
        self.engine.leavers.forget(key);
        self.engine.recorder.forget(key);
        self.engine.departures.lock().remove(key);
        self.engine.withdraw_everywhere(key);
    }

    /// Decides about a person and sees to what follows.
    fn look(&mut self, key: &Key, fresh: bool) {
        let Some(decision) = self.engine.decide(key) else {
            return;
        };
        match decision.next {
            Some(at) => self.wakeups.set(key.clone(), ahead::look_at(at, Timestamp::now())),
            None => self.wakeups.remove(key),
        }
        if decision.person.deleting {
            self.see_to_departure(&decision.person);
        } else {
            // An object of this name that was deleted before is not this one.
            self.engine.departures.lock().remove(key);
        }
        // Before anything is counted by it.
        self.note_summary(key, &decision);
        let queued = decision.accounts.iter().filter_map(|account| self.engine.see_to(key, account, fresh));
        let removal = queued.min();
        self.engine.foresee(key, &decision, Timestamp::now());
        self.engine.leavers.note(key, proof::unproved(&decision, Timestamp::now()));
        self.note_accounts(key, &decision);
        self.see_to_status(key, &decision, removal);
    }

    /// The first time a User is seen being deleted: finds out why, then looks again.
    fn see_to_departure(&self, person: &Person) {
        let key = person.key.clone();
        let mut departures = self.engine.departures.lock();
        if departures.get(&key).is_some_and(|(uid, _)| *uid == person.uid) {
            return;
        }
        departures.insert(key.clone(), (person.uid.clone(), Departure::Unchecked));
        let (engine, uid) = (self.engine.clone(), person.uid.clone());
        let seen = Instant::now();
        tokio::spawn(async move {
            let found = engine.guard.departure(&key.namespace, seen).await;
            if found.is_none() {
                tokio::time::sleep(SOON).await;
            }
            {
                let mut departures = engine.departures.lock();
                if let Some((_, departure)) = departures.get_mut(&key).filter(|(of, _)| *of == uid) {
                    match found {
                        Some(found) => *departure = found,
                        None => drop(departures.remove(&key)),
                    }
                }
            }
            engine.touch(Touch::Changed(key));
        });
    }

    fn see_to_status(&self, key: &Key, decision: &Decision, removal: Option<Lane>) {
        if self.engine.keeps_quiet(decision) {
            return;
        }
        // Exactly what a turn would write, or the turn would have the person looked at again, and so on for ever.
        let status = status::status(decision, &self.engine.overdue(decision), Timestamp::now());
        let person = &decision.person;
        let finished = person.deleting && person.held() && self.engine.is_dealt_with(decision);
        if status == decision.person.stored && !finished && !needs_hold(decision) {
            return;
        }
        let work = decision.accounts.iter().any(AccountDecision::is_outstanding);
        let within = match (removal, work) {
            (Some(_), _) => SOON,
            (None, true) => PATIENCE,
            (None, false) => Duration::ZERO,
        };
        self.engine.recorder.look(key, removal.unwrap_or(Lane::Join), within);
    }

    /// Those who refer to this person's accounts are looked at when these come and go.
    fn note_accounts(&mut self, key: &Key, decision: &Decision) {
        let person = &decision.person;
        let (changed, manager) = self.engine.fleet.write(&key.namespace, |ns| {
            let changed = ns.note_accounts(&key.name, &person.status.accounts, &person.stored.accounts);
            (changed, person.spec.manager.as_deref().and_then(|m| ns.unnoted_manager(m)).cloned())
        });
        if changed {
            self.look_at_reports(key);
        }
        self.backlog.extend(manager.map(|name| Key::new(key.namespace.clone(), name)));
    }

    fn look_at_reports(&mut self, key: &Key) {
        let reports = self.engine.fleet.read(&key.namespace, |ns| ns.reports(&key.name).to_vec());
        let reports = reports.into_iter().flatten();
        self.backlog.extend(reports.map(|name| Key::new(key.namespace.clone(), name)));
    }

    fn note_summary(&self, key: &Key, decision: &Decision) {
        let summary = summarize(decision);
        self.engine.fleet.write(&key.namespace, |ns| {
            if let Some(person) = ns.user_mut(&key.name)
                && person.summary != summary
            {
                person.summary = summary;
                self.engine.summaries.namespace(&key.namespace);
            }
        });
    }
}

/// Whether accounts that are still Tenure's hang on a User that could vanish unnoticed.
pub(super) fn needs_hold(decision: &Decision) -> bool {
    let person = &decision.person;
    !person.deleting
        && !person.held()
        && person
            .status
            .accounts
            .iter()
            .any(|e| !matches!(e.state, AccountState::Released | AccountState::Deleted) && !e.id.is_empty())
}

pub(super) fn summarize(decision: &Decision) -> Summary {
    let bindings: std::collections::BTreeSet<Name> = decision
        .accounts
        .iter()
        .flat_map(|a| {
            a.bindings.iter().cloned().chain(a.issues.iter().map(|i| Name::from(i.binding.as_str())))
        })
        .collect();
    Summary {
        left_at: decision.lifecycle.left_at.map(whole_seconds),
        roles: decision.roles.effective.iter().map(|r| Name::from(r.name.as_str())).collect(),
        rule_errors: decision.roles.rule_errors.iter().map(|r| Name::from(r.as_str())).collect(),
        bindings: bindings.into_iter().collect(),
        accounts: decision
            .accounts
            .iter()
            .map(|a| AccountSummary {
                app: a.app.clone(),
                state: a.entry.as_ref().map(|e| e.state),
                due: matches!(a.due, Due::Work { .. }),
                troubled: a.entry.as_ref().is_some_and(|e| {
                    matches!(e.state, AccountState::Failed | AccountState::Conflict)
                        || (!e.reason.is_empty() && e.applied.is_empty() && e.state == AccountState::Active)
                }),
            })
            .collect(),
    }
}

impl Engine {
    /// Queues what is due at an App. The lane, where it takes something away now.
    fn see_to(self: &Arc<Self>, key: &Key, account: &AccountDecision, fresh: bool) -> Option<Lane> {
        let app_key = Key::new(key.namespace.clone(), account.app.clone());
        let standing = self.weigh(key, account);
        let Due::Work { lane, removal } = account.due else {
            if let Some(app) = self.known_app(&app_key) {
                app.unplan(&key.name);
            }
            return None;
        };
        if removal && account.personal {
            // Writing the status takes the evidence away that this is the person's own doing.
            self.gate(&app_key).note_own(&key.name);
        }
        let app = self.app(&app_key);
        let lane = match standing {
            Some(Standing::Waiting | Standing::Held(_)) => {
                app.park(&key.name);
                return None;
            }
            // A wave never holds up what goes at once.
            Some(Standing::Admitted | Standing::Approved(_)) => lane.max(Lane::Change),
            _ => lane,
        };
        app.enqueue(&key.name, lane, fresh);
        removal.then_some(lane)
    }

    /// Whether nothing is to be said about this person while removals that are not their own doing wait: a Hold writes
    /// nothing per person.
    pub(super) fn keeps_quiet(&self, decision: &Decision) -> bool {
        keeps_quiet(decision, |app| {
            let app = Key::new(decision.person.key.namespace.clone(), app.clone());
            self.gate(&app).keeps_waiting(&decision.person.key.name)
        })
    }
}

/// See [`Engine::keeps_quiet`]. `waits`: whether the person waits at the gate of an App.
pub(super) fn keeps_quiet(decision: &Decision, waits: impl Fn(&Name) -> bool) -> bool {
    let person = &decision.person;
    person.fresh.is_empty()
        && person.stored.left_at == decision.lifecycle.left_at.map(whole_seconds)
        && decision.accounts.iter().any(|account| account.is_outstanding() && waits(&account.app))
}
