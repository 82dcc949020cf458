//! The decisions of leader election, without IO and without a clock.
//!
//! What keeps two processes from writing at once, whatever is delayed, lost or deleted, is this. Let `s` be the instant
//! before the holder sent its last successful renewal, `R` the renew deadline and `D` the lease duration, `D > R`:
//!
//! * The holder may write until `s + R`, by its own monotonic clock, and never renews after that.
//! * Every write of the Lease carries the `uid` and `resourceVersion` it was decided on, so it succeeds only if the
//!   record is still the one that was looked at. (The `uid` matters: the API server makes a Lease that is `PUT` and
//!   does not exist.)
//! * A candidate takes a held Lease after it has seen the same record for `D`. It saw it first at or after `s`, so the
//!   holder stopped at least `D - R` before. No clock is compared with another machine's.
//! * A Lease object that is new to a candidate may stand in for one that somebody deleted while its holder was
//!   writing. That holder's `s` is before the deletion, hence before the candidate first saw the new object: nobody
//!   writes under a Lease object before having known it for `D`.
//! * The one exception is a released Lease, which only a holder that was entitled to write leaves behind, after it has
//!   stopped writing. It is told by a sign that no accidental edit leaves: no holder, and a duration of one second, as
//!   client-go has it.
//! * A holder that finds its Lease gone, replaced or held by another has lost it for good.

use std::time::{Duration, Instant};

use super::LeaseTiming;

/// What matters of a Lease object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) uid: String,
    pub(super) resource_version: String,
    /// `None` when nobody holds it.
    pub(super) holder: Option<String>,
    /// Whether the last holder let go of it after it had stopped writing.
    pub(super) released: bool,
}

/// What came of the last [`Decision`].
#[derive(Clone, Debug)]
pub(super) enum Observation {
    /// The time waited for has come.
    Tick,
    /// The Lease was read.
    Read(Option<Record>),
    /// The Lease was made or written by us; `sent` is the instant before the request left.
    Written { record: Record, sent: Instant },
    /// The Lease is not as it was when the write was decided on.
    Conflict,
    /// It is not known what became of the request.
    Failed,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing before this instant.
    Wait(Instant),
    /// Read the Lease.
    Read,
    /// Make the Lease, held by us.
    Create,
    /// Write the Lease last seen, held by us.
    Write,
    /// Leadership is lost for good.
    Stop(Loss),
}

/// How leadership was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// No renewal succeeded in time.
    #[error("the lease could not be renewed in time")]
    Expired,
    /// Another process holds the Lease.
    #[error("the lease is held by another process")]
    Taken,
    /// The Lease was deleted.
    #[error("the lease was deleted")]
    Gone,
}

#[derive(Clone, Copy, Debug)]
enum Role {
    Candidate,
    /// Holds the Lease. Writing is allowed from `from` until `sent` plus the renew deadline.
    Holder {
        sent: Instant,
        from: Instant,
    },
}

/// One process's view of the election.
#[derive(Debug)]
pub(super) struct Election {
    identity: String,
    timing: LeaseTiming,
    role: Role,
    /// The record last seen and since when it has been as it is.
    seen: Option<(Record, Instant)>,
    /// Since when the Lease object last seen has been known.
    known: Option<Instant>,
    /// When the present round of requests began.
    round: Instant,
    /// Whether this round met a conflict already.
    contested: bool,
}

impl Election {
    pub(super) fn new(identity: String, timing: LeaseTiming, now: Instant) -> Self {
        Self {
            identity,
            timing,
            role: Role::Candidate,
            seen: None,
            known: None,
            round: now,
            contested: false,
        }
    }

    /// Until when this process may write; `None` while it may not.
    pub(super) fn valid_until(&self, now: Instant) -> Option<Instant> {
        let Role::Holder { sent, from } = self.role else {
            return None;
        };
        let end = sent + self.timing.renew_deadline;
        (from <= now && now < end).then_some(end)
    }

    /// Since when the Lease has been this process's, or from when it will be; `None` for a candidate.
    pub(super) fn writes_from(&self) -> Option<Instant> {
        match self.role {
            Role::Holder { from, .. } => Some(from),
            Role::Candidate => None,
        }
    }

    /// The name of the process that was last seen holding the Lease.
    pub(super) fn holder(&self) -> Option<&str> {
        self.seen.as_ref().and_then(|(record, _)| record.holder.as_deref())
    }

