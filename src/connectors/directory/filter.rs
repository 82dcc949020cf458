//! Search filters (RFC 4515), built so that no value can be anything but a value.

use std::fmt;

/// A search filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    And(Vec<Self>),
    /// Any of them.
    Or(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// The attribute has a value.
    Present(String),
    /// The attribute has this value, by its matching rule.
    Equal(String, Vec<u8>),
    /// The attribute has this value by a matching rule named by its object identifier.
    Matches {
        /// The attribute.
        attribute: String,
        /// Object identifier of the rule.
        rule: &'static str,
        /// The value.
        value: Vec<u8>,
    },
}

impl Filter {
    /// The attribute has this value, by its matching rule.
    pub fn equal(attribute: &str, value: impl AsRef<[u8]>) -> Self {
        Self::Equal(attribute.to_owned(), value.as_ref().to_vec())
    }

    /// The attribute has a value.
    pub fn present(attribute: &str) -> Self {
        Self::Present(attribute.to_owned())
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = |f: &mut fmt::Formatter<'_>, sign: &str, parts: &[Self]| {
            write!(f, "({sign}")?;
            parts.iter().try_for_each(|part| part.fmt(f))?;
            f.write_str(")")
        };
        match self {
            Self::And(parts) => all(f, "&", parts),
            Self::Or(parts) => all(f, "|", parts),
            Self::Not(part) => write!(f, "(!{part})"),
            Self::Present(attribute) => write!(f, "({}=*)", described(attribute)),
            Self::Equal(attribute, value) => write!(f, "({}={})", described(attribute), escaped(value)),
            Self::Matches { attribute, rule, value } => {
                write!(f, "({}:{rule}:={})", described(attribute), escaped(value))
            }
        }
    }
}

/// The name without whatever cannot stand in one (RFC 4512 §2.5): it would be syntax of the filter.
fn described(attribute: &str) -> String {
    attribute.chars().filter(|c| c.is_ascii_alphanumeric() || "-.;".contains(*c)).collect()
}

/// A value as it stands in a filter: every octet but plain letters, digits and a few marks in hexadecimal
/// (RFC 4515 §3).
fn escaped(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len());
    for octet in value {
        if octet.is_ascii_alphanumeric() || b"-._@:/".contains(octet) {
            out.push(char::from(*octet));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            out.push('\\');
            out.extend([octet >> 4, octet & 15].map(|nibble| char::from(DIGITS[usize::from(nibble)])));
        }
    }
    out
}

#[cfg(test)]
mod tests;
