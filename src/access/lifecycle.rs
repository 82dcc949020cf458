//! A person's state at an instant, and whether they may be back after a leave.

#[cfg(test)]
mod tests;

use jiff::Timestamp;

use crate::api::DesiredState;
use crate::api::user::LeftBy;

/// What decides a person's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LifecycleInput {
    /// `spec.state`.
    pub state: DesiredState,
    /// `spec.startTime`.
    pub start_time: Option<Timestamp>,
    /// `spec.endTime`.
    pub end_time: Option<Timestamp>,
    /// `status.leftAt`.
    pub left_at: Option<Timestamp>,
    /// `status.leftBy`.
    pub left_by: Option<LeftBy>,
    /// The `left_at` of the last decision, if it was a leave: one that is not stored yet is not dated anew with every look.
    pub seen_left: Option<Timestamp>,
    /// Whether an annotation `tenure.dev/resume` stands that has not been used. It is used up once the phase is
    /// `Active` or `Suspended`, not before.
    pub resume: bool,
    /// The instant.
    pub now: Timestamp,
}

/// A person's state, without regard to their accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the start.
    Staged,
    /// Has access.
    Active,
    /// Kept, without access.
    Suspended,
    /// Has left.
    Left,
}

/// A person's state at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    /// The state.
    pub phase: Phase,
    /// The new `status.leftAt`.
    pub left_at: Option<Timestamp>,
    /// The new `status.leftBy`.
    pub left_by: Option<LeftBy>,
    /// The spec says that the person is here, but nothing in it is newer than their leave.
    pub stale_rehire: bool,
    /// The next instant at which time alone changes any of this.
    pub next: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leave {
    at: Timestamp,
    by: LeftBy,
}

/// The state of a person.
///
/// A leave by date is undone by a later `endTime`, a leave of either kind by a later `startTime` or by `resume`; by
/// nothing else, so that a manifest, feed or backup from before the leave resurrects nobody. `resume` does not
/// override a spec that itself says that the person is gone (`Terminated`, or an `endTime` that has passed).
pub fn lifecycle(input: &LifecycleInput) -> Lifecycle {
    let stored = input.left_at.map(|at| Leave { at, by: input.left_by.unwrap_or(LeftBy::State) });
    let ahead = |instant: Option<Timestamp>| instant.filter(|instant| *instant > input.now);
    let (start, end) = (ahead(input.start_time), ahead(input.end_time));
    if let Some(leave) = leave(input, stored) {
        let stale_rehire =
            input.state != DesiredState::Terminated && (input.end_time.is_none() || end.is_some());
        return Lifecycle {
            phase: Phase::Left,
            left_at: Some(leave.at),
            left_by: Some(leave.by),
            stale_rehire,
            // Once the end has passed, the spec itself says that the person is gone.
            next: end.filter(|_| stale_rehire),
        };
    }
    let (phase, next, kept) = match (start, input.state) {
        (Some(start), _) => (Phase::Staged, Some(end.map_or(start, |end| end.min(start))), stored),
        (None, DesiredState::Suspended) => (Phase::Suspended, end, None),
        (None, _) => (Phase::Active, end, None),
    };
    let (left_at, left_by) = (kept.map(|leave| leave.at), kept.map(|leave| leave.by));
    Lifecycle { phase, left_at, left_by, stale_rehire: false, next }
}

/// The leave that counts now.
fn leave(input: &LifecycleInput, stored: Option<Leave>) -> Option<Leave> {
    let passed = input.end_time.filter(|end| *end <= input.now).map(|at| Leave { at, by: LeftBy::EndTime });
    let restarted = |leave: &Leave| input.start_time.is_some_and(|start| start > leave.at);
    let prolonged =
        |leave: &Leave| leave.by == LeftBy::EndTime && input.end_time.is_some_and(|end| end > leave.at);
    let standing = stored.filter(|leave| !restarted(leave));
    if input.state == DesiredState::Terminated {
        // Not before the start: whoever is terminated before their first day has left as of that day, or the manifest
        // that hired them would do so again.
        let fresh = |seen: &Timestamp| *seen <= input.now && stored.is_none_or(|leave| *seen > leave.at);
        let seen = input.seen_left.filter(fresh).unwrap_or(input.now);
        let first_seen = || input.start_time.map_or(seen, |start| start.max(seen));
        let at = standing.or(passed).map_or_else(first_seen, |leave| leave.at);
        return Some(Leave { at, by: LeftBy::State });
    }
    match (standing.filter(|leave| !prolonged(leave)), passed) {
        (None, passed) => passed,
        (Some(_), None) if input.resume => None,
        (standing, _) => standing,
    }
}
