//! Writes people's status, one after the other per person, and lets go of Users that are dealt with.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::act::Stop;
use super::decide::{AccountDecision, Decision, Departure};
use super::record::{Outcome, Turn};
use super::status::{self, Overdue};
use super::store::Written;
use crate::api::{AccountState, LedgerEntry, UserStatus};
use crate::controllers::engine::{Engine, Touch};
use crate::converge::{Due, Wanted};
use crate::runtime::failpoint;
use crate::runtime::index::{Intake, Key, Name, Namespace, Person, RawUser, StoredPerson};

/// Status writes at the same time; beside them as many finalizer patches of joiners, each of whom takes one of both.
///
/// More make no API server faster that has enough to do; but they make its watches late, and a leaver is heard of by
/// a watch.
pub(in crate::controllers) const WRITERS: usize = 8;
/// How long after a failed write the next is tried.
const RETRY: Duration = Duration::from_secs(1);

/// Writes what is due until the process ends. Only the leader writes.
pub async fn run(engine: Arc<Engine>) {
    if !engine.lead().await {
        return;
    }
    let writers = Arc::new(Semaphore::new(WRITERS));
    loop {
        let turn = engine.recorder.next().await;
        let Ok(permit) = writers.clone().acquire_owned().await else {
            return;
        };
        let engine = engine.clone();
        tokio::spawn(async move {
            let outcome = engine.flush(&turn).await;
            engine.recorder.done(&turn, outcome);
            drop(permit);
        });
    }
}

impl Engine {
    async fn flush(self: &Arc<Self>, turn: &Turn) -> Outcome {
        // Asked before anything is decided: most turns of somebody who is being onboarded end here.
        if Instant::now() < turn.deadline && self.is_under_way(&turn.key) {
            return Outcome::Waits;
        }
        let Some(decision) = self.decide(&turn.key) else {
            return Outcome::Gone;
        };
        if decision.person.deleting && decision.person.held() && self.is_dealt_with(&decision) {
            return self.let_go(&decision.person).await;
        }
        if super::needs_hold(&decision) {
            return self.hold(&decision.person).await;
        }
        if self.keeps_quiet(&decision) {
            return Outcome::Stored { seen: Vec::new() };
        }
        let status = status::status(&decision, &self.overdue(&decision), Timestamp::now());
        if status == decision.person.stored {
            self.touch(Touch::Again(turn.key.clone()));
            return Outcome::Stored { seen: superfluous(&decision) };
        }
        failpoint::hit("before-status");
        let written = self.store.write_status(&decision.person, &status).await;
        failpoint::hit("after-status");
        let done = matches!(written, Written::Done(_));
        let outcome = self.conclude(&turn.key, written, superfluous(&decision));
        if done {
            self.audit_released(&decision, &status.accounts);
            self.touch_twins(&decision.person);
            // What was stored may have set a date.
            self.touch(Touch::Again(turn.key.clone()));
        }
        outcome
    }

    /// The audit lines of accounts that this status lets go of.
    fn audit_released(&self, decision: &Decision, accounts: &[LedgerEntry]) {
        let released = |e: &&LedgerEntry| e.state == AccountState::Released;
        for entry in accounts.iter().filter(released) {
            let before = decision.person.stored.accounts.iter().find(|e| e.app == entry.app);
            if before.is_some_and(|e| e.state != AccountState::Released) {
                self.audit_release(&decision.person.key, entry, &entry.reason);
            }
        }
    }

    /// Takes the answer to a write into the index.
    fn conclude(self: &Arc<Self>, key: &Key, written: Written, seen: Vec<(Name, u64)>) -> Outcome {
        match written {
            Written::Done(user) => {
                self.take_in(key, *user);
                Outcome::Stored { seen }
            }
            Written::Gone => Outcome::Gone,
            Written::Conflict => {
                self.refresh(key);
                Outcome::Again(RETRY)
            }
            Written::Failed(problem) => {
                tracing::warn!(user = %key, problem, "status could not be written; it will be tried again");
                Outcome::Again(RETRY)
            }
        }
    }

