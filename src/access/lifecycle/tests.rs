use proptest::prelude::*;

use super::*;

const DAY: i64 = 86_400;

fn day(day: i64) -> Timestamp {
    Timestamp::from_second(day * DAY).unwrap()
}

fn at(now: i64) -> LifecycleInput {
    LifecycleInput {
        state: DesiredState::Active,
        start_time: None,
        end_time: None,
        left_at: None,
        left_by: None,
        seen_left: None,
        resume: false,
        now: day(now),
    }
}

fn left(now: i64, left_at: i64, by: LeftBy) -> LifecycleInput {
    LifecycleInput { left_at: Some(day(left_at)), left_by: Some(by), ..at(now) }
}

fn check(input: LifecycleInput, phase: Phase, leave: Option<(i64, LeftBy)>, stale: bool, next: Option<i64>) {
    let expected = Lifecycle {
        phase,
        left_at: leave.map(|(at, _)| day(at)),
        left_by: leave.map(|(_, by)| by),
        stale_rehire: stale,
        next: next.map(day),
    };
    assert_eq!(lifecycle(&input), expected, "{input:?}");
}

#[test]
fn before_between_and_after_the_dates() {
    let dated = |now| LifecycleInput { start_time: Some(day(10)), end_time: Some(day(20)), ..at(now) };
    check(at(5), Phase::Active, None, false, None);
    check(dated(5), Phase::Staged, None, false, Some(10));
    check(dated(10), Phase::Active, None, false, Some(20));
    check(dated(19), Phase::Active, None, false, Some(20));
    check(dated(20), Phase::Left, Some((20, LeftBy::EndTime)), false, None);
    check(dated(25), Phase::Left, Some((20, LeftBy::EndTime)), false, None);
    let suspended = |now| LifecycleInput { state: DesiredState::Suspended, ..dated(now) };
    check(suspended(5), Phase::Staged, None, false, Some(10));
    check(suspended(15), Phase::Suspended, None, false, Some(20));
    check(suspended(21), Phase::Left, Some((20, LeftBy::EndTime)), false, None);
}

#[test]
fn a_leave_by_date_needs_a_later_date() {
    use LeftBy::EndTime;
    let left = |end: Option<i64>| LifecycleInput { end_time: end.map(day), ..left(25, 20, EndTime) };
    check(left(None), Phase::Left, Some((20, EndTime)), true, None);
    check(left(Some(15)), Phase::Left, Some((20, EndTime)), false, None);
    check(left(Some(20)), Phase::Left, Some((20, EndTime)), false, None);
    check(left(Some(22)), Phase::Left, Some((22, EndTime)), false, None);
    check(left(Some(30)), Phase::Active, None, false, Some(30));
    let started = |start| LifecycleInput { start_time: Some(day(start)), ..left(None) };
    check(started(20), Phase::Left, Some((20, EndTime)), true, None);
    check(started(21), Phase::Active, None, false, None);
    check(started(28), Phase::Staged, Some((20, EndTime)), false, Some(28));
    check(LifecycleInput { resume: true, ..left(None) }, Phase::Active, None, false, None);
    check(LifecycleInput { resume: true, ..left(Some(20)) }, Phase::Left, Some((20, EndTime)), false, None);
}

#[test]
fn a_leave_by_state_needs_a_later_start() {
    use LeftBy::State;
    let left = left(25, 20, State);
    check(left, Phase::Left, Some((20, State)), true, None);
    check(LifecycleInput { end_time: Some(day(30)), ..left }, Phase::Left, Some((20, State)), true, Some(30));
    check(
        LifecycleInput { state: DesiredState::Suspended, ..left },
        Phase::Left,
        Some((20, State)),
        true,
        None,
    );
    check(LifecycleInput { start_time: Some(day(19)), ..left }, Phase::Left, Some((20, State)), true, None);
    check(LifecycleInput { start_time: Some(day(21)), ..left }, Phase::Active, None, false, None);
    check(LifecycleInput { resume: true, ..left }, Phase::Active, None, false, None);
    check(LifecycleInput { left_by: None, ..left }, Phase::Left, Some((20, State)), true, None);
}

#[test]
fn terminated_wins() {
    use LeftBy::{EndTime, State};
    let terminated = |input: LifecycleInput| LifecycleInput { state: DesiredState::Terminated, ..input };
    check(terminated(at(25)), Phase::Left, Some((25, State)), false, None);
    check(terminated(left(25, 20, State)), Phase::Left, Some((20, State)), false, None);
    check(terminated(left(25, 20, EndTime)), Phase::Left, Some((20, State)), false, None);
    let resumed = LifecycleInput { resume: true, ..left(25, 20, State) };
    check(terminated(resumed), Phase::Left, Some((20, State)), false, None);
    // Rehired and terminated again before anybody looked: a new leave.
    let again = LifecycleInput { start_time: Some(day(22)), ..left(25, 20, State) };
    check(terminated(again), Phase::Left, Some((25, State)), false, None);
    check(
        terminated(LifecycleInput { seen_left: Some(day(20)), ..again }),
        Phase::Left,
        Some((25, State)),
        false,
        None,
    );
    let seen = LifecycleInput { seen_left: Some(day(24)), ..at(25) };
    check(terminated(seen), Phase::Left, Some((24, State)), false, None);
    check(seen, Phase::Active, None, false, None);
    let ended = LifecycleInput { end_time: Some(day(23)), ..at(25) };
    check(terminated(ended), Phase::Left, Some((23, State)), false, None);
    // Terminated before the first day: the manifest that hired them does not hire them again.
    let hired = LifecycleInput { start_time: Some(day(30)), ..at(25) };
    check(terminated(hired), Phase::Left, Some((30, State)), false, None);
    check(
        LifecycleInput { start_time: Some(day(30)), ..left(26, 30, State) },
        Phase::Left,
        Some((30, State)),
        true,
        None,
    );
}

