//! What holds for every target, ledger, wish and policy.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::arbitrary::{Case, any_case, any_json, any_spec, any_wanted};
use super::world::{Crash, World, pass, plan_now, work};
use super::*;
use crate::api::app::{AdoptionPolicy, RemovalAction, RemoveEntitlements};
use crate::converge::compare::{same_login, strings as texts};

const WHOLE: Crash = Crash { after: None, stores: false };

/// Passes until there is nothing to do, or only what is refused.
fn converge(world: &mut World, wanted: &Wanted, entry: &mut Option<LedgerEntry>, ctx: &Context<'_>) {
    pass(world, wanted, entry, ctx, WHOLE);
    pass(world, wanted, entry, ctx, WHOLE);
}

fn mapped_agreements(desired: &DesiredAccount, account: &RemoteAccount) -> usize {
    let login = desired.logins.iter().any(|login| same_login(login, &account.login));
    let agrees = |(name, want): &(&String, &DesiredAttribute)| {
        let have = account.attributes.get(*name).map(texts).unwrap_or_default();
        texts(&want.value).iter().any(|text| have.contains(text))
    };
    desired.attributes.iter().filter(agrees).count() + usize::from(login)
}

/// Whether Tenure may touch this account, by the letter of the safety rule.
fn may_touch(case: &Case, account: &RemoteAccount) -> bool {
    if account.marker.as_deref() == Some(OURS) {
        return true;
    }
    if account.marker.as_deref().is_some_and(|marker| !marker.is_empty()) {
        return false;
    }
    let by_ledger = case.entry.as_ref().is_some_and(|entry| {
        entry.target == TARGET && entry.id == account.id && same_login(&entry.user_name, &account.login)
    });
    let adoption = &case.spec.adoption;
    let by_match = match &case.wanted {
        Wanted::Account(desired) => mapped_agreements(desired, account) > 1,
        _ => false,
    };
    by_ledger || (by_match && adoption.policy != AdoptionPolicy::CreateOnly && !adoption.match_on.is_empty())
}

