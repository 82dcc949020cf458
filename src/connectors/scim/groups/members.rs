//! The members of a group resource.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::connectors::Membership;
use crate::connectors::scim::resource::field;

/// Ids of the members; `None` where the group does not show any, which may mean that there are none.
pub(in crate::connectors::scim) fn read(group: &Value) -> Option<HashSet<String>> {
    let members = field(group, "members").filter(|members| !members.is_null())?;
    Some(members.as_array().into_iter().flatten().filter_map(id).collect())
}

fn id(member: &Value) -> Option<String> {
    match field(member, "value")? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// Changes the members, and leaves alone who is not spoken of; `false` if nothing had to be changed.
pub(super) fn change(
    group: &mut Map<String, Value>,
    changes: &[Membership],
    member: impl Fn(&str) -> Value,
) -> bool {
    let key = group.keys().find(|key| key.eq_ignore_ascii_case("members")).cloned();
    let members = group.entry(key.unwrap_or_else(|| "members".to_owned())).or_insert_with(|| json!([]));
    if members.is_null() {
        *members = json!([]);
    }
    let Value::Array(members) = members else { return false };
    let there: HashSet<_> = members.iter().filter_map(id).collect();
    let out: HashSet<_> = changes.iter().filter(|c| !c.held).map(|c| c.account.as_str()).collect();
    let before = members.len();
    members.retain(|member| id(member).is_none_or(|id| !out.contains(id.as_str())));
    let removed = members.len() < before;
    let new = changes.iter().filter(|change| change.held && !there.contains(&change.account));
    let kept = members.len();
    members.extend(new.map(|change| member(&change.account)));
    removed || members.len() > kept
}

#[cfg(test)]
mod tests;
