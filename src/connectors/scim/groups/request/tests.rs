use super::*;
use crate::api::scim::OperationCase;

fn changes() -> Vec<Membership> {
    [("a", true), ("x", false), ("b", true), ("\"y", false)]
        .map(|(account, held)| Membership { account: account.to_owned(), held })
        .to_vec()
}

fn built(profile: &Profile) -> Value {
    let url = |account: &str| Some(format!("https://app/Users/{account}"));
    Value::Array(operations(&changes(), profile, |account| member(account, url(account), profile)))
}

#[test]
fn additions_come_first_and_removals_have_one_operation_each() {
    let expected = json!([
        { "op": "add", "path": "members", "value": [{ "value": "a" }, { "value": "b" }] },
        { "op": "remove", "path": "members[value eq \"x\"]" },
        { "op": "remove", "path": "members[value eq \"\\\"y\"]" },
    ]);
    assert_eq!(built(&Profile::default()), expected);
}

#[test]
fn in_the_shape_of_the_profile() {
    let profile = Profile {
        member_removal: MemberRemoval::ValueArray,
        member_reference: MemberReference::ValueAndRef,
        operation_case: OperationCase::Capitalised,
        ..Profile::default()
    };
    let expected = json!([
        { "op": "Add", "path": "members", "value": [
            { "value": "a", "$ref": "https://app/Users/a" }, { "value": "b", "$ref": "https://app/Users/b" },
        ] },
        { "op": "Remove", "path": "members", "value": [{ "value": "x" }, { "value": "\"y" }] },
    ]);
    assert_eq!(built(&profile), expected);
    let all = json!([{ "value": "z" }]);
    let whole = json!([{ "op": "Replace", "path": "members", "value": all }]);
    assert_eq!(Value::Array(replacement(&all, &profile)), whole);
}
