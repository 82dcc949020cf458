//! The account that a person should have in an App.

mod compile;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::expression::Scope;
use super::{ConnectorTraits, DesiredAccount, DesiredAttribute, Grant};
use crate::api::{EffectiveRole, EntitlementSpec, Reason};
use compile::Rule;
pub use compile::{AppRules, BindingRules, FieldProblem};

/// What a person should have in an App, and what was found on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountOutcome {
    /// Whether they should have an account, and which.
    pub grant: Grant,
    /// Names of the bindings that grant it.
    pub bindings: Vec<String>,
    /// What is wrong with bindings for this person, by binding.
    pub issues: Vec<BindingIssue>,
}

/// Something wrong with a binding for a person. It spoils nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BindingIssue {
    /// Name of the binding that did not count.
    pub binding: String,
    /// `BindingConflict`, `InvalidExpression` or `ExpressionFailed`.
    pub reason: Reason,
    /// The same for people.
    pub message: String,
}

/// Why it cannot be told what the account should be.
struct Spoiled(Reason, String);

/// The account of a person in an App.
///
/// Of all `bindings` of the App, those count whose Role is among `roles`. Entitlements add up; attributes are the
/// App's, those of bindings over them, by priority and then by name; single-valued entitlement types are decided the
/// same way. Each expression is evaluated at most once, and only if its value is needed.
pub fn desired_account(
    app: &str,
    app_rules: &AppRules,
    bindings: &[&BindingRules],
    roles: &[EffectiveRole],
    scope: &Scope<'_>,
) -> AccountOutcome {
    let mut due: Vec<&BindingRules> = bindings
        .iter()
        .copied()
        .filter(|binding| roles.iter().any(|role| role.name == binding.role))
        .collect();
    let mut outcome = AccountOutcome { grant: Grant::No, bindings: Vec::new(), issues: Vec::new() };
    if due.is_empty() {
        return outcome;
    }
    due.sort_by(|one, other| one.rank().cmp(&other.rank()));
    let scope = scope.within(app, roles.iter().map(|role| role.name.as_str()));
    let (granting, doubt) = granting(&due, &scope);
    outcome.bindings = granting.iter().map(|binding| binding.name.clone()).collect();
    outcome.bindings.sort();
    if let Some(Spoiled(reason, message)) = doubt {
        outcome.grant = Grant::Unknown { reason, message };
        return outcome;
    }
    if granting.is_empty() {
        return outcome;
    }
    let entitlements = entitlements(app_rules.traits, &granting, &mut outcome.issues);
    outcome.grant = match attributes(app_rules, &granting, &scope, &mut outcome.issues) {
        Ok((logins, attributes)) => Grant::Yes(Box::new(DesiredAccount { logins, attributes, entitlements })),
        Err(Spoiled(reason, message)) => Grant::Unknown { reason, message },
    };
    outcome.issues.sort();
    outcome
}

/// The bindings whose condition holds, and the first doubt about any.
fn granting<'a>(due: &[&'a BindingRules], scope: &Scope<'_>) -> (Vec<&'a BindingRules>, Option<Spoiled>) {
    let mut doubt = None;
    let mut holds = |binding: &BindingRules| {
        let when = match &binding.when {
            None => return true,
            Some(Ok(when)) => when.evaluate_bool(scope).map_err(|error| (Reason::ExpressionFailed, error)),
            Some(Err(error)) => Err((Reason::InvalidExpression, error.clone())),
        };
        when.unwrap_or_else(|(reason, error)| {
            let message = format!("AppBinding {} spec.when: {error}", binding.name);
            doubt.get_or_insert(Spoiled(reason, message));
            false
        })
    };
    let granting = due.iter().copied().filter(|binding| holds(binding)).collect();
    (granting, doubt)
}

/// All entitlements of types that the connector has ([`foreign_entitlement`] reports the others); of a single-valued
/// type only the first binding's.
fn entitlements(
    traits: &ConnectorTraits,
    granting: &[&BindingRules],
    issues: &mut Vec<BindingIssue>,
) -> BTreeSet<EntitlementSpec> {
    let mut all = BTreeSet::new();
    let mut single: BTreeMap<&str, (&BindingRules, &EntitlementSpec)> = BTreeMap::new();
    for binding in granting {
        for entitlement in &binding.entitlements {
            let kind = entitlement.kind.as_str();
            if !traits.entitlement_types.contains(&kind) {
                continue;
            }
            if !traits.single_valued.contains(&kind) {
                all.insert(entitlement.clone());
                continue;
            }
            let (winner, taken) = *single.entry(kind).or_insert((binding, entitlement));
            if taken != entitlement && winner.priority == binding.priority {
                issues.push(conflict(binding, winner, &format!("an account has one {kind}")));
            }
        }
    }
    all.extend(single.into_values().map(|(_, entitlement)| entitlement.clone()));
    all
}

