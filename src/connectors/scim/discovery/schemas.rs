//! Resource types and schemas (RFC 7643 §6, §7), read for what is missing there.
//!
//! That something is missing counts only where the whole list came and describes users.

use serde_json::Value;

use crate::api::scim::{AttributeCase, Extensions, MemberChange, ScimProfile};
use crate::connectors::scim::path::{Path, SPELLING};
use crate::connectors::scim::resource::field;
use crate::connectors::scim::{GROUP, USER};

/// Schema of the enterprise extension (RFC 7643 §4.3).
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// What many schemas leave out, because it belongs to every resource, and what is not for us to write.
const ASIDE: [&str; 4] = ["userName", "externalId", "active", "groups"];

/// Adds to `discovered` what follows from the two documents. The marker is sent whatever they say.
pub(super) fn read(
    types: Option<&Value>,
    schemas: Option<&Value>,
    marker: &str,
    discovered: &mut ScimProfile,
) {
    let types = types.and_then(Types::read);
    let schemas = schemas.and_then(Schemas::read);
    if types.as_ref().is_some_and(|types| !types.groups) {
        discovered.members = Some(MemberChange::Unsupported);
    }
    let extended = types.as_ref().and_then(|types| types.enterprise);
    let described = schemas.as_ref().map(|schemas| schemas.enterprise.is_some());
    if extended != Some(true) && described.or(extended) == Some(false) {
        discovered.extensions = Some(Extensions::None);
    }
    let Some(schemas) = schemas else { return };
    if let Some(exact) = field(schemas.login, "caseExact").and_then(Value::as_bool) {
        let case = if exact { AttributeCase::Exact } else { AttributeCase::Insensitive };
        discovered.user_name_case = Some(case);
    }
    let missing = |name: &&&str| !name.eq_ignore_ascii_case(marker) && schemas.lacks(name);
    let missing: Vec<_> = SPELLING.iter().filter(missing).map(|name| (*name).to_owned()).collect();
    if !missing.is_empty() {
        discovered.unsupported_attributes = Some(missing);
    }
}

/// What the resource types say.
struct Types {
    groups: bool,
    /// Whether users have the enterprise extension; `None` where extensions are not spoken of.
    enterprise: Option<bool>,
}

impl Types {
    /// `None` unless the list is whole and has users.
    fn read(document: &Value) -> Option<Self> {
        let types = items(document)?;
        let users = types.iter().find(|kind| is(kind, "schema", USER))?;
        let extensions = field(users, "schemaExtensions").and_then(Value::as_array);
        Some(Self {
            groups: types.iter().any(|kind| is(kind, "schema", GROUP)),
            enterprise: extensions.map(|all| all.iter().any(|extension| is(extension, "schema", ENTERPRISE))),
        })
    }
}

/// What the schemas say.
struct Schemas<'a> {
    user: &'a [Value],
    login: &'a Value,
    enterprise: Option<&'a [Value]>,
}

impl<'a> Schemas<'a> {
    /// `None` unless the list is whole and describes users with a `userName`.
    fn read(document: &'a Value) -> Option<Self> {
        let schemas = items(document)?;
        let attributes = |id: &str| {
            let schema = schemas.iter().find(|schema| is(schema, "id", id))?;
            field(schema, "attributes")?.as_array().map(Vec::as_slice)
        };
        let user = attributes(USER)?;
        Some(Self { user, login: named(user, "userName")?, enterprise: attributes(ENTERPRISE) })
    }

    /// Whether there is no such attribute, or none that can be written. Of the enterprise extension only where that is
    /// described.
    fn lacks(&self, name: &str) -> bool {
        let path = Path::parse(name);
        let attributes = match (path.extension, self.enterprise) {
            (None, _) => self.user,
            (Some(_), Some(enterprise)) if path.sub.is_none() => enterprise,
            _ => return false,
        };
        if ASIDE.contains(&name) {
            return false;
        }
        let Some(attribute) = named(attributes, path.attribute) else {
            return true;
        };
        let part = match (path.sub, field(attribute, "subAttributes").and_then(Value::as_array)) {
            (Some(sub), Some(parts)) => named(parts, sub),
            _ => Some(attribute),
        };
        part.is_none_or(|part| is(part, "mutability", "readOnly"))
    }
}

fn named<'a>(attributes: &'a [Value], name: &str) -> Option<&'a Value> {
    attributes.iter().find(|attribute| is(attribute, "name", name))
}

fn is(object: &Value, name: &str, value: &str) -> bool {
    field(object, name).and_then(Value::as_str).is_some_and(|found| found.eq_ignore_ascii_case(value))
}

/// The resources of a list response, or of a bare list; `None` where there may be more.
fn items(document: &Value) -> Option<&[Value]> {
    if let Value::Array(items) = document {
        return Some(items);
    }
    let items = field(document, "Resources")?.as_array()?;
    let total = field(document, "totalResults").and_then(Value::as_u64);
    total.is_none_or(|total| total <= items.len() as u64).then_some(items)
}

#[cfg(test)]
mod tests;
