//! Members of a group, of which there may be thousands: kept apart from the group, in the order of their coming and by
//! value, so that a change costs what it changes.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::patch::equality;

#[derive(Default)]
pub(super) struct Members {
    in_order: BTreeMap<u64, Value>,
    places: HashMap<String, u64>,
    arrivals: u64,
}

/// What one operation of a PATCH does to the members.
pub(super) enum Change {
    Add(Vec<Value>),
    Remove(Vec<String>),
    Replace(Vec<Value>),
}

impl Members {
    pub(super) fn of(members: &Value) -> Self {
        let mut all = Self::default();
        all.add(list(members));
        all
    }

    pub(super) fn len(&self) -> usize {
        self.in_order.len()
    }

    pub(super) fn to_value(&self) -> Value {
        self.in_order.values().cloned().collect()
    }

    pub(super) fn make(&mut self, change: Change) {
        match change {
            Change::Add(members) => self.add(members),
            Change::Remove(values) => {
                for place in values.iter().filter_map(|value| self.places.remove(value)) {
                    self.in_order.remove(&place);
                }
            }
            Change::Replace(members) => {
                *self = Self::default();
                self.add(members);
            }
        }
    }

    fn add(&mut self, members: Vec<Value>) {
        for member in members {
            let Some(value) = member["value"].as_str().filter(|value| !self.places.contains_key(*value))
            else {
                continue;
            };
            self.arrivals += 1;
            self.places.insert(value.to_owned(), self.arrivals);
            self.in_order.insert(self.arrivals, member);
        }
    }
}

/// What an operation does to the members: `members`, with or without a list, `members[value eq "…" or value eq "…"]`.
/// `None` for one that is about something else.
pub(super) fn change(operation: &Value) -> Result<Option<Change>, String> {
    let op = operation["op"].as_str().unwrap_or_default().to_lowercase();
    let path = operation["path"].as_str().unwrap_or_default();
    let path = path.strip_prefix("urn:ietf:params:scim:schemas:core:2.0:Group:").unwrap_or(path);
    let (attribute, filter) = match path.split_once('[') {
        Some((attribute, filter)) => (attribute, Some(filter.strip_suffix(']').ok_or("an open bracket")?)),
        None => (path, None),
    };
    if !attribute.eq_ignore_ascii_case("members") {
        return Ok(None);
    }
    let listed = list(&operation["value"]);
    Ok(Some(match (op.as_str(), filter) {
        ("add", None) => Change::Add(listed),
        ("replace", None) => Change::Replace(listed),
        ("remove", None) if operation["value"].is_null() => Change::Replace(Vec::new()),
        ("remove", None) => {
            Change::Remove(listed.iter().filter_map(|m| m["value"].as_str().map(str::to_owned)).collect())
        }
        ("remove", Some(filter)) => {
            Change::Remove(filter.split(" or ").map(value_of).collect::<Result<_, _>>()?)
        }
        _ => return Err(format!("not done here: {op} {path}")),
    }))
}

fn value_of(filter: &str) -> Result<String, String> {
    match equality(filter) {
        Some(("value", Value::String(value))) => Ok(value),
        _ => Err(format!("no such filter: {filter}")),
    }
}

fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    }
}
