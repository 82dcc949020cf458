//! What a service provider says of a user, read with care.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::path::{canonical, flatten};
use crate::converge::{RemoteAccount, Terms};

/// Longest id that is believed, in bytes: as long as the ledger keeps them.
const ID_AT_MOST: usize = 256;

/// Why a resource cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    NoObject,
    NoId,
    Active,
    TooMuch,
    TooMany,
}

impl Unreadable {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::NoObject => "the answer is no SCIM resource",
            Self::NoId => "a resource has no usable id",
            Self::Active => "the attribute active is neither true nor false",
            Self::TooMuch => "the accounts have more values than can be kept",
            Self::TooMany => "too many resources match",
        }
    }
}

/// A member of an object, whatever the case of its name (RFC 7643 §2.1).
pub(super) fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let object = object.as_object()?;
    object.get(name).or_else(|| {
        let found = object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    })
}

/// The id of a resource. Numbers are taken as they are written.
pub(super) fn id(resource: &Value) -> Result<String, Unreadable> {
    let id = match field(resource, "id") {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => return Err(Unreadable::NoId),
    };
    // Dots climb in a URL, and control characters are for terminals.
    let usable = !["", ".", ".."].contains(&id.as_str()) && !id.contains(char::is_control);
    if usable && id.len() <= ID_AT_MOST { Ok(id) } else { Err(Unreadable::NoId) }
}

/// A user as converge sees it. One that says nothing of `active` is active.
pub(super) fn account(
    resource: &Value,
    marker: &str,
    terms: &Arc<Terms>,
) -> Result<RemoteAccount, Unreadable> {
    let object: &Map<String, Value> = resource.as_object().ok_or(Unreadable::NoObject)?;
    let id = id(resource)?;
    let active = match field(resource, "active") {
        None | Some(Value::Null) => true,
        Some(Value::Bool(active)) => *active,
        Some(Value::String(text)) => text.to_ascii_lowercase().parse().map_err(|_| Unreadable::Active)?,
        Some(_) => return Err(Unreadable::Active),
    };
    let attributes = flatten(object);
    let login = text(field(resource, "userName")).unwrap_or_default();
    let marker = text(values(&attributes, marker).first().copied());
    Ok(RemoteAccount { id, login, marker, active, attributes, terms: terms.clone() })
}

fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The values under a name: of a multi-valued attribute each, as `emails` (which means `emails.value`) or
/// `emails.type`.
fn values<'a>(attributes: &'a std::collections::BTreeMap<String, Value>, name: &str) -> Vec<&'a Value> {
    let name = canonical(name);
    let get = |name: &str| {
        attributes.get(name).or_else(|| {
            let found = attributes.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value)
        })
    };
    let (list, sub) = match get(&name) {
        Some(Value::Array(list)) => (list, "value"),
        Some(value) => return vec![value],
        None => match name.rsplit_once('.').and_then(|(name, sub)| Some((get(name)?, sub))) {
            Some((Value::Array(list), sub)) => (list, sub),
            _ => return Vec::new(),
        },
    };
    list.iter().filter_map(|value| if value.is_object() { field(value, sub) } else { Some(value) }).collect()
}

/// The values of an attribute, as texts.
pub(super) fn texts(account: &RemoteAccount, attribute: &str) -> Vec<String> {
    if attribute.eq_ignore_ascii_case("id") {
        return vec![account.id.clone()];
    }
    values(&account.attributes, attribute).into_iter().filter_map(|value| text(Some(value))).collect()
}

/// Whether an account has this value. Letter case counts for the marker, for `externalId` and `id`, which are
/// `caseExact` (RFC 7643 §3.1), and for logins where the service provider says so; of all other attributes it does not
/// by default (§2.2).
pub(super) fn matches(account: &RemoteAccount, marker: &str, attribute: &str, value: &str) -> bool {
    let is = |name: &str| name.eq_ignore_ascii_case(attribute);
    if ["externalId", "id", marker].into_iter().any(is) || (account.terms.exact_login && is("userName")) {
        return texts(account, attribute).iter().any(|found| found == value);
    }
    is_like(account, attribute, value)
}

/// Whether an account has this value but for letter case.
pub(super) fn is_like(account: &RemoteAccount, attribute: &str, value: &str) -> bool {
    texts(account, attribute)
        .iter()
        .any(|found| found == value || found.to_lowercase() == value.to_lowercase())
}

#[cfg(test)]
mod tests;
