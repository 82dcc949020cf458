//! People who should not use an account, one situation at a time.

use jiff::SignedDuration;
use rstest::rstest;

use super::world::{Crash, Outcome, World, pass, work};
use super::*;
use crate::api::app::{RemovalAction, RemovalPolicy, RemoveEntitlements};

fn policy(action: RemovalAction, delete_after: Option<&str>) -> RemovalPolicy {
    RemovalPolicy { action, delete_after: delete_after.map(str::to_owned), ..RemovalPolicy::default() }
}

fn on_leave(policy: RemovalPolicy) -> AppSpec {
    AppSpec { on_leave: policy, ..AppSpec::default() }
}

fn names(outcome: &Outcome) -> Vec<&str> {
    outcome.steps.iter().map(Step::as_str).collect()
}

fn active() -> (World, Option<LedgerEntry>) {
    let mut stored = entry("a0", "ann", AccountState::Active);
    stored.entitlements = strings(&["group:g1", "group:g2"]);
    (World::with([account("a0", "ann", Some(OURS))]), Some(stored))
}

fn leave(
    world: &mut World,
    stored: &mut Option<LedgerEntry>,
    spec: &AppSpec,
    cause: Cause,
    days: i64,
) -> Outcome {
    let now = NOW.checked_add(SignedDuration::from_hours(24 * days)).unwrap();
    let ctx = Context { now, ..context(spec) };
    pass(world, &Wanted::Gone(cause), stored, &ctx, Crash::default())
}

#[test]
fn a_leaver_is_suspended_and_keeps_what_they_hold() {
    let ((mut world, mut stored), spec) = (active(), AppSpec::default());
    let outcome = leave(&mut world, &mut stored, &spec, Cause::Leave, 0);
    assert_eq!(names(&outcome), ["suspend", "end-sessions"]);
    assert_eq!(world.asked, [Query::Get("a0".to_owned())]);
    let entry = stored.clone().unwrap();
    assert_eq!((entry.state, entry.entitlements.len(), entry.delete_at), (AccountState::Suspended, 2, None));
    assert_eq!(due(&Wanted::Gone(Cause::Leave), Some(&entry), &context(&spec)), Due::Nothing { next: None });
}

#[test]
fn managed_entitlements_go_after_the_suspension() {
    let (mut world, mut stored) = active();
    let strip =
        RemovalPolicy { remove_entitlements: RemoveEntitlements::Managed, ..RemovalPolicy::default() };
    let outcome = leave(&mut world, &mut stored, &on_leave(strip), Cause::Leave, 0);
    assert_eq!(names(&outcome), ["suspend", "end-sessions", "revoke", "revoke"]);
    assert_eq!(stored.unwrap().entitlements.len(), 0);
}

#[test]
fn deletion_is_announced_and_comes_after_the_suspension() {
    let ((mut world, mut stored), spec) = (active(), on_leave(policy(RemovalAction::Delete, None)));
    let outcome = leave(&mut world, &mut stored, &spec, Cause::Leave, 0);
    assert_eq!(names(&outcome), ["suspend", "end-sessions", "announce", "delete"]);
    let entry = stored.clone().unwrap();
    assert_eq!((entry.state, entry.pending, entry.reason.as_str()), (AccountState::Deleted, None, ""));
    assert_eq!(leave(&mut world, &mut stored, &spec, Cause::Leave, 1).steps.len(), 0);
}

#[test]
fn deletion_waits_for_its_day() {
    let ((mut world, mut stored), spec) = (active(), on_leave(policy(RemovalAction::Suspend, Some("30d"))));
    assert_eq!(names(&leave(&mut world, &mut stored, &spec, Cause::Leave, 0)), ["suspend", "end-sessions"]);
    let at = stored.as_ref().unwrap().delete_at;
    assert_eq!(due(&Wanted::Gone(Cause::Leave), stored.as_ref(), &context(&spec)), Due::Nothing { next: at });
    assert_eq!(leave(&mut world, &mut stored, &spec, Cause::Leave, 29).steps.len(), 0);
    assert_eq!(names(&leave(&mut world, &mut stored, &spec, Cause::Leave, 30)), ["announce", "delete"]);
    assert!(world.accounts.is_empty());
}

