//! What `user` looks like in expressions.
//!
//! Every field of a User's spec is always there: text that is absent is `null`, a flag `false`, a list `[]`, a map
//! `{}`, so that `user.department == 'Sales'` is false, not an error, for a person without department. `has()` is
//! false for them all the same (see [`super::rewrite`]).

use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::cel::objects::{Key, Map, Value};
use serde_json::Value as Json;

use crate::api::person::{Address, ContactValue};
use crate::api::{DesiredState, RoleAssignment, RoleEffect, UserSpec};

/// What a field holds.
#[derive(Debug)]
pub(super) enum Form {
    /// Text or null.
    Text,
    /// True or false.
    Flag,
    /// Named fields.
    Record(&'static [Field]),
    /// A list of records.
    Records(&'static [Field]),
    /// A map from names to text.
    Texts,
}

/// A field and what it holds.
pub(super) type Field = (&'static str, Form);

/// Characters of the longest text of a User.
pub(super) const TEXT: u64 = 1024;
/// Entries of the longest list or map of a User.
pub(super) const ITEMS: u64 = 64;

const NAME: &[Field] = &[("givenName", Form::Text), ("familyName", Form::Text), ("formatted", Form::Text)];
const CONTACT: &[Field] = &[("value", Form::Text), ("type", Form::Text), ("primary", Form::Flag)];
const ADDRESS: &[Field] = &[
    ("type", Form::Text),
    ("streetAddress", Form::Text),
    ("locality", Form::Text),
    ("region", Form::Text),
    ("postalCode", Form::Text),
    ("country", Form::Text),
];
const ASSIGNMENT: &[Field] = &[
    ("name", Form::Text),
    ("effect", Form::Text),
    ("from", Form::Text),
    ("until", Form::Text),
    ("reason", Form::Text),
];

/// The fields of `user`: those of a User's spec.
pub(super) const USER: &[Field] = &[
    ("personId", Form::Text),
    ("userName", Form::Text),
    ("name", Form::Record(NAME)),
    ("displayName", Form::Text),
    ("emails", Form::Records(CONTACT)),
    ("phoneNumbers", Form::Records(CONTACT)),
    ("addresses", Form::Records(ADDRESS)),
    ("title", Form::Text),
    ("department", Form::Text),
    ("division", Form::Text),
    ("organization", Form::Text),
    ("costCenter", Form::Text),
    ("employeeType", Form::Text),
    ("employeeNumber", Form::Text),
    ("manager", Form::Text),
    ("locale", Form::Text),
    ("timezone", Form::Text),
    ("preferredLanguage", Form::Text),
    ("attributes", Form::Texts),
    ("state", Form::Text),
    ("startTime", Form::Text),
    ("endTime", Form::Text),
    ("roles", Form::Records(ASSIGNMENT)),
];

/// `user` for this spec.
pub(super) fn user(spec: &UserSpec) -> Value {
    let name = spec.name.clone().unwrap_or_default();
    let state = match spec.state {
        DesiredState::Active => "Active",
        DesiredState::Suspended => "Suspended",
        DesiredState::Terminated => "Terminated",
    };
    record([
        ("personId", text(&spec.person_id)),
        ("userName", text(&spec.user_name)),
        (
            "name",
            record([
                ("givenName", optional(name.given_name.as_deref())),
                ("familyName", optional(name.family_name.as_deref())),
                ("formatted", optional(name.formatted.as_deref())),
            ]),
        ),
        ("displayName", optional(spec.display_name.as_deref())),
        ("emails", list(&spec.emails, contact)),
        ("phoneNumbers", list(&spec.phone_numbers, contact)),
        ("addresses", list(&spec.addresses, address)),
        ("title", optional(spec.title.as_deref())),
        ("department", optional(spec.department.as_deref())),
        ("division", optional(spec.division.as_deref())),
        ("organization", optional(spec.organization.as_deref())),
        ("costCenter", optional(spec.cost_center.as_deref())),
        ("employeeType", optional(spec.employee_type.as_deref())),
        ("employeeNumber", optional(spec.employee_number.as_deref())),
        ("manager", optional(spec.manager.as_deref())),
        ("locale", optional(spec.locale.as_deref())),
        ("timezone", optional(spec.timezone.as_deref())),
        ("preferredLanguage", optional(spec.preferred_language.as_deref())),
        ("attributes", record(spec.attributes.iter().map(|(name, value)| (name.as_str(), text(value))))),
        ("state", text(state)),
        ("startTime", instant(spec.start_time)),
        ("endTime", instant(spec.end_time)),
        ("roles", list(&spec.roles, assignment)),
    ])
}

fn contact(contact: &ContactValue) -> Value {
    record([
        ("value", text(&contact.value)),
        ("type", optional(contact.kind.as_deref())),
        ("primary", Value::Bool(contact.primary.unwrap_or(false))),
    ])
}

fn address(address: &Address) -> Value {
    record([
        ("type", optional(address.kind.as_deref())),
        ("streetAddress", optional(address.street_address.as_deref())),
        ("locality", optional(address.locality.as_deref())),
        ("region", optional(address.region.as_deref())),
        ("postalCode", optional(address.postal_code.as_deref())),
        ("country", optional(address.country.as_deref())),
    ])
}

fn assignment(assignment: &RoleAssignment) -> Value {
    let effect = match assignment.effect {
        RoleEffect::Grant => "Grant",
        RoleEffect::Deny => "Deny",
    };
    record([
        ("name", text(&assignment.name)),
        ("effect", text(effect)),
        ("from", instant(assignment.from)),
        ("until", instant(assignment.until)),
        ("reason", optional(assignment.reason.as_deref())),
    ])
}

/// Text as CEL has it.
pub(super) fn text(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

fn optional(value: Option<&str>) -> Value {
    value.map_or(Value::Null, text)
}

fn instant(instant: Option<jiff::Timestamp>) -> Value {
    instant.map_or(Value::Null, |instant| Value::String(Arc::new(instant.to_string())))
}

fn list<T>(items: &[T], each: impl Fn(&T) -> Value) -> Value {
    Value::List(Arc::new(items.iter().map(each).collect()))
}

fn record<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let map: HashMap<Key, Value> = fields.into_iter().map(|(name, value)| (Key::from(name), value)).collect();
    Value::Map(Map { map: Arc::new(map) })
}

/// A sample of a User's spec, as Roles have them for tests.
pub(super) fn sample(sample: &serde_json::Map<String, Json>) -> Result<UserSpec, String> {
    if let Some(name) = sample.keys().find(|name| !USER.iter().any(|(known, _)| known == name)) {
        return Err(format!("a User's spec has no field `{name}`"));
    }
    let mut whole = sample.clone();
    for required in ["personId", "userName"] {
        whole.entry(required).or_insert_with(|| Json::String(String::new()));
    }
    let whole = Json::Object(whole);
    if !fits(&whole) {
        return Err("the sample is larger than a User can be".to_owned());
    }
    // The library's error would show values.
    serde_json::from_value(whole).map_err(|_| "some field of the sample has the wrong type".to_owned())
}

fn fits(value: &Json) -> bool {
    match value {
        Json::String(text) => text.chars().count() as u64 <= TEXT,
        Json::Array(items) => items.len() as u64 <= ITEMS && items.iter().all(fits),
        Json::Object(fields) => fields.len() as u64 <= ITEMS && fields.values().all(fits),
        _ => true,
    }
}
