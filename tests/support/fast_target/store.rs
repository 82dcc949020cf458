//! What the target holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::members::{self, Members};
use super::patch;

pub(super) const MAX_PAGE: usize = 1000;

/// Status, `scimType` and detail of a refusal.
pub(super) type Refusal = (StatusCode, &'static str, String);
pub(super) type Answer = Result<(StatusCode, Option<Value>), Refusal>;

pub(super) fn bad(scim_type: &'static str, detail: impl Into<String>) -> Refusal {
    (StatusCode::BAD_REQUEST, scim_type, detail.into())
}

#[derive(Default)]
pub(super) struct Store {
    pub(super) users: Collection,
    pub(super) groups: Collection,
    /// `userName` of every user that was made inactive, and when.
    pub(super) deactivated: Vec<(String, Instant)>,
    version: u64,
}

/// Ids grow, so that the map's order is that of creation and pages stay put while users are added.
#[derive(Default)]
pub(super) struct Collection {
    pub(super) resources: BTreeMap<String, Value>,
    /// Members of groups, which the resources are without.
    members: HashMap<String, Members>,
    names: HashMap<String, String>,
    external_ids: HashMap<String, BTreeSet<String>>,
}

impl Store {
    pub(super) fn collection(&mut self, users: bool) -> &mut Collection {
        if users { &mut self.users } else { &mut self.groups }
    }

    pub(super) fn insert(&mut self, users: bool, mut value: Value) -> String {
        self.version += 1;
        let id = format!("{:016x}", self.version);
        let kind = if users { "User" } else { "Group" };
        value["id"] = json!(id);
        value["meta"] = json!({ "resourceType": kind, "location": format!("/scim/v2/{kind}s/{id}") });
        if users && value["active"].is_null() {
            value["active"] = json!(true);
        }
        self.collection(users).put(&id, value);
        id
    }

    pub(super) fn create(&mut self, users: bool, value: Value) -> Answer {
        self.collection(users).check(None, users, &value)?;
        let id = self.insert(users, value);
        Ok((StatusCode::CREATED, Some(self.collection(users).read(&id, true)?)))
    }

    pub(super) fn replace(&mut self, users: bool, id: &str, mut value: Value) -> Answer {
        let collection = self.collection(users);
        let old = collection.get(id)?;
        let was_active = old["active"] != json!(false);
        value["meta"] = old["meta"].clone();
        value["id"] = json!(id);
        collection.check(Some(id), users, &value)?;
        collection.put(id, value.clone());
        self.note(users, was_active, &value);
        Ok((StatusCode::OK, Some(value)))
    }

    fn note(&mut self, users: bool, was_active: bool, value: &Value) {
        if users && was_active && value["active"] == json!(false) {
            let name = value["userName"].as_str().unwrap_or_default().to_owned();
            self.deactivated.push((name, Instant::now()));
        }
    }

    /// All operations or none. The answer for a group is empty, as that of products is, for it may be a long one.
    pub(super) fn patch(&mut self, users: bool, id: &str, request: &Value) -> Answer {
        let mut value = self.collection(users).get(id)?.clone();
        let mut changes = Vec::new();
        for operation in request["Operations"].as_array().into_iter().flatten() {
            match if users { Ok(None) } else { members::change(operation) } {
                Ok(Some(change)) => changes.push(change),
                Ok(None) => patch::apply(&mut value, operation).map_err(|e| bad("invalidPath", e))?,
                Err(e) => return Err(bad("invalidPath", e)),
            }
        }
        if users {
            return self.replace(users, id, value);
        }
        // Without a path members may be among the rest.
        if let Some(members) = value.as_object_mut().and_then(|group| group.remove("members")) {
            changes.extend(
                members::change(&json!({"op": "add", "path": "members", "value": members})).ok().flatten(),
            );
        }
        self.groups.check(Some(id), false, &value)?;
        self.groups.update(id, value, changes);
        Ok((StatusCode::NO_CONTENT, None))
    }

    pub(super) fn delete(&mut self, users: bool, id: &str) -> Answer {
        self.collection(users).get(id)?;
        self.collection(users).take(id);
        Ok((StatusCode::NO_CONTENT, None))
    }
}

impl Collection {
    pub(super) fn get(&self, id: &str) -> Result<&Value, Refusal> {
        self.resources.get(id).ok_or_else(|| (StatusCode::NOT_FOUND, "", format!("no {id}")))
    }

    /// With the members or without.
    pub(super) fn read(&self, id: &str, with_members: bool) -> Result<Value, Refusal> {
        let mut value = self.get(id)?.clone();
        if let Some(members) = self.members.get(id).filter(|members| with_members && members.len() > 0) {
            value["members"] = members.to_value();
        }
        Ok(value)
    }

    /// How many members a group has.
    pub(super) fn member_count(&self, id: &str) -> usize {
        self.members.get(id).map_or(0, Members::len)
    }

    fn update(&mut self, id: &str, value: Value, changes: Vec<members::Change>) {
        let mut members = self.members.remove(id).unwrap_or_default();
        for change in changes {
            members.make(change);
        }
        self.put(id, value);
        self.members.insert(id.to_owned(), members);
    }

    fn check(&self, id: Option<&str>, users: bool, value: &Value) -> Result<(), Refusal> {
        let Some(name) = name_of(value) else {
            return Err(bad("invalidValue", "userName or displayName is missing"));
        };
        match self.names.get(&name) {
            Some(other) if users && Some(other.as_str()) != id => {
                Err((StatusCode::CONFLICT, "uniqueness", format!("{name} exists")))
            }
            _ => Ok(()),
        }
    }

    fn put(&mut self, id: &str, mut value: Value) {
        self.take(id);
        if let Some(members) = value.as_object_mut().and_then(|v| v.remove("members")) {
            self.members.insert(id.to_owned(), Members::of(&members));
        }
        if let Some(name) = name_of(&value) {
            self.names.insert(name, id.to_owned());
        }
        if let Some(external) = value["externalId"].as_str() {
            self.external_ids.entry(external.to_owned()).or_default().insert(id.to_owned());
        }
        self.resources.insert(id.to_owned(), value);
    }

    fn take(&mut self, id: &str) {
        self.members.remove(id);
        let Some(old) = self.resources.remove(id) else {
            return;
        };
        if let Some(name) = name_of(&old).filter(|n| self.names.get(n).is_some_and(|i| i == id)) {
            self.names.remove(&name);
        }
        if let Some(ids) = old["externalId"].as_str().and_then(|e| self.external_ids.get_mut(e)) {
            ids.remove(id);
        }
    }

    pub(super) fn list(&self, query: &str) -> Answer {
        let parameters: HashMap<String, String> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let number =
            |name: &str, default: usize| parameters.get(name).and_then(|v| v.parse().ok()).unwrap_or(default);
        let (start, count) = (number("startIndex", 1).max(1), number("count", 100).min(MAX_PAGE));
        let ids: Vec<&String> = match parameters.get("filter") {
            Some(filter) => self.find(filter)?,
            None => self.resources.keys().collect(),
        };
        let page = ids.iter().skip(start - 1).take(count).map(|id| self.read(id, with_members(query)));
        let (total, page) = (ids.len(), page.collect::<Result<Vec<Value>, _>>()?);
        let answer = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": total, "startIndex": start, "itemsPerPage": page.len(), "Resources": page,
        });
        Ok((StatusCode::OK, Some(answer)))
    }

    /// Ids of what meets a filter.
    fn find(&self, filter: &str) -> Result<Vec<&String>, Refusal> {
        let refused = || bad("invalidFilter", format!("not served here: {filter}"));
        let (attribute, value) = patch::equality(filter).ok_or_else(refused)?;
        let value = value.as_str().ok_or_else(refused)?;
        Ok(match attribute.to_ascii_lowercase().as_str() {
            "username" | "displayname" => self.names.get(&value.to_lowercase()).into_iter().collect(),
            "externalid" => self.external_ids.get(value).into_iter().flatten().collect(),
            "id" => self.resources.get_key_value(value).map(|(id, _)| id).into_iter().collect(),
            _ => return Err(refused()),
        })
    }
}

fn name_of(value: &Value) -> Option<String> {
    value["userName"].as_str().or_else(|| value["displayName"].as_str()).map(str::to_lowercase)
}

/// Whether a request does not say that it can do without the members (RFC 7644 §3.9).
pub(super) fn with_members(query: &str) -> bool {
    let listed = |value: &str| value.split(',').any(|name| name.trim().eq_ignore_ascii_case("members"));
    !url::form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name.eq_ignore_ascii_case("excludedAttributes") && listed(&value))
}
