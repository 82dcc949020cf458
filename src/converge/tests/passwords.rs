//! First passwords are kept as long as promised, and no longer.

use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;

use super::super::*;
use crate::api::{AccountState, InitialPassword, LedgerEntry, PasswordPolicy, Reason};

const KEPT: SignedDuration = SignedDuration::from_hours(72);

proptest! {
    /// However seldom it is looked at, and however late the account comes: its person has the password for the time that
    /// was promised, and not much longer; and it is written to twice at most.
    #[test]
    fn kept_as_long_as_promised(away in 0_i64..400, gaps in prop::collection::vec(1_i64..50, 1..40)) {
        let start = Timestamp::from_second(1_700_000_000).unwrap();
        let made = start + away.hours();
        let (mut now, mut remove_at, mut writes) = (start, Some(start + KEPT), 0);
        for gap in gaps.iter().cycle() {
            now += gap.hours();
            let holder =
                if now < made { Holder::Awaited } else { Holder::Present { since: Some(made) } };
            match fate(remove_at, holder, KEPT, now) {
                Fate::Wait(at) => prop_assert!(at.is_some() || holder == Holder::Awaited),
                Fate::Until(at) => (remove_at, writes) = (Some(at), writes + 1),
                Fate::Hold => (remove_at, writes) = (None, writes + 1),
                Fate::Remove => break,
            }
        }
        let in_time = made <= start + KEPT;
        let promised = if in_time { start } else { made } + KEPT;
        let longest = gaps.iter().copied().max().unwrap_or_default();
        prop_assert!(now >= promised);
        prop_assert!(now <= promised + longest.hours());
        prop_assert!(writes <= 2);
    }

    /// One that nobody will have an account for goes when its time is up.
    #[test]
    fn nobody_waits_for_it(hours in 0_i64..200) {
        let start = Timestamp::from_second(1_700_000_000).unwrap();
        let (now, at) = (start + hours.hours(), start + KEPT);
        let expected = if at > now { Fate::Wait(Some(at)) } else { Fate::Remove };
        prop_assert_eq!(fate(Some(at), Holder::Gone, KEPT, now), expected);
        prop_assert_eq!(fate(None, Holder::Gone, KEPT, now), Fate::Remove);
    }
}

fn entry(target: &str, id: &str, state: AccountState) -> LedgerEntry {
    LedgerEntry { target: target.into(), id: id.into(), state, ..LedgerEntry::default() }
}

#[test]
fn where_the_account_stands() {
    let gone = Wanted::Gone(Cause::Leave);
    let unknown = Wanted::Unknown { reason: Reason::MappingFailed, message: String::new() };
    let active = entry("here", "1", AccountState::Active);
    let deleted = entry("here", "1", AccountState::Deleted);
    let failed = entry("here", "", AccountState::Failed);
    let mut pending = failed.clone();
    pending.pending = Some(crate::api::PendingIntent {
        operation: "create".into(),
        key: "ann".into(),
        since: Timestamp::UNIX_EPOCH,
    });
    let of = |wanted, entry| Holder::of(wanted, entry, "here", "here");
    assert_eq!(
        of(&gone, Some(&active)),
        Holder::Present { since: None },
        "of a leaver, too, while it is there"
    );
    assert_eq!(of(&gone, Some(&deleted)), Holder::Gone);
    assert_eq!(of(&gone, None), Holder::Gone);
    assert_eq!(of(&gone, Some(&pending)), Holder::Awaited, "it may have been made");
    assert_eq!(of(&unknown, None), Holder::Awaited);
    assert_eq!(of(&unknown, Some(&failed)), Holder::Awaited);
    assert_eq!(Holder::of(&unknown, None, "there", "here"), Holder::Gone, "the App moved on");
    assert_eq!(Holder::of(&unknown, Some(&active), "there", "here"), Holder::Gone);
}

#[test]
fn a_week_unless_something_else_is_said() {
    let policy = |after: &str| InitialPassword {
        policy: PasswordPolicy::Secret,
        remove_after: Some(after.into()),
        ..InitialPassword::default()
    };
    assert_eq!(kept_for(Some(&policy("90m"))), SignedDuration::from_mins(90));
    for week in [None, Some(&InitialPassword::default())] {
        assert_eq!(kept_for(week), SignedDuration::from_hours(168));
    }
}
