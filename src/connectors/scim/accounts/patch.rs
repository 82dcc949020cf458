//! PATCH requests (RFC 7644 §3.5.2) in the style of one service provider.

use serde_json::{Map, Value, json};

use super::super::path::{Path, canonical};
use super::super::profile::Profile;
use super::written::placed;
use crate::api::scim::{Clearing, OperationCase, PatchStyle};
use crate::converge::Change;

/// Attributes with several values (RFC 7643 §4.1.2).
const MULTI_VALUED: [&str; 9] = [
    "emails",
    "phoneNumbers",
    "ims",
    "photos",
    "addresses",
    "groups",
    "entitlements",
    "roles",
    "x509Certificates",
];

/// The operations of one request.
pub(super) fn operations(changes: &[Change], profile: &Profile) -> Value {
    let with_path =
        matches!(profile.patch_style, PatchStyle::PathPerOperation | PatchStyle::OneOperationPerRequest);
    let mut operations = Vec::with_capacity(changes.len());
    let mut object = Map::new();
    for change in changes {
        let (name, value) = placed(&change.attribute, change.value.clone(), profile);
        match value.or_else(|| emptied(&name, profile.clearing)) {
            // Nothing but the operation `remove` takes a value away by name.
            None => operations.push(json!({ "op": op("remove", profile), "path": name })),
            Some(value) if with_path => {
                operations.push(json!({ "op": op("replace", profile), "path": name, "value": value }));
            }
            Some(value) if profile.patch_style == PatchStyle::DottedKeys => {
                object.insert(name.into_owned(), value);
            }
            Some(value) => Path::parse(&name).set(&mut object, Some(value)),
        }
    }
    if !object.is_empty() {
        operations.insert(0, json!({ "op": op("replace", profile), "value": object }));
    }
    Value::Array(operations)
}

/// The value that stands for none; `None`: there is no such value, the attribute is removed.
fn emptied(name: &str, clearing: Clearing) -> Option<Value> {
    match clearing {
        Clearing::Remove => None,
        Clearing::ReplaceNull => Some(Value::Null),
        Clearing::ReplaceEmpty if is_multi_valued(name) => Some(json!([])),
        Clearing::ReplaceEmpty => Some(json!("")),
    }
}

pub(super) fn is_multi_valued(name: &str) -> bool {
    MULTI_VALUED.contains(&canonical(name).as_str())
}

/// The name of an operation as the service provider spells it.
pub(in crate::connectors::scim) fn op(operation: &str, profile: &Profile) -> String {
    match profile.operation_case {
        OperationCase::Lower => operation.to_owned(),
        OperationCase::Capitalised => operation[..1].to_uppercase() + &operation[1..],
    }
}

#[cfg(test)]
mod tests;
