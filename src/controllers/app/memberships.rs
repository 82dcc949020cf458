//! Changes of who holds an entitlement, from all passes of one connection: collected, and written by one writer an
//! entitlement, so that a change of many memberships costs few requests whoever decided them.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::{EntitlementSpec, Reason};
use crate::connectors::{Failure, FailureClass, Membership};
use crate::controllers::user::act::{Entitlement, Halt, Stop, Wish};
use crate::converge::Lane;
use crate::runtime::batch::{Batch, Change, Next, Waiter};

/// How long nothing must have come before no more is expected: passes that are about to begin are seen by nobody yet.
const QUIET: Duration = Duration::from_millis(100);
/// What is urgent waits this part of the linger at most, and what is still to come is waited for this part of what is
/// left of it.
const FRACTION: u32 = 5;

/// The remote id of the entitlement as it was written, or why it was not.
pub type Outcome = Result<String, Halt>;

/// What the changes are written with.
pub trait Target: Send + Sync + 'static {
    /// How many accounts one [`Self::entitle`] of this type may be about.
    fn batch(&self, kind: &str) -> usize;

    /// As `Connector::entitle`.
    fn entitle(
        &self,
        lane: Lane,
        kind: &str,
        id: &str,
        changes: &[Membership],
    ) -> impl Future<Output = Result<Vec<Result<(), Failure>>, Failure>> + Send;

    /// As `Connector::create_entitlement`.
    fn create(
        &self,
        lane: Lane,
        entitlement: &EntitlementSpec,
        first: &[String],
    ) -> impl Future<Output = Result<String, Failure>> + Send;

    /// Whether some pass that is under way, or may begin within this time, could want more.
    fn expects(&self, within: Duration) -> bool;
}

/// The changes of one connection. Clones are the same.
pub struct Memberships<T>(Arc<Shared<T>>);

impl<T> Clone for Memberships<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Shared<T> {
    target: T,
    linger: Duration,
    tasks: TaskTracker,
    end: CancellationToken,
    desks: Mutex<BTreeMap<Entitlement, Desk>>,
    tickets: AtomicU64,
}

/// Where the changes of one entitlement wait. It has a writer for as long as it exists.
#[derive(Default)]
struct Desk {
    batch: Batch<String, Tell>,
    /// Whether some change is more than tidying up behind people who are suspended already. Tidying keeps a server
    /// busy that may still have others to suspend (a directory takes out of a large group some ninety a second), so it
    /// waits for them, were it as much as one request can hold.
    hurried: bool,
    bell: Arc<Notify>,
}

struct Tell {
    outcome: oneshot::Sender<Outcome>,
    lane: Lane,
}

type Waiting = Change<String, Tell>;

impl<T: Target> Memberships<T> {
    /// Nothing waits yet. A change waits for `linger` at most; after `end` nothing more is written.
    pub fn new(target: T, linger: Duration, tasks: TaskTracker, end: CancellationToken) -> Self {
        let (desks, tickets) = (Mutex::default(), AtomicU64::new(0));
        Self(Arc::new(Shared { target, linger, tasks, end, desks, tickets }))
    }

    /// Waits until a change is made, in this lane of the gate. Dropped before that, it is not made, unless it is being written.
    ///
    /// Fails with [`Stop::Changed`] if a later wish was to the contrary, and if the connection ended.
    pub async fn change(&self, wish: Wish, lane: Lane) -> Outcome {
        let shared = &self.0;
        if shared.end.is_cancelled() {
            return Err(Halt::Stop(Stop::Changed));
        }
        if let Entitlement::Known { kind, id } = &wish.entitlement
            && shared.target.batch(kind) <= 1
        {
            let change = [Membership { account: wish.account, held: wish.held }];
            let written = shared.target.entitle(lane, kind, id, &change).await;
            let outcome = written.and_then(|outcomes| outcomes.into_iter().collect());
            return outcome.map(|()| id.clone()).map_err(Halt::Target);
        }
        let (outcome, told) = oneshot::channel();
        let ticket = shared.tickets.fetch_add(1, Ordering::Relaxed);
        let linger = if wish.urgent { shared.linger / FRACTION } else { shared.linger };
        let change = Change {
            key: wish.account.clone(),
            held: wish.held,
            waiters: vec![Waiter { ticket, tell: Tell { outcome, lane } }],
            due: (Instant::now() + linger).into(),
        };
        shared.put(&wish.entitlement, vec![change], wish.held || wish.urgent);
        let mut withdrawal = Withdrawal { shared, account: wish.account, ticket, needed: true };
        let told = told.await;
        withdrawal.needed = false;
        // A writer that ended without a word has written nothing of it, as far as is known.
        told.unwrap_or(Err(Halt::Stop(Stop::Changed)))
    }
}

/// Withdraws a change when nobody waits for it any more.
struct Withdrawal<'a, T> {
    shared: &'a Shared<T>,
    account: String,
    ticket: u64,
    needed: bool,
}

impl<T> Drop for Withdrawal<'_, T> {
    fn drop(&mut self) {
        if self.needed {
            let mut desks = self.shared.desks.lock();
            let _ = desks.values_mut().any(|desk| desk.batch.withdraw(&self.account, self.ticket));
        }
    }
}

