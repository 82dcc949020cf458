use rstest::rstest;

use super::*;

#[rstest]
#[case::first(json!({}), true, json!({ "roles": [{ "value": "x" }] }), true)]
#[case::there(json!({ "Roles": [{ "value": "x", "primary": true }] }), true, json!({ "Roles": [{ "value": "x", "primary": true }] }), false)]
#[case::bare(json!({ "roles": ["x", "y"] }), false, json!({ "roles": ["y"] }), true)]
#[case::others_stay(json!({ "roles": [{ "value": "y" }, { "value": "x" }] }), false, json!({ "roles": [{ "value": "y" }] }), true)]
#[case::null(json!({ "roles": null }), false, json!({ "roles": [] }), false)]
fn only_this_value_is_changed(
    #[case] mut user: Value,
    #[case] held: bool,
    #[case] after: Value,
    #[case] changed: bool,
) {
    assert_eq!(set(user.as_object_mut().unwrap(), "roles", "x", held), changed);
    assert_eq!(user, after);
}