fn instant() -> impl Strategy<Value = Option<Timestamp>> {
    prop::option::of((0_i64..12).prop_map(day))
}

fn input() -> impl Strategy<Value = LifecycleInput> {
    let state =
        prop::sample::select(vec![DesiredState::Active, DesiredState::Suspended, DesiredState::Terminated]);
    let by = prop::sample::select(vec![None, Some(LeftBy::State), Some(LeftBy::EndTime)]);
    (state, instant(), instant(), instant(), by, any::<bool>(), 0_i64..12).prop_map(
        |(state, start_time, end_time, left_at, left_by, resume, now)| LifecycleInput {
            state,
            start_time,
            end_time,
            left_at,
            left_by: left_at.and(left_by),
            seen_left: None,
            resume,
            now: day(now),
        },
    )
}

/// The input after the result was stored, at another instant.
fn after(input: &LifecycleInput, result: &Lifecycle, now: Timestamp) -> LifecycleInput {
    let used = matches!(result.phase, Phase::Active | Phase::Suspended);
    let resume = input.resume && !used;
    LifecycleInput { left_at: result.left_at, left_by: result.left_by, resume, now, ..*input }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn looking_again_changes_nothing_before_next(input in input(), wait in 0_i64..12) {
        let first = lifecycle(&input);
        prop_assert!(first.next.is_none_or(|next| next > input.now));
        let now = day(input.now.as_second() / DAY + wait);
        let second = lifecycle(&after(&input, &first, now));
        if first.next.is_none_or(|next| now < next) {
            prop_assert_eq!(second, first);
        }
        if first.next == Some(now) {
            prop_assert_ne!(second, first);
        }
    }

    #[test]
    fn looking_in_between_makes_no_difference(input in input(), wait in 0_i64..6, more in 0_i64..6) {
        // A leave by state is dated by the first look at it; everything else by the spec alone.
        let state = if input.state == DesiredState::Terminated { DesiredState::Active } else { input.state };
        let input = LifecycleInput { state, resume: false, ..input };
        let then = day(input.now.as_second() / DAY + wait + more);
        let between = lifecycle(&LifecycleInput { now: day(input.now.as_second() / DAY + wait), ..input });
        let looked = lifecycle(&after(&input, &between, then));
        let slept = lifecycle(&LifecycleInput { now: then, ..input });
        prop_assert_eq!(looked, slept);
    }

    #[test]
    fn nothing_older_than_a_leave_undoes_it(leaver in input(), older in input(), wait in 0_i64..12, more in 0_i64..12) {
        let leave = match lifecycle(&leaver) {
            leave if leave.phase == Phase::Left => leave,
            _ => lifecycle(&LifecycleInput { state: DesiredState::Terminated, ..leaver }),
        };
        let left_at = leave.left_at.unwrap();
        let start_time = older.start_time.map(|start| start.min(left_at));
        let by_state = leave.left_by == Some(LeftBy::State);
        let end_time = older.end_time.map(|end| if by_state { end } else { end.min(left_at) });
        let older = LifecycleInput { start_time, end_time, ..older };
        let now = day(leaver.now.as_second() / DAY + wait);
        let replayed = LifecycleInput { resume: false, ..after(&older, &leave, now) };
        let result = lifecycle(&replayed);
        prop_assert_eq!(result.phase, Phase::Left);
        prop_assert_eq!(result.left_at, Some(left_at));
        let later = day(now.as_second() / DAY + more);
        prop_assert_eq!(lifecycle(&after(&replayed, &result, later)).phase, Phase::Left);
    }

    #[test]
    fn who_is_terminated_can_be_back_only_by_a_later_start_or_resume(input in input(), wait in 0_i64..12) {
        // The same spec without the termination, later on: a replay of what was there before.
        let terminated = LifecycleInput { state: DesiredState::Terminated, ..input };
        let leave = lifecycle(&terminated);
        let now = day(input.now.as_second() / DAY + wait);
        let replayed = LifecycleInput { state: DesiredState::Active, resume: false, ..after(&terminated, &leave, now) };
        prop_assert_eq!(lifecycle(&replayed).phase, Phase::Left);
    }
}
