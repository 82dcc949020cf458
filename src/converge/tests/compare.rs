//! When values are the same, and when digests are.

use std::borrow::Cow;

use rstest::rstest;

use super::*;
use crate::converge::compare::{changes, has_login};

#[rstest]
#[case::scalars(json!("a"), json!("a"), true)]
#[case::case_counts(json!("a"), json!("A"), false)]
#[case::number_and_text(json!(1), json!("1"), false)]
#[case::bool_and_text(json!(true), json!("true"), false)]
#[case::whole_and_float(json!(1), json!(1.0), true)]
#[case::null_and_empty_text(json!(null), json!(""), true)]
#[case::empty_text_and_empty_list(json!(""), json!([]), true)]
#[case::null_and_empty_object(json!(null), json!({"a": ""}), true)]
#[case::false_is_a_value(json!(false), json!(null), false)]
#[case::more_members_there(json!({"value": "x"}), json!({"value": "x", "display": "X"}), true)]
#[case::fewer_members_there(json!({"value": "x", "type": "work"}), json!({"value": "x"}), false)]
#[case::empty_member_missing(json!({"value": "x", "type": ""}), json!({"value": "x"}), true)]
#[case::other_order(json!([1, 2, 3]), json!([3, 1, 2]), true)]
#[case::repeated(json!([1, 1, 2]), json!([1, 2, 2]), false)]
#[case::more_elements_there(json!([1]), json!([1, 2]), false)]
#[case::needs_rearranging(json!([{"a": 1}, {"a": 1, "b": 2}]), json!([{"a": 1, "b": 2}, {"a": 1}]), true)]
#[case::no_pairing(json!([{"a": 1, "b": 2}, {"a": 1, "b": 2}]), json!([{"a": 1, "b": 2}, {"a": 1}]), false)]
fn equivalence(#[case] desired: Value, #[case] observed: Value, #[case] same: bool) {
    assert_eq!(equivalent(&desired, &observed), same);
}

fn of(change: impl Fn(&mut DesiredAccount)) -> String {
    let mut desired = ann(&["G1"]);
    change(&mut desired);
    digest(&desired, "ann")
}

fn set(desired: &mut DesiredAccount, name: &str, value: Value, strength: Strength, clear_when_null: bool) {
    desired.attributes.insert(name.to_owned(), DesiredAttribute { value, strength, clear_when_null });
}

#[test]
fn the_digest_is_stable_across_versions() {
    // A change here makes every account of every installation due: raise the version, and know it.
    assert_eq!(of(|_| {}), "v1:38375512c1c0463eed4153f30474a3d7");
}

#[test]
fn the_digest_covers_what_can_still_be_changed() {
    let base = of(|_| {});
    assert_ne!(base, of(|d| set(d, "title", json!("Nurse"), Strength::Always, false)));
    assert_ne!(base, of(|d| set(d, "title", json!("Engineer"), Strength::IfEmpty, false)));
    assert_ne!(base, of(|d| set(d, "city", json!(null), Strength::Always, true)));
    assert_ne!(base, of(|d| d.entitlements.extend([group("G2")])));
    assert_ne!(base, digest(&ann(&["G1"]), "ann2"));
    assert_ne!(
        of(|d| set(d, "n", json!(1), Strength::Always, false)),
        of(|d| set(d, "n", json!("1"), Strength::Always, false))
    );
}

#[test]
fn the_digest_leaves_out_what_cannot() {
    let base = of(|_| {});
    assert_eq!(base, of(|d| set(d, "city", json!("Bern"), Strength::Initial, false)));
    assert_eq!(base, of(|d| set(d, "city", json!(null), Strength::Always, false)));
    assert_eq!(base, of(|d| set(d, "city", json!(""), Strength::IfEmpty, true)));
    assert_eq!(base, of(|d| d.logins.push("ann2".to_owned())));
}