    /// Takes in what was observed at `now` and says what to do next.
    pub(super) fn step(&mut self, observation: Observation, now: Instant) -> Decision {
        if let Some(loss) = self.expire(now) {
            return Decision::Stop(loss);
        }
        match observation {
            Observation::Tick => {
                self.round = now;
                self.contested = false;
                match self.role {
                    Role::Candidate => Decision::Read,
                    Role::Holder { .. } => Decision::Write,
                }
            }
            Observation::Read(record) => self.read(record, now),
            Observation::Written { record, sent } => self.written(record, sent, now),
            Observation::Conflict if self.contested => self.rest(now),
            Observation::Conflict => {
                self.contested = true;
                Decision::Read
            }
            Observation::Failed => self.rest(now),
        }
    }

    fn read(&mut self, record: Option<Record>, now: Instant) -> Decision {
        let writing = self.valid_until(now).is_some();
        let Some(record) = record else {
            (self.seen, self.known) = (None, None);
            if writing {
                return Decision::Stop(Loss::Gone);
            }
            self.role = Role::Candidate;
            return Decision::Create;
        };
        let ours = record.holder.as_ref() == Some(&self.identity);
        let replaced = self.seen.as_ref().is_some_and(|(seen, _)| seen.uid != record.uid);
        self.note(record, now);
        if let Role::Holder { .. } = self.role {
            if ours && !replaced {
                return Decision::Write;
            }
            if writing {
                return Decision::Stop(if replaced { Loss::Gone } else { Loss::Taken });
            }
            self.role = Role::Candidate;
        }
        if self.grounds(now).is_some() { Decision::Write } else { self.rest(now) }
    }

    fn written(&mut self, record: Record, sent: Instant, now: Instant) -> Decision {
        let vacant = matches!(self.grounds(now), Some(Grounds::Vacant));
        self.note(record, now);
        let from = match self.role {
            Role::Holder { from, .. } => from,
            Role::Candidate if vacant => now,
            Role::Candidate => self.known.unwrap_or(now) + self.timing.lease_duration,
        };
        self.role = Role::Holder { sent, from };
        self.expire(now).map_or_else(|| self.rest(now), Decision::Stop)
    }

    /// Remembers a record, and since when it and its object have been known.
    fn note(&mut self, record: Record, now: Instant) {
        match &self.seen {
            Some((seen, _)) if *seen == record => return,
            Some((seen, _)) if seen.uid == record.uid => {}
            _ => self.known = Some(now),
        }
        self.seen = Some((record, now));
    }

    /// On what grounds a candidate may write the Lease last seen.
    fn grounds(&self, now: Instant) -> Option<Grounds> {
        let (record, since) = self.seen.as_ref()?;
        if record.holder.as_ref() == Some(&self.identity) {
            return Some(Grounds::Ours);
        }
        let expired = now >= *since + self.timing.lease_duration;
        (record.released || expired).then_some(Grounds::Vacant)
    }

    /// Gives up a Lease that was not renewed in time. It is a loss only for a process that was writing: one that was
    /// still waiting to is a candidate again.
    fn expire(&mut self, now: Instant) -> Option<Loss> {
        let Role::Holder { sent, from } = self.role else {
            return None;
        };
        let end = sent + self.timing.renew_deadline;
        if now < end {
            return None;
        }
        if from < end {
            return Some(Loss::Expired);
        }
        self.role = Role::Candidate;
        None
    }

    /// Waits for the next round, or for an earlier instant at which something becomes due.
    fn rest(&self, now: Instant) -> Decision {
        let next = (self.round + self.timing.retry_period).max(now + self.timing.retry_period / 10);
        let due = match (self.role, &self.seen) {
            (Role::Holder { sent, from }, _) => {
                let end = sent + self.timing.renew_deadline;
                if from > now { end.min(from) } else { end }
            }
            (Role::Candidate, Some((_, since))) => *since + self.timing.lease_duration,
            (Role::Candidate, None) => next,
        };
        Decision::Wait(if due > now { next.min(due) } else { next })
    }

    /// How long a request begun at `now` may take.
    pub(super) fn patience(&self, now: Instant) -> Duration {
        let patience = self.timing.call_timeout();
        match self.role {
            Role::Holder { sent, .. } => {
                patience.min((sent + self.timing.renew_deadline).duration_since(now))
            }
            Role::Candidate => patience,
        }
    }
}

/// Why a candidate may write the Lease.
enum Grounds {
    /// It is recorded as ours: an earlier write succeeded though its reply was lost.
    Ours,
    /// Its holder released it or stopped renewing it.
    Vacant,
}