/// Suspended on day 0 for `first`; `then` is the policy on day 10; deleted at the start of this day, if ever.
#[rstest]
#[case::unchanged(Some("30d"), Some("30d"), Some(30))]
#[case::shortened(Some("30d"), Some("5d"), Some(15))]
#[case::lengthened(Some("30d"), Some("90d"), Some(90))]
#[case::dropped(Some("30d"), None, None)]
#[case::introduced_late(None, Some("5d"), Some(15))]
fn the_policy_in_force_says_when(
    #[case] first: Option<&str>,
    #[case] then: Option<&str>,
    #[case] deleted_on: Option<i64>,
) {
    let (mut world, mut stored) = active();
    leave(&mut world, &mut stored, &on_leave(policy(RemovalAction::Suspend, first)), Cause::Leave, 0);
    let spec = on_leave(policy(RemovalAction::Suspend, then));
    let gone = (10..200).find(|&day| {
        leave(&mut world, &mut stored, &spec, Cause::Leave, day);
        world.accounts.is_empty()
    });
    assert_eq!(gone, deleted_on);
}

#[test]
fn a_longer_time_holds_for_those_who_wait_already() {
    let of =
        |after| AppSpec { on_unassign: policy(RemovalAction::Suspend, Some(after)), ..AppSpec::default() };
    let (mut world, mut stored) = active();
    leave(&mut world, &mut stored, &of("30d"), Cause::Unassign, 0);
    leave(&mut world, &mut stored, &of("90d"), Cause::Unassign, 89);
    assert_eq!(world.accounts.len(), 1);
    leave(&mut world, &mut stored, &of("90d"), Cause::Unassign, 90);
    assert_eq!(world.accounts.len(), 0);
}

#[test]
fn of_two_reasons_the_earlier_date_wins_and_a_return_cancels_it() {
    let spec = AppSpec {
        on_leave: policy(RemovalAction::Suspend, Some("90d")),
        on_unassign: policy(RemovalAction::Suspend, Some("30d")),
        ..AppSpec::default()
    };
    let (mut world, mut stored) = active();
    leave(&mut world, &mut stored, &spec, Cause::Unassign, 0);
    let at = stored.as_ref().unwrap().delete_at;
    leave(&mut world, &mut stored, &spec, Cause::Leave, 10);
    assert_eq!(stored.as_ref().unwrap().delete_at, at);
    leave(&mut world, &mut stored, &spec, Cause::Suspension, 20);
    assert_eq!(stored.as_ref().unwrap().delete_at, None);
    assert_eq!(leave(&mut world, &mut stored, &spec, Cause::Suspension, 400).steps.len(), 0);
}

#[test]
fn a_retained_account_is_untouched_until_its_person_leaves() {
    let spec = AppSpec { on_unassign: policy(RemovalAction::Retain, None), ..AppSpec::default() };
    let (mut world, mut stored) = active();
    let before = world.clone();
    assert_eq!(leave(&mut world, &mut stored, &spec, Cause::Unassign, 0).remote(), 0);
    let entry = stored.clone().unwrap();
    assert_eq!((world.visible(), entry.state), (before.visible(), AccountState::Retained));
    assert_eq!(entry.reason, "RetainedByPolicy");
    assert_eq!(world.asked, []);
    assert_eq!(names(&leave(&mut world, &mut stored, &spec, Cause::Leave, 1)), ["suspend", "end-sessions"]);
    // Going back to Retain does not hand it out again.
    assert_eq!(leave(&mut world, &mut stored, &spec, Cause::Unassign, 2).remote(), 0);
    assert_eq!(stored.unwrap().state, AccountState::Suspended);
}

#[test]
fn a_stricter_reason_reaches_a_suspended_account() {
    let spec = on_leave(policy(RemovalAction::Delete, None));
    let (mut world, mut stored) = active();
    leave(&mut world, &mut stored, &spec, Cause::Unassign, 0);
    assert_eq!(names(&leave(&mut world, &mut stored, &spec, Cause::Leave, 1)), ["announce", "delete"]);
}

#[rstest]
#[case::reused_id("zoe", None, Some(Reason::NotOurs))]
#[case::somebody_elses("ann", Some("p-2"), Some(Reason::NotOurs))]
#[case::unmarked_by_hand("ann", None, None)]
fn what_is_not_theirs_is_not_suspended(
    #[case] login: &str,
    #[case] marker: Option<&str>,
    #[case] refused: Option<Reason>,
) {
    let (mut world, mut stored) = (World::with([account("a0", login, marker)]), active().1);
    let outcome = leave(&mut world, &mut stored, &AppSpec::default(), Cause::Leave, 0);
    assert_eq!(outcome.blocked.map(|refusal| refusal.reason), refused);
    assert_eq!(world.accounts["a0"].active, refused.is_some());
    assert_eq!(stored.unwrap().state == AccountState::Active, refused.is_some());
}