/// The first entitlement of a binding whose type the App's connector does not have.
pub fn foreign_entitlement(
    entitlements: &[EntitlementSpec],
    traits: &ConnectorTraits,
) -> Option<FieldProblem> {
    let place = entitlements.iter().position(|e| !traits.entitlement_types.contains(&e.kind.as_str()))?;
    let (kind, known) = (&entitlements.get(place)?.kind, traits.entitlement_types.join(", "));
    Some(FieldProblem {
        field: format!("spec.entitlements[{place}].type"),
        reason: Reason::InvalidConfiguration,
        message: format!("the App has no entitlements of type `{kind}`; it has: {known}"),
    })
}

fn conflict(loser: &BindingRules, winner: &BindingRules, what: &str) -> BindingIssue {
    let message = if loser.name == winner.name {
        format!("{what}, and this AppBinding names several: the first by name counts")
    } else {
        format!("{what}, and AppBinding `{}` of the same priority says otherwise: it counts", winner.name)
    };
    BindingIssue { binding: loser.name.clone(), reason: Reason::BindingConflict, message }
}

/// Logins and attributes.
type Mapped = (Vec<String>, BTreeMap<String, DesiredAttribute>);

fn attributes(
    rules: &AppRules,
    granting: &[&BindingRules],
    scope: &Scope<'_>,
    issues: &mut Vec<BindingIssue>,
) -> Result<Mapped, Spoiled> {
    let mut overrides: BTreeMap<&str, Vec<(&BindingRules, &Rule)>> = BTreeMap::new();
    for binding in granting {
        for (to, rule) in &binding.attributes {
            overrides.entry(to).or_default().push((binding, rule));
        }
    }
    let (mut logins, mut attributes) = (None, BTreeMap::new());
    let names: BTreeSet<&str> =
        rules.attributes.keys().map(String::as_str).chain(overrides.keys().copied()).collect();
    for to in names {
        let (rule, value) = match (overrides.get(to).map(Vec::as_slice), rules.attributes.get(to)) {
            (Some([winner, others @ ..]), _) => (winner.1, decide(to, *winner, others, scope, issues)?),
            (_, Some(rule)) => (rule, rule.value(scope)?),
            _ => continue,
        };
        if to == rules.traits.login {
            logins = Some(candidates(&value).ok_or_else(|| {
                Spoiled(
                    Reason::MappingFailed,
                    format!("{}: gives no login, which is text or a list of texts", rule.field),
                )
            })?);
            continue;
        }
        let Rule { strength, clear_when_null, .. } = *rule;
        attributes.insert(to.to_owned(), DesiredAttribute { value, strength, clear_when_null });
    }
    let none = || {
        Spoiled(Reason::MappingFailed, format!("App spec.attributes: nothing gives `{}`", rules.traits.login))
    };
    Ok((logins.ok_or_else(none)?, attributes))
}

/// The first binding's value. Others of its priority that give another are reported.
fn decide(
    to: &str,
    (winner, rule): (&BindingRules, &Rule),
    others: &[(&BindingRules, &Rule)],
    scope: &Scope<'_>,
    issues: &mut Vec<BindingIssue>,
) -> Result<Value, Spoiled> {
    let value = rule.value(scope)?;
    for (loser, other) in others.iter().filter(|(other, _)| other.priority == winner.priority) {
        if other.expression == rule.expression {
            continue;
        }
        match other.value(scope) {
            Ok(other) if other == value => {}
            Ok(_) => issues.push(conflict(loser, winner, &format!("an account has one `{to}`"))),
            Err(Spoiled(reason, message)) => {
                issues.push(BindingIssue { binding: loser.name.clone(), reason, message });
            }
        }
    }
    Ok(value)
}

/// The logins that a value stands for, best first; `None` where there is none.
fn candidates(value: &Value) -> Option<Vec<String>> {
    let listed = match value {
        Value::String(_) => std::slice::from_ref(value),
        Value::Array(listed) => listed,
        _ => return None,
    };
    let mut logins: Vec<String> = Vec::with_capacity(listed.len());
    for login in listed {
        let login = login.as_str()?;
        if !login.trim().is_empty() && !logins.iter().any(|known| known == login) {
            logins.push(login.to_owned());
        }
    }
    (!logins.is_empty()).then_some(logins)
}

/// Without what says nothing: null, empty text, empty lists and maps are all "unassigned" (RFC 7643 §2.5), also
/// inside of lists and maps.
fn normalized(value: Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() => Value::Null,
        Value::Array(items) => {
            let items: Vec<Value> =
                items.into_iter().map(normalized).filter(|item| !item.is_null()).collect();
            if items.is_empty() { Value::Null } else { Value::Array(items) }
        }
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, normalized(value)));
            let fields: Map<String, Value> = fields.filter(|(_, value)| !value.is_null()).collect();
            if fields.is_empty() { Value::Null } else { Value::Object(fields) }
        }
        other => other,
    }
}
