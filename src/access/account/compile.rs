//! `App`s and `AppBinding`s with their expressions compiled.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Spoiled, normalized};
use crate::access::ConnectorTraits;
use crate::access::expression::{Expression, ExpressionError, Scope};
use crate::api::{AppBindingSpec, AttributeRule, EntitlementSpec, Reason, Strength};

/// Something wrong with a field of an `App` or `AppBinding`, whoever it is used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field, such as `spec.attributes[title].value`.
    pub field: String,
    /// `InvalidExpression` or `InvalidConfiguration`.
    pub reason: Reason,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// How one attribute is computed.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Object and field, for messages.
    pub(super) field: String,
    /// An error where it does not compile: it spoils only the accounts that need it.
    pub(super) expression: Result<Expression, ExpressionError>,
    pub(super) strength: Strength,
    pub(super) clear_when_null: bool,
}

impl Rule {
    fn compile(owner: &str, rule: &AttributeRule) -> Self {
        Self {
            field: format!("{owner} {}", field(rule)),
            expression: Expression::compile(&rule.value),
            strength: rule.strength,
            clear_when_null: rule.clear_when_null,
        }
    }

    pub(super) fn value(&self, scope: &Scope<'_>) -> Result<Value, Spoiled> {
        let (reason, result) = match &self.expression {
            Ok(expression) => (Reason::MappingFailed, expression.evaluate(scope)),
            Err(error) => (Reason::InvalidExpression, Err(error.clone())),
        };
        result.map(normalized).map_err(|error| Spoiled(reason, format!("{}: {error}", self.field)))
    }

    fn problem(&self, rule: &AttributeRule) -> Option<FieldProblem> {
        self.expression.as_ref().err().map(|error| broken(field(rule), error))
    }
}

fn field(rule: &AttributeRule) -> String {
    format!("spec.attributes[{}].value", rule.to)
}

fn broken(field: String, error: &ExpressionError) -> FieldProblem {
    FieldProblem { field, reason: Reason::InvalidExpression, message: error.to_string() }
}

/// The attribute rules of an App over its connector's defaults.
#[derive(Clone, Debug)]
pub struct AppRules {
    pub(super) traits: &'static ConnectorTraits,
    pub(super) attributes: BTreeMap<String, Rule>,
}

impl AppRules {
    /// Compiles `spec.attributes` of an App. A rule takes the place of the default for the same attribute.
    pub fn compile(
        traits: &'static ConnectorTraits,
        attributes: &[AttributeRule],
    ) -> (Self, Vec<FieldProblem>) {
        let mut rules = BTreeMap::new();
        let mut problems = Vec::new();
        for rule in attributes {
            let compiled = Rule::compile("App", rule);
            problems.extend(compiled.problem(rule));
            rules.insert(rule.to.clone(), compiled);
        }
        for (to, value) in traits.defaults {
            let (to, value) = ((*to).to_owned(), (*value).to_owned());
            let default =
                AttributeRule { to: to.clone(), value, strength: Strength::Always, clear_when_null: false };
            rules.entry(to).or_insert_with(|| Rule::compile("App (default)", &default));
        }
        (Self { traits, attributes: rules }, problems)
    }
}

/// An `AppBinding`, compiled.
#[derive(Clone, Debug)]
pub struct BindingRules {
    pub(super) name: String,
    pub(super) role: String,
    pub(super) priority: i32,
    pub(super) entitlements: Vec<EntitlementSpec>,
    pub(super) attributes: BTreeMap<String, Rule>,
    pub(super) when: Option<Result<Expression, ExpressionError>>,
}

impl BindingRules {
    /// Compiles an `AppBinding`. Entitlements of types that the connector does not have are left out and reported.
    pub fn compile(name: &str, spec: &AppBindingSpec) -> (Self, Vec<FieldProblem>) {
        let mut problems = Vec::new();
        let when = spec.when.as_deref().map(Expression::compile);
        if let Some(Err(error)) = &when {
            problems.push(broken("spec.when".to_owned(), error));
        }
        let mut entitlements = spec.entitlements.clone();
        entitlements.sort();
        let mut attributes = BTreeMap::new();
        for rule in &spec.attributes {
            let compiled = Rule::compile(&format!("AppBinding {name}"), rule);
            problems.extend(compiled.problem(rule));
            attributes.insert(rule.to.clone(), compiled);
        }
        let role = spec.role_ref.name.clone();
        (
            Self { name: name.to_owned(), role, priority: spec.priority, entitlements, attributes, when },
            problems,
        )
    }

    /// Name of the binding.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name of the Role that grants.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// What decides between bindings: the lower counts.
    pub(super) fn rank(&self) -> (std::cmp::Reverse<i32>, &str) {
        (std::cmp::Reverse(self.priority), &self.name)
    }
}