#[test]
fn an_id_that_is_no_longer_theirs_does_not_hide_the_account_that_is() {
    let theirs = account("b1", "ann.new", Some(OURS));
    let (mut world, mut stored) = (World::with([account("a0", "zoe", None), theirs]), active().1);
    let outcome = leave(&mut world, &mut stored, &AppSpec::default(), Cause::Leave, 0);
    assert_eq!(names(&outcome), ["adopt", "suspend", "end-sessions"]);
    assert!(world.accounts["a0"].active && !world.accounts["b1"].active);
}

#[test]
fn every_account_with_the_marker_is_suspended_and_none_deleted() {
    let spec = on_leave(policy(RemovalAction::Delete, None));
    let twice = [account("a1", "ann", Some(OURS)), account("a2", "ann2", Some(OURS))];
    let (mut world, mut stored) = (World::with(twice), Some(entry("", "", AccountState::Conflict)));
    let outcome = leave(&mut world, &mut stored, &spec, Cause::Leave, 0);
    assert_eq!(names(&outcome), ["suspend", "suspend", "end-sessions", "end-sessions"]);
    assert_eq!(outcome.blocked.unwrap().reason, Reason::AmbiguousMatch);
    assert_eq!(leave(&mut world, &mut stored, &spec, Cause::Leave, 1).remote(), 0);
}

#[rstest]
#[case::account_gone(entry("a9", "ann", AccountState::Active), Some((AccountState::Deleted, "AccountGone")))]
#[case::never_made(entry("", "", AccountState::Failed), None)]
#[case::announced_only(entry("", "", AccountState::Creating), None)]
#[case::other_target(LedgerEntry { target: "t0".into(), ..entry("a9", "ann", AccountState::Active) },
    Some((AccountState::Released, "TargetChanged")))]
fn where_there_is_no_account_the_ledger_says_so(
    #[case] from: LedgerEntry,
    #[case] to: Option<(AccountState, &str)>,
) {
    let mut stored = Some(from);
    // An App may show late what was changed a short while ago.
    let early = leave(&mut World::default(), &mut stored, &AppSpec::default(), Cause::Leave, 0);
    let in_doubt = to.is_some_and(|(state, _)| state == AccountState::Deleted);
    assert_eq!(early.blocked.map(|refusal| refusal.reason), in_doubt.then_some(Reason::AccountGone));
    leave(&mut World::default(), &mut stored, &AppSpec::default(), Cause::Leave, 1);
    assert_eq!(stored.as_ref().map(|entry| (entry.state, entry.reason.as_str())), to);
}

/// A bin gave the account back, or somebody made it anew.
#[test]
fn a_deleted_account_that_a_sweep_finds_again_is_taken_out_of_use() {
    let ((mut world, mut stored), spec) = (active(), on_leave(policy(RemovalAction::Delete, None)));
    let kept = world.accounts.clone();
    leave(&mut world, &mut stored, &spec, Cause::Leave, 0);
    assert_eq!(stored.as_ref().unwrap().state, AccountState::Deleted);
    world.accounts = kept;
    assert_eq!(leave(&mut world, &mut stored, &spec, Cause::Leave, 0).remote(), 0);
    let found = Context { findings: &[Finding::Zombie], ..context(&spec) };
    let outcome = work(&mut world, &Wanted::Gone(Cause::Leave), &mut stored, &found, Crash::default());
    assert_eq!(names(&outcome)[..2], ["adopt", "suspend"]);
    assert!(world.accounts.is_empty() && stored.unwrap().state == AccountState::Deleted);
}

/// Pointed elsewhere by mistake, and back.
#[test]
fn an_app_that_is_back_at_its_system_is_asked_again() {
    let ((mut world, mut stored), spec) = (active(), AppSpec::default());
    let elsewhere = Context { target: "t9", ..context(&spec) };
    pass(&mut World::default(), &Wanted::Gone(Cause::Leave), &mut stored, &elsewhere, Crash::default());
    assert_eq!(stored.as_ref().unwrap().state, AccountState::Released);
    leave(&mut world, &mut stored, &spec, Cause::Leave, 1);
    assert!(!world.accounts["a0"].active);
    assert_eq!(stored.unwrap().state, AccountState::Suspended);
}