#[rstest]
#[case("30d", Some(30 * 86_400))]
#[case("12h", Some(43_200))]
#[case("5m", Some(300))]
#[case("1s", Some(1))]
#[case("999999999d", Some(999_999_999 * 86_400))]
#[case("", None)]
#[case("d", None)]
#[case("-1d", None)]
#[case("+1d", None)]
#[case("1.5h", None)]
#[case("1w", None)]
#[case("1d ", None)]
#[case("1é", None)]
#[case("99999999999999999999d", None)]
fn durations(#[case] text: &str, #[case] seconds: Option<i64>) {
    assert_eq!(parse_duration(text).map(|span| span.as_secs()), seconds);
}

fn terms(dropped: &[&str], lists: Lists, exact_login: bool) -> Arc<Terms> {
    Arc::new(Terms { dropped: dropped.iter().map(|d| (*d).to_owned()).collect(), lists, exact_login })
}

#[rstest]
#[case::kept("title", json!("x"), Some(json!("x")))]
#[case::itself("emails", json!([1]), None)]
#[case::beneath("NAME.givenName", json!("x"), None)]
#[case::of_an_extension("urn:acme:2.0:User:shoe.size", json!(1), None)]
#[case::longer_name("named", json!("x"), Some(json!("x")))]
#[case::shorter_name("é", json!("x"), Some(json!("x")))]
fn a_target_has_no_such_attribute(#[case] name: &str, #[case] value: Value, #[case] kept: Option<Value>) {
    let terms = terms(&["name", "Emails", "urn:acme:2.0:User"], Lists::Whole, false);
    assert_eq!(terms.kept(name, &value).map(Cow::into_owned), kept);
}

#[rstest]
#[case(Lists::Whole, json!([{"value": "a", "type": "w"}, {"value": "b", "primary": true}]))]
#[case(Lists::ValueOnly, json!([{"value": "a"}, {"value": "b"}]))]
#[case(Lists::One, json!([{"value": "b", "primary": true}]))]
fn lists_are_kept_in_part(#[case] lists: Lists, #[case] kept: Value) {
    let terms = terms(&[], lists, false);
    let whole = json!([{"value": "a", "type": "w"}, {"value": "b", "primary": true}]);
    assert_eq!(*terms.kept("emails", &whole).unwrap(), kept);
    assert_eq!(*terms.kept("emails", &kept).unwrap(), kept, "again");
    assert_eq!(*terms.kept("title", &json!("x")).unwrap(), json!("x"));
}

#[test]
fn an_address_has_no_value_but_its_parts() {
    let address = json!([{"type": "work", "primary": true, "locality": "Bern"}, "odd"]);
    let kept = terms(&[], Lists::ValueOnly, false).kept("addresses", &address).unwrap().into_owned();
    assert_eq!(kept, json!([{"locality": "Bern"}, "odd"]));
}

/// What a target cannot keep is nobody's concern, and what it keeps is compared as it keeps it.
#[test]
fn nobody_fights_over_what_cannot_be_kept() {
    let mut desired = ann(&[]);
    desired.attributes.clear();
    set(&mut desired, "name.givenName", json!("Ann"), Strength::Always, false);
    set(&mut desired, "emails", json!([{"value": "a", "type": "work"}]), Strength::Always, false);
    set(&mut desired, "nickName", json!(null), Strength::Always, true);
    let mut remote = account("a0", "ann", Some(OURS));
    remote.terms = terms(&["name", "nickName"], Lists::ValueOnly, false);
    remote.attributes.insert("emails".to_owned(), json!([{"value": "a"}]));
    remote.attributes.insert("nickName".to_owned(), json!("Annie"));
    assert_eq!(changes(&desired, &remote), []);
    set(&mut desired, "emails", json!([{"value": "b", "type": "work"}]), Strength::Always, false);
    let change = Change { attribute: "emails".to_owned(), value: Some(json!([{"value": "b"}])) };
    assert_eq!(changes(&desired, &remote), [change]);
}

#[rstest]
#[case(false, "ANN", true)]
#[case(true, "ANN", false)]
#[case(true, "ann", true)]
fn logins_compare_as_their_target_compares_them(
    #[case] exact: bool,
    #[case] login: &str,
    #[case] same: bool,
) {
    let mut remote = account("a0", "ann", None);
    remote.terms = terms(&[], Lists::Whole, exact);
    assert_eq!(has_login(&remote, login), same);
}