    /// Stores what is known of a person now, for a step that must not be taken before.
    pub(super) async fn store_now(self: &Arc<Self>, key: &Key) -> Result<(), Stop> {
        let decision = self.decide(key).ok_or(Stop::Changed)?;
        let status = status::status(&decision, &Overdue::default(), Timestamp::now());
        match self.store.write_status(&decision.person, &status).await {
            Written::Done(user) => {
                self.take_in(key, *user);
                Ok(())
            }
            Written::Gone => Err(Stop::Changed),
            Written::Conflict => {
                self.refresh(key);
                Err(Stop::Cluster)
            }
            Written::Failed(_) => Err(Stop::Cluster),
        }
    }

    /// Takes a User as the server has it now into the index, before the watch brings it: the answer to a write of our
    /// own, or a live read. A late answer about an object that is gone, or was made anew, is dropped.
    pub(super) fn take_in(&self, key: &Key, user: RawUser) -> Intake {
        match StoredPerson::from_own_write(user) {
            Ok(person) => self.fleet.write(&key.namespace, |ns| match ns.user(&key.name) {
                Some(known) if known.uid == person.uid => ns.put_user(&key.name, person, None),
                _ => Intake::Same,
            }),
            Err(problem) => {
                tracing::error!(user = %key, problem, "an answer of the API server cannot be decoded");
                Intake::Same
            }
        }
    }

    /// The same for a live read: what is new in it is news, as if the watch had brought it.
    pub(super) fn take_in_live(&self, key: &Key, user: RawUser) {
        if self.take_in(key, user) != Intake::Same {
            self.touch(Touch::Changed(key.clone()));
        }
    }

    /// Has the other Users with this `personId` looked at: they may have waited for what was stored.
    fn touch_twins(&self, person: &Person) {
        let twins = self.fleet.read(&person.key.namespace, |ns| {
            let others = ns.others_like(&person.key.name, &person.spec.person_id);
            others.map(|(name, _)| name.clone()).collect::<Vec<_>>()
        });
        for name in twins.into_iter().flatten() {
            self.touch(Touch::Changed(Key::new(person.key.namespace.clone(), name)));
        }
    }

    /// Reads a User live, because the index is behind, and looks at the person again.
    fn refresh(self: &Arc<Self>, key: &Key) {
        let (engine, key) = (self.clone(), key.clone());
        tokio::spawn(async move {
            if let Ok(Some(user)) = engine.store.read(&key).await {
                engine.take_in_live(&key, user);
            }
            engine.touch(Touch::Again(key));
        });
    }

    async fn hold(self: &Arc<Self>, person: &Person) -> Outcome {
        match self.store.hold(person).await {
            Written::Done(user) => {
                self.take_in(&person.key, *user);
                Outcome::Again(Duration::ZERO)
            }
            other => self.conclude(&person.key, other, Vec::new()),
        }
    }

    /// See [`is_dealt_with`].
    pub(super) fn is_dealt_with(&self, decision: &Decision) -> bool {
        let namespace = &decision.person.key.namespace;
        self.fleet.read(namespace, |ns| is_dealt_with(ns, decision)).unwrap_or(false)
    }

    /// Lets go of a User that is being deleted, with an audit line for every account that is left as it is.
    async fn let_go(self: &Arc<Self>, person: &Person) -> Outcome {
        let departure = self.departure(person);
        match self.store.release(person).await {
            written @ (Written::Done(_) | Written::Gone) => {
                if let Departure::Released(reason) = departure {
                    for entry in &person.status.accounts {
                        self.audit_release(&person.key, entry, reason.as_str());
                    }
                }
                if let Written::Done(user) = written {
                    // Whoever looks before the watch brings it would let go, and say so, once more.
                    self.take_in(&person.key, *user);
                }
                Outcome::Gone
            }
            other => self.conclude(&person.key, other, Vec::new()),
        }
    }

