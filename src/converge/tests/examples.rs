//! People who should have an account, one situation at a time.

use rstest::rstest;

use super::world::{Crash, Outcome, World, pass, plan_now};
use super::*;
use crate::api::app::{AdoptionPolicy, Marker};

fn spec(policy: AdoptionPolicy, match_on: &[&str]) -> AppSpec {
    let mut spec = AppSpec::default();
    spec.adoption.policy = policy;
    spec.adoption.match_on = strings(match_on);
    spec
}

fn names(steps: &[Step]) -> Vec<&str> {
    steps.iter().map(Step::as_str).collect()
}

/// Ann's account as Tenure made it.
fn anns() -> RemoteAccount {
    let attributes = ann(&[]).attributes.into_iter().map(|(name, want)| (name, want.value)).collect();
    RemoteAccount { attributes, ..account("a0", "ann", Some(OURS)) }
}

fn settled(groups: &[&str], held: &[&str]) -> LedgerEntry {
    let applied = digest(&ann(groups), "ann");
    LedgerEntry { applied, entitlements: strings(held), ..entry("a0", "ann", AccountState::Active) }
}

fn go(
    world: &mut World,
    desired: DesiredAccount,
    stored: &mut Option<LedgerEntry>,
    spec: &AppSpec,
) -> Outcome {
    pass(world, &wanted(desired), stored, &context(spec), Crash::default())
}

#[test]
fn a_joiner_costs_one_lookup_and_one_create() {
    let (mut world, mut stored, spec) = (World::default(), None, AppSpec::default());
    let outcome = go(&mut world, ann(&[]), &mut stored, &spec);
    assert_eq!(names(&outcome.steps), ["create"]);
    assert_eq!(world.asked, [Query::Find { attribute: "externalId".to_owned(), value: OURS.to_owned() }]);
    let entry = stored.unwrap();
    assert_eq!(
        (entry.state, entry.id.as_str(), entry.user_name.as_str()),
        (AccountState::Active, "n1", "ann")
    );
    assert_eq!((entry.reason.as_str(), entry.pending), ("", None));
    assert_eq!(
        due(&wanted(ann(&[])), Some(&settled(&[], &[])), &context(&spec)),
        Due::Nothing { next: None }
    );
}

#[test]
fn a_new_account_gets_every_value_it_can_have() {
    let mut desired = ann(&["G1", "new"]);
    let odd = |value, strength| DesiredAttribute { value, strength, clear_when_null: true };
    desired.attributes.insert("once".to_owned(), odd(json!(1), Strength::Initial));
    desired.attributes.insert("default".to_owned(), odd(json!("de"), Strength::IfEmpty));
    desired.attributes.insert("none".to_owned(), odd(json!(null), Strength::Always));
    let mut world = World { creates_groups: true, ..World::with([]) };
    let mut stored = None;
    go(&mut world, desired, &mut stored, &AppSpec::default());
    let made: Vec<_> = world.accounts["n1"].attributes.keys().map(String::as_str).collect();
    assert_eq!(made, ["default", "mail", "once", "title"]);
    assert_eq!(stored.unwrap().entitlements, ["group:g-new", "group:g1"]);
}

#[test]
fn a_taken_login_gives_way_to_the_next_candidate() {
    let mut desired = ann(&[]);
    desired.logins = strings(&["ann", "ann2"]);
    let (mut world, mut stored) = (World::with([account("x", "ANN", None)]), None);
    go(&mut world, desired, &mut stored, &AppSpec::default());
    assert_eq!(stored.unwrap().user_name, "ann2");
}