/// A deleted User is not kept until the work is handed over.
#[test]
fn nothing_is_handed_over_once_the_user_is_being_deleted() {
    let ((mut world, mut stored), mut spec) = (active(), AppSpec::default());
    spec.on_leave.after = Some("14d".to_owned());
    leave(&mut world, &mut stored, &spec, Cause::Leave, 0);
    assert!(world.accounts["a0"].active);
    let deleting = Context { deleting: true, ..context(&spec) };
    pass(&mut world, &Wanted::Gone(Cause::Leave), &mut stored, &deleting, Crash::default());
    assert!(!world.accounts["a0"].active);
}

#[test]
fn a_crash_after_the_delete_is_recovered_from_the_intent() {
    let ((mut world, mut stored), spec) = (active(), on_leave(policy(RemovalAction::Delete, None)));
    let crash = Crash { after: Some(3), stores: false };
    pass(&mut world, &Wanted::Gone(Cause::Leave), &mut stored, &context(&spec), crash);
    assert!(world.accounts.is_empty());
    assert_eq!(stored.as_ref().unwrap().state, AccountState::Deleting);
    leave(&mut world, &mut stored, &spec, Cause::Leave, 0);
    assert_eq!(world.asked, [Query::Get("a0".to_owned())]);
    let entry = stored.unwrap();
    assert_eq!((entry.state, entry.reason.as_str(), entry.pending), (AccountState::Deleted, "", None));
}

#[test]
fn a_create_whose_record_was_lost_is_found_by_its_marker() {
    let (mut world, mut stored, spec) = (active().0, None, AppSpec::default());
    let (wanted, ctx) = (Wanted::Gone(Cause::Leave), context(&spec));
    assert_eq!(due(&wanted, None, &ctx), Due::Nothing { next: None });
    let outcome = work(&mut world, &wanted, &mut stored, &ctx, Crash::default());
    assert_eq!(names(&outcome), ["adopt", "suspend", "end-sessions"]);
    assert_eq!(stored.unwrap().state, AccountState::Suspended);
    // And where there is nothing, nothing is remembered.
    let mut none = None;
    work(&mut World::default(), &wanted, &mut none, &ctx, Crash::default());
    assert_eq!(none, None);
}

#[test]
fn a_suspension_by_hand_that_was_known_outlives_the_return() {
    let (mut world, mut stored) = active();
    world.accounts.get_mut("a0").unwrap().active = false;
    stored.as_mut().unwrap().reason = Reason::SuspendedElsewhere.as_str().to_owned();
    let spec = AppSpec::default();
    leave(&mut world, &mut stored, &spec, Cause::Suspension, 0);
    assert_eq!(stored.as_ref().unwrap().state, AccountState::Suspended);
    stored = stored.map(|entry| fail(entry, Reason::Unreachable, "no answer", &context(&spec)));
    pass(&mut world, &wanted(ann(&[])), &mut stored, &context(&spec), Crash::default());
    assert!(!world.accounts["a0"].active);
}

fn without_suspension(spec: &AppSpec) -> Context<'_> {
    Context { cannot_suspend: Some(Reason::SuspendDeletes), ..context(spec) }
}

#[test]
fn where_accounts_cannot_be_suspended_a_leaver_is_deleted_at_once() {
    let ((mut world, mut stored), spec) = (active(), on_leave(policy(RemovalAction::Delete, None)));
    world.never_suspends = true;
    let leaver = Wanted::Gone(Cause::Leave);
    let outcome = pass(&mut world, &leaver, &mut stored, &without_suspension(&spec), Crash::default());
    assert_eq!(names(&outcome), ["announce", "delete"]);
    assert_eq!(stored.unwrap().state, AccountState::Deleted);
}

/// Not even where the App would delete a leaver: the person may be back tomorrow.
#[rstest]
#[case(RemovalAction::Suspend)]
#[case(RemovalAction::Delete)]
fn where_accounts_cannot_be_suspended_a_suspended_person_keeps_theirs(#[case] action: RemovalAction) {
    let ((mut world, mut stored), spec) = (active(), on_leave(policy(action, None)));
    let ctx = without_suspension(&spec);
    let outcome = pass(&mut world, &Wanted::Gone(Cause::Suspension), &mut stored, &ctx, Crash::default());
    assert_eq!(names(&outcome), [""; 0]);
    let entry = stored.clone().unwrap();
    assert_eq!((entry.state, entry.reason.as_str()), (AccountState::Active, "SuspendDeletes"));
    let outcome = pass(&mut world, &wanted(ann(&["G1", "G2"])), &mut stored, &ctx, Crash::default());
    assert!(outcome.blocked.is_none() && stored.unwrap().reason.is_empty());
}

