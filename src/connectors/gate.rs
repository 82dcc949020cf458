//! The gate of one App: every request to it passes here.
//!
//! It keeps the App's pace (a rate with a small burst) and concurrency, both halved when the App answers 429 and slowly
//! restored, its pauses (`Retry-After`, RFC 9110 §10.2.3), and a circuit breaker, and lets waiting requests through in
//! the order of their [`Lane`], then of arrival: a leaver's next request goes before every queued joiner's.

mod breaker;
mod concurrency;
mod pace;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use self::breaker::Breaker;
use self::concurrency::Concurrency;
use self::pace::Pace;
use super::{Failure, FailureClass};
use crate::api::Reason;
use crate::converge::Lane;

/// The longest `Retry-After` that is believed.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// A pause longer than this is not waited for in the gate: the caller is told when to come back.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often, during a pause, the leave lane may try whether the App takes requests again.
const LEAVE_PROBE: Duration = Duration::from_secs(15);
/// Pause after a 429 that names none; doubled with each in a row.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
/// Bound of that doubling: 2⁶ seconds.
const MOST_DOUBLINGS: u32 = 6;
/// 429s to requests that were under way together count once.
const ONE_HALVING_IN: Duration = Duration::from_secs(1);
/// What was halved grows by its own amount in this time.
const RESTORE: Duration = Duration::from_mins(1);
/// Requests of the leave lane that may be under way beyond the App's concurrency, so that joiners' slow requests hold
/// up no leaver.
pub const RESERVED: u8 = 2;

/// How fast an App may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GateConfig {
    /// Requests a second, on average; `None`: as fast as the App takes them.
    pub requests_per_second: Option<u32>,
    /// Requests under way together; `None`: as many as come.
    pub concurrency: Option<u8>,
}

/// Whether an App takes requests now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateState {
    /// Requests pass, at the App's pace.
    Closed,
    /// The App asked for a pause; only the leave lane tries now and then.
    Paused {
        /// Its end.
        until: Instant,
    },
    /// The App is in quarantine; only probes pass.
    Open {
        /// Since when.
        since: Instant,
        /// When the next probe is due.
        next_probe: Instant,
        /// `CredentialsRefused`, `TargetError`, `Unreachable` or `UnexpectedAnswer`.
        reason: Reason,
    },
}

/// What became of a request, as far as the gate is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The App answered, be it with a refusal of this request.
    Answered,
    /// 429. That is pace, not failure.
    Throttled {
        /// `Retry-After`, if the answer had a sensible one.
        retry_after: Option<Duration>,
    },
    /// No answer, a server error, or an answer that makes no sense.
    Failed {
        /// Which.
        reason: Reason,
        /// `Retry-After`, if the answer had a sensible one.
        retry_after: Option<Duration>,
    },
    /// The App does not know our credentials.
    CredentialsRefused,
}

/// The gate of one App. Clones share one state.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    pace: Pace,
    concurrency: Concurrency,
    pause: Option<Pause>,
    throttled_in_a_row: u32,
    halved: Option<Instant>,
    breaker: Breaker,
    queue: BTreeMap<Place, Arc<Notify>>,
    arrivals: u64,
}

/// Place in the queue: lane, then arrival.
type Place = (Lane, u64);

#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Instant,
    leave_at: Instant,
}

enum Turn {
    Go,
    At(Instant),
    /// When called.
    Later,
    Refused(Failure),
}

