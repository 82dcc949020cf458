//! Accounts and people from whom nothing is taken away.

use proptest::prelude::*;
use rstest::rstest;

use super::arbitrary::{any_case, any_wanted};
use super::world::{ADMINS, Crash, World, pass, work};
use super::*;

#[rstest]
#[case("admin", "admin", true)]
#[case("ADMIN", "admin", true)]
#[case("admin", "administrator", false)]
#[case("admin*", "administrator", true)]
#[case("*admin", "root-admin", true)]
#[case("svc-*@*.example", "svc-backup@eu.example", true)]
#[case("svc-*@*.example", "svc-backup@example", false)]
#[case("a*a", "a", false)]
#[case("a*a", "aa", true)]
#[case("a*b*c", "abbcbc", true)]
#[case("*", "", true)]
#[case("A7", "somebody", false)]
#[case("a7", "somebody", true)]
fn a_login_a_pattern_or_an_id(#[case] item: &str, #[case] login: &str, #[case] protected: bool) {
    assert_eq!(names(&strings(&[item]), &account("a7", login, None)), protected);
}

fn protecting(login: &str) -> AppSpec {
    AppSpec { protected_accounts: strings(&[login]), ..AppSpec::default() }
}

#[test]
fn a_protected_account_is_not_taken_over_even_with_our_marker() {
    let (mut world, mut stored) = (World::with([account("a0", "ann", Some(OURS))]), None);
    let outcome =
        pass(&mut world, &wanted(ann(&[])), &mut stored, &context(&protecting("ann")), Crash::default());
    assert_eq!((outcome.remote(), outcome.blocked.unwrap().reason), (0, Reason::ProtectedAccount));
    assert_eq!(stored.unwrap().state, AccountState::Conflict);
}

#[test]
fn of_a_protected_account_or_person_attributes_are_kept_right_and_nothing_is_taken() {
    let spec = AppSpec::default();
    let protect = protecting("ann");
    for ctx in [context(&protect), Context { protected: true, ..context(&spec) }] {
        let mut world = World::with([account("a0", "ann", Some(OURS))]);
        world.members.insert(("a0".to_owned(), "g1".to_owned()));
        let mut stored = Some(entry("a0", "ann", AccountState::Active));
        stored.as_mut().unwrap().entitlements = strings(&["group:g1"]);
        let outcome = pass(&mut world, &wanted(ann(&["G2"])), &mut stored, &ctx, Crash::default());
        assert_eq!(outcome.steps.iter().map(Step::as_str).collect::<Vec<_>>(), ["update", "grant"]);
        assert!(outcome.blocked.is_some() && world.members.len() == 2);
        assert_eq!(stored.unwrap().entitlements, ["group:g1", "group:g2"]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the ledger, the policy and the target say.
    #[test]
    fn nothing_is_taken_from_a_protected_account(case in any_case(), by_id: bool, which in 0usize..4) {
        let mut case = case;
        let Some(guarded) = case.world.accounts.values().nth(which).cloned() else { return Ok(()) };
        let item = if by_id { guarded.id.clone() } else { guarded.login.to_uppercase() };
        case.spec.protected_accounts = vec![item];
        let (ctx, mut world, mut entry) = (case.context(), case.world.clone(), case.entry.clone());
        for _ in 0..3 {
            work(&mut world, &case.wanted, &mut entry, &ctx, Crash::default());
        }
        let after = &world.accounts[&guarded.id];
        prop_assert!(after.active >= guarded.active);
        let groups = |world: &World| -> Vec<_> {
            world.members.iter().filter(|(account, _)| *account == guarded.id).cloned().collect()
        };
        prop_assert!(groups(&case.world).iter().all(|member| world.members.contains(member)));
    }

    /// Whoever goes, somebody who can run the App stays.
    #[test]
    fn the_last_administrator_stays(case in any_case(), wanted in proptest::collection::vec(any_wanted(), 1..4)) {
        let mut case = case;
        case.spec.administrators = vec![group("G3")];
        let ctx = case.context();
        let (mut world, mut entry) = (case.world.clone(), case.entry.clone());
        let administered = |world: &World| {
            let admins = world.members.iter().filter(|(_, group)| group == ADMINS);
            admins.filter_map(|(account, _)| world.accounts.get(account)).any(|account| account.active)
        };
        if !administered(&world) {
            return Ok(());
        }
        for wanted in &wanted {
            pass(&mut world, wanted, &mut entry, &ctx, Crash::default());
            prop_assert!(administered(&world), "{:?}", wanted);
        }
    }
}
