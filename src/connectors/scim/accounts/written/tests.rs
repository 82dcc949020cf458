use proptest::prelude::*;
use rstest::rstest;

use super::*;

const DEPARTMENT: &str = enterprise!("department");

fn ann() -> NewAccount {
    let attributes = [
        ("name.givenName", json!("Ann")),
        (
            "emails",
            json!([{ "value": "a@b", "type": null }, { "value": "c@d", "type": "home", "primary": true }]),
        ),
        ("title", Value::Null),
        (DEPARTMENT, json!("R&D")),
        (MANAGER_VALUE, json!("7")),
    ];
    NewAccount {
        login: "ann".to_owned(),
        marker: ("externalId".to_owned(), "E-1".to_owned()),
        attributes: attributes.map(|(name, value)| (name.to_owned(), value)).into(),
    }
}

fn written(profile: &Profile) -> Value {
    representation(&ann(), profile, &terms(profile))
}

#[test]
fn an_account_is_represented_with_its_schemas() {
    let expected = json!({
        "schemas": [USER, ENTERPRISE],
        "userName": "ann", "externalId": "E-1", "active": true, "name": { "givenName": "Ann" },
        "emails": [{ "value": "a@b" }, { "value": "c@d", "type": "home", "primary": true }],
        ENTERPRISE: { "department": "R&D", "manager": { "value": "7" } },
    });
    assert_eq!(written(&Profile::default()), expected);
}

#[test]
fn what_a_service_provider_cannot_take_is_not_sent() {
    let unsupported = ["name", "EMAILS", "active", "externalId"].map(str::to_owned).to_vec();
    let profile =
        Profile { unsupported_attributes: unsupported, manager: ManagerShape::None, ..Profile::default() };
    let expected =
        json!({ "schemas": [USER, ENTERPRISE], "userName": "ann", ENTERPRISE: { "department": "R&D" } });
    assert_eq!(written(&profile), expected);
    let profile = Profile { extensions: Extensions::None, ..profile };
    assert_eq!(written(&profile), json!({ "schemas": [USER], "userName": "ann" }));
    let profile = Profile { unsupported_attributes: vec!["userName".to_owned()], ..profile };
    assert_eq!(written(&profile)["userName"], "ann");
}

#[test]
fn attributes_take_the_form_that_is_asked_for() {
    let profile = Profile {
        manager: ManagerShape::String,
        booleans: Booleans::String,
        multi_valued: MultiValued::ValueOnly,
        ..Profile::default()
    };
    let ann = written(&profile);
    assert_eq!(ann[ENTERPRISE]["manager"], "7");
    assert_eq!(ann["active"], "True");
    assert_eq!(ann["emails"], json!([{ "value": "a@b" }, { "value": "c@d" }]));
    let ann = written(&Profile { multi_valued: MultiValued::One, ..profile });
    assert_eq!(ann["emails"], json!([{ "value": "c@d", "type": "home", "primary": true }]));
}

#[rstest]
#[case(json!("9"))]
#[case(json!({ "value": "9", "displayName": "Nina", "$ref": "Users/9" }))]
fn a_manager_is_replaced_whole(#[case] before: Value) {
    let mut resource =
        json!({ "schemas": [USER, ENTERPRISE], ENTERPRISE: { "manager": before, "division": "D" } });
    let change = Change { attribute: MANAGER_VALUE.to_owned(), value: Some(json!("7")) };
    let object = resource.as_object_mut().unwrap();
    assert!(apply(object, std::slice::from_ref(&change), &Profile::default()));
    assert!(!apply(object, &[change], &Profile::default()), "again");
    assert_eq!(resource[ENTERPRISE], json!({ "manager": { "value": "7" }, "division": "D" }));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,5}", inner, 0..3).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "title",
            "name.givenName",
            "name.familyName",
            "emails",
            DEPARTMENT,
            MANAGER_VALUE
        ])
        .prop_map(str::to_owned),
        "[a-z]{1,4}",
        "urn:acme:[a-z]{1,2}:[a-z]{1,3}",
    ]
}

fn any_change() -> impl Strategy<Value = Change> {
    (any_name(), prop::option::of("[a-z]{1,4}"))
        .prop_map(|(attribute, text)| Change { attribute, value: text.map(Value::from) })
}

fn any_resource() -> impl Strategy<Value = Map<String, Value>> {
    let key = prop_oneof![
        prop::sample::select(vec!["title", "name", "emails", "urn:acme:a", "urn:other:b", ENTERPRISE])
            .prop_map(str::to_owned),
        "[a-z]{1,4}",
    ];
    prop::collection::btree_map(key, any_value(), 0..6).prop_map(|map| map.into_iter().collect())
}

/// What a change is about: the key in the resource, the one beneath, the one beneath that.
fn place(change: &Change) -> Vec<String> {
    let (name, _) = placed(&change.attribute, None, &Profile::default());
    let path = Path::parse(&name);
    let parts = [path.extension, Some(path.attribute), path.sub];
    parts.into_iter().flatten().map(str::to_owned).collect()
}

/// Every leaf of a resource, by its way there.
fn leaves(value: &Value, way: &mut Vec<String>, into: &mut Vec<(Vec<String>, Value)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                way.push(key.clone());
                leaves(value, way, into);
                way.pop();
            }
        }
        leaf => into.push((way.clone(), leaf.clone())),
    }
}

proptest! {
    /// A resource is written back with all that no change names, and reading it shows every change.
    #[test]
    fn nothing_foreign_is_lost(original in any_resource(), changes in prop::collection::vec(any_change(), 0..5)) {
        let mut after = original.clone();
        apply(&mut after, &changes, &Profile::default());
        let (mut kept, mut there) = (Vec::new(), Vec::new());
        leaves(&Value::Object(original), &mut Vec::new(), &mut kept);
        leaves(&Value::Object(after.clone()), &mut Vec::new(), &mut there);
        // What is on the way to a change or beneath it belongs to the change, if it is no object with other members.
        let named = |way: &[String]| changes.iter().map(place).any(|place| {
            place.iter().zip(way).all(|(one, other)| one.eq_ignore_ascii_case(other))
        });
        for leaf in kept.iter().filter(|(way, _)| !named(way)) {
            prop_assert!(there.contains(leaf), "{leaf:?} is not in {after:?}");
        }
        let flat = crate::connectors::scim::path::flatten(&after);
        for (at, change) in changes.iter().enumerate() {
            let later = changes[at + 1..].iter().any(|later| {
                place(later).iter().zip(place(change)).all(|(one, other)| *one == other)
            });
            if !later {
                prop_assert_eq!(flat.get(&canonical(&change.attribute)), change.value.as_ref());
            }
        }
    }
}
