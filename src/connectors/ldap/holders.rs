//! Who is in a group, for a sweep: the group's members, by what the listing before said that accounts are called. And the
//! groups that an account is in, whoever put it there.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use parking_lot::Mutex;

use super::probe::Profile;
use super::{GROUP, LOGIN, Ldap};
use crate::api::directory::ldap::LdapGroupKind;
use crate::connectors::Failure;
use crate::connectors::directory::{Dn, Entry};

/// Ids of the accounts of the last listing, by a hash of what groups call them.
#[derive(Default)]
pub(super) struct Listed(Mutex<HashMap<u64, Box<str>>>);

impl Listed {
    /// A listing begins.
    pub(super) fn begin(&self) {
        self.0.lock().clear();
    }

    fn id(&self, name: u64) -> Option<String> {
        self.0.lock().get(&name).map(ToString::to_string)
    }
}

impl Ldap {
    /// Takes note of accounts that are listed.
    pub(super) fn note_listed(&self, entries: &[Entry], profile: &Profile) {
        let mut listed = self.shared.listed.0.lock();
        for entry in entries {
            let name = match self.kind() {
                LdapGroupKind::PosixGroup => entry.text(LOGIN).map(hash),
                _ => name_of(&entry.dn),
            };
            if let (Some(name), Some(id)) = (name, profile.id(entry)) {
                listed.insert(name, id.into());
            }
        }
    }

    /// Ids of the listed accounts that are in a group, by one read of it; `None` where it is not there.
    pub(super) async fn members_of(
        &self,
        kind: &str,
        group: &str,
    ) -> Result<Option<HashSet<String>>, Failure> {
        if kind != GROUP {
            return Ok(None);
        }
        let member = self.kind().member();
        let attributes = [member, "entryUUID", "nsUniqueId"];
        let found = self.entry("read group", &self.shared.groups_base, group, &attributes).await?;
        let by_login = self.kind() == LdapGroupKind::PosixGroup;
        let name = |text: &str| if by_login { Some(hash(text)) } else { name_of(text) };
        Ok(found
            .map(|entry| entry.texts(member).filter_map(|text| self.shared.listed.id(name(text)?)).collect()))
    }
}

impl Ldap {
    /// The groups that an account is in, as type and id.
    pub(super) async fn groups_of(&self, id: &str) -> Result<Vec<(String, String)>, Failure> {
        let called = self.values_of(&[id.to_owned()]).await?;
        let Some(called) = called.get(id) else { return Ok(Vec::new()) };
        let groups = self.groups_with(called).await?;
        Ok(groups.into_iter().map(|group| (GROUP.to_owned(), group)).collect())
    }
}

fn name_of(dn: &str) -> Option<u64> {
    Dn::parse(dn).ok().map(|dn| hash(&dn.key()))
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
