//! Groups: found, made, and given to many accounts at once.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::decode::WHOLE;
use super::probe::{Profile, is_id};
use super::{GROUP, LOGIN, Ldap, configuration, trouble, under_base};
use crate::api::Reason;
use crate::api::directory::ldap::LdapGroupKind;
use crate::connectors::directory::{
    Dn, Edit, Entry, Filter, Modification, Refused, Scope, Search, Write, assertion, code,
};
use crate::connectors::{Failure, FailureClass, Membership};

const CHANGE: &str = "change group";
/// How often a group is read anew that somebody else changed meanwhile.
const ATTEMPTS: usize = 4;
/// Entries of one name that are told apart before that is given up.
const ALIKE_AT_MOST: usize = 10;
/// Groups of one member that are seen to when the member is renamed or deleted.
const GROUPS_AT_MOST: usize = 10_000;

impl LdapGroupKind {
    const fn class(self) -> &'static str {
        match self {
            Self::GroupOfNames => "groupOfNames",
            Self::GroupOfUniqueNames => "groupOfUniqueNames",
            Self::PosixGroup => "posixGroup",
        }
    }

    pub(super) const fn member(self) -> &'static str {
        match self {
            Self::GroupOfNames => "member",
            Self::GroupOfUniqueNames => "uniqueMember",
            Self::PosixGroup => "memberUid",
        }
    }
}

/// What is looked for by name.
pub(super) struct ByName<'a> {
    pub(super) operation: &'static str,
    pub(super) base: &'a Dn,
    pub(super) class: Filter,
    /// The attribute that has the name.
    pub(super) naming: &'static str,
}

/// What of a group's members is to change, by their values.
#[derive(Default)]
struct Difference {
    come: Vec<String>,
    go: Vec<String>,
}

impl Ldap {
    pub(super) fn kind(&self) -> LdapGroupKind {
        self.shared.spec.groups.kind
    }

    /// The id of a group, by name, distinguished name or id.
    pub(super) async fn group_id(&self, value: &str) -> Result<Option<String>, Failure> {
        let class = Filter::equal("objectClass", self.kind().class());
        let wanted = ByName { operation: "find group", base: &self.shared.groups_base, class, naming: "cn" };
        self.by_name(&wanted, value).await
    }