#[test]
fn a_refused_create_is_looked_into_before_anything_else_is_made() {
    let (spec, mut desired) = (AppSpec::default(), ann(&[]));
    let ctx = context(&spec);
    // Taken by somebody else, and there is no other candidate.
    let (mut world, mut stored) = (World::with([account("x", "ann", None)]), None);
    let outcome = go(&mut world, desired.clone(), &mut stored, &spec);
    assert_eq!(outcome.blocked.unwrap().reason, Reason::AccountExists);
    assert_eq!(stored.as_ref().unwrap().state, AccountState::Conflict);
    // Taken by the account of an earlier attempt whose reply was lost.
    desired.logins = strings(&["ann", "ann2"]);
    let mut seen = Observed::default();
    plan_now(&mut World::default(), &wanted(desired.clone()), None, &mut seen, &ctx);
    seen.refused("ann".to_owned());
    let plan = plan_now(&mut World::with([anns()]), &wanted(desired), None, &mut seen, &ctx);
    assert_eq!(names(&plan.steps), ["adopt"]);
}

#[test]
fn a_twin_without_marker_is_no_reason_for_a_second_account() {
    let mut desired = ann(&[]);
    desired.logins = strings(&["ann", "ann2"]);
    let twin = RemoteAccount { marker: None, ..anns() };
    let (mut world, mut stored) = (World::with([twin]), None);
    let outcome = go(&mut world, desired, &mut stored, &AppSpec::default());
    assert_eq!(outcome.blocked.unwrap().reason, Reason::AccountExists);
    assert_eq!(world.made, 0);
}

#[rstest]
#[case::marked_create_only(AdoptionPolicy::CreateOnly, &[], Some(OURS), &["mail"], "adopt")]
#[case::marked_adopt_only(AdoptionPolicy::AdoptOnly, &[], Some(OURS), &[], "adopt")]
#[case::nothing_listed(AdoptionPolicy::AdoptOrCreate, &[], None, &["mail"], "AccountExists")]
#[case::login_and_mail(AdoptionPolicy::AdoptOrCreate, &["userName"], None, &["mail"], "adopt")]
#[case::login_alone(AdoptionPolicy::AdoptOrCreate, &["userName"], None, &[], "AccountExists")]
#[case::mail_and_title(AdoptionPolicy::AdoptOnly, &["mail"], Some(""), &["mail", "title"], "adopt")]
#[case::mail_and_login(AdoptionPolicy::AdoptOnly, &["mail"], None, &["mail"], "adopt")]
#[case::listed_does_not_agree(AdoptionPolicy::AdoptOnly, &["mail"], None, &["title"], "NothingToAdopt")]
#[case::foreign(AdoptionPolicy::AdoptOrCreate, &["userName", "mail"], Some("p-2"), &["mail", "title"], "AccountExists")]
#[case::marker_is_no_attribute(AdoptionPolicy::AdoptOnly, &["externalId"], Some("p-2"), &["mail"], "NothingToAdopt")]
#[case::create_only(AdoptionPolicy::CreateOnly, &["userName"], None, &["mail"], "AccountExists")]
#[case::unmapped(AdoptionPolicy::AdoptOnly, &["phone"], None, &["mail"], "NothingToAdopt")]
fn adoption(
    #[case] policy: AdoptionPolicy,
    #[case] match_on: &[&str],
    #[case] marker: Option<&str>,
    #[case] agreeing: &[&str],
    #[case] expected: &str,
) {
    let mut remote = RemoteAccount { marker: marker.map(str::to_owned), ..anns() };
    remote.attributes.retain(|name, _| agreeing.contains(&name.as_str()));
    let (mut world, mut stored) = (World::with([remote.clone()]), None);
    let outcome = go(&mut world, ann(&[]), &mut stored, &spec(policy, match_on));
    if expected == "adopt" {
        assert_eq!(outcome.steps[0].as_str(), "adopt");
        assert_eq!((&stored.unwrap().id, world.marked().len()), (&remote.id, 1));
    } else {
        assert_eq!(outcome.blocked.unwrap().reason.as_str(), expected);
        assert_eq!(world.accounts["a0"], remote);
    }
}

