//! Things that become due at an instant of the wall clock: a start or end date, the end of a role.
//!
//! Dates mean wall-clock time, which jumps; sleeping does not. So the clock is read again every few seconds: a jump
//! delays nothing for longer than that and loses nothing.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

/// The longest time between two looks at the clock.
const LOOK: Duration = Duration::from_secs(5);

/// When each key is due next; at most one instant a key.
#[derive(Debug)]
pub struct Wakeups<K> {
    by_time: BTreeSet<(Timestamp, K)>,
    by_key: HashMap<K, Timestamp>,
}

impl<K> Default for Wakeups<K> {
    fn default() -> Self {
        Self { by_time: BTreeSet::new(), by_key: HashMap::new() }
    }
}

impl<K: Ord + Clone + Hash> Wakeups<K> {
    /// Wakes `key` at `at`, instead of any time set before.
    pub fn set(&mut self, key: K, at: Timestamp) {
        self.remove(&key);
        self.by_time.insert((at, key.clone()));
        self.by_key.insert(key, at);
    }

    /// Does not wake `key` after all.
    pub fn remove(&mut self, key: &K) {
        if let Some(at) = self.by_key.remove(key) {
            self.by_time.remove(&(at, key.clone()));
        }
    }

    /// Takes out what is due at `now`, earliest first.
    pub fn next_due(&mut self, now: Timestamp) -> Vec<K> {
        let mut due = Vec::new();
        while self.by_time.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, key)) = self.by_time.pop_first() {
                self.by_key.remove(&key);
                due.push(key);
            }
        }
        due
    }

    /// How long to sleep at `now` before looking again.
    fn nap(&self, now: Timestamp) -> Duration {
        let until = self.by_time.first().map(|(at, _)| Duration::try_from(at.duration_since(now)));
        until.map_or(LOOK, |until| until.unwrap_or(Duration::ZERO).min(LOOK))
    }
}

/// Wake-ups with a loop that delivers them; clones are the same ones.
#[derive(Debug)]
pub struct Schedule<K> {
    wakeups: Arc<Mutex<Wakeups<K>>>,
    changed: Arc<Notify>,
}

impl<K> Clone for Schedule<K> {
    fn clone(&self) -> Self {
        Self { wakeups: Arc::clone(&self.wakeups), changed: Arc::clone(&self.changed) }
    }
}

impl<K> Default for Schedule<K> {
    fn default() -> Self {
        Self { wakeups: Arc::default(), changed: Arc::default() }
    }
}

impl<K: Ord + Clone + Hash> Schedule<K> {
    /// Wakes `key` at `at`, instead of any time set before; `None`: never.
    pub fn set(&self, key: K, at: Option<Timestamp>) {
        match at {
            Some(at) => self.lock().set(key, at),
            None => return self.lock().remove(&key),
        }
        self.changed.notify_one();
    }

    /// How many keys are to be woken.
    pub fn len(&self) -> usize {
        self.lock().by_key.len()
    }

    /// Whether nothing is to be woken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `wake` once for each key that has become due by `clock`, for ever. `looked` is called each time round.
    pub async fn run(&self, clock: impl Fn() -> Timestamp, looked: impl Fn(), mut wake: impl FnMut(K)) {
        loop {
            looked();
            let (due, nap) = {
                let (mut wakeups, now) = (self.lock(), clock());
                (wakeups.next_due(now), wakeups.nap(now))
            };
            due.into_iter().for_each(&mut wake);
            // Either way the clock is read again.
            let _ = tokio::time::timeout(nap, self.changed.notified()).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Wakeups<K>> {
        self.wakeups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn due_keys_come_once_and_in_order() {
        let mut wakeups = Wakeups::default();
        for (key, second) in [(1, 30), (2, 10), (3, 20), (2, 15)] {
            wakeups.set(key, at(second));
        }
        wakeups.remove(&9);
        assert!(wakeups.next_due(at(14)).is_empty());
        assert_eq!(wakeups.next_due(at(20)), [2, 3]);
        wakeups.remove(&1);
        assert!(wakeups.next_due(at(100)).is_empty());
        assert_eq!((wakeups.by_key.len(), wakeups.by_time.len()), (0, 0));
    }

    #[test]
    fn naps_are_short_whatever_the_clock_says() {
        let mut wakeups = Wakeups::default();
        assert_eq!(wakeups.nap(at(0)), LOOK);
        wakeups.set(1, at(1_000_000));
        assert_eq!(wakeups.nap(at(0)), LOOK);
        assert_eq!(wakeups.nap(at(999_998)), Duration::from_secs(2));
        assert_eq!(wakeups.nap(at(2_000_000)), Duration::ZERO);
        wakeups.set(1, Timestamp::MAX);
        assert_eq!(wakeups.nap(Timestamp::MIN), LOOK);
    }

    #[tokio::test]
    async fn a_jump_of_the_clock_and_an_earlier_wish_are_noticed() {
        let clock = Arc::new(AtomicI64::new(0));
        let schedule = Schedule::default();
        schedule.set("far", Some(at(1_000_000)));
        schedule.set("never", Some(at(5)));
        schedule.set("never", None);
        let (sender, mut woken) = tokio::sync::mpsc::unbounded_channel();
        let task = tokio::spawn({
            let (schedule, clock) = (schedule.clone(), Arc::clone(&clock));
            let now = move || at(clock.load(Ordering::Relaxed));
            async move { schedule.run(now, || {}, |key| sender.send(key).unwrap()).await }
        });
        tokio::task::yield_now().await;
        schedule.set("past", Some(at(-1)));
        assert_eq!(woken.recv().await, Some("past"));
        clock.store(2_000_000, Ordering::Relaxed);
        assert_eq!(tokio::time::timeout(LOOK * 4, woken.recv()).await, Ok(Some("far")));
        assert!(schedule.is_empty());
        task.abort();
    }
}
