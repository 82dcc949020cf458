//! Work for one App, in lanes: leavers first, one worker a key, waiting costs nothing.
//!
//! * A key is queued once. Pushed again it stays where it is, or moves to an earlier lane; pushed while it is being
//!   worked on, it is queued again when that is done. Nothing is ever worked on twice at once.
//! * Within a lane it is first come, first served.
//! * Some places are for leavers only, so that a leaver finds a free one however long joins take.
//! * What may not run yet sits in a timer. An App that must be left alone is paused as a whole.

mod lanes;
#[cfg(test)]
mod tests;

use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use self::lanes::{Found, Lanes};
use crate::converge::Lane;

/// How long a job rests whose worker went away without saying what came of it.
const ABANDONED: Duration = Duration::from_secs(1);

/// What came of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing more to do, unless the key was pushed meanwhile.
    Ok,
    /// It failed: again after this long, or at once if new evidence came meanwhile.
    Retry {
        /// From now.
        after: Duration,
    },
    /// To be looked at again at this instant, or when pushed.
    Later(Instant),
}

/// How one lane stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneStats {
    /// Keys that a worker may take.
    pub ready: usize,
    /// Keys in a timer.
    pub waiting: usize,
    /// Age of the oldest work, failed and running work included; `None` if there is none.
    pub oldest: Option<Duration>,
}

/// How the queue stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// By lane, in the order of [`Lane::ALL`].
    pub lanes: [LaneStats; Lane::ALL.len()],
    /// Jobs with workers.
    pub working: usize,
}

struct Inner<K: Ord + Clone + Hash> {
    /// `None` once closed.
    lanes: Mutex<Option<Lanes<K>>>,
    changed: Notify,
}

impl<K: Ord + Clone + Hash> Inner<K> {
    fn lock(&self) -> MutexGuard<'_, Option<Lanes<K>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, f: impl FnOnce(&mut Lanes<K>, Instant)) {
        if let Some(lanes) = self.lock().as_mut() {
            f(lanes, Instant::now());
        }
        self.changed.notify_waiters();
    }
}

/// A queue; clones are the same queue.
pub struct WorkQueue<K: Ord + Clone + Hash> {
    inner: Arc<Inner<K>>,
}

impl<K: Ord + Clone + Hash> Clone for WorkQueue<K> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K: Ord + Clone + Hash> Default for WorkQueue<K> {
    fn default() -> Self {
        Self::new()
    }
}

/// A key to be worked on, by nobody else until [`WorkQueue::done`]. One that is dropped instead goes back to the queue.
pub struct Job<K: Ord + Clone + Hash> {
    /// What to work on.
    pub key: K,
    /// The lane it came from.
    pub lane: Lane,
    /// Since when there has been something to do, over all retries.
    pub queued_at: Instant,
    queue: Option<Arc<Inner<K>>>,
}

impl<K: Ord + Clone + Hash> Drop for Job<K> {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            let outcome = Outcome::Retry { after: ABANDONED };
            queue.change(|lanes, now| lanes.done(self.key.clone(), outcome, now));
        }
    }
}

impl<K: Ord + Clone + Hash> WorkQueue<K> {
    /// An empty queue.
    pub fn new() -> Self {
        Self { inner: Arc::new(Inner { lanes: Mutex::new(Some(Lanes::new())), changed: Notify::new() }) }
    }

    /// Queues a key. One that backs off after a failure goes on backing off.
    pub fn push(&self, key: K, lane: Lane) {
        self.inner.change(|lanes, now| lanes.push(key, lane, now, false, now));
    }

    /// Queues a key on new evidence: what failed before may succeed now, so a back-off ends.
    pub fn push_fresh(&self, key: K, lane: Lane) {
        self.inner.change(|lanes, now| lanes.push(key, lane, now, true, now));
    }

    /// Queues a key from `delay` on. One that is due sooner stays so.
    pub fn push_after(&self, key: K, lane: Lane, delay: Duration) {
        self.inner.change(|lanes, now| lanes.push(key, lane, now + delay, false, now));
    }

    /// Waits until there is a job; `false` once the queue is closed. A `reserved` worker takes leavers only. Safe to
    /// cancel.
    pub async fn ready(&self, reserved: bool) -> bool {
        loop {
            let changed = self.inner.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let Some(found) = self.inner.lock().as_mut().map(|lanes| lanes.ready(reserved, Instant::now()))
            else {
                return false;
            };
            match found {
                Ok(()) => return true,
                Err(None) => changed.await,
                Err(Some(at)) => {
                    // Either way the queue is looked at again.
                    let _ = tokio::time::timeout_at(at.into(), changed).await;
                }
            }
        }
    }

    /// The next job, if there is one.
    pub fn take(&self, reserved: bool) -> Option<Job<K>> {
        match self.inner.lock().as_mut()?.pop(reserved, Instant::now()) {
            Found::Job(key, lane, queued_at) => {
                Some(Job { key, lane, queued_at, queue: Some(Arc::clone(&self.inner)) })
            }
            Found::Nothing(_) => None,
        }
    }

    /// Whether a worker could take a job now, or will within this time without a push.
    pub fn expects(&self, within: Duration) -> bool {
        self.inner.lock().as_ref().is_some_and(|lanes| lanes.is_expected_by(Instant::now() + within))
    }

    /// Hands a job back with what came of it.
    pub fn done(&self, mut job: Job<K>, outcome: Outcome) {
        job.queue = None;
        self.inner.change(|lanes, now| lanes.done(job.key.clone(), outcome, now));
    }

    /// Drops a key that nothing is due for any more. One that is being worked on is left to its worker.
    pub fn remove(&self, key: &K) {
        self.inner.change(|lanes, _| lanes.remove(key));
    }

    /// Whether the key is with a worker, or queued and not backing off after a failure.
    pub fn is_under_way(&self, key: &K) -> bool {
        self.inner.lock().as_ref().is_some_and(|lanes| lanes.is_under_way(key))
    }

    /// Gives out nothing until then; `None`: until [`Self::resume`]. What is being worked on goes on.
    pub fn pause(&self, until: Option<Instant>) {
        self.inner.change(|lanes, _| lanes.pause(until));
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.inner.change(|lanes, _| lanes.resume());
    }

    /// Forgets all work and sends the workers home.
    pub fn close(&self) {
        *self.inner.lock() = None;
        self.inner.changed.notify_waiters();
    }

    /// Counts and ages; looks at every key, so for a scrape, not for a loop.
    pub fn stats(&self) -> Stats {
        self.inner.lock().as_ref().map(|lanes| lanes.stats(Instant::now())).unwrap_or_default()
    }
}
