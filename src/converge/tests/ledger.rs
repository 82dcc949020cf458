//! What is due from the ledger alone, and what the ledger says afterwards.

use rstest::rstest;

use super::*;
use crate::api::{PendingIntent, SessionsReason};

const WORK_CHANGE: &str = "change";

fn lane(due: &Due) -> &'static str {
    match due {
        Due::Nothing { .. } => "nothing",
        Due::Ledger(_) => "ledger",
        Due::Work { lane, .. } => lane.as_str(),
    }
}

fn applied() -> LedgerEntry {
    LedgerEntry { applied: digest(&ann(&["G1"]), "ann"), ..entry("a0", "Ann", AccountState::Active) }
}

#[rstest]
#[case::no_entry(None, "join")]
#[case::as_desired(Some(applied()), "nothing")]
#[case::other_digest(Some(LedgerEntry { applied: "v1:0".into(), ..applied() }), WORK_CHANGE)]
#[case::older_version(Some(LedgerEntry { applied: applied().applied.replace("v1", "v0"), ..applied() }), WORK_CHANGE)]
#[case::other_login(Some(LedgerEntry { user_name: "zoe".into(), applied: String::new(), ..applied() }), WORK_CHANGE)]
#[case::suspended(Some(LedgerEntry { state: AccountState::Suspended, ..applied() }), WORK_CHANGE)]
#[case::retained(Some(LedgerEntry { state: AccountState::Retained, ..applied() }), WORK_CHANGE)]
#[case::deleted(Some(LedgerEntry { state: AccountState::Deleted, ..applied() }), "join")]
#[case::released(Some(LedgerEntry { state: AccountState::Released, ..applied() }), "join")]
#[case::failed(Some(entry("", "", AccountState::Failed)), "join")]
#[case::other_target(Some(LedgerEntry { target: "t0".into(), ..applied() }), "join")]
#[case::not_kept(Some(LedgerEntry { reason: "AttributesNotKept".into(), ..applied() }), "nothing")]
#[case::announced(Some(LedgerEntry { pending: Some(PendingIntent { operation: "create".into(), key: "ann".into(), since: NOW }), ..applied() }), WORK_CHANGE)]
#[case::old_trouble(Some(LedgerEntry { reason: "MappingFailed".into(), ..applied() }), "ledger")]
fn due_for_an_account(#[case] entry: Option<LedgerEntry>, #[case] expected: &str) {
    let spec = AppSpec::default();
    assert_eq!(lane(&due(&wanted(ann(&["G1"])), entry.as_ref(), &context(&spec))), expected);
}

#[rstest]
#[case::no_entry(None, "nothing")]
#[case::active(Some(AccountState::Active), "leave")]
#[case::creating(Some(AccountState::Creating), "leave")]
#[case::conflict(Some(AccountState::Conflict), "leave")]
#[case::failed(Some(AccountState::Failed), "leave")]
#[case::retained(Some(AccountState::Retained), "leave")]
#[case::deleting(Some(AccountState::Deleting), "leave")]
#[case::suspended_without_proof(Some(AccountState::Suspended), "leave")]
#[case::deleted(Some(AccountState::Deleted), "nothing")]
#[case::released(Some(AccountState::Released), "nothing")]
fn due_for_a_leaver(#[case] state: Option<AccountState>, #[case] expected: &str) {
    let (spec, entry) = (AppSpec::default(), state.map(|state| entry("a0", "ann", state)));
    assert_eq!(lane(&due(&Wanted::Gone(Cause::Leave), entry.as_ref(), &context(&spec))), expected);
}

/// Read back on day 0; what is due now.
#[rstest]
#[case::left_before(Some(-1), "nothing")]
#[case::left_as_it_was_read(Some(0), "nothing")]
#[case::left_since(Some(1), "leave")]
#[case::leaves_later(Some(3), "nothing")]
#[case::only_suspended(None, "nothing")]
fn a_leave_asks_for_proof_of_its_own(#[case] left: Option<i64>, #[case] expected: &str) {
    let at = |days: i64| NOW.checked_add(jiff::SignedDuration::from_hours(24 * days)).unwrap();
    let spec = AppSpec::default();
    let ctx = Context { left_at: left.map(at), now: at(2), ..context(&spec) };
    let cause = if left.is_some() { Cause::Leave } else { Cause::Suspension };
    let due = due(&Wanted::Gone(cause), Some(&cut("a0", "ann")), &ctx);
    assert_eq!(lane(&due), expected);
    if left == Some(3) {
        assert_eq!(due, Due::Nothing { next: Some(at(3)) });
    }
}

#[test]
fn a_suspended_account_on_another_target_is_looked_for() {
    let spec = AppSpec::default();
    let entry = LedgerEntry { target: "t0".into(), ..entry("a0", "ann", AccountState::Suspended) };
    assert_eq!(lane(&due(&Wanted::Gone(Cause::Leave), Some(&entry), &context(&spec))), "leave");
}

#[test]
fn what_cannot_be_told_is_noted_once_and_nothing_else() {
    let spec = AppSpec::default();
    let unknown = Wanted::Unknown { reason: Reason::MappingFailed, message: "title: no such key".to_owned() };
    let Due::Ledger(noted) = due(&unknown, Some(&applied()), &context(&spec)) else { panic!() };
    let expected = LedgerEntry {
        reason: "MappingFailed".to_owned(),
        message: "title: no such key".to_owned(),
        ..applied()
    };
    assert_eq!(*noted, expected);
    assert_eq!(lane(&due(&unknown, Some(&noted), &context(&spec))), "nothing");
    assert_eq!(lane(&due(&unknown, None, &context(&spec))), "nothing");
    // And cleared when it can be told again.
    let Due::Ledger(cleared) = due(&wanted(ann(&["G1"])), Some(&noted), &context(&spec)) else { panic!() };
    assert_eq!(*cleared, applied());
}