    /// The id of an entry, by distinguished name, id or name.
    pub(super) async fn by_name(&self, wanted: &ByName<'_>, value: &str) -> Result<Option<String>, Failure> {
        let ByName { operation, base, class, naming } = wanted;
        let profile = self.profile().await?;
        if is_id(value) {
            let found = self.entry(operation, base, value, &WHOLE[1..3]).await?;
            return Ok(found.and_then(|entry| profile.id(&entry)));
        }
        if let Ok(dn) = Dn::parse(value)
            && dn.depth() > base.depth()
            && dn.is_within(base)
        {
            let found = self.shared.directory.read(self.op(operation), &dn.to_string(), &WHOLE[1..3]).await?;
            return Ok(found.and_then(|entry| profile.id(&entry)));
        }
        let base = base.to_string();
        let filter = Filter::And(vec![class.clone(), Filter::equal(naming, value)]);
        let attributes = &WHOLE[1..3];
        let search = Search { base: &base, scope: Scope::Subtree, filter, attributes, limit: ALIKE_AT_MOST };
        let found = self.shared.directory.search(self.op(operation), &search).await.map_err(under_base)?;
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(profile.id(one)),
            _ => Err(trouble(
                FailureClass::Permanent,
                Reason::AmbiguousMatch,
                format!("{operation}: several have this name: give the distinguished name instead"),
            )),
        }
    }

    pub(super) async fn create_group(&self, value: &str, first: &[String]) -> Result<String, Failure> {
        const OPERATION: &str = "create group";
        let profile = self.profile().await?;
        let (kind, base) = (self.kind(), &self.shared.groups_base);
        let named = Dn::parse(value).ok().filter(|dn| dn.depth() > base.depth() && dn.is_within(base));
        let name = named.as_ref().and_then(|dn| dn.naming_value("cn")).unwrap_or(value).to_owned();
        let dn = named.unwrap_or_else(|| base.child("cn", value));
        let members: Vec<_> = self.values_of(first).await?.into_values().collect();
        let (dn, own) = (dn.to_string(), dn.to_string());
        let members = match members {
            members if !members.is_empty() => members,
            _ if profile.schema.must(kind.class(), kind.member()) => vec![own],
            none => none,
        };
        let octets = |text: &str| text.as_bytes().to_vec();
        let mut attributes = vec![
            ("objectClass".to_owned(), vec![octets(kind.class())]),
            ("cn".to_owned(), vec![octets(&name)]),
        ];
        if !members.is_empty() {
            attributes.push((kind.member().to_owned(), members.iter().map(|m| octets(m)).collect()));
        }
        if kind == LdapGroupKind::PosixGroup {
            let number = self.take_number("gidNumber").await?;
            attributes.push(("gidNumber".to_owned(), vec![octets(&number.to_string())]));
        }
        let write = Write::Add { dn: &dn, attributes };
        match self.shared.directory.write(self.op(OPERATION), &write, Vec::new()).await {
            Ok(_) => {}
            Err(refused) if refused.is(code::ENTRY_EXISTS) => {}
            Err(refused) if refused.is(code::NO_SUCH_OBJECT) => {
                let message = format!(
                    "{OPERATION}: the entry that groups are made under does not exist: check spec.connector.ldap.groups.baseDn"
                );
                return Err(configuration(message));
            }
            Err(refused) => return Err(refused.failure),
        }
        let made = self.shared.directory.read(self.op(OPERATION), &dn, &WHOLE[1..3]).await?;
        made.and_then(|entry| profile.id(&entry)).ok_or_else(|| {
            let message = format!("{OPERATION}: the group was made and is not shown");
            trouble(FailureClass::Unknown, Reason::UnexpectedAnswer, message)
        })
    }

    /// Gives a group to accounts and takes it from others, in one request where none of them stands in its way.
    pub(super) async fn change_members(
        &self,
        group: &str,
        changes: &[Membership],
    ) -> Result<Vec<Result<(), Failure>>, Failure> {
        let ids: Vec<_> = changes.iter().map(|change| change.account.clone()).collect();
        let values = self.values_of(&ids).await?;
        let outcome = |change: &Membership| match values.get(&change.account) {
            // An entry that is gone is in no group.
            None if change.held => Err(trouble(
                FailureClass::Gone,
                Reason::AccountGone,
                format!("{CHANGE}: there is no entry with this id under baseDn any more"),
            )),
            _ => Ok(()),
        };
        let wish = |change: &Membership| Some((values.get(&change.account)?.clone(), change.held));
        let wishes: Vec<_> = changes.iter().filter_map(wish).collect();
        match self.write_members(group, &wishes).await {
            Ok(()) => Ok(changes.iter().map(outcome).collect()),
            Err(failure) if failure.class == FailureClass::Permanent && wishes.len() > 1 => {
                // One that the directory refuses holds up nobody else.
                let mut outcomes = Vec::with_capacity(changes.len());
                for change in changes {
                    outcomes.push(match (outcome(change), wish(change)) {
                        (Ok(()), Some(wish)) => self.write_members(group, &[wish]).await,
                        (outcome, _) => outcome,
                    });
                }
                Ok(outcomes)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Makes these values members, or not.
    async fn write_members(&self, group: &str, wishes: &[(String, bool)]) -> Result<(), Failure> {
        let profile = self.profile().await?;
        let attributes = [self.kind().member(), "entryUUID", "nsUniqueId"];
        let mut exact = true;
        for _ in 0..ATTEMPTS {
            let Some(entry) = self.entry(CHANGE, &self.shared.groups_base, group, &attributes).await? else {
                if wishes.iter().all(|(_, held)| !held) {
                    return Ok(());
                }
                let message =
                    format!("{CHANGE}: there is no {GROUP} with this id under groups.baseDn any more");
                return Err(trouble(FailureClass::Gone, Reason::EntitlementNotFound, message));
            };
            let mut difference = self.difference(&entry, wishes, exact);
            if difference.come.is_empty() && difference.go.is_empty() {
                return Ok(());
            }
            self.keep_filled(&entry, &mut difference, &profile);
            match self.exchange(&entry, group, &difference, &profile).await {
                Ok(()) => return Ok(()),
                Err(refused) if may_be_so(&refused) => exact = false,
                Err(refused) => return Err(refused.failure),
            }
        }
        let message = format!("{CHANGE}: somebody else keeps changing the group");
        Err(trouble(FailureClass::RetryAfter, Reason::Rejected, message))
    }

    /// What of the wishes is not so. `exact`: values that are spelt alike, without looking for others that are the
    /// same, unless one that is to go is not found.
    fn difference(&self, entry: &Entry, wishes: &[(String, bool)], exact: bool) -> Difference {
        let member = self.kind().member();
        let present: HashSet<&str> = entry.texts(member).collect();
        let by_login = self.kind() == LdapGroupKind::PosixGroup;
        let missing = wishes.iter().any(|(value, held)| !held && !present.contains(value.as_str()));
        let mut keys: BTreeMap<String, &str> = BTreeMap::new();
        if !by_login && (missing || !exact) {
            keys.extend(present.iter().filter_map(|text| Some((Dn::parse(text).ok()?.key(), *text))));
        }
        let spelt = |value: &str| {
            let same = || keys.get(&Dn::parse(value).ok()?.key()).copied();
            present.get(value).copied().or_else(|| if by_login { None } else { same() })
        };
        let mut difference = Difference::default();
        for (value, held) in wishes {
            match (spelt(value), held) {
                (None, true) => difference.come.push(value.clone()),
                (Some(spelt), false) => difference.go.push(spelt.to_owned()),
                _ => {}
            }
        }
        difference
    }

    /// A group that cannot be empty names itself while nobody is in it.
    fn keep_filled(&self, entry: &Entry, difference: &mut Difference, profile: &Profile) {
        let kind = self.kind();
        if !profile.schema.must(kind.class(), kind.member()) {
            return;
        }
        let Ok(own) = Dn::parse(&entry.dn) else { return };
        let own = own.key();
        let is_own = |text: &&str| Dn::parse(text).is_ok_and(|dn| dn.key() == own);
        let go: BTreeSet<_> = difference.go.iter().map(String::as_str).collect();
        let stay = entry.texts(kind.member()).filter(|text| !go.contains(text));
        let (own_stays, others): (Vec<_>, Vec<_>) = stay.partition(is_own);
        if others.is_empty() && difference.come.is_empty() {
            if own_stays.is_empty() {
                difference.come.push(entry.dn.clone());
            }
        } else if let Some(own) = own_stays.first() {
            difference.go.push((*own).to_owned());
        }
    }

    async fn exchange(
        &self,
        entry: &Entry,
        group: &str,
        difference: &Difference,
        profile: &Profile,
    ) -> Result<(), Refused> {
        let octets =
            |texts: &[String]| texts.iter().map(|text| text.clone().into_bytes()).collect::<Vec<_>>();
        let edits = [(Edit::Add, octets(&difference.come)), (Edit::Delete, octets(&difference.go))];
        let due = edits.into_iter().filter(|(_, values)| !values.is_empty());
        let changes =
            due.map(|(edit, values)| Modification::new(edit, self.kind().member(), values)).collect();
        let controls = profile.assertion.then(|| assertion(&Filter::equal(&profile.id_attribute, group)));
        let write = Write::Modify { dn: &entry.dn, changes };
        self.shared.directory.write(self.op(CHANGE), &write, controls.into_iter().collect()).await.map(|_| ())
    }

    /// What accounts are called in groups, by id. Those that are gone are left out.
    pub(super) async fn values_of(&self, ids: &[String]) -> Result<BTreeMap<String, String>, Failure> {
        let profile = self.profile().await?;
        let ids: BTreeSet<_> = ids.iter().filter(|id| is_id(id)).collect();
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let base = self.shared.base.to_string();
        let any = ids.iter().map(|id| Filter::equal(&profile.id_attribute, id)).collect();
        let attributes = [LOGIN, "entryUUID", "nsUniqueId"];
        let limit = ids.len();
        let search = Search {
            base: &base,
            scope: Scope::Subtree,
            filter: Filter::Or(any),
            attributes: &attributes,
            limit,
        };
        let found = self.shared.directory.search(self.op(CHANGE), &search).await.map_err(under_base)?;
        let by_login = self.kind() == LdapGroupKind::PosixGroup;
        let mut values = BTreeMap::new();
        for entry in found {
            let Some(id) = profile.id(&entry).filter(|id| ids.contains(id)) else { continue };
            let value = if by_login { entry.text(LOGIN).map(str::to_owned) } else { Some(entry.dn.clone()) };
            values.extend(value.map(|value| (id, value)));
        }
        Ok(values)
    }

    /// Sees to the groups that name an entry which is now called otherwise, or is about to be deleted: a name that
    /// stayed there would be the next bearer's. Where the server does that by itself, nothing is found.
    ///
    /// `old`: the name it had, if that is not its name any more; `new`: its name, and its login if that is new; `None`:
    /// it goes.
    pub(super) async fn follow(
        &self,
        entry: &Entry,
        old: Option<&Dn>,
        new: Option<(&Dn, Option<&str>)>,
    ) -> Result<(), Failure> {
        self.shared.names.forget();
        let (old, new) = if self.kind() == LdapGroupKind::PosixGroup {
            match new {
                Some((_, None)) => return Ok(()),
                Some((_, login)) => (entry.text(LOGIN).map(str::to_owned), login.map(str::to_owned)),
                None => (entry.text(LOGIN).map(str::to_owned), None),
            }
        } else {
            (old.map(ToString::to_string), new.map(|(dn, _)| dn.to_string()))
        };
        let Some(old) = old.filter(|old| Some(old) != new.as_ref()) else { return Ok(()) };
        let groups = self.groups_with(&old).await?;
        let wishes: Vec<_> = new.map(|new| (new, true)).into_iter().chain([(old, false)]).collect();
        for group in groups {
            self.write_members(&group, &wishes).await?;
        }
        Ok(())
    }

    /// Ids of the groups that have this member.
    pub(super) async fn groups_with(&self, member: &str) -> Result<Vec<String>, Failure> {
        let profile = self.profile().await?;
        let base = self.shared.groups_base.to_string();
        let filter = Filter::equal(self.kind().member(), member);
        let attributes = &WHOLE[1..3];
        let search = Search { base: &base, scope: Scope::Subtree, filter, attributes, limit: GROUPS_AT_MOST };
        let found = self.shared.directory.search(self.op(CHANGE), &search).await.map_err(under_base)?;
        Ok(found.iter().filter_map(|entry| profile.id(entry)).collect())
    }
}

/// Whether the group may be as wished by now, or be called otherwise: look before you believe.
fn may_be_so(refused: &Refused) -> bool {
    [
        code::NO_SUCH_ATTRIBUTE,
        code::ATTRIBUTE_OR_VALUE_EXISTS,
        code::ENTRY_EXISTS,
        code::ASSERTION_FAILED,
        code::NO_SUCH_OBJECT,
    ]
    .into_iter()
    .any(|code| refused.is(code))
}
