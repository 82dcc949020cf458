//! Requests that change members, in the shape of one service provider.

use serde_json::{Value, json};

use crate::api::scim::{MemberReference, MemberRemoval};
use crate::connectors::Membership;
use crate::connectors::scim::accounts::{filter, op};
use crate::connectors::scim::profile::Profile;

/// A member as it is written; `url`: where the account is.
pub(super) fn member(account: &str, url: Option<String>, profile: &Profile) -> Value {
    match url.filter(|_| profile.member_reference == MemberReference::ValueAndRef) {
        Some(url) => json!({ "value": account, "$ref": url }),
        None => json!({ "value": account }),
    }
}

/// The operations of one PATCH: additions first, for some service providers drop a group that is empty in between.
pub(super) fn operations(
    changes: &[Membership],
    profile: &Profile,
    member: impl Fn(&str) -> Value,
) -> Vec<Value> {
    let of =
        |held: bool| changes.iter().filter(move |change| change.held == held).map(|c| c.account.as_str());
    let mut operations = Vec::new();
    let added: Vec<_> = of(true).map(member).collect();
    if !added.is_empty() {
        operations.push(json!({ "op": op("add", profile), "path": "members", "value": added }));
    }
    let remove = op("remove", profile);
    match profile.member_removal {
        MemberRemoval::ValueFilter => operations.extend(of(false).map(
            |account| json!({ "op": remove, "path": format!("members[{}]", filter("value", account)) }),
        )),
        // Where all members are written there are no removals: see `replacement`.
        MemberRemoval::ValueArray | MemberRemoval::ReplaceAll => {
            let removed: Vec<_> = of(false).map(|account| json!({ "value": account })).collect();
            if !removed.is_empty() {
                operations.push(json!({ "op": remove, "path": "members", "value": removed }));
            }
        }
    }
    operations
}

/// The one operation that writes all members.
pub(super) fn replacement(members: &Value, profile: &Profile) -> Vec<Value> {
    vec![json!({ "op": op("replace", profile), "path": "members", "value": members })]
}

#[cfg(test)]
mod tests;
