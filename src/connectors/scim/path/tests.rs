use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

#[rstest]
#[case("title", None, "title", None)]
#[case("name.givenName", None, "name", Some("givenName"))]
#[case(enterprise!("department"), Some(ENTERPRISE), "department", None)]
#[case(enterprise!("manager.value"), Some(ENTERPRISE), "manager", Some("value"))]
#[case("urn:ietf:params:scim:schemas:core:2.0:User:name.givenName", None, "name", Some("givenName"))]
#[case("urn:acme:1.5:shoe.size", Some("urn:acme:1.5"), "shoe", Some("size"))]
fn names_are_taken_apart(
    #[case] name: &str,
    #[case] extension: Option<&str>,
    #[case] attribute: &str,
    #[case] sub: Option<&str>,
) {
    assert_eq!(Path::parse(name), Path { extension, attribute, sub });
}

#[test]
fn values_are_set_and_removed_in_place() {
    let mut resource = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        Path::parse(name).set(&mut resource, value);
        Value::Object(resource.clone())
    };
    set("name.givenName", Some(json!("Ann")));
    set("NAME.familyName", Some(json!("Smith")));
    let whole = set(enterprise!("manager.value"), Some(json!("7")));
    let expected = json!({
        "name": { "givenName": "Ann", "familyName": "Smith" },
        ENTERPRISE: { "manager": { "value": "7" } },
    });
    assert_eq!(whole, expected);
    set("name.GivenName", None);
    set("unknown.sub", None);
    assert_eq!(set(enterprise!("manager.value"), None), json!({ "name": { "familyName": "Smith" } }));
}

#[test]
fn answers_are_read_whatever_their_case() {
    let resource = json!({
        "ID": "7", "Schemas": [], "meta": {}, "USERNAME": "ann", "title": null,
        "Name": { "GIVENNAME": "Ann", "nick": "A", "middleName": null },
        "URN:ietf:params:scim:schemas:extension:ENTERPRISE:2.0:User": { "Department": "R&D", "manager": { "value": "1" } },
        "urn:ietf:params:scim:schemas:core:2.0:User:displayName": "Ann S",
        "custom": 5,
    });
    let flat = flatten(resource.as_object().unwrap());
    let expected = json!({
        "userName": "ann", "name.givenName": "Ann", "Name.nick": "A", "displayName": "Ann S", "custom": 5,
        enterprise!("department"): "R&D", enterprise!("manager.value"): "1",
    });
    assert_eq!(serde_json::to_value(flat).unwrap(), expected);
}

#[test]
fn nulls_are_left_out_at_every_depth() {
    let value = json!([{ "value": "x", "type": null, "more": { "a": null, "b": [null, 1] } }]);
    assert_eq!(without_nulls(&value), json!([{ "value": "x", "more": { "b": [null, 1] } }]));
}

proptest! {
    /// What is set under a name is read under the same name, and removing it leaves nothing.
    #[test]
    fn what_is_written_is_read(name in "([a-z]{1,8}|urn:[a-z]{1,5}:2\\.0:[A-Z][a-z]{1,5}:[a-z]{1,8})(\\.[a-z]{1,8})?", value in "[a-z]{0,5}") {
        prop_assume!(!["id", "schemas", "meta"].contains(&Path::parse(&name).attribute));
        let mut resource = Map::new();
        Path::parse(&name).set(&mut resource, Some(json!(value)));
        let flat = flatten(&resource);
        prop_assert_eq!(flat.into_iter().collect::<Vec<_>>(), vec![(canonical(&name), json!(value))]);
        Path::parse(&name).set(&mut resource, None);
        prop_assert!(resource.is_empty());
    }
}
