use proptest::prelude::*;
use serde_json::json;

use super::*;

fn change(attribute: &str, value: Option<Value>) -> Change {
    Change { attribute: attribute.to_owned(), value }
}

#[test]
fn an_account_is_represented_with_its_schemas() {
    let department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
    let account = NewAccount {
        login: "ann".to_owned(),
        marker: ("externalId".to_owned(), "E-1".to_owned()),
        attributes: [
            ("name.givenName", json!("Ann")),
            ("emails", json!([{ "value": "a@b", "type": null }])),
            ("title", Value::Null),
            (department, json!("R&D")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into(),
    };
    let expected = json!({
        "schemas": [USER, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
        "userName": "ann", "externalId": "E-1", "active": true,
        "name": { "givenName": "Ann" }, "emails": [{ "value": "a@b" }],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": "R&D" },
    });
    assert_eq!(representation(&account), expected);
}

#[test]
fn one_operation_an_attribute() {
    let changes = [
        change("title", Some(json!("x"))),
        change("name.givenName", None),
        change("locale", Some(Value::Null)),
    ];
    let expected = json!([
        { "op": "replace", "path": "title", "value": "x" },
        { "op": "remove", "path": "name.givenName" },
        { "op": "remove", "path": "locale" },
    ]);
    assert_eq!(operations(&changes), expected);
}

#[test]
fn values_of_multi_valued_attributes_are_searched_for() {
    assert_eq!(filter(&searchable("emails"), "a@b"), "emails.value eq \"a@b\"");
    assert_eq!(filter(&searchable("emails.type"), "work"), "emails.type eq \"work\"");
    assert_eq!(filter(&searchable("userName"), "a"), "userName eq \"a\"");
}

proptest! {
    /// The value is one JSON string: it cannot end early and say more.
    #[test]
    fn filter_values_cannot_break_out(value in "\\PC{0,20}|[\"\\\\\\n\\r\\t a]{0,10}") {
        let filter = filter("userName", &value);
        let literal = filter.strip_prefix("userName eq ").unwrap();
        prop_assert_eq!(serde_json::from_str::<String>(literal).unwrap(), value);
    }
}