#[test]
fn where_accounts_cannot_be_suspended_several_are_left_alone() {
    let (mut world, mut stored) = active();
    world.accounts.insert("a9".to_owned(), account("a9", "ann2", Some(OURS)));
    stored.as_mut().unwrap().id = "gone".to_owned();
    let spec = on_leave(policy(RemovalAction::Delete, None));
    let ctx = without_suspension(&spec);
    let outcome = pass(&mut world, &Wanted::Gone(Cause::Leave), &mut stored, &ctx, Crash::default());
    assert_eq!(names(&outcome), [""; 0]);
    assert_eq!(stored.unwrap().reason, "AmbiguousMatch");
}

fn on_unassign(after: &str) -> AppSpec {
    let policy = RemovalPolicy { after: Some(after.to_owned()), ..RemovalPolicy::default() };
    AppSpec { on_unassign: policy, ..AppSpec::default() }
}

fn at(days: i64) -> Timestamp {
    NOW.checked_add(SignedDuration::from_hours(24 * days)).unwrap()
}

#[test]
fn each_stage_is_in_the_ledger_with_its_time() {
    let (mut world, mut stored) = active();
    let spec = AppSpec::default();
    let ctx = Context { left_at: Some(at(-1)), now: at(2), ..context(&spec) };
    let leaver = Wanted::Gone(Cause::Leave);
    // Cut off in the middle: suspended, and nothing is proved yet.
    pass(&mut world, &leaver, &mut stored, &ctx, Crash { after: Some(1), stores: true });
    let entry = stored.clone().unwrap();
    assert_eq!((entry.cut_at, entry.verified_at, entry.sessions), (Some(at(2)), None, None));
    let later = Context { now: at(3), ..ctx };
    assert_eq!(names(&pass(&mut world, &leaver, &mut stored, &later, Crash::default())), ["end-sessions"]);
    let entry = stored.clone().unwrap();
    assert_eq!((entry.due_since, entry.cut_at, entry.verified_at), (Some(at(-1)), Some(at(2)), Some(at(3))));
    assert_eq!(entry.sessions, Some(Sessions::Revoked));
    // Whoever is back has no such record.
    pass(&mut world, &wanted(ann(&["G1", "G2"])), &mut stored, &context(&spec), Crash::default());
    let entry = stored.unwrap();
    assert_eq!((entry.due_since, entry.cut_at, entry.verified_at, entry.sessions), (None, None, None, None));
}

#[test]
fn an_account_that_was_put_back_into_use_is_proved_anew() {
    let (mut world, mut stored) = active();
    let spec = on_leave(policy(RemovalAction::Suspend, Some("5d")));
    leave(&mut world, &mut stored, &spec, Cause::Leave, 0);
    world.accounts.get_mut("a0").unwrap().active = true;
    let outcome = leave(&mut world, &mut stored, &spec, Cause::Leave, 5);
    assert_eq!(names(&outcome), ["suspend", "end-sessions", "announce", "delete"]);
    let entry = stored.unwrap();
    assert_eq!((entry.cut_at, entry.verified_at), (Some(at(5)), Some(at(5))));
}

#[test]
fn sessions_are_left_where_the_policy_says_so() {
    let (mut world, mut stored) = active();
    let leave_them = RemovalPolicy { revoke_sessions: false, ..RemovalPolicy::default() };
    let outcome = leave(&mut world, &mut stored, &on_leave(leave_them), Cause::Leave, 0);
    assert_eq!(names(&outcome), ["suspend"]);
    assert_eq!(stored.unwrap().sessions, None);
}

