//! How large a value can be, at most.

use std::sync::{Arc, LazyLock};

use super::schema::{Field, Form, ITEMS, TEXT, USER};

/// How large a value can be, at most, and what is known of its parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    /// Values in it, itself included.
    pub(super) nodes: u64,
    /// Characters of text in it, altogether.
    pub(super) chars: u64,
    /// Items, where it can be a list or a map.
    pub(super) items: u64,
    /// Any one of its items; `None` where it is known to be a single value.
    pub(super) item: Option<Arc<Self>>,
    /// Its fields, where it is known to be a record.
    fields: Option<&'static [Field]>,
    /// Whether it can be a map.
    pub(super) map: bool,
}

impl Shape {
    /// Text of so many characters, a number, a truth value, or null.
    pub(super) fn single(chars: u64) -> Self {
        Self { nodes: 1, chars, ..Self::default() }
    }

    /// A list of so many items.
    pub(super) fn list(items: u64, item: Self) -> Self {
        Self {
            nodes: items.saturating_mul(item.nodes).saturating_add(1),
            chars: items.saturating_mul(item.chars),
            items,
            item: Some(Arc::new(item)),
            fields: None,
            map: false,
        }
    }

    /// Text of so many characters in parts.
    pub(super) fn parts(chars: u64) -> Self {
        let parts = Self::list(chars.saturating_add(2), Self::single(0));
        Self { chars, item: Some(Arc::new(Self::single(chars))), ..parts }
    }

    /// A map of so many entries with keys of so many characters.
    pub(super) fn map(items: u64, key: u64, item: Self) -> Self {
        let list = Self::list(items, item);
        Self {
            nodes: list.nodes.saturating_add(items),
            chars: list.chars.saturating_add(items.saturating_mul(key)),
            map: true,
            ..list
        }
    }

    fn of(form: &'static Form) -> Self {
        match form {
            Form::Text => Self::single(TEXT),
            Form::Flag => Self::single(0),
            Form::Record(fields) => Self::record(fields),
            Form::Records(fields) => Self::list(ITEMS, Self::record(fields)),
            Form::Texts => Self::map(ITEMS, ITEMS, Self::single(TEXT)),
        }
    }

    fn record(fields: &'static [Field]) -> Self {
        let items = fields.len() as u64;
        let shapes = fields.iter().map(|(_, form)| Self::of(form));
        let mut record = Self::single(0);
        let mut item = Self::default();
        for shape in shapes {
            record.nodes = record.nodes.saturating_add(shape.nodes + 1);
            record.chars = record.chars.saturating_add(shape.chars + ITEMS);
            item = item.or(&shape);
        }
        Self { items, item: Some(Arc::new(item)), fields: Some(fields), map: true, ..record }
    }

    /// `user`.
    pub(super) fn user() -> Self {
        static SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::record(USER));
        SHAPE.clone()
    }

    /// One or the other.
    pub(super) fn or(&self, other: &Self) -> Self {
        let item = match (&self.item, &other.item) {
            (Some(one), Some(two)) => Some(Arc::new(one.or(two))),
            (one, two) => one.clone().or_else(|| two.clone()),
        };
        Self {
            nodes: self.nodes.max(other.nodes),
            chars: self.chars.max(other.chars),
            items: self.items.max(other.items),
            item,
            fields: self
                .fields
                .filter(|fields| other.fields.is_some_and(|others| std::ptr::eq(*fields, others))),
            map: self.map || other.map,
        }
    }

    /// One after the other, as `+` makes it.
    pub(super) fn then(&self, other: &Self) -> Self {
        Self {
            nodes: self.nodes.saturating_add(other.nodes),
            chars: self.chars.saturating_add(other.chars),
            items: self.items.saturating_add(other.items),
            fields: None,
            ..self.or(other)
        }
    }

    /// What `.name` gives, or why it cannot.
    pub(super) fn field(&self, name: &str) -> Result<Self, String> {
        match (self.fields, &self.item) {
            (Some(fields), _) => fields
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, form)| Self::of(form))
                .ok_or_else(|| format!("there is no field `{name}`{}", hint(fields))),
            (None, Some(item)) if self.map => Ok(item.as_ref().clone()),
            (None, Some(_)) => {
                Err(format!("`.{name}` asks a list for a field: use an index, map() or exists()"))
            }
            (None, None) => Err(format!("`.{name}` asks a single value for a field")),
        }
    }

    /// Work of copying it.
    pub(super) fn weight(&self) -> u64 {
        self.nodes.saturating_add(self.chars / 256)
    }
}

fn hint(fields: &'static [Field]) -> String {
    if std::ptr::eq(fields, USER) {
        return " in a User's spec; own ones are under `user.attributes`".to_owned();
    }
    let known: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
    format!(": the fields are {}", known.join(", "))
}
