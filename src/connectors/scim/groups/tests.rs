use rstest::rstest;
use serde_json::json;

use super::*;

#[rstest]
#[case::hidden(json!({}), None)]
#[case::null(json!({ "members": null }), None)]
#[case::none(json!({ "Members": [] }), Some(false))]
#[case::there(json!({ "members": [{ "value": "b" }, { "Value": "a" }] }), Some(true))]
#[case::nonsense(json!({ "members": "a" }), Some(false))]
fn members_are_read(#[case] group: Value, #[case] expected: Option<bool>) {
    assert_eq!(is_member(&group, "a"), expected);
}

#[rstest]
#[case::first(json!({}), true, json!({ "members": [{ "value": "a" }] }), true)]
#[case::another(json!({ "members": [{ "value": "b" }] }), true, json!({ "members": [{ "value": "b" }, { "value": "a" }] }), true)]
#[case::there(json!({ "members": [{ "value": "a" }] }), true, json!({ "members": [{ "value": "a" }] }), false)]
#[case::out(json!({ "MEMBERS": [{ "value": "a" }, { "value": "b", "$ref": "x" }, { "value": "a" }] }), false, json!({ "MEMBERS": [{ "value": "b", "$ref": "x" }] }), true)]
#[case::not_there(json!({ "members": [{ "value": "b" }] }), false, json!({ "members": [{ "value": "b" }] }), false)]
fn members_are_changed_only_where_they_must(
    #[case] mut group: Value,
    #[case] wanted: bool,
    #[case] after: Value,
    #[case] changed: bool,
) {
    assert_eq!(set_member(group.as_object_mut().unwrap(), "a", wanted), changed);
    assert_eq!(group, after);
}
