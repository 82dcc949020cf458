//! What was removed within the window, by age.

use std::collections::VecDeque;
use std::time::Duration;

use crate::api::budget::AgedRemovals;

/// Into how many parts the window is cut where ages are stored. Ages are rounded down, so that nothing expires early.
const PARTS: u64 = 24;

/// An instant of a monotonic clock, in milliseconds from an arbitrary origin; it may lie before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Moment {
    /// How long ago `earlier` was; zero if it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or_default())
    }

    /// The moment that much later.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The moment that much before.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// Removals and when they were, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    events: VecDeque<(Moment, u32)>,
    /// The largest number of accounts, or of holders, that was seen while there was use.
    population: u32,
}

impl Usage {
    /// Use from before, by age in seconds.
    pub(super) fn restored(ages: impl Iterator<Item = (u64, u32)>, population: u32, now: Moment) -> Self {
        let mut events: Vec<_> =
            ages.map(|(age, count)| (now.before(Duration::from_secs(age)), count)).collect();
        events.sort_unstable();
        Self { events: events.into(), population }
    }

    /// Removals within the window.
    pub(super) fn count(&self, now: Moment, window: Duration) -> u32 {
        self.within(now, window).fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Counts removals that are made now.
    pub(super) fn spend(&mut self, count: u32, now: Moment, window: Duration) {
        while self.events.front().is_some_and(|(at, _)| now.since(*at) >= window) {
            self.events.pop_front();
        }
        self.events.push_back((now, count));
    }

    /// How many there are that the limit is a share of. While there is use the largest number counts, so that a removal
    /// does not shrink the limit.
    pub(super) fn population(&mut self, measured: u32, now: Moment, window: Duration) -> u32 {
        let used = self.count(now, window) > 0;
        self.population = if used { self.population.max(measured) } else { measured };
        self.population
    }

    /// The number that counts now.
    pub(super) fn known_population(&self) -> u32 {
        self.population
    }

    /// The same as it is stored.
    pub(super) fn ages(&self, now: Moment, window: Duration) -> Vec<AgedRemovals> {
        let part = (window.as_secs() / PARTS).max(1);
        let mut ages: Vec<AgedRemovals> = Vec::new();
        for (at, count) in self.within(now, window) {
            let age_seconds = now.since(*at).as_secs() / part * part;
            match ages.last_mut().filter(|last| last.age_seconds == age_seconds) {
                Some(last) => last.count = last.count.saturating_add(*count),
                None => ages.push(AgedRemovals { age_seconds, count: *count }),
            }
        }
        ages
    }

    fn within(&self, now: Moment, window: Duration) -> impl Iterator<Item = &(Moment, u32)> {
        self.events.iter().filter(move |(at, _)| now.since(*at) < window)
    }
}