    /// Whether results are about to come from Apps that do more than plan, and no trouble keeps any of them waiting.
    fn is_under_way(&self, person: &Key) -> bool {
        let concerned = self.fleet.read(&person.namespace, |ns| {
            let accounts = ns.user(&person.name).into_iter().flat_map(|p| p.summary.accounts.iter());
            accounts.map(|a| a.app.clone()).filter(|app| !ns.only_plans(app)).collect::<Vec<_>>()
        });
        let apps = concerned.into_iter().flatten();
        let apps: Vec<_> =
            apps.filter_map(|app| self.known_app(&Key::new(person.namespace.clone(), app))).collect();
        apps.iter().any(|app| app.is_under_way(&person.name))
            && !apps.iter().any(|app| app.overdue(&person.name, super::PATIENCE).is_some())
    }

    /// Trouble of Apps that keeps this person's work waiting too long.
    pub(super) fn overdue(&self, decision: &Decision) -> Overdue {
        let mut overdue = Overdue::new();
        for account in decision.accounts.iter().filter(|a| a.is_outstanding()) {
            let key = Key::new(decision.person.key.namespace.clone(), account.app.clone());
            let trouble =
                self.known_app(&key).and_then(|app| app.overdue(&decision.person.key.name, super::PATIENCE));
            overdue.extend(trouble.map(|t| (account.app.clone(), t)));
        }
        overdue
    }
}

/// Whether nothing is to be done any more for a User that is being deleted.
pub(in crate::controllers) fn is_dealt_with(ns: &Namespace, decision: &Decision) -> bool {
    match (decision.departure, decision.is_stalled_twin()) {
        (Departure::Unchecked, _) => false,
        (Departure::Released(_), _) => true,
        // Another User has the same personId: it must have taken the ledger over first.
        (Departure::Ordinary, true) => is_inherited(ns, &decision.person),
        (Departure::Ordinary, _) => !decision.person.paused && decision.accounts.iter().all(is_ended),
    }
}

/// The results that need not be kept once a status is stored. That an account was looked for in vain is kept for as long as
/// others are still looked for, or it would be looked for again and again.
pub(in crate::controllers) fn superfluous(decision: &Decision) -> Vec<(Name, u64)> {
    let person = &decision.person;
    let searching = decision.is_unanswered();
    let fresh = person.fresh.iter().filter(|(app, _)| !searching || person.entry(app).is_some());
    fresh.cloned().collect()
}

fn is_inherited(ns: &Namespace, person: &Person) -> bool {
    let taken = |accounts: &[LedgerEntry]| {
        person.status.accounts.iter().all(|mine| {
            let ended = matches!(mine.state, AccountState::Deleted | AccountState::Released);
            ended || mine.id.is_empty() || accounts.iter().any(|a| a.app == mine.app && a.id == mine.id)
        })
    };
    ns.others_like(&person.key.name, &person.spec.person_id).filter(|(_, other)| !other.deleting).any(
        |(_, other)| {
            // That the person left is passed on as well, or the manifest that is left would bring them back.
            let knows = |heir: &UserStatus| {
                let left = person
                    .stored
                    .left_at
                    .filter(|left| other.start_time().is_none_or(|start| start <= *left));
                left.is_none() || heir.left_at.is_some()
            };
            other.status().is_some_and(|heir| taken(&heir.accounts) && knows(&heir))
        },
    )
}

/// Whether an account of a User that is being deleted needs nothing any more: it was never made, or its policy has run to
/// its end. One of which nothing can be told (its App cannot be decoded) keeps the User.
fn is_ended(account: &AccountDecision) -> bool {
    let none = account.entry.as_ref().is_none_or(|entry| {
        entry.id.is_empty() || matches!(entry.state, AccountState::Deleted | AccountState::Released)
    });
    let idle = !matches!(account.due, Due::Work { .. });
    (none && (idle || account.dry_run))
        || (idle && matches!(account.wanted, Wanted::Gone(_) | Wanted::Released(_)))
}
