//! PATCH (RFC 7644 §3.5.2), as far as clients use it.

use serde_json::{Map, Value, json};

/// `attribute eq value`, taken apart.
pub(super) fn equality(filter: &str) -> Option<(&str, Value)> {
    let mut parts = filter.trim().splitn(3, ' ');
    let (attribute, operator, value) = (parts.next()?, parts.next()?, parts.next()?);
    let equal = operator.eq_ignore_ascii_case("eq");
    equal.then(|| serde_json::from_str(value).ok()).flatten().map(|value| (attribute, value))
}

pub(super) fn apply(resource: &mut Value, operation: &Value) -> Result<(), String> {
    let op = operation["op"].as_str().unwrap_or_default().to_lowercase();
    if !["add", "replace", "remove"].contains(&op.as_str()) {
        return Err(format!("no operation {op:?}"));
    }
    let Some(path) = operation["path"].as_str() else {
        let object = operation["value"].as_object().ok_or("neither path nor object")?;
        return object.iter().try_for_each(|(path, value)| at_path(resource, &op, path, value));
    };
    at_path(resource, &op, path, &operation["value"])
}

fn at_path(resource: &mut Value, op: &str, path: &str, value: &Value) -> Result<(), String> {
    let (extension, rest) = split_urn(path);
    let target = match extension {
        Some(urn) => child(object(resource)?, urn),
        None => resource,
    };
    if rest.is_empty() {
        set(target, op, value);
        return Ok(());
    }
    if let Some((attribute, selected)) = rest.split_once('[') {
        let (filter, leaf) = selected.split_once(']').ok_or("an open bracket")?;
        return in_list(child(object(target)?, attribute), op, filter, leaf.trim_start_matches('.'), value);
    }
    let parts: Vec<&str> = rest.split('.').collect();
    let (last, parents) = parts.split_last().ok_or("an empty path")?;
    let mut parent = target;
    for part in parents {
        parent = child(object(parent)?, part);
    }
    let parent = object(parent)?;
    if op == "remove" && value.is_null() {
        parent.remove(*last);
        return Ok(());
    }
    set(child(parent, last), op, value);
    Ok(())
}

/// An extension's name and the path within it; a core attribute may bear its schema's name too.
fn split_urn(path: &str) -> (Option<&str>, &str) {
    if !path.starts_with("urn:") {
        return (None, path);
    }
    let (urn, rest) = match path.rsplit_once(':') {
        Some((urn, rest)) if rest != "User" && rest != "Group" => (urn, rest),
        _ => (path, ""),
    };
    (Some(urn).filter(|u| !u.contains(":schemas:core:")), rest)
}

fn object(value: &mut Value) -> Result<&mut Map<String, Value>, String> {
    if value.is_null() {
        *value = json!({});
    }
    value.as_object_mut().ok_or_else(|| "not an object".into())
}

fn child<'a>(object: &'a mut Map<String, Value>, key: &str) -> &'a mut Value {
    object.entry(key).or_insert(Value::Null)
}

fn set(target: &mut Value, op: &str, value: &Value) {
    match (op, &mut *target, value) {
        ("add", Value::Array(list), Value::Array(new)) => {
            let fresh: Vec<Value> = new.iter().filter(|v| !list.contains(v)).cloned().collect();
            list.extend(fresh);
        }
        ("remove", Value::Array(list), Value::Array(gone)) => {
            list.retain(|v| !gone.iter().any(|g| g["value"] == v["value"]));
        }
        ("remove", ..) => *target = Value::Null,
        (_, Value::Object(old), Value::Object(new)) => {
            old.extend(new.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
        _ => *target = value.clone(),
    }
}

fn in_list(list: &mut Value, op: &str, filter: &str, leaf: &str, value: &Value) -> Result<(), String> {
    let (attribute, wanted) = equality(filter).ok_or_else(|| format!("no such filter: {filter}"))?;
    if list.is_null() {
        *list = json!([]);
    }
    let items = list.as_array_mut().ok_or("not a list")?;
    if op == "remove" && leaf.is_empty() {
        items.retain(|i| i[attribute] != wanted);
        return Ok(());
    }
    if !items.iter().any(|i| i[attribute] == wanted) {
        items.push(json!({ attribute: wanted }));
    }
    for item in items.iter_mut().filter(|i| i[attribute] == wanted) {
        let target = if leaf.is_empty() { item } else { child(object(item)?, leaf) };
        set(target, op, value);
    }
    Ok(())
}
