//! What a decision about one (person, App) needs besides the person's wish and the ledger.

use jiff::{SignedDuration, Timestamp};

use super::{Cause, Finding, RemoteAccount};
use crate::api::app::{RemovalAction, RemovalPolicy, RemoveEntitlements};
use crate::api::{AccountState, AppSpec, LedgerEntry, Reason};

/// How a suspended person's account is treated: kept, with all it holds, for their return.
static SUSPENSION: RemovalPolicy = RemovalPolicy {
    action: RemovalAction::Suspend,
    after: None,
    leaver_keeps_access: false,
    delete_after: None,
    revoke_sessions: true,
    remove_entitlements: RemoveEntitlements::None,
};

/// What a decision about one (person, App) needs besides the person's wish and the ledger.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Name of the App.
    pub app: &'a str,
    /// Short hash of the system that the App points to now.
    pub target: &'a str,
    /// The App's policies: `adoption`, `onLeave`, `onUnassign`, `onUserDeleted`, `marker.attribute`.
    pub spec: &'a AppSpec,
    /// This person's marker: `marker.prefix` and `personId`.
    pub marker: &'a str,
    /// The connector's login attribute.
    pub login_attribute: &'a str,
    /// Whether nothing may be taken away from this person.
    pub protected: bool,
    /// Whether a person has said, by an annotation not yet handled, that an account suspended by somebody else may
    /// be taken back into use.
    pub resume: bool,
    /// Why the App cannot suspend accounts, if it cannot: [`Reason::SuspendDeletes`] or
    /// [`Reason::SuspendUnsupported`].
    pub cannot_suspend: Option<Reason>,
    /// Whether the User is being deleted: nothing is handed over any more.
    pub deleting: bool,
    /// What a sweep found about the account, and nobody has looked at yet.
    pub findings: &'a [Finding],
    /// When the person left, if they did; it may lie ahead.
    pub left_at: Option<Timestamp>,
    /// The instant of the decision.
    pub now: Timestamp,
}

