//! From JSON values to those of a directory and back. Pure.

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::Value;

use crate::api::Reason;
use crate::connectors::{Failure, FailureClass};

/// The values that a JSON value stands for: text, a number or a truth value each; of a binary attribute base64.
pub fn to_octets(attribute: &str, value: &Value, binary: bool) -> Result<Vec<Vec<u8>>, Failure> {
    let one = |value: &Value| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            // RFC 4517 §3.3.3.
            Value::Bool(truth) => if *truth { "TRUE" } else { "FALSE" }.to_owned(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(refuse(attribute, "its value must be text, or a list of texts"));
            }
        };
        if !binary {
            return Ok(text.into_bytes());
        }
        BASE64
            .decode(text)
            .map_err(|_| refuse(attribute, "its value is not base64, which binary attributes need"))
    };
    let values: Result<Vec<_>, _> = match value {
        Value::Array(items) => items.iter().map(one).collect(),
        value => one(value).map(|value| vec![value]),
    };
    let mut values = values?;
    values.retain(|value| !value.is_empty());
    Ok(values)
}

/// The JSON value that the values of an attribute are: text for one, a list for several. `None` where they are no text
/// and the attribute is not said to be binary.
pub fn to_json(values: &[Vec<u8>], binary: bool) -> Option<Value> {
    let one = |value: &Vec<u8>| {
        let text = if binary { BASE64.encode(value) } else { String::from_utf8(value.clone()).ok()? };
        Some(Value::String(text))
    };
    match values {
        [] => None,
        [single] => one(single),
        several => several.iter().map(one).collect::<Option<Vec<_>>>().map(Value::Array),
    }
}

fn refuse(attribute: &str, what: &str) -> Failure {
    Failure {
        class: FailureClass::Permanent,
        reason: Reason::Rejected,
        message: format!("attribute {attribute}: {what}"),
        retry_after: None,
    }
}

#[cfg(test)]
mod tests;
