//! Whether this process may change remote systems now.
//!
//! A lease does not fence: a process that was frozen does not notice that its lease ran out. So every request that
//! changes something asks the fence when it is queued, and again at the instant its bytes are handed to the
//! connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The lease as the connectors see it. Clones share one state.
#[derive(Clone, Debug)]
pub struct Fence(Arc<Mutex<Validity>>);

#[derive(Clone, Copy, Debug)]
enum Validity {
    /// No remote system may be changed.
    Closed,
    /// Remote systems may be changed until this instant of the monotonic clock.
    Until(Instant),
    /// No lease is needed: tests and one-shot tools.
    Open,
}

/// The lease is not valid for as long as the request may take: it was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process may not change remote systems now: it does not hold the lease")]
pub struct Fenced;

impl Fence {
    /// A fence through which nothing passes until [`Fence::extend`].
    pub fn closed() -> Self {
        Self(Arc::new(Mutex::new(Validity::Closed)))
    }

    /// A fence through which everything passes: for tests and one-shot tools that hold no lease.
    pub fn open() -> Self {
        Self(Arc::new(Mutex::new(Validity::Open)))
    }

    /// Remote systems may be changed until `until`. An earlier instant than before shortens the validity.
    pub fn extend(&self, until: Instant) {
        self.set(Validity::Until(until));
    }

    /// Nothing passes any more.
    pub fn close(&self) {
        self.set(Validity::Closed);
    }

    /// `Ok` if the lease is valid for longer than `needed` from now, by the monotonic clock.
    pub fn check(&self, needed: Duration) -> Result<(), Fenced> {
        let validity = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passes = match validity {
            Validity::Closed => false,
            Validity::Until(until) => until.saturating_duration_since(Instant::now()) > needed,
            Validity::Open => true,
        };
        if passes { Ok(()) } else { Err(Fenced) }
    }

    fn set(&self, validity: Validity) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = validity;
    }
}

#[cfg(test)]
mod tests;