/// `believed`: what the ledger said from the start, which is not looked at again.
fn assert_as_desired(world: &World, desired: &DesiredAccount, entry: &LedgerEntry, believed: &[String]) {
    let account = &world.accounts[&entry.id];
    assert!(account.active && account.marker.as_deref() == Some(OURS));
    assert!(desired.logins.iter().any(|login| same_login(login, &account.login)));
    for (name, want) in &desired.attributes {
        let have = account.attributes.get(name).unwrap_or(&Value::Null);
        match want.strength {
            Strength::Always if !is_empty(&want.value) => assert!(equivalent(&want.value, have)),
            Strength::Always if want.clear_when_null => assert!(is_empty(have)),
            Strength::IfEmpty if !is_empty(&want.value) => assert!(!is_empty(have)),
            _ => {}
        }
    }
    for wish in &desired.entitlements {
        let group = world.groups.iter().find(|(_, name)| **name == wish.value).unwrap().0;
        let text = format!("group:{group}");
        assert!(world.members.contains(&(entry.id.clone(), group.clone())) || believed.contains(&text));
        assert!(entry.entitlements.contains(&text));
    }
    assert_eq!(entry.entitlements.len(), desired.entitlements.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn converges_in_two_rounds_and_then_rests(case in any_case()) {
        let (ctx, mut world, mut entry) = (case.context(), case.world.clone(), case.entry.clone());
        let looks = matches!(due(&case.wanted, entry.as_ref(), &ctx), Due::Work { .. });
        converge(&mut world, &case.wanted, &mut entry, &ctx);
        let (accounts, ledger) = (world.clone(), entry.clone());
        let third = pass(&mut world, &case.wanted, &mut entry, &ctx, WHOLE);
        prop_assert_eq!(third.remote(), 0, "still acting: {:?}", third);
        prop_assert_eq!(world.visible(), accounts.visible());
        prop_assert_eq!(&entry, &ledger);

        let rests = matches!(due(&case.wanted, entry.as_ref(), &ctx), Due::Nothing { .. });
        prop_assert!(rests || third.blocked.is_some(), "neither at rest nor refused");
        if let (true, Some(entry)) = (rests && looks, &entry) {
            world.asked.clear();
            let plan = plan_now(&mut world, &case.wanted, Some(entry), &mut Observed::default(), &ctx);
            prop_assert!(plan.steps.iter().all(|step| !step.is_remote()), "{:?}", plan);
            if let Wanted::Account(desired) = &case.wanted {
                let believed = case.entry.iter().flat_map(|entry| entry.entitlements.clone()).collect::<Vec<_>>();
                assert_as_desired(&world, desired, entry, &believed);
            }
        }
    }

    #[test]
    fn unmanaged_accounts_stay_byte_for_byte(case in any_case()) {
        let (ctx, mut world, mut entry) = (case.context(), case.world.clone(), case.entry.clone());
        for _ in 0..3 {
            work(&mut world, &case.wanted, &mut entry, &ctx, WHOLE);
        }
        let others = case.world.accounts.values().filter(|account| !may_touch(&case, account));
        for before in others {
            prop_assert_eq!(Some(before), world.accounts.get(&before.id));
            let groups = |world: &World| -> BTreeSet<_> {
                world.members.iter().filter(|(account, _)| *account == before.id).cloned().collect()
            };
            prop_assert_eq!(groups(&case.world), groups(&world));
        }
        prop_assert!(world.made <= 1);
    }

    #[test]
    fn a_removal_never_exceeds_its_policy(case in any_case()) {
        let (ctx, mut world, mut entry) = (case.context(), case.world.clone(), case.entry.clone());
        let Wanted::Gone(cause) = case.wanted else { return Ok(()) };
        let policy = match cause {
            Cause::Suspension => None,
            Cause::Leave => Some(&case.spec.on_leave),
            Cause::Unassign => Some(&case.spec.on_unassign),
            Cause::UserDeleted => Some(&case.spec.on_user_deleted),
        };
        let deletes = policy.is_some_and(|policy| policy.action == RemovalAction::Delete);
        let retains = policy.is_some_and(|policy| policy.action == RemovalAction::Retain);
        let timed = policy.and_then(|policy| policy.delete_after.as_deref()).and_then(parse_duration).is_some();
        let was_due = case.entry.as_ref().and_then(|entry| entry.delete_at).is_some_and(|at| at <= NOW);
        let hands_over = entry.as_ref().is_some_and(|entry| ctx.handed_over_at(cause, entry).is_some());
        for _ in 0..3 {
            let outcome = pass(&mut world, &case.wanted, &mut entry, &ctx, WHOLE);
            prop_assert!(!hands_over || outcome.remote() == 0);
            prop_assert!(!retains || outcome.remote() == 0);
            for step in &outcome.steps {
                let allowed = match step {
                    Step::Suspend { .. } => !retains,
                    Step::EndSessions { .. } => policy.is_none_or(|policy| policy.revoke_sessions),
                    Step::Delete { .. } => deletes || (timed && was_due),
                    Step::Revoke { .. } => policy.is_some_and(|policy| policy.remove_entitlements != RemoveEntitlements::None),
                    other => !other.is_remote(),
                };
                prop_assert!(allowed, "{:?}", step);
            }
        }
        let rests = entry.is_none() || matches!(due(&case.wanted, entry.as_ref(), &ctx), Due::Nothing { .. });
        let believed = case.entry.as_ref().is_none_or(|entry| entry.state == AccountState::Suspended);
        let hands_over = entry.as_ref().is_some_and(|entry| ctx.handed_over_at(cause, entry).is_some());
        let may_stay = retains || !rests || believed || hands_over;
        let released = entry.as_ref().is_some_and(|entry| {
            matches!(entry.state, AccountState::Released | AccountState::Deleted)
        });
        if !may_stay && !released {
            let linked = entry.iter().filter_map(|entry| world.accounts.get(&entry.id));
            prop_assert!(linked.into_iter().all(|account| !account.active));
        }
    }

    #[test]
    fn steps_are_in_order_and_revoke_only_what_was_granted(case in any_case()) {
        let (ctx, mut world, mut entry) = (case.context(), case.world.clone(), case.entry.clone());
        let held: BTreeSet<_> = entry.iter().flat_map(|entry| entry.entitlements.clone()).collect();
        let outcome = work(&mut world, &case.wanted, &mut entry, &ctx, WHOLE);
        let rank = |step: &Step| match step {
            Step::Adopt { .. } => 0,
            Step::Suspend { .. } | Step::EndSessions { .. } => 1,
            Step::Revoke { .. } => 2,
            Step::Update { .. } => 3,
            Step::Resume { .. } => 4,
            Step::Announce(_) => 5,
            Step::Create(_) | Step::Delete { .. } => 6,
            Step::Grant { .. } => 7,
            Step::Retain | Step::Release { .. } | Step::Forget => 8,
        };
        prop_assert!(outcome.steps.is_sorted_by_key(rank), "{:?}", outcome.steps);
        for step in &outcome.steps {
            if let Step::Revoke { kind, entitlement, .. } = step {
                let text = [kind.as_str(), entitlement].join(":");
                let all = matches!(case.wanted, Wanted::Gone(cause)
                    if ctx.policy(cause).remove_entitlements == RemoveEntitlements::All);
                prop_assert!(held.contains(&text) || all);
            }
        }
    }

    #[test]
    fn only_what_tenure_suspended_is_resumed(case in any_case()) {
        let (ctx, mut world, mut entry) = (case.context(), case.world.clone(), case.entry.clone());
        let by_us = entry.as_ref().is_some_and(|entry| {
            entry.target == TARGET
                && matches!(entry.state, AccountState::Suspended | AccountState::Deleting)
                && entry.reason != "SuspendedElsewhere"
        });
        let outcome = work(&mut world, &case.wanted, &mut entry, &ctx, WHOLE);
        let resumed = outcome.steps.iter().any(|step| matches!(step, Step::Resume { .. }));
        prop_assert!(!resumed || by_us || case.resume);
    }

    #[test]
    fn a_crash_anywhere_ends_where_no_crash_ends(
        case in any_case(), after in 0usize..6, stores: bool, again in proptest::option::of(0usize..3),
    ) {
        let mut case = case;
        case.believe_ledger();
        let ctx = case.context();
        let (mut smooth, mut entry) = (case.world.clone(), case.entry.clone());
        converge(&mut smooth, &case.wanted, &mut entry, &ctx);

        let (mut world, mut entry) = (case.world.clone(), case.entry.clone());
        pass(&mut world, &case.wanted, &mut entry, &ctx, Crash { after: Some(after), stores });
        if let Some(after) = again {
            pass(&mut world, &case.wanted, &mut entry, &ctx, Crash { after: Some(after), stores: !stores });
        }
        converge(&mut world, &case.wanted, &mut entry, &ctx);
        prop_assert_eq!(smooth.visible(), world.visible());
    }

    #[test]
    fn a_target_that_drops_the_marker_gets_no_second_account(
        case in any_case(), after in 0usize..3, stores: bool, configured: bool,
    ) {
        let mut case = case;
        case.world.drops_marker = true;
        case.world.accounts.clear();
        case.world.members.clear();
        case.entry = None;
        if !configured {
            case.spec.marker.attribute = Some(String::new());
        }
        let (ctx, mut world, mut entry) = (case.context(), case.world.clone(), None);
        pass(&mut world, &case.wanted, &mut entry, &ctx, Crash { after: Some(after), stores });
        for _ in 0..3 {
            pass(&mut world, &case.wanted, &mut entry, &ctx, WHOLE);
        }
        let recognisable = match &case.wanted {
            Wanted::Account(desired) => desired.attributes.values().any(|want| !texts(&want.value).is_empty()),
            _ => true,
        };
        prop_assert!(world.accounts.len() <= 1 || !recognisable, "{:?}", world.accounts);
    }

    #[test]
    fn whoever_is_cut_off_has_a_proof_of_it_and_who_is_in_use_has_none(case in any_case()) {
        let (ctx, mut world, mut entry) = (case.context(), case.world.clone(), case.entry.clone());
        converge(&mut world, &case.wanted, &mut entry, &ctx);
        let Some(entry) = entry else { return Ok(()) };
        let rests = matches!(due(&case.wanted, Some(&entry), &ctx), Due::Nothing { .. });
        match case.wanted {
            Wanted::Account(_) if rests => {
                prop_assert_eq!((entry.due_since, entry.cut_at, entry.verified_at), (None, None, None));
                prop_assert!(entry.sessions.is_none() && !entry.stripped);
            }
            Wanted::Gone(cause) if rests && entry.state == AccountState::Suspended => {
                let policy = ctx.policy(cause);
                let proved = ctx.is_verified(cause, &entry)
                    && (entry.sessions.is_some() || !policy.revoke_sessions);
                prop_assert!(proved || policy.action == RemovalAction::Retain);
            }
            _ => {}
        }
    }

    #[test]
    fn the_order_of_inputs_does_not_count(case in any_case()) {
        let ctx = case.context();
        let mut turned = case.clone();
        turned.spec.adoption.match_on.reverse();
        turned.entry.iter_mut().for_each(|entry| entry.entitlements.reverse());
        let turned_ctx = turned.context();
        let (mut one, mut other) = (case.world.clone(), case.world.clone());
        let (mut seen, mut turned_seen) = (Observed::default(), Observed::default());
        prop_assert_eq!(
            plan_now(&mut one, &case.wanted, case.entry.as_ref(), &mut seen, &ctx),
            plan_now(&mut other, &case.wanted, turned.entry.as_ref(), &mut turned_seen, &turned_ctx)
        );
    }

    #[test]
    fn a_life_ends_as_it_should(
        spec in any_spec(),
        lives in proptest::collection::vec((any_wanted(), proptest::option::of((0usize..4, any::<bool>()))), 1..6),
        last in any_wanted(),
    ) {
        // Somebody else's accounts, and then what becomes of one person in a few years.
        let mut world = World::with([account("b0", "Bob", Some("p-2")), account("b1", "zoe", None)]);
        let (ctx, mut entry) = (context(&spec), None);
        let others = world.accounts.clone();
        for (wanted, crash) in &lives {
            if let Some((after, stores)) = crash {
                pass(&mut world, wanted, &mut entry, &ctx, Crash { after: Some(*after), stores: *stores });
            }
            converge(&mut world, wanted, &mut entry, &ctx);
        }
        converge(&mut world, &last, &mut entry, &ctx);
        prop_assert!(world.marked().len() <= 1);
        for (id, other) in &others {
            let adopted = world.accounts.get(id).is_some_and(|account| account.marker.as_deref() == Some(OURS));
            prop_assert!(adopted || other.marker.is_none() || world.accounts.get(id) == Some(other));
        }
        let rests = matches!(due(&last, entry.as_ref(), &ctx), Due::Nothing { .. });
        match (&last, &entry) {
            (Wanted::Account(desired), Some(entry)) if rests => assert_as_desired(&world, desired, entry, &[]),
            (Wanted::Gone(cause), Some(entry)) if rests && entry.state != AccountState::Released => {
                let retains = ctx.policy(*cause).action == RemovalAction::Retain;
                let hands_over = ctx.handed_over_at(*cause, entry).is_some();
                prop_assert!(retains || hands_over || world.marked().iter().all(|account| !account.active));
            }
            _ => {}
        }
    }

    #[test]
    fn a_value_is_itself_in_any_order(value in any_json(), other in any_json()) {
        fn reversed(value: &Value) -> Value {
            match value {
                Value::Array(items) => items.iter().rev().map(reversed).collect(),
                Value::Object(members) => {
                    Value::Object(members.iter().rev().map(|(name, member)| (name.clone(), reversed(member))).collect())
                }
                scalar => scalar.clone(),
            }
        }
        prop_assert!(equivalent(&value, &value));
        prop_assert!(equivalent(&value, &reversed(&value)));
        let of = |value: &Value| {
            let attributes = BTreeMap::from([("x".to_owned(), attribute(value.clone()))]);
            digest(&DesiredAccount { attributes, ..ann(&[]) }, "ann")
        };
        prop_assert_eq!(of(&value), of(&reversed(&value)));
        if of(&value) == of(&other) {
            prop_assert!(equivalent(&value, &other) && equivalent(&other, &value));
        }
    }

    #[test]
    fn any_text_is_a_duration_or_not(text in ".{0,12}", number in 1u32.., unit in "[smhd]") {
        let _ = parse_duration(&text);
        let text = number.to_string() + &unit;
        prop_assert!(parse_duration(&text).is_some());
    }
}
