//! The functions that expressions may use: those whose cost and result can be bounded and that cannot panic.

use std::fmt;
use std::sync::{Arc, LazyLock};

use kube_cel::KubeCelExt;
use kube_cel::cel::extractors::{Arguments, This};
use kube_cel::cel::objects::{Opaque, Value};
use kube_cel::cel::{Context, ExecutionError, ResolveResult};
use regex::{Regex, RegexBuilder};

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `f(x)`
    Global,
    /// `x.f()`
    Method,
    /// Both.
    Either,
}

/// What a function does with the sizes of its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Reads them once; gives a number or a truth value.
    Look,
    /// Compares everything in the first with everything in the second; gives a number or a truth value.
    Cross,
    /// Gives at most as much as the first.
    Same,
    /// The same, after comparing everything in it with everything in it.
    Distinct,
    /// Gives short text, or the first operand's.
    Text,
    /// Gives the text with every occurrence replaced.
    Replace,
    /// Gives a list of parts of the text.
    Split,
    /// Gives the items as one text.
    Join,
    /// Matches against a pattern, which must be a literal.
    Match,
}

/// A function: name, how it is called, least and most operands (the one before the dot counts), what it does.
pub(super) type Function = (&'static str, Style, usize, usize, Effect);

const FUNCTIONS: &[Function] = &[
    ("size", Style::Either, 1, 1, Effect::Look),
    ("string", Style::Either, 1, 1, Effect::Text),
    ("int", Style::Global, 1, 1, Effect::Look),
    ("double", Style::Global, 1, 1, Effect::Look),
    ("contains", Style::Method, 2, 2, Effect::Look),
    ("startsWith", Style::Method, 2, 2, Effect::Look),
    ("endsWith", Style::Method, 2, 2, Effect::Look),
    ("matches", Style::Method, 2, 2, Effect::Match),
    ("charAt", Style::Method, 2, 2, Effect::Same),
    ("indexOf", Style::Method, 2, 3, Effect::Cross),
    ("lastIndexOf", Style::Method, 2, 3, Effect::Cross),
    ("lowerAscii", Style::Method, 1, 1, Effect::Same),
    ("upperAscii", Style::Method, 1, 1, Effect::Same),
    ("trim", Style::Method, 1, 1, Effect::Same),
    ("substring", Style::Method, 2, 3, Effect::Same),
    ("reverse", Style::Method, 1, 1, Effect::Same),
    ("replace", Style::Method, 3, 4, Effect::Replace),
    ("split", Style::Method, 2, 3, Effect::Split),
    ("join", Style::Method, 1, 2, Effect::Join),
    ("slice", Style::Method, 3, 3, Effect::Same),
    ("distinct", Style::Method, 1, 1, Effect::Distinct),
    ("sets.contains", Style::Global, 2, 2, Effect::Cross),
    ("sets.intersects", Style::Global, 2, 2, Effect::Cross),
    ("sets.equivalent", Style::Global, 2, 2, Effect::Cross),
];

/// The function of this name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|(known, ..)| *known == name)
}

/// Every function's name.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, ..)| *name)
}

/// The functions, without variables. Costly to make and never changed, so there is one.
pub(super) static BASE: LazyLock<Context<'static>> = LazyLock::new(|| {
    let mut base = Context::default().with_all();
    base.add_function("size", size);
    base.add_function("contains", contains);
    base.add_function("join", join);
    base.add_function("matches", matches);
    base
});

/// Counts characters, as CEL says; the library counts bytes, which `substring` does not.
fn size(This(this): This<Value>) -> ResolveResult {
    let size = match &this {
        Value::String(text) => text.chars().count(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.map.len(),
        _ => {
            return Err(ExecutionError::function_error("size", "neither text nor list nor map"));
        }
    };
    Ok(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

/// Looks for text in text or for an item in a list; the library says `false` for anything else, null among it, of
/// which `!user.title.contains('Guest')` would make access.
fn contains(This(this): This<Value>, sought: Value) -> ResolveResult {
    let found = match (this, sought) {
        (Value::String(text), Value::String(sought)) => text.contains(sought.as_str()),
        (Value::List(items), sought) => items.contains(&sought),
        _ => {
            return Err(ExecutionError::function_error("contains", "neither text and text nor a list"));
        }
    };
    Ok(Value::Bool(found))
}

/// Joins text only; the library would write `Null` for a null.
fn join(This(this): This<Arc<Vec<Value>>>, Arguments(args): Arguments) -> ResolveResult {
    let not_text = || ExecutionError::function_error("join", "an item is not text");
    let separator = match args.first() {
        None => "",
        Some(Value::String(separator)) => separator.as_str(),
        Some(_) => return Err(not_text()),
    };
    let parts: Option<Vec<&str>> = this
        .iter()
        .map(|item| if let Value::String(text) = item { Some(text.as_str()) } else { None })
        .collect();
    Ok(Value::String(Arc::new(parts.ok_or_else(not_text)?.join(separator))))
}

/// Matches with a pattern compiled beforehand; the library would compile it each time, which costs 100 times more.
fn matches(This(this): This<Arc<String>>, pattern: Value) -> ResolveResult {
    let matched = match pattern {
        Value::Opaque(opaque) => opaque.downcast_ref::<Pattern>().map(|pattern| pattern.0.is_match(&this)),
        _ => None,
    };
    matched.map(Value::Bool).ok_or_else(|| ExecutionError::function_error("matches", "not a pattern"))
}

/// A regular expression, compiled with the expression that it stands in.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// Largest compiled pattern, in bytes.
    const SIZE: usize = 256 * 1024;

    /// Compiles a pattern (RE2 syntax, as CEL has it).
    pub(super) fn compile(source: &str) -> Result<Self, String> {
        RegexBuilder::new(source).size_limit(Self::SIZE).dfa_size_limit(Self::SIZE).build().map(Self).map_err(
            |error| match error {
                regex::Error::CompiledTooBig(_) => "the pattern is too large".to_owned(),
                _ => "the pattern is no regular expression".to_owned(),
            },
        )
    }

    /// The pattern as a value that expressions can pass on to `matches`.
    pub(super) fn value(&self) -> Value {
        Value::Opaque(Arc::new(self.clone()))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl Opaque for Pattern {
    fn runtime_type_name(&self) -> &'static str {
        "pattern"
    }
}