impl<T: Target> Shared<T> {
    fn put(self: &Arc<Self>, entitlement: &Entitlement, changes: Vec<Waiting>, hurried: bool) {
        if self.end.is_cancelled() {
            return changes.into_iter().for_each(|change| tell(change, &Err(Halt::Stop(Stop::Changed))));
        }
        let mut replaced = Vec::new();
        let mut desks = self.desks.lock();
        let desk = desks.entry(entitlement.clone()).or_insert_with(|| {
            let writer = Writer { shared: self.clone(), entitlement: entitlement.clone(), done: false };
            self.tasks.spawn(writer.run());
            Desk::default()
        });
        desk.hurried |= hurried;
        for change in changes {
            replaced.extend(desk.batch.add(change, Instant::now().into()));
        }
        desk.bell.notify_one();
        drop(desks);
        for waiter in replaced {
            let _ = waiter.tell.outcome.send(Err(Halt::Stop(Stop::Changed)));
        }
    }
}

/// Tells everybody who waits for a change what became of it. Who does not wait any more is not told.
fn tell(change: Waiting, outcome: &Outcome) {
    for waiter in change.waiters {
        let _ = waiter.tell.outcome.send(outcome.clone());
    }
}

/// What a writer finds at its desk.
enum Found {
    Changes(Vec<Waiting>),
    Wait(Instant, Arc<Notify>),
    Nothing,
}

/// Writes what waits at one desk until nothing does. However it ends, the desk goes with it.
struct Writer<T> {
    shared: Arc<Shared<T>>,
    entitlement: Entitlement,
    done: bool,
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        if !self.done {
            self.shared.desks.lock().remove(&self.entitlement);
        }
    }
}

impl<T: Target> Writer<T> {
    async fn run(mut self) {
        loop {
            match self.look() {
                Found::Changes(changes) => self.write(changes).await,
                Found::Wait(until, bell) => tokio::select! {
                    () = self.shared.end.cancelled() => {}
                    () = bell.notified() => {}
                    () = tokio::time::sleep_until(until) => {}
                },
                Found::Nothing => {
                    self.done = true;
                    return;
                }
            }
        }
    }

    /// What to do now. Where nothing waits the desk is removed at once, so that nothing can be put there any more.
    fn look(&self) -> Found {
        let mut desks = self.shared.desks.lock();
        let found = match desks.get_mut(&self.entitlement) {
            // Dropping a desk tells everybody that nothing was written.
            Some(desk) if !self.shared.end.is_cancelled() => self.look_at(desk),
            _ => Found::Nothing,
        };
        if matches!(found, Found::Nothing) {
            desks.remove(&self.entitlement);
        }
        found
    }

    fn look_at(&self, desk: &mut Desk) -> Found {
        let now = Instant::now();
        let (limit, next) = match &self.entitlement {
            Entitlement::Known { kind, .. } => {
                let limit = self.shared.target.batch(kind).max(1);
                let left = desk.batch.due().map(|due| Instant::from(due).saturating_duration_since(now));
                let expected = self.shared.target.expects(left.unwrap_or_default() / FRACTION);
                let enough = if desk.hurried || !expected { limit } else { usize::MAX };
                (limit, desk.batch.next(enough, expected, QUIET, now.into()))
            }
            // Whoever waits for it to be made waits for the same.
            Entitlement::ToMake(_) => (usize::MAX, desk.batch.next(1, false, Duration::ZERO, now.into())),
        };
        match next {
            Next::Go => Found::Changes(desk.batch.take(limit)),
            Next::At(at) => Found::Wait(at.into(), desk.bell.clone()),
            Next::Empty => Found::Nothing,
        }
    }

    async fn write(&self, changes: Vec<Waiting>) {
        let lanes = changes.iter().flat_map(|change| &change.waiters).map(|waiter| waiter.tell.lane);
        let lane = lanes.min().unwrap_or(Lane::Verify);
        match &self.entitlement {
            Entitlement::Known { kind, id } => self.entitle(lane, kind, id, changes).await,
            Entitlement::ToMake(entitlement) => self.make(lane, entitlement, changes).await,
        }
    }

    async fn entitle(&self, lane: Lane, kind: &str, id: &str, changes: Vec<Waiting>) {
        let memberships: Vec<_> = changes
            .iter()
            .map(|change| Membership { account: change.key.clone(), held: change.held })
            .collect();
        let outcomes = match self.shared.target.entitle(lane, kind, id, &memberships).await {
            Ok(outcomes) if outcomes.len() == changes.len() => outcomes,
            Ok(_) => vec![Err(miscounted()); changes.len()],
            Err(failure) => vec![Err(failure); changes.len()],
        };
        for (change, outcome) in changes.into_iter().zip(outcomes) {
            tell(change, &outcome.map(|()| id.to_owned()).map_err(Halt::Target));
        }
    }

    /// Makes the entitlement, and has everybody who waited for it wait for their part in it.
    async fn make(&self, lane: Lane, entitlement: &EntitlementSpec, changes: Vec<Waiting>) {
        let first = self.shared.target.batch(&entitlement.kind).max(1);
        let first: Vec<_> = changes.iter().take(first).map(|change| change.key.clone()).collect();
        match self.shared.target.create(lane, entitlement, &first).await {
            Ok(id) => {
                self.shared.put(&Entitlement::Known { kind: entitlement.kind.clone(), id }, changes, true);
            }
            Err(failure) => {
                for change in changes {
                    tell(change, &Err(Halt::Target(failure.clone())));
                }
            }
        }
    }
}

fn miscounted() -> Failure {
    Failure {
        class: FailureClass::Unknown,
        reason: Reason::UnexpectedAnswer,
        message: "it is not known what became of the change".to_owned(),
        retry_after: None,
    }
}

#[cfg(test)]
mod tests;
