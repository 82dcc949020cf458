//! The circuit breaker: an App that refuses our credentials or keeps failing is left alone but for probes.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::api::Reason;

/// How many requests are looked back on.
const WINDOW: usize = 20;
/// How many there must be before they say anything.
const AT_LEAST: usize = 5;
const FIRST_PROBE: Duration = Duration::from_secs(5);
const SLOWEST_PROBE: Duration = Duration::from_mins(5);

#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Whether each of the last requests failed.
    recent: VecDeque<bool>,
    open: Option<Open>,
}

/// An open breaker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) since: Instant,
    pub(super) next_probe: Instant,
    pub(super) reason: Reason,
    interval: Duration,
}

impl Breaker {
    pub(super) const fn open(&self) -> Option<Open> {
        self.open
    }

    /// A request was answered. Of an open breaker only a probe's answer is news: the others were sent before.
    pub(super) fn succeeded(&mut self, probe: bool) {
        if self.open.is_none() {
            self.remember(false);
        } else if probe {
            *self = Self::default();
        }
    }

    pub(super) fn failed(&mut self, reason: Reason, probe: bool, now: Instant) {
        if self.open.is_some() {
            self.prolong(reason, probe, now);
            return;
        }
        self.remember(true);
        let failed = self.recent.iter().filter(|failed| **failed).count();
        if self.recent.len() >= AT_LEAST && failed * 2 > self.recent.len() {
            self.break_off(reason, now);
        }
    }

    pub(super) fn refused(&mut self, probe: bool, now: Instant) {
        if self.open.is_some() {
            self.prolong(Reason::CredentialsRefused, probe, now);
        } else {
            self.break_off(Reason::CredentialsRefused, now);
        }
    }

    fn remember(&mut self, failed: bool) {
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(failed);
    }

    fn break_off(&mut self, reason: Reason, now: Instant) {
        self.open =
            Some(Open { since: now, next_probe: now + jittered(FIRST_PROBE), reason, interval: FIRST_PROBE });
    }

    fn prolong(&mut self, reason: Reason, probe: bool, now: Instant) {
        if let (true, Some(open)) = (probe, &mut self.open) {
            open.interval = (open.interval * 2).min(SLOWEST_PROBE);
            open.next_probe = now + jittered(open.interval);
            open.reason = reason;
        }
    }
}

/// Within a fifth of `interval`, so that many Apps on one target do not probe in step.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(rand::random_range(0.8..=1.2))
}