impl Gate {
    /// A gate without history.
    pub fn new(config: GateConfig) -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(Inner {
            pace: Pace::new(config.requests_per_second, now),
            concurrency: Concurrency::new(config.concurrency, now),
            pause: None,
            throttled_in_a_row: 0,
            halved: None,
            breaker: Breaker::default(),
            queue: BTreeMap::new(),
            arrivals: 0,
        })))
    }

    /// Waits until a request of this lane may be sent. Dropping the future gives the place up.
    ///
    /// Fails at once (`RetryAfter`, with the time to come back) when the App is in quarantine or in a pause too long
    /// to wait for.
    pub async fn admit(&self, lane: Lane) -> Result<Permit, Failure> {
        self.pass(lane, false).await
    }

    /// The same for a probe: it passes while the App is in quarantine too, and its outcome ends that or prolongs it.
    pub async fn admit_probe(&self) -> Result<Permit, Failure> {
        self.pass(Lane::Leave, true).await
    }

    /// Whether the App takes requests now.
    pub fn state(&self) -> GateState {
        let now = Instant::now();
        let inner = self.lock();
        if let Some(open) = inner.breaker.open() {
            return GateState::Open { since: open.since, next_probe: open.next_probe, reason: open.reason };
        }
        match inner.pause {
            Some(pause) if pause.until > now => GateState::Paused { until: pause.until },
            _ => GateState::Closed,
        }
    }

    async fn pass(&self, lane: Lane, probe: bool) -> Result<Permit, Failure> {
        let ticket = Ticket::draw(self, lane);
        loop {
            let turn = self.lock().turn(ticket.place, probe, Instant::now());
            match turn {
                Turn::Go => {
                    return Ok(Permit { gate: self.clone(), lane, probe });
                }
                Turn::Refused(failure) => return Err(failure),
                Turn::At(at) => tokio::select! {
                    () = sleep_until(at) => {}
                    () = ticket.called.notified() => {}
                },
                Turn::Later => ticket.called.notified().await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn turn(&mut self, place: Place, probe: bool, now: Instant) -> Turn {
        if let (Some(open), false) = (self.breaker.open(), probe) {
            return Turn::Refused(refusal(
                Reason::Quarantined,
                "not sent: the App is in quarantine after repeated failures and is being probed",
                open.next_probe.saturating_duration_since(now),
            ));
        }
        let pause = self.pause_for(place.0, now);
        if pause > PATIENCE {
            return Turn::Refused(refusal(
                Reason::Throttled,
                "not sent: the App asked for a pause, which is not over",
                pause,
            ));
        }
        if self.queue.first_key_value().is_some_and(|(first, _)| *first != place) {
            return Turn::Later;
        }
        if !self.concurrency.has_room(place.0, now) {
            return Turn::Later;
        }
        let at = (now + pause).max(self.pace.ready_at(now));
        if at > now {
            return Turn::At(at);
        }
        self.pace.take(now);
        self.concurrency.take(place.0);
        if let Some(pause) = self.pause.as_mut().filter(|p| p.until > now) {
            pause.leave_at = now + LEAVE_PROBE;
        }
        Turn::Go
    }

    fn pause_for(&self, lane: Lane, now: Instant) -> Duration {
        self.pause.map_or(Duration::ZERO, |pause| {
            let end = if lane == Lane::Leave { pause.until.min(pause.leave_at) } else { pause.until };
            end.saturating_duration_since(now)
        })
    }

    fn report(&mut self, permit: &Permit, signal: Signal, now: Instant) {
        match signal {
            Signal::Answered => {
                self.throttled_in_a_row = 0;
                if permit.lane == Lane::Leave
                    && let Some(pause) = &mut self.pause
                {
                    pause.leave_at = now;
                }
                self.breaker.succeeded(permit.probe);
            }
            Signal::Throttled { retry_after } => {
                self.slow_down(now);
                let doublings = self.throttled_in_a_row.min(MOST_DOUBLINGS);
                self.throttled_in_a_row = self.throttled_in_a_row.saturating_add(1);
                let unnamed = DEFAULT_PAUSE * 2_u32.pow(doublings);
                self.rest(retry_after.unwrap_or(unnamed), now);
            }
            Signal::Failed { reason, retry_after } => {
                if let Some(retry_after) = retry_after {
                    self.rest(retry_after, now);
                }
                self.breaker.failed(reason, permit.probe, now);
            }
            Signal::CredentialsRefused => self.breaker.refused(permit.probe, now),
        }
        self.call_all();
    }

    /// Whether it was the rate or the concurrency that was too much, a 429 does not say.
    fn slow_down(&mut self, now: Instant) {
        if self.halved.is_none_or(|at| now.saturating_duration_since(at) >= ONE_HALVING_IN) {
            self.halved = Some(now);
            self.pace.halve(now);
            self.concurrency.halve(now);
        }
    }

    fn rest(&mut self, length: Duration, now: Instant) {
        let until = now + length.min(LONGEST_PAUSE);
        let until = self.pause.map_or(until, |pause| pause.until.max(until));
        self.pause = Some(Pause { until, leave_at: now + LEAVE_PROBE });
    }

    fn call_first(&self) {
        if let Some((_, first)) = self.queue.first_key_value() {
            first.notify_one();
        }
    }

    fn call_all(&self) {
        for waiting in self.queue.values() {
            waiting.notify_one();
        }
    }
}

fn refusal(reason: Reason, message: &str, retry_after: Duration) -> Failure {
    Failure {
        class: FailureClass::RetryAfter,
        reason,
        message: message.to_owned(),
        retry_after: Some(retry_after),
    }
}

/// What a limit that was halved has grown to in this time.
fn regrown(limit: f64, elapsed: Duration) -> f64 {
    limit * elapsed.div_duration_f64(RESTORE).exp2()
}

/// Leave to send one request, which is under way until this is reported or dropped. Report what became of it: a permit
/// that is only dropped says nothing about the App.
#[derive(Debug)]
pub struct Permit {
    gate: Gate,
    lane: Lane,
    probe: bool,
}

impl Permit {
    /// Tells the gate what became of the request.
    pub fn report(self, signal: Signal) {
        self.gate.lock().report(&self, signal, Instant::now());
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut inner = self.gate.lock();
        inner.concurrency.give_back(self.lane);
        inner.call_first();
    }
}

/// A place in the queue, given up when dropped.
struct Ticket<'a> {
    gate: &'a Gate,
    place: Place,
    called: Arc<Notify>,
}

impl<'a> Ticket<'a> {
    fn draw(gate: &'a Gate, lane: Lane) -> Self {
        let called = Arc::new(Notify::new());
        let mut inner = gate.lock();
        inner.arrivals += 1;
        let place = (lane, inner.arrivals);
        inner.queue.insert(place, called.clone());
        drop(inner);
        Self { gate, place, called }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut inner = self.gate.lock();
        inner.queue.remove(&self.place);
        inner.call_first();
    }
}

#[cfg(test)]
mod tests;
