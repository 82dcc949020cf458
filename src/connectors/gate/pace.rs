//! How fast requests follow each other: a token bucket whose rate is halved on 429 and slowly restored.

use std::time::Duration;

use tokio::time::Instant;

use super::regrown;

/// A rate learnt from 429s is forgotten above this many requests a second.
const FAST: f64 = 10_000.0;
/// The lowest rate, in requests a second.
const SLOWEST: f64 = 0.2;

#[derive(Debug)]
pub(super) struct Pace {
    /// The App's own limit.
    ceiling: Option<f64>,
    /// Requests a second now; `None`: no limit.
    rate: Option<f64>,
    tokens: f64,
    refilled: Instant,
    halved: bool,
    /// Requests in the second that began then, and in the one before.
    second: Instant,
    this_second: u32,
    last_second: u32,
}

impl Pace {
    pub(super) fn new(requests_per_second: Option<u32>, now: Instant) -> Self {
        let ceiling = requests_per_second.map(f64::from);
        Self {
            ceiling,
            rate: ceiling,
            tokens: 1.0,
            refilled: now,
            halved: false,
            second: now,
            this_second: 0,
            last_second: 0,
        }
    }

    /// When the next request may go.
    pub(super) fn ready_at(&mut self, now: Instant) -> Instant {
        self.advance(now);
        match self.rate {
            Some(rate) if self.tokens < 1.0 => {
                // Rounded up, so that a sleep until then finds a whole token.
                let wait = ((1.0 - self.tokens) / rate * 1e6).ceil() / 1e6;
                now + Duration::from_secs_f64(wait) + Duration::from_micros(1)
            }
            _ => now,
        }
    }

    /// One request goes.
    pub(super) fn take(&mut self, now: Instant) {
        self.advance(now);
        self.tokens = (self.tokens - 1.0).max(0.0);
        self.this_second = self.this_second.saturating_add(1);
    }

    /// The App asked to slow down.
    pub(super) fn halve(&mut self, now: Instant) {
        self.advance(now);
        let measured = f64::from(self.this_second.max(self.last_second).max(1));
        let rate = self.rate.map_or(measured, |rate| rate.min(measured));
        self.rate = Some((rate / 2.0).max(SLOWEST));
        self.tokens = self.tokens.min(1.0);
        self.halved = true;
    }

    fn advance(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.refilled);
        self.refilled = now;
        if let Some(rate) = self.rate {
            self.tokens = (self.tokens + elapsed.as_secs_f64() * rate).min(burst(rate));
            if self.halved {
                let grown = regrown(rate, elapsed);
                self.rate = match self.ceiling {
                    Some(ceiling) => Some(grown.min(ceiling)),
                    None => Some(grown).filter(|rate| *rate < FAST),
                };
            }
        }
        let since = now.saturating_duration_since(self.second).as_secs();
        if since >= 1 {
            self.last_second = if since == 1 { self.this_second } else { 0 };
            self.this_second = 0;
            self.second += Duration::from_secs(since);
        }
    }
}

/// Requests that may go at once after a rest: a tenth of a second's, ten at most. What is beyond that makes up for
/// waking late: half a request's time where requests are rare, 20 ms where they are many.
fn burst(rate: f64) -> f64 {
    (rate / 10.0).clamp(1.0, 10.0).max(rate / 50.0) + 0.5
}

#[cfg(test)]
mod tests;
