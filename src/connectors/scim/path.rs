//! Attributes by the names that rules give them, and where they are in a resource (RFC 7643 §3, RFC 7644 §3.10).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::USER;

/// The full name of an attribute of the enterprise extension (RFC 7643 §4.3).
macro_rules! enterprise {
    ($attribute:literal) => {
        concat!("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:", $attribute)
    };
}
pub(super) use enterprise;

/// The spelling of the attributes of RFC 7643; names are case-insensitive (§2.1), and answers are read so.
pub(super) const SPELLING: [&str; 35] = [
    "userName",
    "externalId",
    "name.formatted",
    "name.familyName",
    "name.givenName",
    "name.middleName",
    "name.honorificPrefix",
    "name.honorificSuffix",
    "displayName",
    "nickName",
    "profileUrl",
    "title",
    "userType",
    "preferredLanguage",
    "locale",
    "timezone",
    "active",
    "emails",
    "phoneNumbers",
    "ims",
    "photos",
    "addresses",
    "groups",
    "entitlements",
    "roles",
    "x509Certificates",
    enterprise!("employeeNumber"),
    enterprise!("costCenter"),
    enterprise!("organization"),
    enterprise!("division"),
    enterprise!("department"),
    enterprise!("manager"),
    enterprise!("manager.value"),
    enterprise!("manager.displayName"),
    enterprise!("manager.$ref"),
];

/// Where an attribute is in a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Path<'a> {
    /// URN of the extension that it belongs to; `None` for the core schema.
    pub(super) extension: Option<&'a str>,
    pub(super) attribute: &'a str,
    pub(super) sub: Option<&'a str>,
}

impl<'a> Path<'a> {
    pub(super) fn parse(name: &'a str) -> Self {
        let (schema, rest) = match name.rsplit_once(':') {
            Some((schema, rest)) => (Some(schema), rest),
            None => (None, name),
        };
        let (attribute, sub) = match rest.split_once('.') {
            Some((attribute, sub)) => (attribute, Some(sub)),
            None => (rest, None),
        };
        let extension = schema.filter(|schema| !schema.eq_ignore_ascii_case(USER));
        Self { extension, attribute, sub }
    }

    /// Puts a value there, or takes it away with what is then empty.
    pub(super) fn set(&self, resource: &mut Map<String, Value>, value: Option<Value>) {
        let inner = |map: &mut Map<String, Value>, value| match self.sub {
            Some(sub) => within(map, self.attribute, |map| put(map, sub, value)),
            None => put(map, self.attribute, value),
        };
        match self.extension {
            Some(urn) => within(resource, urn, |map| inner(map, value)),
            None => inner(resource, value),
        }
    }
}

/// Runs `change` on the object under `key`, which is made if it is missing and removed if it is left empty.
fn within(map: &mut Map<String, Value>, key: &str, change: impl FnOnce(&mut Map<String, Value>)) {
    let key = spelled(map, key);
    let mut object = match map.remove(&key) {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    };
    change(&mut object);
    if !object.is_empty() {
        map.insert(key, Value::Object(object));
    }
}

fn put(map: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    let key = spelled(map, key);
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

/// The key as the resource spells it already.
fn spelled(map: &Map<String, Value>, key: &str) -> String {
    let there = map.keys().find(|known| known.eq_ignore_ascii_case(key));
    there.map_or_else(|| key.to_owned(), Clone::clone)
}

/// Without the nulls in its objects: null is no value (RFC 7643 §2.5).
pub(super) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect(),
        Value::Array(list) => list.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// A user's attributes by the names that rules give them. `id`, `schemas` and `meta` are not among them.
pub(super) fn flatten(resource: &Map<String, Value>) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    for (key, value) in resource {
        match value {
            _ if ["id", "schemas", "meta"].iter().any(|skipped| key.eq_ignore_ascii_case(skipped)) => {}
            Value::Object(extension) if key.contains(':') => {
                for (attribute, value) in extension {
                    insert(&mut flat, &format!("{key}:{attribute}"), value);
                }
            }
            value => insert(&mut flat, key, value),
        }
    }
    flat
}

fn insert(flat: &mut BTreeMap<String, Value>, name: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::Object(complex) => {
            for (sub, value) in complex.iter().filter(|(_, value)| !value.is_null()) {
                flat.insert(canonical(&format!("{name}.{sub}")), value.clone());
            }
        }
        value => {
            let mut name = canonical(name);
            // Some service providers write a manager as the bare id (RFC 7643 §4.3 has an object).
            if name == enterprise!("manager") && !value.is_array() {
                name.push_str(".value");
            }
            flat.insert(name, value.clone());
        }
    }
}

/// The name in the spelling of RFC 7643, where it is one of its.
pub(super) fn canonical(name: &str) -> String {
    let core = name.rsplit_once(':').filter(|(schema, _)| schema.eq_ignore_ascii_case(USER));
    let name = core.map_or(name, |(_, attribute)| attribute);
    let known = SPELLING.iter().find(|known| known.eq_ignore_ascii_case(name));
    known.map_or_else(|| name.to_owned(), |known| (*known).to_owned())
}

#[cfg(test)]
mod tests;
