use rstest::rstest;
use serde_json::json;

use super::*;

fn user_type(extensions: &Value) -> Value {
    json!({ "id": "User", "endpoint": "/Users", "schema": USER, "schemaExtensions": extensions })
}

fn group_type() -> Value {
    json!({ "id": "Group", "endpoint": "/Groups", "schema": GROUP })
}

fn enterprise_type() -> Value {
    user_type(&json!([{ "schema": ENTERPRISE, "required": false }]))
}

fn list(items: &Value) -> Value {
    json!({ "totalResults": items.as_array().unwrap().len(), "Resources": items })
}

/// A user schema with all attributes but these.
fn user_schema(without: &[&str]) -> Value {
    let plain = |name: &&&str| !name.contains([':', '.']) && !without.contains(name);
    let mut attributes: Vec<_> = SPELLING
        .iter()
        .filter(plain)
        .map(|name| json!({ "name": name, "mutability": "readWrite" }))
        .collect();
    if !without.contains(&"name") {
        attributes.push(json!({ "name": "name" }));
    }
    json!({ "id": USER, "attributes": attributes })
}

fn enterprise_schema(names: &[&str]) -> Value {
    let attributes: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
    json!({ "id": ENTERPRISE, "attributes": attributes })
}

fn conclude(types: Option<&Value>, schemas: Option<&Value>) -> ScimProfile {
    let mut discovered = ScimProfile::default();
    read(types, schemas, "externalId", &mut discovered);
    discovered
}

#[rstest]
#[case::both(list(&json!([enterprise_type(), group_type()])), None, None)]
#[case::no_groups(list(&json!([enterprise_type()])), Some(MemberChange::Unsupported), None)]
#[case::bare_list(json!([enterprise_type()]), Some(MemberChange::Unsupported), None)]
#[case::more_pages(json!({ "totalResults": 2, "Resources": [enterprise_type()] }), None, None)]
#[case::implausible(list(&json!([{ "id": "Device", "schema": "urn:device" }])), None, None)]
#[case::no_extension(list(&json!([user_type(&json!([])), group_type()])), None, Some(Extensions::None))]
#[case::not_spoken_of(list(&json!([user_type(&Value::Null), group_type()])), None, None)]
#[case::nonsense(json!({ "Resources": "none" }), None, None)]
fn what_resource_types_tell(
    #[case] types: Value,
    #[case] members: Option<MemberChange>,
    #[case] extensions: Option<Extensions>,
) {
    assert_eq!(conclude(Some(&types), None), ScimProfile { extensions, members, ..ScimProfile::default() });
}

#[rstest]
#[case::described(&[enterprise_schema(&["department"])], None, None)]
#[case::not_described(&[], None, Some(Extensions::None))]
#[case::promised_by_the_types(&[], Some(enterprise_type()), None)]
#[case::not_promised_by_the_types(&[enterprise_schema(&[])], Some(user_type(&json!([]))), None)]
fn the_extension_is_there_if_either_says_so(
    #[case] more: &[Value],
    #[case] types: Option<Value>,
    #[case] extensions: Option<Extensions>,
) {
    let schemas: Vec<_> = [&[user_schema(&[])], more].concat();
    let types = types.map(|types| json!([types, group_type()]));
    assert_eq!(conclude(types.as_ref(), Some(&json!(schemas))).extensions, extensions);
}

#[test]
fn attributes_that_the_schema_lacks_are_not_sent() {
    let names = ["employeeNumber", "costCenter", "organization", "division", "manager"];
    let schemas = list(&json!([user_schema(&["ims", "title"]), enterprise_schema(&names)]));
    let missing = conclude(None, Some(&schemas)).unsupported_attributes.unwrap();
    assert_eq!(
        missing,
        ["title", "ims", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"]
    );
    let whole = conclude(None, Some(&list(&json!([user_schema(&["externalId", "active", "groups"])]))));
    assert_eq!(whole.unsupported_attributes, None);
}

#[test]
fn parts_of_a_name_and_what_is_read_only_count_one_by_one() {
    let mut schema = user_schema(&["name", "displayName"]);
    let attributes = schema["attributes"].as_array_mut().unwrap();
    attributes.push(json!({ "name": "displayName", "mutability": "readOnly" }));
    let parts = json!([{ "name": "givenName" }, { "name": "FamilyName" }, { "name": "formatted", "mutability": "readOnly" }]);
    attributes.push(json!({ "name": "name", "subAttributes": parts }));
    let missing = conclude(None, Some(&json!([schema]))).unsupported_attributes.unwrap();
    let lost =
        ["name.formatted", "name.middleName", "name.honorificPrefix", "name.honorificSuffix", "displayName"];
    assert_eq!(missing, lost);
}

#[test]
fn the_marker_is_sent_all_the_same() {
    let schemas = list(&json!([user_schema(&["nickName"])]));
    let mut discovered = ScimProfile::default();
    read(None, Some(&schemas), "nickname", &mut discovered);
    assert_eq!(discovered.unsupported_attributes, None);
}

#[rstest]
#[case::without_login(json!([{ "id": USER, "attributes": [{ "name": "title" }] }]))]
#[case::first_page(json!({ "totalResults": 9, "Resources": [user_schema(&["title"])] }))]
#[case::groups_alone(json!([{ "id": GROUP, "attributes": [] }]))]
#[case::html(json!("<html>"))]
fn a_schema_that_cannot_be_the_whole_tells_nothing(#[case] schemas: Value) {
    assert_eq!(conclude(None, Some(&schemas)), ScimProfile::default());
}

#[rstest]
#[case(json!(true), Some(AttributeCase::Exact))]
#[case(json!(false), Some(AttributeCase::Insensitive))]
#[case(Value::Null, None)]
fn the_schema_tells_whether_letter_case_counts(
    #[case] exact: Value,
    #[case] expected: Option<AttributeCase>,
) {
    let mut schema = user_schema(&["userName"]);
    schema["attributes"].as_array_mut().unwrap().push(json!({ "name": "username", "caseExact": exact }));
    assert_eq!(conclude(None, Some(&json!([schema]))).user_name_case, expected);
}
