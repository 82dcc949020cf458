//! What a directory's schema says of itself (RFC 4512 §4.2): which attributes and classes there are.

use std::collections::{BTreeMap, BTreeSet};

use super::Entry;

/// Attributes and object classes of a directory; empty where the schema cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// Names in lower case, and the first name of each, which is how servers write it.
    attributes: BTreeMap<String, String>,
    /// By name in lower case.
    classes: BTreeMap<String, Class>,
    /// Syntaxes of those attributes that name one, by name in lower case.
    syntaxes: BTreeMap<String, Syntax>,
}

/// A syntax whose values are not simply text (RFC 4517 §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    Name,
    Octets,
}

impl Syntax {
    fn of(identifier: &str) -> Option<Self> {
        // Some give a bound in braces (RFC 4512 §4.1.2).
        match identifier.split('{').next()? {
            "1.3.6.1.4.1.1466.115.121.1.12" => Some(Self::Name),
            "1.3.6.1.4.1.1466.115.121.1.40"
            | "1.3.6.1.4.1.1466.115.121.1.28"
            | "1.3.6.1.4.1.1466.115.121.1.8" => Some(Self::Octets),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Class {
    must: BTreeSet<String>,
    above: Vec<String>,
}

impl Schema {
    /// Reads the subschema entry. Descriptions that cannot be read do not count.
    pub fn read(entry: &Entry) -> Self {
        let mut schema = Self::default();
        for description in entry.texts("attributeTypes") {
            let words = words(description);
            let names = values(&words, "NAME");
            if let Some(first) = names.first() {
                let syntax = values(&words, "SYNTAX").first().and_then(|syntax| Syntax::of(syntax));
                for name in &names {
                    schema.attributes.insert(name.to_ascii_lowercase(), (*first).to_owned());
                    schema.syntaxes.extend(syntax.map(|syntax| (name.to_ascii_lowercase(), syntax)));
                }
            }
        }
        for description in entry.texts("objectClasses") {
            let words = words(description);
            let lower = |key| values(&words, key).into_iter().map(str::to_ascii_lowercase);
            let class = Class { must: lower("MUST").collect(), above: lower("SUP").collect() };
            for name in lower("NAME") {
                schema.classes.insert(name, class.clone());
            }
        }
        schema
    }

    /// Whether anything is known.
    pub fn is_known(&self) -> bool {
        !self.attributes.is_empty() && !self.classes.is_empty()
    }

    /// How the directory writes the name of an attribute, options aside; `None` if it does not have it.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let plain = name.split(';').next().unwrap_or_default();
        self.attributes.get(&plain.to_ascii_lowercase()).map(String::as_str)
    }

    /// Whether the values of an attribute are distinguished names.
    pub fn is_name(&self, name: &str) -> bool {
        self.syntaxes.get(&name.to_ascii_lowercase()) == Some(&Syntax::Name)
    }

    /// Whether the values of an attribute are octets that need not be text.
    pub fn is_binary(&self, name: &str) -> bool {
        self.syntaxes.get(&name.to_ascii_lowercase()) == Some(&Syntax::Octets)
    }

    /// Whether there is such a class.
    pub fn has_class(&self, name: &str) -> bool {
        self.classes.contains_key(&name.to_ascii_lowercase())
    }

    /// Whether every entry of this class must have the attribute. Assumed where the schema is not known.
    pub fn must(&self, class: &str, attribute: &str) -> bool {
        let mut due = vec![class.to_ascii_lowercase()];
        let mut seen = BTreeSet::new();
        while let Some(name) = due.pop() {
            let Some(class) = self.classes.get(&name) else { continue };
            if class.must.contains(&attribute.to_ascii_lowercase()) {
                return true;
            }
            if seen.insert(name) {
                due.extend(class.above.iter().cloned());
            }
        }
        !self.is_known()
    }
}

/// The words of a description: parentheses, quoted strings without their marks, and what stands between spaces.
fn words(description: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = description.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' | ')' | '$' => 1,
            '\'' => {
                let end = rest.get(1..).and_then(|inner| inner.find('\'')).map_or(rest.len(), |end| end + 2);
                words.push(rest.get(1..end - 1).unwrap_or_default());
                rest = rest.get(end..).unwrap_or_default().trim_start();
                continue;
            }
            _ => rest.find([' ', '(', ')', '$', '\'']).unwrap_or(rest.len()),
        };
        words.push(rest.get(..length).unwrap_or_default());
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    words
}

/// What follows a keyword: one word, or those in parentheses.
fn values<'d>(words: &[&'d str], key: &str) -> Vec<&'d str> {
    let Some(place) = words.iter().position(|word| *word == key) else { return Vec::new() };
    let after = words.get(place + 1..).unwrap_or_default();
    match after.first() {
        Some(&"(") => {
            after.iter().skip(1).take_while(|word| **word != ")").copied().filter(|w| *w != "$").collect()
        }
        Some(word) => vec![*word],
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
