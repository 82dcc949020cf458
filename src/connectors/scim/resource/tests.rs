use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

fn read(resource: &Value, marker: &str) -> Result<RemoteAccount, Unreadable> {
    account(resource, marker, &Arc::default())
}

#[rstest]
#[case(json!({}), Ok(true))]
#[case(json!({ "active": null }), Ok(true))]
#[case(json!({ "active": false }), Ok(false))]
#[case(json!({ "Active": "False" }), Ok(false))]
#[case(json!({ "active": "true" }), Ok(true))]
#[case(json!({ "active": "maybe" }), Err(Unreadable::Active))]
#[case(json!({ "active": 0 }), Err(Unreadable::Active))]
fn active_is_read_in_all_its_forms(#[case] mut resource: Value, #[case] active: Result<bool, Unreadable>) {
    resource["id"] = json!("1");
    assert_eq!(read(&resource, "externalId").map(|account| account.active), active);
}

#[rstest]
#[case(json!({ "id": "a" }), Ok("a"))]
#[case(json!({ "ID": 17 }), Ok("17"))]
#[case(json!({ "id": "" }), Err(Unreadable::NoId))]
#[case(json!({ "id": null }), Err(Unreadable::NoId))]
#[case(json!({ "id": "x".repeat(257) }), Err(Unreadable::NoId))]
#[case(json!({ "id": ".." }), Err(Unreadable::NoId))]
#[case(json!({ "id": "1\u{1b}[2J" }), Err(Unreadable::NoId))]
#[case(json!({ "id": "1\n2" }), Err(Unreadable::NoId))]
#[case(json!({ "id": "../Users/1?x#y" }), Ok("../Users/1?x#y"))]
#[case(json!([1]), Err(Unreadable::NoId))]
fn ids_are_bounded_and_opaque(#[case] resource: Value, #[case] expected: Result<&str, Unreadable>) {
    assert_eq!(id(&resource), expected.map(str::to_owned));
}

#[rstest]
#[case("userName", "ANN", true)]
#[case("userName", "anne", false)]
#[case("externalId", "E-1", true)]
#[case("externalId", "e-1", false)]
#[case("emails", "ANN@example.com", true)]
#[case("emails.value", "b@example.com", true)]
#[case("emails.type", "home", true)]
#[case("emails.value", "c@example.com", false)]
#[case("id", "Id1", true)]
#[case("id", "id1", false)]
#[case("badge", "17", true)]
#[case("roles", "admin", true)]
#[case("title", "", false)]
fn a_value_matches_as_its_attribute_compares(
    #[case] attribute: &str,
    #[case] value: &str,
    #[case] expected: bool,
) {
    let user = json!({
        "id": "Id1", "userName": "ann", "externalId": "E-1", "badge": 17, "roles": ["admin"],
        "emails": [{ "value": "ann@example.com" }, { "Value": "b@example.com", "type": "home" }],
    });
    let account = read(&user, "externalId").unwrap();
    assert_eq!(matches(&account, "externalId", attribute, value), expected);
}

#[test]
fn logins_are_exact_where_the_service_provider_says_so() {
    let terms = Arc::new(Terms { exact_login: true, ..Terms::default() });
    let account =
        account(&json!({ "id": "1", "userName": "Ann", "title": "Ann" }), "externalId", &terms).unwrap();
    assert!(matches(&account, "externalId", "USERNAME", "Ann"));
    assert!(!matches(&account, "externalId", "userName", "ann"));
    assert!(matches(&account, "externalId", "title", "ann"));
    assert!(is_like(&account, "userName", "ann"));
}

#[rstest]
#[case(json!("7"))]
#[case(json!({ "value": "7", "displayName": "Bob" }))]
#[case(json!(7))]
fn a_manager_is_read_in_any_shape(#[case] manager: Value) {
    let mut user = json!({ "id": "1", "userName": "ann" });
    user["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"] = json!({ "Manager": manager });
    let name = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value";
    assert_eq!(texts(&read(&user, "").unwrap(), name), ["7"]);
}

#[test]
fn the_marker_is_exact_whichever_attribute_bears_it() {
    let user = json!({ "id": "1", "userName": "ann", "employeeNumber": "E-1" });
    let account = read(&user, "employeeNumber").unwrap();
    assert_eq!(account.marker.as_deref(), Some("E-1"));
    assert!(!matches(&account, "employeeNumber", "employeeNumber", "e-1"));
    assert!(matches(&account, "externalId", "employeeNumber", "e-1"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    let key =
        prop_oneof![Just("id".to_owned()), Just("active".to_owned()), Just("name".to_owned()), ".{0,6}"];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_that_a_target_says_panics(resource in any_json(), attribute in ".{0,12}", value in ".{0,4}") {
        if let Ok(account) = read(&resource, &attribute) {
            matches(&account, "externalId", &attribute, &value);
        }
    }
}
