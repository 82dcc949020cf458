use proptest::prelude::*;
use rstest::rstest;

use super::super::tests::patch;
use super::super::written::apply;
use super::*;
use crate::api::scim::ManagerShape;
use crate::connectors::scim::path::{enterprise, flatten};
use crate::converge::is_empty;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn change(attribute: &str, value: Option<Value>) -> Change {
    Change { attribute: attribute.to_owned(), value }
}

fn changes() -> [Change; 5] {
    [
        change("title", Some(json!("x"))),
        change("name.givenName", Some(json!("Ann"))),
        change(enterprise!("manager.value"), Some(json!("7"))),
        change("locale", None),
        change("emails", None),
    ]
}

#[test]
fn a_path_for_every_operation() {
    let expected = json!([
        { "op": "replace", "path": "title", "value": "x" },
        { "op": "replace", "path": "name.givenName", "value": "Ann" },
        { "op": "replace", "path": enterprise!("manager"), "value": { "value": "7" } },
        { "op": "remove", "path": "locale" },
        { "op": "remove", "path": "emails" },
    ]);
    assert_eq!(operations(&changes(), &Profile::default()), expected);
}

#[rstest]
#[case(PatchStyle::NoPath, json!({
    "title": "x", "name": { "givenName": "Ann" }, ENTERPRISE: { "manager": "7" }, "locale": "", "emails": [],
}))]
#[case(PatchStyle::DottedKeys, json!({
    "title": "x", "name.givenName": "Ann", enterprise!("manager"): "7", "locale": "", "emails": [],
}))]
fn one_operation_without_path(#[case] patch_style: PatchStyle, #[case] value: Value) {
    let profile = Profile {
        patch_style,
        operation_case: OperationCase::Capitalised,
        clearing: Clearing::ReplaceEmpty,
        manager: ManagerShape::String,
        ..Profile::default()
    };
    assert_eq!(operations(&changes(), &profile), json!([{ "op": "Replace", "value": value }]));
}

#[test]
fn what_has_no_value_is_removed_by_name_or_replaced_by_null() {
    let gone = [change("name.givenName", None)];
    let profile = Profile {
        patch_style: PatchStyle::NoPath,
        operation_case: OperationCase::Capitalised,
        ..Profile::default()
    };
    assert_eq!(operations(&gone, &profile), json!([{ "op": "Remove", "path": "name.givenName" }]));
    let profile = Profile { clearing: Clearing::ReplaceNull, ..profile };
    let expected = json!([{ "op": "Replace", "value": { "name": { "givenName": null } } }]);
    assert_eq!(operations(&gone, &profile), expected);
}

fn any_change() -> impl Strategy<Value = Change> {
    let names = vec![
        "title",
        "name.givenName",
        "name.familyName",
        "emails",
        enterprise!("department"),
        enterprise!("manager.value"),
        "urn:acme:2.0:User:shoe",
    ];
    (prop::sample::select(names), prop::option::of("[a-z]{1,4}")).prop_map(|(name, text)| {
        let value = text.map(|text| if name == "emails" { json!([{ "value": text }]) } else { json!(text) });
        change(name, value)
    })
}

fn any_user() -> impl Strategy<Value = Value> {
    let user = json!({
        "userName": "ann", "title": "t", "name": { "givenName": "A", "middleName": "M" },
        "emails": [{ "value": "a", "type": "work" }], "roles": [{ "value": "r" }],
        ENTERPRISE: { "department": "D", "division": "V", "manager": { "value": "1" } },
        "urn:acme:2.0:User": { "shoe": "s", "hat": "h" }, "urn:other:User": { "x": 1 },
    });
    let keys: Vec<String> = user.as_object().unwrap().keys().cloned().collect();
    prop::sample::subsequence(keys, 0..=8).prop_map(move |gone| {
        let mut user = user.clone();
        user.as_object_mut().unwrap().retain(|key, _| !gone.contains(key));
        user
    })
}

proptest! {
    /// However the changes are written, the account is the same in the end: as PUT would make it.
    #[test]
    fn every_style_says_the_same(
        user in any_user(),
        mut changes in prop::collection::vec(any_change(), 0..8),
        clearing in prop::sample::select(vec![Clearing::Remove, Clearing::ReplaceEmpty, Clearing::ReplaceNull]),
    ) {
        changes.sort_by(|one, other| one.attribute.cmp(&other.attribute));
        changes.dedup_by(|one, other| one.attribute == other.attribute);
        let mut whole = user.as_object().unwrap().clone();
        apply(&mut whole, &changes, &Profile::default());
        whole.remove("schemas");
        let expected = flatten(&whole);
        for patch_style in [
            PatchStyle::PathPerOperation,
            PatchStyle::OneOperationPerRequest,
            PatchStyle::NoPath,
            PatchStyle::DottedKeys,
        ] {
            let profile = Profile { patch_style, clearing, ..Profile::default() };
            let mut patched = user.clone();
            patch(&mut patched, &operations(&changes, &profile));
            let mut flat = flatten(patched.as_object().unwrap());
            flat.retain(|_, value| !is_empty(value));
            prop_assert_eq!(&flat, &expected, "{:?}", patch_style);
        }
    }
}
