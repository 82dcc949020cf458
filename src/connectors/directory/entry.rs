//! Entries as a server sends them, read so that nothing it sends can break the reader.

use std::collections::BTreeMap;

use ldap3::asn1::{PL, StructureTag};

/// Number of the tag of a search result entry (RFC 4511 §4.5.2).
const SEARCH_RESULT_ENTRY: u64 = 4;

/// An entry, or what of it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its distinguished name, as the server writes it.
    pub dn: String,
    /// By attribute description in lower case, options included.
    attributes: BTreeMap<String, Attribute>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Attribute {
    /// As the server writes it.
    name: String,
    values: Vec<Vec<u8>>,
}

impl Entry {
    /// Reads a search result entry. `None` where it is none.
    pub fn read(tag: StructureTag) -> Option<Self> {
        let tag = tag.match_id(SEARCH_RESULT_ENTRY)?;
        let mut parts = tag.expect_constructed()?.into_iter();
        let dn = String::from_utf8(parts.next()?.expect_primitive()?).ok()?;
        let mut entry = Self { dn, attributes: BTreeMap::new() };
        for attribute in parts.next()?.expect_constructed()? {
            let mut parts = attribute.expect_constructed()?.into_iter();
            let name = String::from_utf8(parts.next()?.expect_primitive()?).ok()?;
            let values: Option<Vec<_>> =
                parts.next()?.expect_constructed()?.into_iter().map(StructureTag::expect_primitive).collect();
            entry.attributes.insert(name.to_ascii_lowercase(), Attribute { name, values: values? });
        }
        Some(entry)
    }

    /// All values of an attribute; its name in any case, options such as `;binary` included.
    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        self.attributes.get(&name.to_ascii_lowercase()).map_or(&[], |attribute| attribute.values.as_slice())
    }

    /// The first value of an attribute that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next()
    }

    /// The values of an attribute that are text.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values(name).iter().filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// Whether some value of the attribute is this text, in any case.
    pub fn has(&self, name: &str, text: &str) -> bool {
        self.texts(name).any(|value| value.eq_ignore_ascii_case(text))
    }

    /// Puts values under an attribute's name in place of those under a description, such as that of a part of them.
    pub fn put(&mut self, description: &str, name: &str, values: Vec<Vec<u8>>) {
        self.attributes.remove(&description.to_ascii_lowercase());
        self.attributes.insert(name.to_ascii_lowercase(), Attribute { name: name.to_owned(), values });
    }

    /// Every attribute: its description as the server writes it, and its values.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &[Vec<u8>])> {
        self.attributes.values().map(|attribute| (attribute.name.as_str(), attribute.values.as_slice()))
    }
}

/// Octets in a tag and all that is in it.
pub(super) fn weight(tag: &StructureTag) -> usize {
    match &tag.payload {
        PL::P(octets) => octets.len(),
        PL::C(parts) => parts.iter().map(weight).sum(),
    }
}

#[cfg(test)]
mod tests;
