use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::connectors::http::LISTING;

/// A text of `unit`s, as long as a listing may be.
fn filled(unit: &str) -> String {
    format!("[{}0]", unit.repeat((LISTING - 3) / unit.len()))
}

#[rstest]
#[case::objects("{\"\":0},")]
#[case::arrays("[0],")]
#[case::numbers("0,")]
#[case::empty_objects("{},")]
fn a_short_text_that_takes_up_much_memory_is_recognised(#[case] unit: &str) {
    assert!(heft(filled(unit).as_bytes()) > TREE_AT_MOST);
}

#[rstest]
#[case::one_long_text(&format!("\"{}\"", "{[,".repeat(LISTING / 4)))]
#[case::escaped_quotes(&format!("\"{}\"", "\\\",{".repeat(LISTING / 8)))]
#[case::backslash_at_the_end("\"\\\\\",\"\\\\\"")]
fn what_is_within_a_string_is_no_value(#[case] text: &str) {
    assert!(heft(text.as_bytes()) <= text.len() + VALUE);
}

/// A page of ordinary people, or a group with thirty thousand members, is far from the bound.
#[test]
fn ordinary_answers_are_light() {
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "0123456789abcdef", "userName": "ann@example.com",
        "name": { "givenName": "Ann", "familyName": "Lee" }, "emails": [{ "value": "ann@example.com", "type": "work" }],
        "meta": { "resourceType": "User", "version": "W/\"1\"" }, "active": true, "title": "Boss",
    });
    let page = Value::from(vec![user; 2_000]).to_string();
    assert!(heft(page.as_bytes()) < TREE_AT_MOST);
    let member =
        json!({ "value": "0123456789abcdef", "$ref": "../Users/0123456789abcdef", "display": "Ann Lee" });
    let group = Value::from(vec![member; 30_000]).to_string();
    assert!(heft(group.as_bytes()) < TREE_AT_MOST);
}