#[test]
fn a_mail_among_several_matches() {
    let mails = json!([{"value": "old@x"}, {"value": "Ann@x", "primary": true}]);
    let mut desired = ann(&[]);
    desired.attributes.insert("mail".to_owned(), attribute(mails));
    let mut remote = account("a0", "someone", None);
    remote.attributes = [("mail", json!([{"value": "Ann@x"}])), ("title", json!("engineer"))]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
    let mut world = World::with([remote]);
    let mut stored = None;
    // The attribute is found under the name that is mapped.
    let outcome = go(&mut world, desired, &mut stored, &spec(AdoptionPolicy::AdoptOnly, &["mail"]));
    assert_eq!(names(&outcome.steps), ["adopt", "update"]);
    assert_eq!(world.accounts["a0"].login, "ann");
}

#[test]
fn two_that_match_are_for_a_person_to_decide() {
    let twins = [
        RemoteAccount { marker: None, ..anns() },
        RemoteAccount { id: "a1".to_owned(), login: "ann2".to_owned(), marker: None, ..anns() },
    ];
    let (mut world, mut stored) = (World::with(twins), None);
    let outcome = go(&mut world, ann(&[]), &mut stored, &spec(AdoptionPolicy::AdoptOrCreate, &["mail"]));
    assert_eq!(outcome.blocked.unwrap().reason, Reason::AmbiguousMatch);
    assert_eq!((outcome.steps.len(), stored.unwrap().state), (0, AccountState::Conflict));
}

#[test]
fn a_mover_loses_before_they_gain() {
    let (mut world, mut stored) =
        (World::with([anns()]), Some(settled(&["G1", "G2"], &["group:g1", "group:g2"])));
    let mut desired = ann(&["G2", "G3"]);
    desired.attributes.insert("title".to_owned(), attribute(json!("Nurse")));
    let outcome = go(&mut world, desired, &mut stored, &AppSpec::default());
    assert_eq!(names(&outcome.steps), ["revoke", "update", "grant"]);
    let Step::Update { changes, .. } = &outcome.steps[1] else { panic!() };
    assert_eq!(*changes, [Change { attribute: "title".to_owned(), value: Some(json!("Nurse")) }]);
    assert_eq!(stored.unwrap().entitlements, ["group:g2", "group:g3"]);
}

#[test]
fn a_missing_group_holds_up_nothing_else_and_stays_due() {
    let (mut world, mut stored, spec) = (World::with([]), None, AppSpec::default());
    let desired = ann(&["G1", "G9"]);
    go(&mut world, desired.clone(), &mut stored, &spec);
    let entry = stored.clone().unwrap();
    assert_eq!((entry.state, entry.reason.as_str()), (AccountState::Active, "EntitlementNotFound"));
    assert_eq!(entry.entitlements, ["group:g1"]);
    world.groups.insert("g9".to_owned(), "G9".to_owned());
    let outcome = go(&mut world, desired, &mut stored, &spec);
    assert_eq!((names(&outcome.steps), stored.unwrap().reason.as_str()), (vec!["grant"], ""));
}

#[test]
fn two_names_of_one_group_are_one_grant() {
    let (spec, mut seen) = (AppSpec::default(), Observed::default());
    for name in ["G1", "g1"] {
        seen.resolution(group(name), Resolution::Id("g1".to_owned()));
    }
    let plan = plan_now(&mut World::default(), &wanted(ann(&["G1", "g1"])), None, &mut seen, &context(&spec));
    assert_eq!(names(&plan.steps), ["create", "grant"]);
}

#[test]
fn a_pass_cut_off_is_not_taken_for_none_when_the_wish_goes_back() {
    let (mut world, mut stored, spec) = (World::with([anns()]), Some(settled(&[], &[])), AppSpec::default());
    let crash = Crash { after: Some(1), stores: true };
    pass(&mut world, &wanted(ann(&["G1", "G2"])), &mut stored, &context(&spec), crash);
    assert_eq!(stored.as_ref().unwrap().entitlements, ["group:g1"]);
    assert_eq!(names(&go(&mut world, ann(&[]), &mut stored, &spec).steps), ["revoke"]);
}

