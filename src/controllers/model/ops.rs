//! What happens to the operator, and how a story of it is lived.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::fixture::{APPS, BINDINGS, PEOPLE, POLICIES, ROLES};
use super::target::{Fault, Listing};
use super::world::{Form, Trouble};
use crate::api::DesiredState;

/// Until there is nothing to do.
pub(super) const REST: usize = 999;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mix {
    People,
    Structure,
    Faults,
    All,
}

/// What somebody else does to an account.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hand {
    Revive,
    Suspend,
    Delete,
    Retitle,
    Leave(&'static str),
    Join(&'static str),
}

#[derive(Clone, Debug)]
pub(super) enum Op {
    Hire(usize),
    Assign(usize, bool),
    Department(usize, bool),
    Title(usize, bool),
    Rename(usize),
    State(usize, DesiredState),
    Rehire(usize),
    EndsIn(usize, i64),
    Delete(usize),
    RemoveNow(usize),
    Resume(usize),
    Protect(usize, bool),
    Pause(usize, bool),
    Garble(usize, bool),
    App(usize, Option<Form>),
    Role(usize, Option<Form>),
    Binding(usize, Option<Form>),
    Fault(usize, Fault),
    Down(usize, bool),
    Trouble(Trouble),
    Lag(bool),
    Crash,
    FailOver,
    Hand(usize, usize, Hand),
    Sweep(usize, Listing),
    Approve,
    Reject,
    /// Somebody deletes a Hold.
    Drop,
    Time(i64),
    /// The wall clock jumps.
    Jump(i64),
}

/// What happens, each with how many steps the operator takes afterwards.
#[derive(Clone)]
pub(super) struct Story {
    pub(super) policies: usize,
    pub(super) ops: Vec<(Op, usize)>,
}

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policies {}", self.policies)?;
        self.ops.iter().try_for_each(|(op, steps)| write!(f, "\n  {op:?}, {steps} steps"))
    }
}

fn people() -> BoxedStrategy<Op> {
    let who = || 0..PEOPLE.len();
    let state = select(vec![DesiredState::Active, DesiredState::Suspended, DesiredState::Terminated]);
    let seconds = select(vec![2_i64, 8, 8, 70, 600, 4_000, 90_000]);
    prop_oneof![
        6 => who().prop_map(Op::Hire),
        3 => (who(), any::<bool>()).prop_map(|(who, has)| Op::Assign(who, has)),
        2 => (who(), any::<bool>()).prop_map(|(who, is)| Op::Department(who, is)),
        1 => (who(), any::<bool>()).prop_map(|(who, has)| Op::Title(who, has)),
        1 => who().prop_map(Op::Rename),
        5 => (who(), state).prop_map(|(who, state)| Op::State(who, state)),
        2 => who().prop_map(Op::Rehire),
        1 => (who(), -60_i64..3_600).prop_map(|(who, seconds)| Op::EndsIn(who, seconds)),
        2 => who().prop_map(Op::Delete),
        1 => who().prop_map(Op::RemoveNow),
        1 => who().prop_map(Op::Resume),
        1 => (who(), any::<bool>()).prop_map(|(who, is)| Op::Protect(who, is)),
        1 => (who(), any::<bool>()).prop_map(|(who, is)| Op::Pause(who, is)),
        1 => Just(Op::Approve),
        1 => Just(Op::Reject),
        5 => seconds.prop_map(Op::Time),
    ]
    .boxed()
}

fn structure() -> BoxedStrategy<Op> {
    let form = || select(vec![None, Some(Form::Unreadable), Some(Form::Good), Some(Form::Good)]);
    prop_oneof![
        2 => (0..ROLES.len(), form()).prop_map(|(role, form)| Op::Role(role, form)),
        3 => (0..BINDINGS.len(), form()).prop_map(|(binding, form)| Op::Binding(binding, form)),
        2 => (0..APPS.len(), form()).prop_map(|(app, form)| Op::App(app, form)),
        1 => (0..PEOPLE.len(), any::<bool>()).prop_map(|(who, is)| Op::Garble(who, is)),
        1 => Just(Op::Drop),
        1 => any::<bool>().prop_map(Op::Lag),
        1 => select(vec![-3_600, -10, 10, 3_600]).prop_map(Op::Jump),
        1 => Just(Op::Approve),
        1 => Just(Op::Crash),
    ]
    .boxed()
}

fn faults() -> BoxedStrategy<Op> {
    let app = || 0..APPS.len();
    let fault =
        select(vec![Fault::Lost, Fault::ReplyLost, Fault::Unavailable, Fault::Ends, Fault::EndsAfterwards]);
    let hand = select(vec![
        Hand::Revive,
        Hand::Suspend,
        Hand::Delete,
        Hand::Retitle,
        Hand::Leave("g1"),
        Hand::Join("g2"),
    ]);
    let listing =
        select(vec![Listing::Whole, Listing::Whole, Listing::Cut, Listing::Lacking, Listing::Twice]);
    prop_oneof![
        5 => (app(), fault).prop_map(|(app, fault)| Op::Fault(app, fault)),
        2 => (app(), any::<bool>()).prop_map(|(app, down)| Op::Down(app, down)),
        2 => select(vec![Trouble::Refused, Trouble::ReplyLost]).prop_map(Op::Trouble),
        2 => any::<bool>().prop_map(Op::Lag),
        1 => Just(Op::Crash),
        2 => Just(Op::FailOver),
        2 => (app(), 0..PEOPLE.len(), hand).prop_map(|(app, who, hand)| Op::Hand(app, who, hand)),
        2 => (app(), listing).prop_map(|(app, listing)| Op::Sweep(app, listing)),
    ]
    .boxed()
}

pub(super) fn story(mix: Mix) -> impl Strategy<Value = Story> {
    let op = match mix {
        Mix::People => people(),
        Mix::Structure => prop_oneof![2 => people(), 1 => structure()].boxed(),
        Mix::Faults => prop_oneof![1 => people(), 1 => faults()].boxed(),
        Mix::All => prop_oneof![3 => people(), 1 => structure(), 2 => faults()].boxed(),
    };
    let steps = select(vec![0, 1, 2, 4, REST, REST]);
    (0..POLICIES, vec((op, steps), 1..20)).prop_map(|(policies, ops)| Story { policies, ops })
}
