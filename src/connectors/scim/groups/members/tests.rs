use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn plain(account: &str) -> Value {
    json!({ "value": account })
}

fn change_of(account: &str, held: bool) -> Membership {
    Membership { account: account.to_owned(), held }
}

#[rstest]
#[case::hidden(json!({}), None)]
#[case::null(json!({ "members": null }), None)]
#[case::none(json!({ "Members": [] }), Some(vec![]))]
#[case::there(json!({ "members": [{ "value": "b" }, { "Value": "a" }, { "value": 7 }, "x"] }), Some(vec!["7", "a", "b"]))]
#[case::nonsense(json!({ "members": "a" }), Some(vec![]))]
fn members_are_read(#[case] group: Value, #[case] expected: Option<Vec<&str>>) {
    let found = read(&group).map(|found| {
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort();
        found
    });
    assert_eq!(found, expected.map(|all| all.into_iter().map(str::to_owned).collect()));
}

#[rstest]
#[case::first(json!({}), true, json!({ "members": [{ "value": "a" }] }), true)]
#[case::another(json!({ "members": [{ "value": "b" }] }), true, json!({ "members": [{ "value": "b" }, { "value": "a" }] }), true)]
#[case::there(json!({ "members": [{ "value": "a" }] }), true, json!({ "members": [{ "value": "a" }] }), false)]
#[case::out(json!({ "MEMBERS": [{ "value": "a" }, { "value": "b", "$ref": "x" }, { "value": "a" }] }), false, json!({ "MEMBERS": [{ "value": "b", "$ref": "x" }] }), true)]
#[case::not_there(json!({ "members": [{ "value": "b" }] }), false, json!({ "members": [{ "value": "b" }] }), false)]
fn members_are_changed_only_where_they_must(
    #[case] mut group: Value,
    #[case] held: bool,
    #[case] after: Value,
    #[case] changed: bool,
) {
    assert_eq!(change(group.as_object_mut().unwrap(), &[change_of("a", held)], plain), changed);
    assert_eq!(group, after);
}

proptest! {
    /// Whoever is spoken of is in or out afterwards, once; all others are as before, duplicates and strangers included.
    #[test]
    fn others_are_left_alone(
        members in prop::collection::vec(0_u8..12, 0..20),
        changes in prop::collection::btree_map(0_u8..12, any::<bool>(), 0..8),
    ) {
        let name = |n: &u8| n.to_string();
        let mut group = json!({ "members": members.iter().map(|n| json!({ "value": name(n), "display": "x" })).collect::<Vec<_>>() });
        let wanted: Vec<_> = changes.iter().map(|(n, held)| change_of(&name(n), *held)).collect();
        let before = group.clone();
        let changed = change(group.as_object_mut().unwrap(), &wanted, plain);
        prop_assert_eq!(changed, group != before);
        let after: Vec<String> = group["members"].as_array().unwrap().iter().filter_map(id).collect();
        for n in 0..12 {
            let count = after.iter().filter(|id| **id == name(&n)).count();
            let was = members.iter().filter(|m| u64::from(**m) == u64::from(n)).count();
            prop_assert_eq!(count, match changes.get(&n) {
                Some(true) => was.max(1),
                Some(false) => 0,
                None => was,
            });
        }
        prop_assert!(!change(group.as_object_mut().unwrap(), &wanted, plain), "twice is once");
    }
}
