//! What a Hold's status says. Pure.

use jiff::{SignedDuration, Timestamp};

use crate::api::hold::{HoldCounts, Verdict};
use crate::api::{HoldOutcome, HoldStatus, Reason};
use crate::controllers::conditions::{Conditions, READY, Statement, whole_seconds};
use crate::converge::budget::{Class, Excess, Kind, Removal};
use crate::runtime::index::{HoldObject, Name};

/// How long a Hold waits for a person.
const PATIENCE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Members named in a Hold.
const SAMPLE: usize = 20;

/// The status of a Hold that is about to be made, of what is frozen in it.
pub fn frozen(
    wave: &[(Name, Removal)],
    class: Class,
    excess: &Excess,
    due_from: Option<Timestamp>,
) -> HoldStatus {
    let count =
        |kind: Kind| i64::try_from(wave.iter().filter(|(_, r)| r.kind == kind).count()).unwrap_or(i64::MAX);
    let people = i64::try_from(wave.len()).unwrap_or(i64::MAX);
    let sample = wave.iter().take(SAMPLE).map(|(name, removal)| format!("{} {name}", removal.kind.as_str()));
    HoldStatus {
        observed_generation: Some(-1),
        cause: match class {
            Class::Personal => "Personal",
            Class::Structural => "Structural",
            Class::Deferred => "Deferred",
        }
        .to_owned(),
        message: message(people, excess, due_from),
        due_from,
        people,
        due: people,
        counts: Some(HoldCounts {
            suspend: count(Kind::Suspend),
            delete: count(Kind::Delete),
            strip: count(Kind::Strip),
            change: count(Kind::Change),
        }),
        sample: sample.collect(),
        ..HoldStatus::default()
    }
}

fn message(people: i64, excess: &Excess, due_from: Option<Timestamp>) -> String {
    match excess {
        Excess::App { left, limit } => match due_from {
            None => format!("{people} people would lose something; of the limit of {limit}, {left} are left"),
            Some(from) => format!(
                "from {from} on {people} people will lose something; of the limit of {limit}, {left} will be left"
            ),
        },
        Excess::Entitlement { name, count, left, limit } => {
            format!("{count} people would lose {name}; of its limit of {limit}, {left} are left")
        }
        Excess::Entitlements => "too many different entitlements would be taken away at once".to_owned(),
        Excess::Growth => {
            format!("{people} people would lose something, and after five minutes there were still more")
        }
    }
}

/// The status that follows from what people say and from what is left to do. `due`: in how many something is still due,
/// where that is known.
pub fn status(hold: &HoldObject, of_app: bool, due: Option<i64>, now: Timestamp) -> HoldStatus {
    let stored = &hold.status;
    let (outcome, word, wrong) = outcome(hold, of_app, due, now);
    let mut status = HoldStatus {
        observed_generation: Some(hold.meta.generation),
        due: due.unwrap_or(stored.due),
        outcome,
        ..stored.clone()
    };
    if outcome != stored.outcome || status.decided_at.is_none() {
        status.decided_by = word.map(|word| word.by.clone()).unwrap_or_default();
        status.decided_at = word.map(|_| whole_seconds(now));
    }
    let mut conditions = Conditions::over(&stored.conditions, hold.meta.generation, now);
    conditions.set(READY, statement(&status, wrong));
    status.conditions = conditions.finish();
    status
}

/// What became of the Hold, by whose word, and whether somebody's word is about another digest.
fn outcome(
    hold: &HoldObject,
    of_app: bool,
    due: Option<i64>,
    now: Timestamp,
) -> (HoldOutcome, Option<&Verdict>, bool) {
    let stored = &hold.status;
    let right = |word: &&Verdict| word.digest == stored.digest;
    let (approval, rejection) = (hold.spec.approval.as_ref(), hold.spec.rejection.as_ref());
    let wrong = approval.or(rejection).is_some_and(|word| !right(&word));
    let approved = approval.filter(right);
    if !hold.is_open() {
        return (stored.outcome, None, wrong);
    }
    let expired = hold.created.checked_add(PATIENCE).is_ok_and(|until| until <= now);
    match (approved, rejection.filter(right)) {
        _ if !of_app => (HoldOutcome::Superseded, None, wrong),
        // It came too late.
        _ if expired && stored.outcome == HoldOutcome::Pending => (HoldOutcome::Expired, None, wrong),
        (Some(word), _) if due == Some(0) => (HoldOutcome::Done, Some(word), false),
        (Some(word), _) => (HoldOutcome::Approved, Some(word), false),
        _ if due == Some(0) => (HoldOutcome::Superseded, None, wrong),
        (None, Some(word)) => (HoldOutcome::Rejected, Some(word), false),
        (None, None) => (HoldOutcome::Pending, None, wrong),
    }
}

fn statement(status: &HoldStatus, wrong: bool) -> Statement {
    let by = &status.decided_by;
    match status.outcome {
        HoldOutcome::Pending if wrong => Statement::no(
            Reason::WrongDigest,
            "the word given names another digest: read status again, and give status.digest",
        ),
        HoldOutcome::Pending => Statement::no(
            Reason::ApprovalNeeded,
            format!("{}: set spec.approval or spec.rejection, with status.digest", status.message),
        ),
        HoldOutcome::Approved => {
            Statement::no(Reason::HoldApproved, format!("approved by {by}; it is being done"))
        }
        HoldOutcome::Done => Statement::yes(Reason::HoldDone, format!("approved by {by}, and done")),
        HoldOutcome::Rejected => {
            Statement::yes(Reason::HoldRejected, format!("rejected by {by}: nothing of this is taken away"))
        }
        HoldOutcome::Expired => Statement::yes(
            Reason::HoldExpired,
            "nobody said anything within seven days, and no word about it counts any more; what is still due is held \
             anew",
        ),
        HoldOutcome::Superseded => Statement::yes(
            Reason::HoldSuperseded,
            "nothing of this is due any more, and no word about it counts any more",
        ),
    }
}
