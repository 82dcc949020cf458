//! What the target holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use axum::http::StatusCode;
use serde_json::{Value, json};

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
        Ok((StatusCode::CREATED, Some(self.collection(users).get(&id)?.clone())))
    }

    pub(super) fn replace(&mut self, users: bool, id: &str, mut value: Value) -> Answer {
        let collection = self.collection(users);
        let old = collection.get(id)?;
        let was_active = old["active"] != json!(false);
        value["meta"] = old["meta"].clone();
        value["id"] = json!(id);
        collection.check(Some(id), users, &value)?;
        collection.put(id, value.clone());
        if users && was_active && value["active"] == json!(false) {
            let name = value["userName"].as_str().unwrap_or_default().to_owned();
            self.deactivated.push((name, Instant::now()));
        }
        Ok((StatusCode::OK, Some(value)))
    }

    pub(super) fn patch(&mut self, users: bool, id: &str, request: &Value) -> Answer {
        let mut value = self.collection(users).get(id)?.clone();
        let operations = request["Operations"].as_array().cloned().unwrap_or_default();
        for operation in operations {
            patch::apply(&mut value, &operation).map_err(|e| bad("invalidPath", e))?;
        }
        self.replace(users, id, value)
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

    fn put(&mut self, id: &str, value: Value) {
        self.take(id);
        if let Some(name) = name_of(&value) {
            self.names.insert(name, id.to_owned());
        }
        if let Some(external) = value["externalId"].as_str() {
            self.external_ids.entry(external.to_owned()).or_default().insert(id.to_owned());
        }
        self.resources.insert(id.to_owned(), value);
    }

    fn take(&mut self, id: &str) {
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
        let (total, page): (usize, Vec<Value>) = match parameters.get("filter") {
            Some(filter) => {
                let found = self.find(filter)?;
                (found.len(), found.into_iter().skip(start - 1).take(count).cloned().collect())
            }
            None => {
                (self.resources.len(), self.resources.values().skip(start - 1).take(count).cloned().collect())
            }
        };
        let answer = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": total, "startIndex": start, "itemsPerPage": page.len(), "Resources": page,
        });
        Ok((StatusCode::OK, Some(answer)))
    }

    fn find(&self, filter: &str) -> Result<Vec<&Value>, Refusal> {
        let refused = || bad("invalidFilter", format!("not served here: {filter}"));
        let (attribute, value) = patch::equality(filter).ok_or_else(refused)?;
        let value = value.as_str().ok_or_else(refused)?;
        let ids: Vec<&String> = match attribute.to_ascii_lowercase().as_str() {
            "username" | "displayname" => self.names.get(&value.to_lowercase()).into_iter().collect(),
            "externalid" => self.external_ids.get(value).into_iter().flatten().collect(),
            "id" => self.resources.get_key_value(value).map(|(id, _)| id).into_iter().collect(),
            _ => return Err(refused()),
        };
        Ok(ids.into_iter().filter_map(|id| self.resources.get(id)).collect())
    }
}

fn name_of(value: &Value) -> Option<String> {
    value["userName"].as_str().or_else(|| value["displayName"].as_str()).map(str::to_lowercase)
}
