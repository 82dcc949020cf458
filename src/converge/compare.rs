//! When two values are the same, and what must change for an account to be as desired.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Change, RemoteAccount};
use crate::access::{DesiredAccount, DesiredAttribute};
use crate::api::Strength;

/// Whether the value is no value: `null`, `""`, `[]`, or an object of nothing else (RFC 7643 §2.5).
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_empty),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether what the target shows is what was asked for.
///
/// Objects: every desired member is there, others are ignored (targets add `primary`, `display`, `$ref`). Arrays: the
/// same elements in any order. All forms of no value are the same. Scalars of different types are different.
pub fn equivalent(desired: &Value, observed: &Value) -> bool {
    match (desired, observed) {
        (Value::Object(want), Value::Object(have)) => members_agree(want, have),
        _ if is_empty(desired) || is_empty(observed) => is_empty(desired) && is_empty(observed),
        (Value::Array(want), Value::Array(have)) => same_elements(want, have),
        (Value::Number(want), Value::Number(have)) => want == have || want.as_f64() == have.as_f64(),
        _ => desired == observed,
    }
}

fn members_agree(want: &Map<String, Value>, have: &Map<String, Value>) -> bool {
    want.iter().all(|(name, value)| equivalent(value, have.get(name).unwrap_or(&Value::Null)))
}

/// Whether the elements pair off. One desired element may be equivalent to several observed ones, so taking the first
/// that fits could miss a pairing that exists; augmenting paths find it.
fn same_elements(want: &[Value], have: &[Value]) -> bool {
    if want.len() != have.len() {
        return false;
    }
    let mut taken_by = vec![None; have.len()];
    (0..want.len()).all(|element| {
        let mut visited = vec![false; have.len()];
        pair(element, want, have, &mut taken_by, &mut visited)
    })
}

fn pair(
    element: usize,
    want: &[Value],
    have: &[Value],
    taken_by: &mut [Option<usize>],
    visited: &mut [bool],
) -> bool {
    for (place, observed) in have.iter().enumerate() {
        if visited[place] || !equivalent(&want[element], observed) {
            continue;
        }
        visited[place] = true;
        if taken_by[place].is_none_or(|other| pair(other, want, have, taken_by, visited)) {
            taken_by[place] = Some(element);
            return true;
        }
    }
    false
}

/// Whether two logins are one. Most targets compare them without case (RFC 7643 §4.1.1), and some change the case.
pub(super) fn same_login(one: &str, other: &str) -> bool {
    one == other || one.to_lowercase() == other.to_lowercase()
}

/// Whether the account has this login, as its target compares logins.
pub(super) fn has_login(account: &RemoteAccount, login: &str) -> bool {
    account.login == login || (!account.terms.exact_login && same_login(&account.login, login))
}

/// The login that the person should have, seen from the one they have: it, if it is a candidate, else the first.
pub(super) fn wished_login<'d>(desired: &'d DesiredAccount, present: &str) -> Option<&'d str> {
    let logins = || desired.logins.iter().map(String::as_str);
    // Where case counts, two candidates may differ in nothing else.
    let kept = logins().find(|login| *login == present);
    kept.or_else(|| logins().find(|login| same_login(login, present))).or_else(|| logins().next())
}

/// Whether the account's login is one that the person may have.
pub(super) fn keeps_login(desired: &DesiredAccount, account: &RemoteAccount) -> bool {
    desired.logins.iter().any(|login| has_login(account, login))
}

/// The least that must change for an existing account to have the desired attributes, as far as its target keeps them;
/// login and marker aside.
pub(super) fn changes(desired: &DesiredAccount, account: &RemoteAccount) -> Vec<Change> {
    let change = |(name, want): (&String, &DesiredAttribute)| {
        let value = account.terms.kept(name, &want.value)?;
        let have = account.attributes.get(name).unwrap_or(&Value::Null);
        let value = (!is_empty(&value)).then_some(value);
        must_change(want, value.as_deref(), have)
            .then(|| Change { attribute: name.clone(), value: value.map(Cow::into_owned) })
    };
    desired.attributes.iter().filter_map(change).collect()
}

fn must_change(want: &DesiredAttribute, value: Option<&Value>, have: &Value) -> bool {
    match (want.strength, value) {
        (Strength::Initial, _) => false,
        (Strength::IfEmpty, value) => is_empty(have) && value.is_some(),
        (Strength::Always, None) => want.clear_when_null && !is_empty(have),
        (Strength::Always, Some(value)) => !equivalent(value, have),
    }
}

/// The strings by which a value can be searched for and recognised: itself, or those of a multi-valued attribute, its
/// primary one first (RFC 7643 §2.4).
pub(super) fn strings(value: &Value) -> Vec<&str> {
    let Value::Array(items) = value else {
        return scalar(value).into_iter().collect();
    };
    let primary = |item: &&Value| item.get("primary") == Some(&Value::Bool(true));
    let (first, rest): (Vec<_>, Vec<_>) = items.iter().partition(primary);
    first.into_iter().chain(rest).filter_map(|item| scalar(item.get("value").unwrap_or(item))).collect()
}

fn scalar(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}
