//! What is asked of a server, and how it is sent.

use std::collections::HashSet;
use std::time::Duration;

use ldap3::controls::RawControl;
use ldap3::{DerefAliases, Ldap, LdapError, LdapResult, Mod, Scope, SearchOptions};

use super::entry::weight;
use super::{ANSWER_AT_MOST, Dn, Entry, Filter, Raw};

/// What a search is for.
#[derive(Clone, Debug)]
pub struct Search<'a> {
    /// The entry at or under which is searched.
    pub base: &'a str,
    /// How far.
    pub scope: Scope,
    /// What.
    pub filter: Filter,
    /// The attributes that are wanted: `*` for all of the user's, `+` for the operational ones, `1.1` for none.
    pub attributes: &'a [&'a str],
    /// Most entries that make sense. More are an error.
    pub limit: usize,
}

impl<'a> Search<'a> {
    /// One entry by its name.
    pub fn of_entry(dn: &'a str, attributes: &'a [&'a str]) -> Self {
        let filter = Filter::present("objectClass");
        Self { base: dn, scope: Scope::Base, filter, attributes, limit: 1 }
    }

    /// Asks, and collects what comes. `None`: more came than was bargained for.
    pub(super) async fn send(
        &self,
        mut handle: Ldap,
        controls: Vec<RawControl>,
        timeout: Duration,
    ) -> Result<Option<Raw>, LdapError> {
        handle.with_timeout(timeout).with_controls(controls);
        handle.with_search_options(SearchOptions::new().deref(DerefAliases::Never));
        let filter = self.filter.to_string();
        let mut stream =
            handle.streaming_search(self.base, self.scope, &filter, self.attributes.to_vec()).await?;
        let (mut entries, mut octets) = (Vec::new(), 0);
        while let Some(item) = stream.next().await? {
            // Where other servers go on, which is not followed; and news that nobody asked for.
            if item.is_ref() || item.is_intermediate() {
                continue;
            }
            octets += weight(&item.0);
            if entries.len() >= self.limit || octets > ANSWER_AT_MOST {
                drop(stream.finish().await);
                return Ok(None);
            }
            let Some(entry) = Entry::read(item.0) else {
                drop(stream.finish().await);
                return Err(LdapError::DecodingUTF8);
            };
            entries.push(entry);
        }
        Ok(Some(Raw { result: stream.finish().await, entries }))
    }
}

/// How values of an attribute change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// These are added.
    Add,
    /// These are removed, or all where none is named.
    Delete,
    /// These take the place of all; none removes the attribute, be it there or not.
    Replace,
}

/// A change of one attribute. Its values may be secret: it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Modification {
    /// How.
    pub edit: Edit,
    /// Attribute description.
    pub attribute: String,
    /// Values.
    pub values: Vec<Vec<u8>>,
}

impl Modification {
    /// A change of one attribute.
    pub fn new(edit: Edit, attribute: &str, values: Vec<Vec<u8>>) -> Self {
        Self { edit, attribute: attribute.to_owned(), values }
    }
}

/// A change of the directory. Its values may be secret: it has no `Debug`.
pub enum Write<'a> {
    /// Makes an entry.
    Add {
        /// Its name.
        dn: &'a str,
        /// Attributes and their values, of which there must be some.
        attributes: Vec<(String, Vec<Vec<u8>>)>,
    },
    /// Changes attributes: all or none.
    Modify {
        /// Name of the entry.
        dn: &'a str,
        /// In this order.
        changes: Vec<Modification>,
    },
    /// Renames an entry, or moves it, or both.
    Rename {
        /// Name of the entry.
        dn: &'a str,
        /// New name among its siblings, as [`Dn::rdn`] gives it. The old value of the naming attribute goes.
        rdn: &'a str,
        /// The entry that it is moved under.
        superior: Option<&'a Dn>,
    },
    /// Deletes an entry that has none beneath it.
    Delete {
        /// Its name.
        dn: &'a str,
    },
}

/// What a write answered.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The entry after it, where that was asked for and the server can show it.
    pub after: Option<Entry>,
}

impl Write<'_> {
    /// Name of the entry.
    pub fn dn(&self) -> &str {
        match self {
            Self::Add { dn, .. }
            | Self::Modify { dn, .. }
            | Self::Rename { dn, .. }
            | Self::Delete { dn } => dn,
        }
    }

    pub(super) async fn send(
        &self,
        handle: &mut Ldap,
        controls: Vec<RawControl>,
    ) -> Result<LdapResult, LdapError> {
        if !controls.is_empty() {
            handle.with_controls(controls);
        }
        match self {
            Self::Add { dn, attributes } => {
                let attributes =
                    attributes.iter().map(|(name, values)| (name.as_bytes().to_vec(), set(values))).collect();
                handle.add(dn, attributes).await
            }
            Self::Modify { dn, changes } => {
                let changes = changes.iter().map(|change| {
                    let name = change.attribute.as_bytes().to_vec();
                    match change.edit {
                        Edit::Add => Mod::Add(name, set(&change.values)),
                        Edit::Delete => Mod::Delete(name, set(&change.values)),
                        Edit::Replace => Mod::Replace(name, set(&change.values)),
                    }
                });
                handle.modify(dn, changes.collect()).await
            }
            Self::Rename { dn, rdn, superior } => {
                let superior = superior.map(ToString::to_string);
                handle.modifydn(dn, rdn, true, superior.as_deref()).await
            }
            Self::Delete { dn } => handle.delete(dn).await,
        }
    }
}

/// Values of an attribute are a set (RFC 4511 §4.1.7).
fn set(values: &[Vec<u8>]) -> HashSet<Vec<u8>> {
    values.iter().cloned().collect()
}