#[test]
fn all_means_what_others_granted_too() {
    let (mut world, mut stored) = active();
    let held = [("a0", "g1"), ("a0", "g2"), ("a0", "g3"), ("zz", "g3")];
    world.members.extend(held.map(|(account, group)| (account.to_owned(), group.to_owned())));
    let strip = RemovalPolicy { remove_entitlements: RemoveEntitlements::All, ..RemovalPolicy::default() };
    let spec = on_leave(strip);
    let outcome = leave(&mut world, &mut stored, &spec, Cause::Leave, 0);
    assert_eq!(names(&outcome), ["suspend", "end-sessions", "revoke", "revoke", "revoke"]);
    assert_eq!(world.members.iter().map(|(account, _)| account.as_str()).collect::<Vec<_>>(), ["zz"]);
    assert!(stored.as_ref().unwrap().stripped);
    assert_eq!(leave(&mut world, &mut stored, &spec, Cause::Leave, 1).steps.len(), 0);
}

#[test]
fn a_mover_has_time_to_hand_over() {
    let ((mut world, mut stored), spec) = (active(), on_unassign("14d"));
    assert_eq!(leave(&mut world, &mut stored, &spec, Cause::Unassign, 0).steps.len(), 0);
    assert_eq!(stored.as_ref().unwrap().due_since, Some(NOW));
    let due = due(&Wanted::Gone(Cause::Unassign), stored.as_ref(), &context(&spec));
    assert_eq!(due, Due::Nothing { next: Some(at(14)) });
    assert_eq!(leave(&mut world, &mut stored, &spec, Cause::Unassign, 13).steps.len(), 0);
    assert!(world.accounts["a0"].active);
    let outcome = leave(&mut world, &mut stored, &spec, Cause::Unassign, 14);
    assert_eq!(names(&outcome), ["suspend", "end-sessions"]);
    let entry = stored.unwrap();
    assert_eq!((entry.due_since, entry.cut_at), (Some(NOW), Some(at(14))));
}

#[test]
fn a_mover_who_leaves_or_is_suspended_meanwhile_has_no_time() {
    for cause in [Cause::Leave, Cause::Suspension, Cause::UserDeleted] {
        let ((mut world, mut stored), spec) = (active(), on_unassign("14d"));
        leave(&mut world, &mut stored, &spec, Cause::Unassign, 0);
        leave(&mut world, &mut stored, &spec, cause, 1);
        assert!(!world.accounts["a0"].active, "{cause:?}");
    }
}

#[test]
fn a_mover_who_is_back_begins_anew() {
    let ((mut world, mut stored), spec) = (active(), on_unassign("14d"));
    leave(&mut world, &mut stored, &spec, Cause::Unassign, 0);
    pass(&mut world, &wanted(ann(&["G1", "G2"])), &mut stored, &context(&spec), Crash::default());
    assert_eq!(stored.as_ref().unwrap().due_since, None);
    leave(&mut world, &mut stored, &spec, Cause::Unassign, 10);
    leave(&mut world, &mut stored, &spec, Cause::Unassign, 20);
    assert!(world.accounts["a0"].active);
}

/// `after` runs from when the person left, whenever that was first seen.
#[test]
fn a_leaver_keeps_access_only_so_long_as_is_said() {
    let policy = RemovalPolicy { after: Some("3d".to_owned()), ..RemovalPolicy::default() };
    let ((mut world, mut stored), spec) = (active(), on_leave(policy));
    let leaver = Wanted::Gone(Cause::Leave);
    let ctx = Context { left_at: Some(at(-2)), ..context(&spec) };
    assert_eq!(pass(&mut world, &leaver, &mut stored, &ctx, Crash::default()).steps.len(), 0);
    assert_eq!(due(&leaver, stored.as_ref(), &ctx), Due::Nothing { next: Some(at(1)) });
    let ctx = Context { now: at(1), ..ctx };
    pass(&mut world, &leaver, &mut stored, &ctx, Crash::default());
    assert!(!world.accounts["a0"].active);
}

/// The record of the account was lost: a mover has their time all the same, a leaver has what is left of it.
#[test]
fn an_account_that_is_only_just_found_is_handed_over_too() {
    let ours = account("a0", "ann", Some(OURS));
    let (mut world, mut stored, spec) = (World::with([ours]), None, on_unassign("14d"));
    let ctx = context(&spec);
    let wanted = Wanted::Gone(Cause::Unassign);
    assert_eq!(names(&work(&mut world, &wanted, &mut stored, &ctx, Crash::default())), ["adopt"]);
    assert_eq!(stored.as_ref().unwrap().due_since, Some(NOW));
    assert_eq!(due(&wanted, stored.as_ref(), &ctx), Due::Nothing { next: Some(at(14)) });
    assert_eq!(names(&leave(&mut world, &mut stored, &spec, Cause::Leave, 1)), ["suspend", "end-sessions"]);
}