#[test]
fn a_released_account_is_remembered_as_such() {
    let spec = AppSpec::default();
    let released = Wanted::Released(Reason::AppDeleted);
    let Due::Ledger(entry) = due(&released, Some(&applied()), &context(&spec)) else { panic!() };
    assert_eq!(
        (entry.state, entry.reason.as_str(), entry.id.as_str()),
        (AccountState::Released, "AppDeleted", "a0")
    );
    assert_eq!(lane(&due(&released, Some(&entry), &context(&spec))), "nothing");
}

#[rstest]
#[case(entry("", "", AccountState::Creating), Reason::AccountExists, AccountState::Conflict)]
#[case(entry("", "", AccountState::Creating), Reason::Unreachable, AccountState::Failed)]
#[case(entry("a0", "ann", AccountState::Deleted), Reason::Rejected, AccountState::Failed)]
#[case(entry("a0", "ann", AccountState::Active), Reason::Rejected, AccountState::Active)]
#[case(entry("a0", "ann", AccountState::Suspended), Reason::NotOurs, AccountState::Suspended)]
fn a_failure_keeps_the_account_and_stays_due(
    #[case] from: LedgerEntry,
    #[case] reason: Reason,
    #[case] state: AccountState,
) {
    let spec = AppSpec::default();
    let ctx = context(&spec);
    let failed = fail(LedgerEntry { applied: applied().applied, ..from }, reason, &"é".repeat(600), &ctx);
    assert_eq!((failed.state, failed.reason.as_str()), (state, reason.as_str()));
    assert_eq!(failed.message.chars().count(), 512);
    assert!(matches!(due(&wanted(ann(&["G1"])), Some(&failed), &ctx), Due::Work { .. }));
    let later = Context { now: Timestamp::MAX, ..ctx };
    assert_eq!(fail(failed.clone(), reason, &"é".repeat(600), &later), failed);
}

#[test]
fn what_is_not_confirmed_is_not_claimed() {
    let spec = AppSpec::default();
    let (ctx, plan) = (context(&spec), Plan::default());
    let gone = Wanted::Gone(Cause::Leave);
    let still_active = account("a0", "ann", Some(OURS));
    let entry = settle(applied(), &gone, &plan, Some(&still_active), &ctx).unwrap();
    assert_eq!((entry.state, entry.reason.as_str()), (AccountState::Active, "NotApplied"));
    let inactive = RemoteAccount { active: false, ..still_active };
    let entry = settle(applied(), &wanted(ann(&[])), &plan, Some(&inactive), &ctx).unwrap();
    assert_eq!((entry.applied.as_str(), entry.reason.as_str()), ("", "NotApplied"));
}

fn claim(second: i64, name: &str, deleting: bool) -> Claim<'_> {
    Claim { created: Timestamp::constant(second, 0), name, deleting }
}

#[rstest]
#[case::none(&[], None)]
#[case::older(&[claim(2, "a", false), claim(1, "b", false)], Some(1))]
#[case::same_second(&[claim(1, "b", false), claim(1, "a", false)], Some(1))]
#[case::older_is_going(&[claim(1, "a", true), claim(2, "b", false)], Some(1))]
#[case::all_are_going(&[claim(1, "a", true), claim(2, "b", true)], Some(0))]
fn one_user_keeps_the_accounts(#[case] claims: &[Claim<'_>], #[case] expected: Option<usize>) {
    assert_eq!(keeper(claims), expected);
}

#[test]
fn the_ledger_passes_on() {
    let of = |app: &str, id: &str, state| LedgerEntry { app: app.to_owned(), ..entry(id, "ann", state) };
    let old = [
        of("c", "1", AccountState::Active),
        of("a", "2", AccountState::Deleted),
        of("d", "", AccountState::Failed),
        of("e", "5", AccountState::Active),
        of("f", "6", AccountState::Active),
    ];
    let new = [
        of("a", "3", AccountState::Active),
        of("b", "4", AccountState::Active),
        of("c", "", AccountState::Conflict),
        of("e", "5", AccountState::Deleted),
        of("f", "7", AccountState::Active),
    ];
    let passed = inherit(&old, &new);
    let ids: Vec<_> = passed.iter().map(|entry| format!("{}{}", entry.app, entry.id)).collect();
    assert_eq!(ids, ["a3", "b4", "c1", "d", "e5", "f7"]);
    // Deleted since: the old ledger does not know.
    assert_eq!(passed[4].state, AccountState::Deleted);
}

#[rstest]
#[case::revoked(SessionReport::REVOKED, None)]
#[case::unproved(SessionReport::unproved(SessionsReason::TokensLiveOn), Some(SessionsReason::TokensLiveOn))]
#[case::none(
    SessionReport::not_supported(SessionsReason::SessionsStayOpen),
    Some(SessionsReason::SessionsStayOpen)
)]
fn what_became_of_sessions_is_remembered_of_this_account_alone(
    #[case] report: SessionReport,
    #[case] reason: Option<SessionsReason>,
) {
    let spec = AppSpec::default();
    let step = |id: &str| Step::EndSessions { id: id.to_owned() };
    let suspended = LedgerEntry { sessions: None, ..cut("a0", "ann") };
    let entry = record(suspended.clone(), &step("a0"), &Reply::Sessions(report), &context(&spec));
    assert_eq!((entry.sessions, entry.sessions_reason), (Some(report.sessions), reason));
    let entry = record(suspended, &step("a9"), &Reply::Sessions(report), &context(&spec));
    assert_eq!(entry.sessions, None);
}
