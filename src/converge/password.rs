//! How long a first password is kept for its person.

use jiff::{SignedDuration, Timestamp};

use super::context::has_account;
use super::{Wanted, parse_duration};
use crate::api::{InitialPassword, LedgerEntry};

/// How long a first password is kept where nothing else is said.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Where the account that a first password was made for stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// It is there.
    Present {
        /// Since when it is as it is, if that is known.
        since: Option<Timestamp>,
    },
    /// It is still to be made, or it cannot be told.
    Awaited,
    /// It is gone, or nobody wants it any more, or it would be made in another system.
    Gone,
}

impl Holder {
    /// Of what is wanted and known in an App that points to `now_at`, for a password that was made for `target`.
    pub fn of(wanted: &Wanted, entry: Option<&LedgerEntry>, target: &str, now_at: &str) -> Self {
        let here = entry.filter(|entry| entry.target == target);
        if let Some(entry) = here.filter(|entry| has_account(entry)) {
            return Self::Present { since: entry.last_transition_time };
        }
        let pending = here.is_some_and(|entry| entry.pending.is_some());
        let wanted = matches!(wanted, Wanted::Account(_) | Wanted::Unknown { .. }) && target == now_at;
        if pending || wanted { Self::Awaited } else { Self::Gone }
    }
}

/// What is to be done about a kept password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing before this instant; without one: look again.
    Wait(Option<Timestamp>),
    /// The account is there: from now on the time runs, to this instant.
    Until(Timestamp),
    /// The time was up before there was an account: it stops.
    Hold,
    /// It is removed.
    Remove,
}

/// How long first passwords are kept.
pub fn kept_for(policy: Option<&InitialPassword>) -> SignedDuration {
    policy.and_then(|policy| policy.remove_after.as_deref()).and_then(parse_duration).unwrap_or(WEEK)
}

/// What is to be done about a password that is kept until `remove_at`.
///
/// The time runs from the writing, which is a moment before the account is made. If the target was away for so long that
/// it was up before there was an account, it begins anew with the account, so that everybody finds theirs.
pub fn fate(remove_at: Option<Timestamp>, holder: Holder, kept_for: SignedDuration, now: Timestamp) -> Fate {
    match (holder, remove_at) {
        (_, Some(at)) if at > now => Fate::Wait(Some(at)),
        (Holder::Present { since }, Some(at)) if since.is_none_or(|since| since <= at) => Fate::Remove,
        (Holder::Present { since }, _) => {
            let until = since.unwrap_or(now).checked_add(kept_for).unwrap_or(Timestamp::MAX);
            if until > now { Fate::Until(until) } else { Fate::Remove }
        }
        (Holder::Awaited, Some(_)) => Fate::Hold,
        (Holder::Awaited, None) => Fate::Wait(None),
        (Holder::Gone, _) => Fate::Remove,
    }
}