impl Context<'_> {
    /// Whether accounts of this person can be told by a marker.
    pub(super) fn marks(&self) -> bool {
        !self.spec.marker_attribute().is_empty() && !self.marker.is_empty()
    }

    /// Whether the account bears exactly this person's marker.
    pub(super) fn marked(&self, account: &RemoteAccount) -> bool {
        self.marks() && account.marker.as_deref() == Some(self.marker)
    }

    /// Whether the account bears a marker that is not this person's.
    pub(super) fn foreign(&self, account: &RemoteAccount) -> bool {
        account.marker.as_deref().is_some_and(|marker| !marker.is_empty()) && !self.marked(account)
    }

    /// What happens to an account for this cause.
    pub(super) fn policy(&self, cause: Cause) -> &RemovalPolicy {
        match cause {
            Cause::Suspension => &SUSPENSION,
            Cause::Leave => &self.spec.on_leave,
            Cause::Unassign => &self.spec.on_unassign,
            Cause::UserDeleted => &self.spec.on_user_deleted,
        }
    }

    /// When the suspended account of `entry` is to be deleted for this cause; `None`: never.
    ///
    /// The time runs from when the policy first applied, which is when `deleteAt` was first recorded, so that a
    /// policy that comes to apply long after the suspension leaves its whole time. Of two policies the earlier date
    /// wins, but never one that no policy in force gives any more: shortening and lengthening `deleteAfter` both
    /// take effect, and a date is never before the shortest time that holds, counted from the suspension.
    pub(super) fn delete_at(&self, cause: Cause, entry: &LedgerEntry) -> Option<Timestamp> {
        let after = delay(self.policy(cause))?;
        let latest = later(self.now, after);
        let recorded = entry.delete_at.unwrap_or(latest);
        let shortest = match cause {
            Cause::Leave => delay(&self.spec.on_unassign).map_or(after, |other| after.min(other)),
            _ => after,
        };
        // Of an account that is being deleted already, it is not on record when it was suspended.
        let since = entry.last_transition_time.filter(|_| entry.state == AccountState::Suspended);
        let earliest = since.map_or(recorded, |since| later(since, shortest));
        Some(recorded.min(latest).max(earliest))
    }

    /// Since when the account of `entry` is due to be cut off for this cause.
    pub(super) fn due_since(&self, cause: Cause, entry: &LedgerEntry) -> Timestamp {
        let left = self.left_at.filter(|at| cause == Cause::Leave && *at <= self.now);
        left.or(entry.due_since).unwrap_or(self.now)
    }

    /// Until when the account of `entry` stays in use so that work can be handed over; `None`: no longer, or it is not
    /// in use.
    pub(super) fn handed_over_at(&self, cause: Cause, entry: &LedgerEntry) -> Option<Timestamp> {
        let policy = self.policy(cause);
        let waits = policy.action != RemovalAction::Retain && !self.deleting;
        let after = policy.after.as_deref().filter(|_| waits).and_then(parse_duration)?;
        let in_use = !entry.state.is_out_of_use() && self.linked(Some(entry)).is_some();
        let until = later(self.due_since(cause, entry), after);
        (in_use && until > self.now).then_some(until)
    }

    /// Whether the account was read back since it became due for this cause. A leave asks for proof of its own.
    pub(super) fn is_verified(&self, cause: Cause, entry: &LedgerEntry) -> bool {
        verified_since(entry, self.left_at.filter(|_| cause == Cause::Leave), self.now)
    }

    /// Whether nothing more can be due for somebody who should have no account. One that was let go of because its App was
    /// deleted, or pointed elsewhere for a while, may be there again with the App: it is looked for by its marker.
    pub(super) fn is_ended(&self, entry: &LedgerEntry) -> bool {
        match entry.state {
            AccountState::Deleted => true,
            AccountState::Released => match entry.reason.as_str() {
                reason if reason == Reason::AppDeleted.as_str() => false,
                reason if reason == Reason::TargetChanged.as_str() => entry.target != self.target,
                _ => true,
            },
            _ => false,
        }
    }

    /// The entry if it names an account on the App's present target.
    pub(super) fn linked<'e>(&self, entry: Option<&'e LedgerEntry>) -> Option<&'e LedgerEntry> {
        entry.filter(|entry| entry.target == self.target && has_account(entry))
    }
}

/// Whether it is proved that the account cannot be used: it was read back suspended or gone, for somebody who left since
/// they left.
pub fn is_proved(entry: &LedgerEntry, left_at: Option<Timestamp>, now: Timestamp) -> bool {
    match entry.state {
        AccountState::Deleted => true,
        AccountState::Suspended | AccountState::Deleting | AccountState::Released => {
            verified_since(entry, left_at, now)
        }
        _ => false,
    }
}

/// What lies ahead cannot be asked for yet.
fn verified_since(entry: &LedgerEntry, since: Option<Timestamp>, now: Timestamp) -> bool {
    let asked = since.filter(|at| *at <= now);
    entry.verified_at.is_some_and(|verified| asked.is_none_or(|asked| verified >= asked))
}

/// The id by which others may refer to the account, if it is there on this target.
pub fn referable<'e>(entry: &'e LedgerEntry, target: &str) -> Option<&'e str> {
    (entry.target == target && has_account(entry)).then_some(entry.id.as_str())
}

/// Whether the entry names an account, on whatever target.
pub(super) fn has_account(entry: &LedgerEntry) -> bool {
    !entry.id.is_empty() && !matches!(entry.state, AccountState::Deleted | AccountState::Released)
}

fn delay(policy: &RemovalPolicy) -> Option<SignedDuration> {
    match policy.action {
        RemovalAction::Suspend => policy.delete_after.as_deref().and_then(parse_duration),
        RemovalAction::Delete | RemovalAction::Retain => None,
    }
}

fn later(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Reads a time span as manifests write it: a whole number and one of the units `s`, `m`, `h`, `d` (of 24 hours), as
/// in `30d`. `None` for anything else.
pub fn parse_duration(text: &str) -> Option<SignedDuration> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let digits =
        text.get(..text.len() - 1).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse::<i64>().ok()?.checked_mul(unit).map(SignedDuration::from_secs)
}