#[test]
fn who_is_back_is_not_deleted_even_if_something_is_missing() {
    let mut stored = Some(entry("a0", "ann", AccountState::Suspended));
    stored.as_mut().unwrap().delete_at = Some(NOW);
    let mut world = World::with([RemoteAccount { active: false, ..anns() }]);
    go(&mut world, ann(&["G9"]), &mut stored, &AppSpec::default());
    let entry = stored.unwrap();
    assert_eq!((entry.state, entry.delete_at), (AccountState::Active, None));
}

#[test]
fn no_more_is_granted_than_the_ledger_can_hold() {
    let mut desired = ann(&[]);
    desired.entitlements = (0..70).map(|place| group(&format!("N{place}"))).collect();
    let (mut world, mut stored) = (World { creates_groups: true, ..World::with([]) }, None);
    let outcome = go(&mut world, desired, &mut stored, &AppSpec::default());
    assert_eq!(outcome.blocked.unwrap().reason, Reason::InvalidConfiguration);
    assert_eq!(stored.unwrap().entitlements.len(), 64);
}

#[test]
fn what_the_target_does_not_keep_is_said_once_and_not_fought_over() {
    let (mut world, mut stored, spec) =
        (World { drops_marker: true, ..World::default() }, None, AppSpec::default());
    go(&mut world, ann(&[]), &mut stored, &spec);
    let entry = stored.clone().unwrap();
    assert_eq!(entry.reason, "AttributesNotKept");
    assert!(entry.message.contains("externalId"));
    assert_eq!(go(&mut world, ann(&[]), &mut stored, &spec).remote(), 0);
}

#[rstest]
#[case::ours("ann", Some(OURS), None)]
#[case::renamed_by_hand("renamed", Some(OURS), None)]
#[case::unmarked_by_hand("Ann", None, None)]
#[case::reused_id("zoe", None, Some(Reason::NotOurs))]
#[case::somebody_elses("ann", Some("p-2"), Some(Reason::NotOurs))]
fn the_recorded_account_must_still_be_ours(
    #[case] login: &str,
    #[case] marker: Option<&str>,
    #[case] refused: Option<Reason>,
) {
    let mut stored = Some(LedgerEntry { applied: String::new(), ..settled(&[], &[]) });
    let mut world = World::with([account("a0", login, marker)]);
    let outcome = go(&mut world, ann(&[]), &mut stored, &AppSpec::default());
    assert_eq!(outcome.blocked.map(|refusal| refusal.reason), refused);
    assert_eq!(outcome.steps.is_empty(), refused.is_some());
}

#[test]
fn an_account_that_vanished_is_made_again_without_its_old_grants() {
    let (mut world, mut stored) = (World::with([]), Some(entry("gone", "ann", AccountState::Active)));
    stored.as_mut().unwrap().entitlements = strings(&["group:g2"]);
    // So young that the App may not show it yet.
    let outcome = go(&mut world, ann(&["G1"]), &mut stored, &AppSpec::default());
    assert_eq!(outcome.blocked.map(|refusal| refusal.reason), Some(Reason::AccountGone));
    assert!(outcome.steps.is_empty() && stored.as_ref().unwrap().id == "gone");
    stored.as_mut().unwrap().last_transition_time = Some(NOW - jiff::SignedDuration::from_mins(3));
    let outcome = go(&mut world, ann(&["G1"]), &mut stored, &AppSpec::default());
    assert_eq!(names(&outcome.steps), ["create", "grant"]);
    assert_eq!(stored.unwrap().entitlements, ["group:g1"]);
}

