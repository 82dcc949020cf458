//! Things that become due at an instant of the wall clock: a start or end date, the end of a role.
//!
//! Dates mean wall-clock time, which jumps; sleeping does not. So whoever keeps wake-ups reads the clock again
//! every moment instead of sleeping until the next one: a jump delays nothing for long and loses nothing.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use jiff::Timestamp;

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
}

#[cfg(test)]
mod tests {

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
}
