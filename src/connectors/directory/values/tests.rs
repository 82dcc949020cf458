use rstest::rstest;
use serde_json::json;

use super::*;

#[rstest]
#[case::text(json!("a"), false, Some(json!("a")))]
#[case::one(json!(["a"]), false, Some(json!("a")))]
#[case::several(json!(["a", "b"]), false, Some(json!(["a", "b"])))]
#[case::number(json!(7), false, Some(json!("7")))]
#[case::truth(json!(true), false, Some(json!("TRUE")))]
#[case::nothing(json!([""]), false, None)]
#[case::binary(json!("/wA="), true, Some(json!("/wA=")))]
fn values_come_back(#[case] value: Value, #[case] binary: bool, #[case] expected: Option<Value>) {
    assert_eq!(to_json(&to_octets("a", &value, binary).unwrap(), binary), expected);
}

#[rstest]
#[case(json!({"value": "a"}), false)]
#[case(json!([["a"]]), false)]
#[case(json!("no base64!"), true)]
fn what_is_no_value_is_refused_by_name(#[case] value: Value, #[case] binary: bool) {
    let failure = to_octets("photo", &value, binary).unwrap_err();
    assert!(failure.message.starts_with("attribute photo: "), "{failure}");
}

#[test]
fn what_is_no_text_is_not_shown() {
    assert_eq!(to_json(&[vec![0xff, 0xd8]], false), None);
    assert_eq!(to_json(&[vec![0xff, 0xd8]], true), Some(json!("/9g=")));
}
