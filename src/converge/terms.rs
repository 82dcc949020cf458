//! On what terms a target keeps accounts, where it does not keep them as they are wanted.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// What a target makes of what it is given, known beforehand: what it cannot keep is not compared, so that nobody
/// fights over it. The default: it keeps everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Attributes that it does not have. A name stands for all under it: `name` for `name.givenName`, the URN of an
    /// extension for its attributes. Letter case does not count.
    pub dropped: Vec<String>,
    /// What it keeps of a list.
    pub lists: Lists,
    /// Whether logins that differ in letter case only are two.
    pub exact_login: bool,
}

/// What a target keeps of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lists {
    /// All of it.
    #[default]
    Whole,
    /// Each element without `type` and `primary`; of one that has a `value`, nothing else.
    ValueOnly,
    /// The primary element, else the first.
    One,
    /// A set of texts: numbers and truth values are texts too, and a list of one is that one.
    Texts,
}

impl Terms {
    /// What the target keeps of an attribute's value; `None`: it does not have the attribute.
    pub fn kept<'v>(&self, attribute: &str, value: &'v Value) -> Option<Cow<'v, Value>> {
        if self.dropped.iter().any(|dropped| covers(dropped, attribute)) {
            return None;
        }
        Some(match (self.lists, value) {
            (Lists::ValueOnly, Value::Array(items)) => {
                Cow::Owned(items.iter().map(value_only).collect::<Vec<_>>().into())
            }
            (Lists::One, Value::Array(items)) if items.len() > 1 => {
                let primary = items.iter().find(|item| item.get("primary") == Some(&Value::Bool(true)));
                Cow::Owned(primary.or_else(|| items.first()).cloned().into_iter().collect::<Vec<_>>().into())
            }
            (Lists::Texts, value) => texts(value),
            _ => Cow::Borrowed(value),
        })
    }
}

fn texts(value: &Value) -> Cow<'_, Value> {
    match value {
        Value::Number(number) => Cow::Owned(Value::String(number.to_string())),
        Value::Bool(truth) => Cow::Owned(Value::from(if *truth { "TRUE" } else { "FALSE" })),
        Value::Array(items) => {
            let mut kept: Vec<Value> = Vec::with_capacity(items.len());
            for item in items.iter().map(|item| texts(item).into_owned()) {
                if !kept.contains(&item) && item != "" {
                    kept.push(item);
                }
            }
            Cow::Owned(match kept.as_slice() {
                [one] => one.clone(),
                _ => Value::Array(kept),
            })
        }
        _ => Cow::Borrowed(value),
    }
}

/// Whether the name of a whole stands for this attribute.
fn covers(whole: &str, attribute: &str) -> bool {
    let head = attribute.get(..whole.len()).is_some_and(|head| head.eq_ignore_ascii_case(whole));
    head && matches!(attribute.as_bytes().get(whole.len()), None | Some(b'.' | b':'))
}

fn value_only(item: &Value) -> Value {
    let Value::Object(item) = item else { return item.clone() };
    let kept: Map<_, _> = match item.get("value") {
        Some(value) => [("value".to_owned(), value.clone())].into_iter().collect(),
        None => item
            .iter()
            .filter(|(name, _)| !["type", "primary"].contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    };
    Value::Object(kept)
}
