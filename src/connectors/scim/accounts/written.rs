//! Accounts as one service provider wants them written: which attributes, under which names, in which form.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::super::USER;
use super::super::path::{Path, canonical, enterprise, without_nulls};
use super::super::profile::Profile;
use crate::api::scim::{AttributeCase, Booleans, Extensions, ManagerShape, MultiValued};
use crate::converge::{Change, Lists, NewAccount, Terms};

/// Schema of the enterprise extension (RFC 7643 §4.3).
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const MANAGER: &str = enterprise!("manager");
/// The name that rules give a manager, whatever the service provider's shape: its value is an account's id.
const MANAGER_VALUE: &str = enterprise!("manager.value");

/// What the service provider makes of what it is given.
pub(in crate::connectors::scim) fn terms(profile: &Profile) -> Terms {
    let mut dropped = profile.unsupported_attributes.clone();
    if profile.extensions == Extensions::None {
        dropped.push(ENTERPRISE.to_owned());
    }
    if profile.manager == ManagerShape::None {
        dropped.push(MANAGER.to_owned());
    }
    Terms {
        dropped,
        lists: match profile.multi_valued {
            MultiValued::Many => Lists::Whole,
            MultiValued::ValueOnly => Lists::ValueOnly,
            MultiValued::One => Lists::One,
        },
        exact_login: profile.user_name_case == AttributeCase::Exact,
    }
}

/// The changes that the service provider takes: of each what it keeps. `None` in place of a value removes it.
pub(super) fn kept(changes: &[Change], terms: &Terms) -> Vec<Change> {
    let kept = |change: &Change| {
        let value = terms.kept(&change.attribute, change.value.as_ref().unwrap_or(&Value::Null))?;
        let value = (!value.is_null()).then(|| without_nulls(&value));
        Some(Change { attribute: change.attribute.clone(), value })
    };
    changes.iter().filter_map(kept).collect()
}

/// Where an attribute is written, and as what.
pub(super) fn placed<'n>(
    name: &'n str,
    value: Option<Value>,
    profile: &Profile,
) -> (Cow<'n, str>, Option<Value>) {
    match canonical(name).as_str() {
        MANAGER_VALUE if profile.manager == ManagerShape::String => (MANAGER.into(), value),
        MANAGER_VALUE => (MANAGER.into(), value.map(|id| json!({ "value": id }))),
        "active" if profile.booleans == Booleans::String => (name.into(), value.map(spelled)),
        _ => (name.into(), value),
    }
}

fn spelled(flag: Value) -> Value {
    match flag {
        Value::Bool(true) => json!("True"),
        Value::Bool(false) => json!("False"),
        other => other,
    }
}

/// A new account, in use.
pub(super) fn representation(account: &NewAccount, profile: &Profile, terms: &Terms) -> Value {
    let (marker, person) = &account.marker;
    let fixed = [("active", json!(true)), (marker.as_str(), json!(person))];
    let mapped = account.attributes.iter().map(|(name, value)| (name.as_str(), value.clone()));
    let wanted = mapped.chain(fixed).filter(|(name, _)| !name.is_empty());
    let wanted = wanted.filter_map(|(name, value)| Some((name, terms.kept(name, &value)?.into_owned())));
    // No account is without a login, whatever it is said not to have.
    let wanted = wanted.chain([("userName", json!(account.login))]);
    let mut resource = Map::from_iter([("schemas".to_owned(), json!([USER]))]);
    for (name, value) in wanted.filter(|(_, value)| !value.is_null()) {
        put(&mut resource, name, Some(without_nulls(&value)), profile);
    }
    Value::Object(resource)
}

/// Makes the changes on a resource that was read; all else stays as it was. Whether anything is different then.
pub(super) fn apply(resource: &mut Map<String, Value>, changes: &[Change], profile: &Profile) -> bool {
    let before = resource.clone();
    for change in changes {
        put(resource, &change.attribute, change.value.clone(), profile);
    }
    *resource != before
}

fn put(resource: &mut Map<String, Value>, name: &str, value: Option<Value>, profile: &Profile) {
    let (name, value) = placed(name, value, profile);
    let path = Path::parse(&name);
    if value.is_some() {
        declare(resource, path);
    }
    path.set(resource, value);
}

/// Lists the extension among the resource's `schemas` (RFC 7643 §3).
fn declare(resource: &mut Map<String, Value>, path: Path<'_>) {
    let Some(urn) = path.extension else { return };
    let schemas = resource.entry("schemas").or_insert_with(|| json!([USER]));
    if let Value::Array(schemas) = schemas
        && !schemas.iter().any(|known| known.as_str().is_some_and(|known| known.eq_ignore_ascii_case(urn)))
    {
        schemas.push(json!(urn));
    }
}

#[cfg(test)]
mod tests;
