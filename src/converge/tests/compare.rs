//! When values are the same, and when digests are.

use rstest::rstest;

use super::*;

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
