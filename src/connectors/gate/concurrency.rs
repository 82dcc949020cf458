//! How many requests are under way together: a limit that is halved on 429 and slowly restored.

use tokio::time::Instant;

use super::{RESERVED, regrown};
use crate::converge::Lane;

#[derive(Debug)]
pub(super) struct Concurrency {
    /// The App's own limit; infinite where it has none.
    ceiling: f64,
    limit: f64,
    grown: Instant,
    under_way: u32,
    /// Those of them in the leave lane.
    leavers: u32,
}

impl Concurrency {
    pub(super) fn new(ceiling: Option<u8>, now: Instant) -> Self {
        let ceiling = ceiling.map_or(f64::INFINITY, f64::from);
        Self { ceiling, limit: ceiling, grown: now, under_way: 0, leavers: 0 }
    }

    /// Whether one more request of this lane may be under way. While it may not, one that is will end.
    ///
    /// Leavers count against the limit too, but find [`RESERVED`] places beyond it when joiners take all of it.
    pub(super) fn has_room(&mut self, lane: Lane, now: Instant) -> bool {
        self.grow(now);
        let limit = self.limit.floor();
        let under_way = f64::from(self.under_way);
        if lane == Lane::Leave {
            f64::from(self.leavers) < limit && under_way < limit + f64::from(RESERVED)
        } else {
            under_way < limit
        }
    }

    pub(super) fn take(&mut self, lane: Lane) {
        self.under_way += 1;
        self.leavers += u32::from(lane == Lane::Leave);
    }

    pub(super) fn give_back(&mut self, lane: Lane) {
        self.under_way = self.under_way.saturating_sub(1);
        self.leavers = self.leavers.saturating_sub(u32::from(lane == Lane::Leave));
    }

    /// The App had too much to do at once, perhaps.
    pub(super) fn halve(&mut self, now: Instant) {
        self.grow(now);
        self.limit = (self.limit.min(self.under_way.into()) / 2.0).max(1.0);
    }

    fn grow(&mut self, now: Instant) {
        self.limit = regrown(self.limit, now.saturating_duration_since(self.grown)).min(self.ceiling);
        self.grown = now;
    }
}
