//! Lives that once went wrong.

use super::ops::{Op, REST, Story};
use super::target::Fault;
use super::world::Form;
use crate::api::DesiredState;

const ANN: usize = 0;
const BOB: usize = 1;
const DAN: usize = 3;
/// Another User with Ann's `personId`.
const ANNA: usize = 4;

fn lives_well(policies: usize, ops: Vec<(Op, usize)>) {
    let wrong = Story { policies, ops }.live();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_user_who_left_and_is_deleted_passes_on_to_one_made_anew() {
    let ops = vec![
        (Op::Hire(ANN), 2),
        (Op::Delete(ANN), 0),
        (Op::State(ANN, DesiredState::Terminated), 0),
        (Op::Hire(ANNA), 0),
    ];
    lives_well(0, ops);
}

/// What the heir had deleted, it inherited again.
#[test]
fn an_account_deleted_by_the_heir_is_not_inherited_again() {
    let terminated = Op::State(ANNA, DesiredState::Terminated);
    lives_well(1, vec![(Op::Hire(ANNA), 0), (Op::Hire(ANN), 0), (terminated, 4), (Op::Delete(ANN), 0)]);
}

/// The sweep asked the twin who has no accounts.
#[test]
fn a_zombie_is_found_although_a_second_user_has_the_same_person_id() {
    let ops = vec![
        (Op::Hire(ANN), 4),
        (Op::Hire(BOB), 0),
        (Op::Crash, 0),
        (Op::Assign(ANN, false), 0),
        (Op::Hire(ANNA), 0),
    ];
    lives_well(0, ops);
}

/// An account was made, the process ended, and the next one could not read what had granted it.
#[test]
fn what_a_crash_may_have_lost_is_asked_for_before_a_status_says_that_nothing_is_left() {
    let ops = vec![
        (Op::Binding(0, Some(Form::Unreadable)), 0),
        (Op::Fault(1, Fault::Ends), 0),
        (Op::Hire(BOB), 0),
        (Op::Hire(ANN), REST),
        (Op::State(ANN, DesiredState::Terminated), 0),
        (Op::State(BOB, DesiredState::Active), 2),
    ];
    lives_well(2, ops);
}

/// Two edits that undo each other, seen as one: the status said that the first spec was the last.
#[test]
fn a_spec_that_comes_back_is_observed() {
    let edits = [DesiredState::Suspended, DesiredState::Active].map(|state| (Op::State(DAN, state), 0));
    let mut ops = vec![(Op::Hire(DAN), REST), (Op::Garble(DAN, true), 0)];
    ops.extend(edits);
    lives_well(0, ops);
}

/// Somebody who had accounts before got one more, the process ended, and what granted it went before the next one looked.
#[test]
fn what_a_crash_lost_of_a_mover_is_found_when_they_leave() {
    for steps in 1..8 {
        let mut ops =
            vec![(Op::Binding(2, None), 0), (Op::Hire(BOB), REST), (Op::Department(BOB, true), REST)];
        ops.extend([(Op::Assign(BOB, false), REST), (Op::Binding(2, Some(Form::Good)), REST)]);
        ops.extend([(Op::Fault(1, Fault::EndsAfterwards), 0), (Op::Assign(BOB, true), steps)]);
        ops.extend([(Op::Binding(2, None), 0), (Op::Assign(BOB, false), REST)]);
        ops.push((Op::State(BOB, DesiredState::Terminated), REST));
        lives_well(0, ops);
    }
}

/// Whom nothing is taken from had a status about an App that they have no account in.
#[test]
fn a_protected_person_without_account_waits_for_nobody() {
    let mut ops = vec![(Op::Lag(true), 0), (Op::Hire(DAN), 0), (Op::State(DAN, DesiredState::Terminated), 0)];
    ops.extend([(Op::Protect(DAN, true), 0), (Op::Crash, 2), (Op::Binding(0, None), 1)]);
    lives_well(0, ops);
}
