//! Changes of one thing that wait to be written together.
//!
//! The list itself, without tasks and without a clock: who waits for what, and when it has to go out.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Whoever waits for a change to be made.
#[derive(Debug, PartialEq, Eq)]
pub struct Waiter<W> {
    /// By which it can be withdrawn.
    pub ticket: u64,
    /// How it is told.
    pub tell: W,
}

/// One change, and all who wait for it.
#[derive(Debug, PartialEq, Eq)]
pub struct Change<K, W> {
    /// What it is about.
    pub key: K,
    /// Whether the key is to be in, rather than out.
    pub held: bool,
    /// Never none.
    pub waiters: Vec<Waiter<W>>,
    /// When it has to go out at the latest.
    pub due: Instant,
}

/// What is to be done about a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Write now.
    Go,
    /// Look again at this instant, or when something is added.
    At(Instant),
    /// Nobody waits.
    Empty,
}

/// Place in a batch: when it is due, then arrival.
type Place = (Instant, u64);

/// Changes that wait. Each key is in it once.
#[derive(Debug)]
pub struct Batch<K, W> {
    changes: BTreeMap<Place, Change<K, W>>,
    places: HashMap<K, Place>,
    arrivals: u64,
    last: Option<Instant>,
}

impl<K, W> Default for Batch<K, W> {
    fn default() -> Self {
        Self { changes: BTreeMap::new(), places: HashMap::new(), arrivals: 0, last: None }
    }
}

impl<K: Clone + Eq + Hash, W> Batch<K, W> {
    /// Adds a change. Returns who waited for the contrary, which will not be written any more.
    pub fn add(&mut self, mut change: Change<K, W>, now: Instant) -> Vec<Waiter<W>> {
        self.last = Some(now);
        let mut replaced = Vec::new();
        let earlier = self.places.get(&change.key).and_then(|place| self.changes.remove_entry(place));
        let arrival = if let Some(((_, arrival), before)) = earlier {
            change.due = change.due.min(before.due);
            if before.held == change.held {
                let new = std::mem::replace(&mut change.waiters, before.waiters);
                change.waiters.extend(new);
            } else {
                replaced = before.waiters;
            }
            arrival
        } else {
            self.arrivals += 1;
            self.arrivals
        };
        let place = (change.due, arrival);
        self.places.insert(change.key.clone(), place);
        self.changes.insert(place, change);
        replaced
    }

    /// Takes one who waits out of it; whether they were there. A change that nobody waits for is dropped.
    pub fn withdraw(&mut self, key: &K, ticket: u64) -> bool {
        let Some(place) = self.places.get(key).copied() else { return false };
        let Some(change) = self.changes.get_mut(&place) else { return false };
        let before = change.waiters.len();
        change.waiters.retain(|waiter| waiter.ticket != ticket);
        let found = change.waiters.len() < before;
        if change.waiters.is_empty() {
            self.changes.remove(&place);
            self.places.remove(key);
        }
        found
    }

    /// What is to be done: it goes out when `limit` changes are there, when one is due, or when no more is expected
    /// and none was added for as long as `quiet`.
    pub fn next(&self, limit: usize, expected: bool, quiet: Duration, now: Instant) -> Next {
        let (Some(due), Some(last)) = (self.due(), self.last) else {
            return Next::Empty;
        };
        let rested = last + quiet;
        if self.changes.len() >= limit || due <= now || (!expected && rested <= now) {
            return Next::Go;
        }
        // Whether more is expected can change at any time.
        Next::At(due.min(if rested > now { rested } else { now + quiet }))
    }

    /// Takes the first `limit` changes out: those that are due first, then in the order of their arrival.
    pub fn take(&mut self, limit: usize) -> Vec<Change<K, W>> {
        let mut taken = Vec::with_capacity(limit.min(self.changes.len()));
        while taken.len() < limit
            && let Some((_, change)) = self.changes.pop_first()
        {
            self.places.remove(&change.key);
            taken.push(change);
        }
        taken
    }

    /// When the first of them has to go out.
    pub fn due(&self) -> Option<Instant> {
        self.changes.first_key_value().map(|((due, _), _)| *due)
    }

    /// How many changes wait.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}
