//! CEL expressions (rules, conditions, mappings): compiled once, bounded when compiled, evaluated without risk.
//!
//! Differences from CEL as the specification has it, each for safety (see the modules): absent fields of `user` are
//! null rather than missing; only functions that can be bounded exist; maps are not listed, for they have no order; a
//! pattern is a literal; two `!` or `-` in a row are refused.

mod bounds;
mod functions;
mod rewrite;
mod scan;
mod schema;
mod shape;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use kube_cel::cel::objects::Value;
use kube_cel::cel::parser::Parser;
use kube_cel::cel::{Context, ExecutionError, IdedExpr};
use serde_json::{Map, Value as Json};

use crate::api::UserSpec;
use rewrite::Found;

/// Why an expression cannot be used, or gave no value: our own words, without any value of the person's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpressionError(String);

/// A compiled CEL expression.
#[derive(Clone, Debug)]
pub struct Expression(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    source: String,
    ast: IdedExpr,
    found: Found,
}

/// Two expressions are equal if they were compiled from the same text.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.source == other.0.source
    }
}

impl Eq for Expression {}

impl Expression {
    /// Compiles a mapping or condition over `user`, `roles` and `app`.
    ///
    /// Fails where the text is no CEL, uses a variable, function or field of `user` that is not there, or could cost
    /// too much.
    pub fn compile(source: &str) -> Result<Self, ExpressionError> {
        Self::compile_over(source, &["user", "roles", "app"])
    }

    /// Compiles a Role's rule, which is over `user` alone.
    pub fn compile_rule(source: &str) -> Result<Self, ExpressionError> {
        Self::compile_over(source, &["user"])
    }

    fn compile_over(source: &str, variables: &[&'static str]) -> Result<Self, ExpressionError> {
        scan::check(source).map_err(ExpressionError)?;
        let mut ast = parse(source)?;
        bounds::check(&ast, variables).map_err(ExpressionError)?;
        let mut found = Found::default();
        rewrite::rewrite(&mut ast, &mut found).map_err(ExpressionError)?;
        Ok(Self(Arc::new(Compiled { source: source.to_owned(), ast, found })))
    }

    /// The value for one person.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Json, ExpressionError> {
        self.resolve(scope).and_then(|value| json(&value))
    }

    /// The truth value for one person; any other kind of value is an error.
    pub fn evaluate_bool(&self, scope: &Scope<'_>) -> Result<bool, ExpressionError> {
        match self.resolve(scope)? {
            Value::Bool(truth) => Ok(truth),
            other => Err(ExpressionError(format!("gives {}, not true or false", other.type_of()))),
        }
    }

    fn resolve(&self, scope: &Scope<'_>) -> Result<Value, ExpressionError> {
        let Compiled { ast, found, .. } = self.0.as_ref();
        let with_patterns;
        let context = if found.patterns.is_empty() {
            &scope.0
        } else {
            let mut inner = scope.0.new_inner_scope();
            for (name, pattern) in &found.patterns {
                inner.add_variable_from_value(name.as_str(), pattern.value());
            }
            with_patterns = inner;
            &with_patterns
        };
        // Nothing that passed the checks is known to panic in the evaluator; should something, one person is spoiled
        // and not the process.
        match catch_unwind(AssertUnwindSafe(|| Value::resolve(ast, context))) {
            Ok(result) => result.map_err(|error| ExpressionError(words(&error, &found.fields))),
            Err(_) => Err(ExpressionError("cannot be evaluated".to_owned())),
        }
    }
}

fn parse(source: &str) -> Result<IdedExpr, ExpressionError> {
    // The parser is known to panic on some text that it should refuse.
    match catch_unwind(|| Parser::default().parse(source)) {
        Ok(Ok(ast)) => Ok(ast),
        Ok(Err(errors)) => Err(ExpressionError(errors.errors.first().map_or_else(
            || "is no CEL expression".to_owned(),
            |error| {
                let message: String =
                    error.msg.lines().next().unwrap_or_default().chars().take(200).collect();
                format!("line {}, column {}: {message}", error.pos.0, error.pos.1)
            },
        ))),
        Err(_) => Err(ExpressionError("is no CEL expression that can be read: make it simpler".to_owned())),
    }
}

/// An evaluation error in our own words: the library's carry values.
fn words(error: &ExecutionError, fields: &[String]) -> String {
    match error {
        ExecutionError::NoSuchKey(key) if fields.contains(key) => format!("there is no `{key}`"),
        ExecutionError::NoSuchKey(_) => "a key that is looked up is not there".to_owned(),
        ExecutionError::UnsupportedBinaryOperator(operator, one, other) => {
            format!("cannot {operator} {} and {}", one.type_of(), other.type_of())
        }
        ExecutionError::FunctionError { function, .. } => format!("`{function}` cannot be applied"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number is too large".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "an index is beyond the end of its list".to_owned(),
        _ => "a value is of the wrong type: null, perhaps, where there must be text".to_owned(),
    }
}

fn json(value: &Value) -> Result<Json, ExpressionError> {
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Int(number) => Json::from(*number),
        Value::UInt(number) => Json::from(*number),
        Value::Float(number) if number.is_finite() => Json::from(*number),
        Value::String(text) => Json::String(text.as_ref().clone()),
        Value::List(items) => Json::Array(items.iter().map(json).collect::<Result<_, _>>()?),
        Value::Map(map) => {
            // Sorted first: the evaluator's maps have no order.
            let sorted: BTreeMap<String, &Value> =
                map.map.iter().map(|(key, value)| (key.to_string(), value)).collect();
            let entries = sorted.into_iter().map(|(key, value)| Ok((key, json(value)?)));
            Json::Object(entries.collect::<Result<Map<_, _>, ExpressionError>>()?)
        }
        other => {
            return Err(ExpressionError(format!("gives {}, which is no JSON value", other.type_of())));
        }
    })
}

/// What expressions see of one person. Made once a person; evaluating in it is cheap.
pub struct Scope<'a>(Context<'a>);

impl Scope<'static> {
    /// `user` with every field of the spec; absent text is null, absent lists and maps are empty.
    pub fn of(spec: &UserSpec) -> Self {
        let mut context = functions::BASE.new_inner_scope();
        context.add_variable_from_value("user", schema::user(spec));
        Self(context)
    }

    /// `user` of a sample with the fields of a User's spec, of which none is required. Fails on fields that no User
    /// has, and on values that admission would refuse for their type or size.
    pub fn of_sample(sample: &Map<String, Json>) -> Result<Self, ExpressionError> {
        schema::sample(sample).map(|spec| Self::of(&spec)).map_err(ExpressionError)
    }
}

impl Scope<'_> {
    /// The same person, with `app` and `roles` besides.
    pub fn within<'b>(&'b self, app: &str, roles: impl Iterator<Item = &'b str>) -> Scope<'b> {
        let mut context = self.0.new_inner_scope();
        context.add_variable_from_value("app", schema::text(app));
        context.add_variable_from_value("roles", Value::List(Arc::new(roles.map(schema::text).collect())));
        Scope(context)
    }
}