#[test]
fn where_accounts_bear_no_marker_one_that_vanished_is_made_again_only_when_a_listing_lacks_it_too() {
    let spec = AppSpec {
        marker: Marker { attribute: Some(String::new()), prefix: String::new() },
        ..AppSpec::default()
    };
    let mut gone = entry("gone", "ann", AccountState::Active);
    gone.last_transition_time = Some(NOW - jiff::SignedDuration::from_mins(3));
    let mut seen = Observed::default();
    seen.account("gone".to_owned(), None);
    let look = |findings: &[Finding]| {
        let ctx = Context { findings, ..context(&spec) };
        plan(&wanted(ann(&[])), Some(&gone), &seen, &ctx).unwrap()
    };
    assert_eq!(look(&[]).blocked.map(|refusal| refusal.reason), Some(Reason::AccountGone));
    assert_eq!(names(&look(&[Finding::Gone]).steps), ["announce", "create"]);
}

#[test]
fn on_another_target_the_account_is_found_by_marker_not_by_id() {
    let stranger = account("a0", "zoe", None);
    let moved = RemoteAccount { id: "b7".to_owned(), ..anns() };
    let mut stored = Some(LedgerEntry { target: "t0".to_owned(), ..settled(&[], &["group:g1"]) });
    let mut world = World::with([stranger.clone(), moved]);
    let outcome = go(&mut world, ann(&[]), &mut stored, &AppSpec::default());
    assert_eq!(names(&outcome.steps), ["adopt"]);
    let entry = stored.unwrap();
    assert_eq!((entry.id.as_str(), entry.target.as_str(), entry.entitlements.len()), ("b7", TARGET, 0));
    assert_eq!(world.accounts["a0"], stranger);
}

#[rstest]
#[case::by_tenure(Some(AccountState::Suspended), "", false, true)]
#[case::while_deleting(Some(AccountState::Deleting), "", false, true)]
#[case::by_hand(Some(AccountState::Active), "", false, false)]
#[case::by_hand_before_tenure(Some(AccountState::Suspended), "SuspendedElsewhere", false, false)]
#[case::retained_then_by_hand(Some(AccountState::Retained), "", false, false)]
#[case::ledger_lost(None, "", false, false)]
#[case::by_hand_but_asked_for(Some(AccountState::Active), "", true, true)]
#[case::ledger_lost_but_asked_for(None, "", true, true)]
fn only_tenures_own_suspension_is_undone(
    #[case] state: Option<AccountState>,
    #[case] reason: &str,
    #[case] resume: bool,
    #[case] resumed: bool,
) {
    let mut stored =
        state.map(|state| LedgerEntry { reason: reason.to_owned(), ..entry("a0", "ann", state) });
    let mut world = World::with([RemoteAccount { active: false, ..anns() }]);
    let spec = AppSpec::default();
    let ctx = Context { resume, ..context(&spec) };
    let outcome = pass(&mut world, &wanted(ann(&[])), &mut stored, &ctx, Crash::default());
    assert_eq!(world.accounts["a0"].active, resumed);
    if !resumed {
        assert_eq!(outcome.blocked.unwrap().reason, Reason::SuspendedElsewhere);
        assert_eq!(stored.unwrap().reason, "SuspendedElsewhere");
    }
}

#[test]
fn an_intent_is_stored_before_a_create_that_cannot_be_found_again() {
    let spec = spec(AdoptionPolicy::CreateOnly, &[]);
    let (mut world, mut stored) = (World::default(), None);
    let crash = Crash { after: Some(0), stores: false };
    pass(&mut world, &wanted(ann(&[])), &mut stored, &context(&spec), crash);
    let pending = stored.clone().unwrap().pending.unwrap();
    assert_eq!((pending.operation.as_str(), pending.key.as_str()), ("create", "ann"));
    assert_eq!(names(&go(&mut world, ann(&[]), &mut stored, &spec).steps), ["create"]);
    assert_eq!(stored.unwrap().pending, None);
}
