//! Groups as entitlements: found, made, and who is directly in them.

mod members;

use super::guid::{Guid, Sid};
use super::placement::{entry_dn, identity};
use super::{ActiveDirectory, configuration, names, refusal, trouble};
use crate::api::Reason;
use crate::api::directory::active_directory::GroupScope;
use crate::connectors::directory::{Dn, Entry, Filter, Scope, Search, Write, code as result};
use crate::connectors::locks::Locks;
use crate::connectors::{Failure, FailureClass};

/// Groups of one name that are told apart before that is given up.
const ALIKE_AT_MOST: usize = 10;
/// What is asked of a group: never its members.
const SHORT: [&str; 5] = ["objectGUID", "objectSid", "sAMAccountName", "cn", "objectClass"];

/// What is kept about groups.
#[derive(Default)]
pub(super) struct Groups {
    /// Groups are made one after the other.
    making: tokio::sync::Mutex<()>,
    /// One group's members are changed by one request after the other.
    turns: Locks<String>,
}

/// A group.
struct Group {
    guid: Guid,
    dn: Dn,
    /// What the `primaryGroupID` is of those whose primary group it is.
    relative_id: Option<u32>,
}

impl Group {
    fn read(entry: &Entry) -> Result<Self, Failure> {
        let senseless = || {
            let message = "read group: a group without objectGUID".to_owned();
            trouble(FailureClass::Unknown, Reason::UnexpectedAnswer, message)
        };
        let sid = entry.values("objectSid").first().and_then(|bytes| Sid::from_bytes(bytes));
        Ok(Self {
            guid: identity(entry).ok_or_else(senseless)?,
            dn: entry_dn(entry)?,
            relative_id: sid.and_then(|sid| sid.relative_id()),
        })
    }
}

impl ActiveDirectory {
    /// The id of a group, by id, distinguished name, `sAMAccountName`, or `cn`.
    pub(super) async fn group_id(&self, value: &str) -> Result<Option<String>, Failure> {
        self.profile().await?;
        let group = if let Ok(guid) = value.parse::<Guid>() {
            self.group_at(&guid.dn()).await?
        } else if let Ok(dn) = Dn::parse(value)
            && dn.is_within(&self.shared.places.domain)
        {
            self.group_at(&dn.to_string()).await?
        } else {
            self.group_named(value).await?
        };
        let Some(group) = group else { return Ok(None) };
        self.may_change(&group)?;
        Ok(Some(group.guid.to_string()))
    }

    async fn group_at(&self, dn: &str) -> Result<Option<Group>, Failure> {
        let found = self.shared.directory.read(self.op("find group"), dn, &SHORT).await?;
        found.filter(|entry| entry.has("objectClass", "group")).map(|entry| Group::read(&entry)).transpose()
    }

    /// Of the `sAMAccountName` there is one; several may have the `cn`, in different places.
    async fn group_named(&self, name: &str) -> Result<Option<Group>, Failure> {
        let base = self.shared.places.groups.to_string();
        let either = Filter::Or(vec![Filter::equal("sAMAccountName", name), Filter::equal("cn", name)]);
        let filter = Filter::And(vec![Filter::equal("objectCategory", "group"), either]);
        let search =
            Search { base: &base, scope: Scope::Subtree, filter, attributes: &SHORT, limit: ALIKE_AT_MOST };
        let found = self.shared.directory.search(self.op("find group"), &search).await;
        let found = found.map_err(refusal::about_base)?;
        let by = |attribute: &str| -> Vec<&Entry> {
            found.iter().filter(|entry| is_named(entry, attribute, name)).collect()
        };
        let (by_login, by_name) = (by("sAMAccountName"), by("cn"));
        match (by_login.as_slice(), by_name.as_slice()) {
            ([one], _) | ([], [one]) => Group::read(one).map(Some),
            ([], []) => Ok(None),
            _ => {
                let message = "find group: several groups have this name; name one by its distinguished name";
                Err(trouble(FailureClass::Conflict, Reason::AmbiguousMatch, message.to_owned()))
            }
        }
    }

    fn may_change(&self, group: &Group) -> Result<(), Failure> {
        if self.shared.places.protects(&group.dn) {
            let message =
                "find group: the group lies under one of spec.connector.activeDirectory.protectedDns";
            return Err(configuration(message.to_owned()));
        }
        Ok(())
    }

    /// Makes a security group. Somebody else may do the same: then theirs is taken.
    pub(super) async fn create_group(&self, name: &str) -> Result<String, Failure> {
        const OPERATION: &str = "create group";
        let _one_at_a_time = self.shared.groups.making.lock().await;
        if let Some(id) = self.group_id(name).await? {
            return Ok(id);
        }
        let (common_name, login) = (names::common_name(name), names::group_login(name));
        if common_name.is_empty() || common_name != name || login.is_empty() {
            let message =
                format!("{OPERATION}: no group can have this name: give one of at most 64 characters");
            return Err(trouble(FailureClass::Permanent, Reason::Rejected, message));
        }
        let dn = self.shared.places.new_groups.child("CN", &common_name).to_string();
        let text = |text: &str| vec![text.as_bytes().to_vec()];
        let attributes = vec![
            ("objectClass".to_owned(), text("group")),
            ("sAMAccountName".to_owned(), text(&login)),
            ("groupType".to_owned(), text(&group_type(self.shared.spec.groups.scope).to_string())),
        ];
        let write = Write::Add { dn: &dn, attributes };
        match self.shared.directory.write(self.op(OPERATION), &write, Vec::new()).await {
            Ok(_) => {}
            Err(refused) if refused.is(result::ENTRY_EXISTS) => {}
            Err(refused) if refused.is(result::NO_SUCH_OBJECT) => return Err(no_place()),
            Err(refused) => return Err(refusal::explained(refused, &[], &*self.profile().await?)),
        }
        let made = self.group_named(name).await?;
        made.map(|group| group.guid.to_string()).ok_or_else(|| {
            let message = format!("{OPERATION}: another entry has this name, or the group is not shown: name a group by its distinguished name");
            trouble(FailureClass::Permanent, Reason::Rejected, message)
        })
    }
}

/// Whether a domain takes the names for one, but for accents.
fn is_named(entry: &Entry, attribute: &str, name: &str) -> bool {
    entry.texts(attribute).any(|text| text.to_lowercase() == name.to_lowercase())
}

/// The bits of a security group (MS-ADTS §2.2.12).
const fn group_type(scope: GroupScope) -> i32 {
    let scope = match scope {
        GroupScope::Global => 2,
        GroupScope::DomainLocal => 4,
        GroupScope::Universal => 8,
    };
    i32::MIN | scope
}

fn no_place() -> Failure {
    let message = "create group: the entry that groups are made under does not exist, or the account that Tenure binds \
                   as may not see it: check spec.connector.activeDirectory.groups.baseDn";
    configuration(message.to_owned())
}

#[cfg(test)]
mod tests;
