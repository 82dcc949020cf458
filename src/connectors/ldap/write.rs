//! Making, changing, suspending and deleting accounts.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::decode::WHOLE;
use super::password::hashed;
use super::probe::Profile;
use super::suspension::{Mechanism, PASSWORD};
use super::{LOGIN, Ldap, MANAGER, configuration, now, trouble, values};
use crate::api::Reason;
use crate::connectors::directory::{
    Dn, Edit, Entry, Filter, Modification, Refused, Write, Written, assertion, code, post_read,
};
use crate::connectors::{Failure, FailureClass};
use crate::converge::{Change, NewAccount, RemoteAccount};

/// How often an entry is looked up again that somebody renamed or changed meanwhile.
const ATTEMPTS: usize = 3;

/// Attributes and their values, as an entry gets them.
type Attributes = BTreeMap<String, Vec<Vec<u8>>>;

/// What is done to an entry, wherever it is.
pub(super) enum Act<'a> {
    /// Attributes get these values.
    Edit(&'a Attributes),
    /// It is resumed or suspended.
    Switch(bool),
    /// It is moved under a unit, or from there to where new accounts are made.
    Place { unit: &'a Dn, there: bool },
}

impl Ldap {
    pub(super) async fn create_account(
        &self,
        account: &NewAccount,
        password: Option<&SecretString>,
    ) -> Result<RemoteAccount, Failure> {
        const OPERATION: &str = "create account";
        let profile = self.profile().await?;
        let mut attributes = self.attributes_for(account).await?;
        self.number(account, &mut attributes).await?;
        let naming = &self.shared.spec.rdn_attribute;
        let name = naming_value(&attributes, naming).ok_or_else(|| {
            let message = format!("{OPERATION}: nothing gives {naming}, which entries are named by");
            trouble(FailureClass::Permanent, Reason::Rejected, message)
        })?;
        let dn = self.shared.base.child(naming, &name).to_string();
        let named: Vec<_> = attributes.keys().cloned().collect();
        let written = self.add(OPERATION, &dn, attributes, password).await;
        let written = written.map_err(|refused| match refused.code {
            Some(code::NO_SUCH_OBJECT) => configuration(format!(
                "{OPERATION}: spec.connector.ldap.baseDn does not exist, or the account that Tenure binds as may not \
                 see it"
            )),
            _ => explained(refused, &named, &profile),
        })?;
        let entry = match written.after {
            Some(entry) => Some(entry),
            None => self.shared.directory.read(self.op(OPERATION), &dn, &WHOLE).await?,
        };
        let unseen = || {
            let message = format!(
                "{OPERATION}: the entry was made and is not shown: check the access rules of the account that Tenure binds as"
            );
            trouble(FailureClass::Unknown, Reason::UnexpectedAnswer, message)
        };
        self.account(&entry.ok_or_else(unseen)?).await
    }

    /// Adds an account's entry, with its password as a hash, or, where the directory wants to see it first, in the clear.
    async fn add(
        &self,
        operation: &'static str,
        dn: &str,
        mut attributes: Attributes,
        password: Option<&SecretString>,
    ) -> Result<Written, Refused> {
        let profile = self.profile().await?;
        if let Some(password) = password {
            attributes.insert(PASSWORD.to_owned(), vec![hashed(password)]);
        }
        let add = |attributes: Attributes| {
            let write = Write::Add { dn, attributes: attributes.into_iter().collect() };
            let (operation, shown) = (self.op(operation), profile.shown_after());
            async move { self.shared.directory.write(operation, &write, shown).await }
        };
        let written = add(attributes.clone()).await;
        match (&written, password) {
            // A policy that judges passwords does not take hashes (draft-behera-ldap-password-policy §5.2.5), and 389
            // Directory Server none at all.
            (Err(refused), Some(password)) if refused.is(code::CONSTRAINT_VIOLATION) => {
                attributes.insert(PASSWORD.to_owned(), vec![password.expose_secret().as_bytes().to_vec()]);
                add(attributes).await
            }
            _ => written,
        }
    }

    /// What an account's entry gets, but for numbers.
    async fn attributes_for(&self, account: &NewAccount) -> Result<Attributes, Failure> {
        let mut attributes = Attributes::new();
        for (name, value) in &account.attributes {
            if let Some(value) = self.referred(name, value).await? {
                attributes
                    .insert(name.clone(), values::to_octets(name, &value, self.shared.is_binary(name))?);
            }
        }
        let (marker, value) = &account.marker;
        if !marker.is_empty() && !value.is_empty() {
            attributes.insert(marker.clone(), vec![value.clone().into_bytes()]);
        }
        attributes.insert(LOGIN.to_owned(), vec![account.login.clone().into_bytes()]);
        let classes = self.shared.spec.object_classes.iter().map(|class| class.clone().into_bytes());
        attributes.insert("objectClass".to_owned(), classes.collect());
        attributes.retain(|_, values| !values.is_empty());
        Ok(attributes)
    }

    /// Gives an account of Unix what it needs and the App does not map.
    async fn number(&self, account: &NewAccount, attributes: &mut Attributes) -> Result<(), Failure> {
        let is_posix =
            self.shared.spec.object_classes.iter().any(|class| class.eq_ignore_ascii_case("posixAccount"));
        if !is_posix {
            return Ok(());
        }
        if !has(attributes, "uidNumber") {
            let number = self.take_number("uidNumber").await?;
            attributes.insert("uidNumber".to_owned(), vec![number.to_string().into_bytes()]);
        }
        if !has(attributes, "gidNumber") {
            let group = self.shared.spec.posix.as_ref().and_then(|posix| posix.gid_number);
            let own = || attributes.get("uidNumber").cloned().unwrap_or_default();
            let group = group.map_or_else(own, |group| vec![group.to_string().into_bytes()]);
            attributes.insert("gidNumber".to_owned(), group);
        }
        if !has(attributes, "homeDirectory") {
            // IA5 text (RFC 2307 §3), and one step of a path.
            let step: String = account.login.chars().filter(|c| c.is_ascii_graphic() && *c != '/').collect();
            attributes.insert("homeDirectory".to_owned(), vec![format!("/home/{step}").into_bytes()]);
        }
        Ok(())
    }

    /// The value with a name in place of an id, where it refers to another account; `None`: that one is gone.
    async fn referred(&self, attribute: &str, value: &Value) -> Result<Option<Value>, Failure> {
        match value {
            Value::String(id) if attribute.eq_ignore_ascii_case(MANAGER) => {
                let entry = self.entry("find manager", &self.shared.base, id, &WHOLE[1..3]).await?;
                if let Some(entry) = &entry {
                    self.shared.names.put(&entry.dn, Some(id.clone()));
                }
                Ok(entry.map(|entry| Value::String(entry.dn)))
            }
            value => Ok(Some(value.clone())),
        }
    }

    pub(super) async fn change_account(
        &self,
        id: &str,
        changes: &[Change],
    ) -> Result<RemoteAccount, Failure> {
        const OPERATION: &str = "update account";
        let mut edits = Attributes::new();
        for change in changes {
            let value = match &change.value {
                Some(value) => self.referred(&change.attribute, value).await?,
                None => Some(Value::Null),
            };
            let octets = match value {
                Some(Value::Null) => Vec::new(),
                Some(value) => {
                    let binary = self.shared.is_binary(&change.attribute);
                    values::to_octets(&change.attribute, &value, binary)?
                }
                None => continue,
            };
            edits.insert(change.attribute.clone(), octets);
        }
        self.on_entry(OPERATION, id, &Act::Edit(&edits)).await
    }

    /// Renames, then changes the rest, as far as it is not so already.
    async fn edit(
        &self,
        operation: &'static str,
        id: &str,
        entry: &Entry,
        edits: &Attributes,
    ) -> Result<Option<Entry>, Refused> {
        let profile = self.profile().await?;
        let named: Vec<_> = edits.keys().cloned().collect();
        let told =
            |refused: Refused| Refused { failure: explained(refused.clone(), &named, &profile), ..refused };
        let dn = entry_dn(entry)?;
        let naming = self.shared.spec.rdn_attribute.as_str();
        // Entries that were there before may be named by another attribute.
        let renamed = edits.iter().find(|(attribute, _)| dn.naming_value(attribute).is_some());
        let (mut dn, mut after) = (dn, None);
        let mut old_name = None;
        if let Some((attribute, octets)) = renamed {
            let name = octets.first().and_then(|value| std::str::from_utf8(value).ok()).ok_or_else(|| {
                let message = format!("{operation}: {naming} names the entry and cannot be without a value");
                trouble(FailureClass::Permanent, Reason::Rejected, message)
            })?;
            let target = dn.parent().unwrap_or_default().child(attribute, name);
            if target != dn {
                let (from, rdn) = (dn.to_string(), target.rdn());
                let write = Write::Rename { dn: &from, rdn: &rdn, superior: None };
                after = self.change(operation, id, &write, &profile).await.map_err(told)?.after;
                old_name = Some(dn);
                dn = target;
            }
        }
        // The new name has brought its value along; others of the same attribute are left.
        let rest = edits.iter().filter(|(attribute, octets)| {
            let is_naming = renamed.is_some_and(|(renamed, _)| renamed == *attribute);
            !is_naming || octets.len() > 1 || entry.values(attribute).len() > 1
        });
        let modifications: Vec<_> = rest
            .map(|(attribute, octets)| Modification::new(Edit::Replace, attribute, octets.clone()))
            .collect();
        if !modifications.is_empty() {
            let name = dn.to_string();
            let write = Write::Modify { dn: &name, changes: modifications };
            after = self.change(operation, id, &write, &profile).await.map_err(told)?.after;
        }
        self.follow(entry, old_name.as_ref(), Some((&dn, login_in(edits)))).await?;
        Ok(after)
    }

    pub(super) async fn activate(&self, id: &str, active: bool) -> Result<RemoteAccount, Failure> {
        let operation = if active { "resume account" } else { "suspend account" };
        let account = self.on_entry(operation, id, &Act::Switch(active)).await?;
        if account.active == active {
            return Ok(account);
        }
        let message = format!("{operation}: the directory accepted it and shows no effect");
        Err(trouble(FailureClass::Permanent, Reason::NotApplied, message))
    }

    async fn switch(
        &self,
        operation: &'static str,
        id: &str,
        entry: &Entry,
        active: bool,
    ) -> Result<Option<Entry>, Refused> {
        let profile = self.profile().await?;
        let dn = entry_dn(entry)?;
        if self.shared.is_suspended(entry, &dn, &profile) != active {
            return Ok(Some(entry.clone()));
        }
        if profile.mechanism == Mechanism::LeaversUnit {
            let unit = if active { Some(&self.shared.base) } else { self.shared.leavers.as_ref() };
            let unit = unit.ok_or_else(|| configuration("suspension.leaversDn is not set".to_owned()))?;
            return self.move_under(operation, id, entry, unit).await;
        }
        let changes =
            if active { profile.mechanism.resume(entry, now()) } else { profile.mechanism.suspend(entry) };
        let name = dn.to_string();
        let write = Write::Modify { dn: &name, changes };
        Ok(self.change(operation, id, &write, &profile).await?.after)
    }

    pub(super) async fn delete_account(&self, id: &str) -> Result<(), Failure> {
        const OPERATION: &str = "delete account";
        let profile = self.profile().await?;
        for _ in 0..ATTEMPTS {
            let Some(entry) = self.account_entry(OPERATION, id).await? else { return Ok(()) };
            self.follow(&entry, Some(&entry_dn(&entry)?), None).await?;
            let write = Write::Delete { dn: &entry.dn };
            match self.change(OPERATION, id, &write, &profile).await {
                Ok(_) => {
                    self.shared.names.forget();
                    return Ok(());
                }
                Err(refused) if is_elsewhere(&refused) => {}
                Err(refused) => return Err(refused.failure),
            }
        }
        Err(restless(OPERATION))
    }

    /// Does something to an entry, wherever it is, and returns the account as it is then.
    pub(super) async fn on_entry(
        &self,
        operation: &'static str,
        id: &str,
        act: &Act<'_>,
    ) -> Result<RemoteAccount, Failure> {
        let gone = || {
            let message = format!("{operation}: there is no entry with this id under baseDn any more");
            trouble(FailureClass::Gone, Reason::AccountGone, message)
        };
        for _ in 0..ATTEMPTS {
            let entry = self.account_entry(operation, id).await?.ok_or_else(gone)?;
            let done = match act {
                Act::Edit(edits) => self.edit(operation, id, &entry, edits).await,
                Act::Switch(active) => self.switch(operation, id, &entry, *active).await,
                Act::Place { unit, there } => self.shift(operation, id, &entry, (unit, *there)).await,
            };
            match done {
                Ok(Some(after)) => return self.account(&after).await,
                Ok(None) => {
                    let after = self.account_entry(operation, id).await?.ok_or_else(gone)?;
                    return self.account(&after).await;
                }
                Err(refused) if is_elsewhere(&refused) => {}
                Err(refused) => return Err(refused.failure),
            }
        }
        Err(restless(operation))
    }

    /// Writes to the entry with this id: under another name, or with another id under this one, it is not touched.
    pub(super) async fn change(
        &self,
        operation: &'static str,
        id: &str,
        write: &Write<'_>,
        profile: &Arc<Profile>,
    ) -> Result<Written, Refused> {
        let post_read =
            (profile.post_read && !matches!(write, Write::Delete { .. })).then(|| post_read(&WHOLE));
        let asserted = profile.assertion.then(|| assertion(&Filter::equal(&profile.id_attribute, id)));
        let send = |asserted| {
            let controls = post_read.iter().cloned().chain(asserted).collect();
            self.shared.directory.write(self.op(operation), write, controls)
        };
        let mut written = match send(asserted).await {
            // OpenLDAP's overlay `unique` holds the assertion against what it searches for itself, and fails: the entry
            // may be the right one for all that.
            Err(refused)
                if refused.is(code::ASSERTION_FAILED) && self.is_here(operation, id, write.dn()).await? =>
            {
                send(None).await?
            }
            written => written?,
        };
        // Of an entry that has come under this name meanwhile, on a server that cannot be asked to see to it.
        written.after = written.after.filter(|entry| profile.id(entry).as_deref() == Some(id));
        Ok(written)
    }

    /// Whether the entry of this name is the one with this id.
    async fn is_here(&self, operation: &'static str, id: &str, dn: &str) -> Result<bool, Failure> {
        let profile = self.profile().await?;
        let found = self.shared.directory.read(self.op(operation), dn, &[&profile.id_attribute]).await?;
        Ok(found.and_then(|entry| profile.id(&entry)).as_deref() == Some(id))
    }
}

/// Whether the entry is not there under this name, or is another one.
fn is_elsewhere(refused: &Refused) -> bool {
    refused.is(code::NO_SUCH_OBJECT) || refused.is(code::ASSERTION_FAILED)
}

fn restless(operation: &str) -> Failure {
    let message = format!("{operation}: somebody else keeps renaming or changing the entry");
    trouble(FailureClass::RetryAfter, Reason::Rejected, message)
}

pub(super) fn entry_dn(entry: &Entry) -> Result<Dn, Failure> {
    Dn::parse(&entry.dn).map_err(|_| {
        let message = "an entry has a name that is none".to_owned();
        trouble(FailureClass::Unknown, Reason::UnexpectedAnswer, message)
    })
}

fn has(attributes: &Attributes, name: &str) -> bool {
    attributes.keys().any(|key| key.eq_ignore_ascii_case(name))
}

fn naming_value(attributes: &Attributes, naming: &str) -> Option<String> {
    let (_, values) = attributes.iter().find(|(name, _)| name.eq_ignore_ascii_case(naming))?;
    values.first().and_then(|value| String::from_utf8(value.clone()).ok())
}

fn login_in(edits: &Attributes) -> Option<&str> {
    let (_, values) = edits.iter().find(|(name, _)| name.eq_ignore_ascii_case(LOGIN))?;
    values.first().and_then(|value| std::str::from_utf8(value).ok())
}

/// What was refused, with the attribute or class that it is about, if the server named one that was sent or that its
/// schema has.
fn explained(refused: Refused, sent: &[String], profile: &Profile) -> Failure {
    let unique = refused.is(code::CONSTRAINT_VIOLATION) && refused.diagnostic.contains("unique");
    let words = || refused.diagnostic.split(|c: char| !c.is_ascii_alphanumeric() && !"-;".contains(c));
    let sent_name = words().find_map(|word| sent.iter().find(|name| name.eq_ignore_ascii_case(word)));
    let known = || words().find_map(|word| profile.schema.attribute(word));
    let named = sent_name.map(String::as_str).or_else(known);
    let mut failure = refused.failure;
    if unique {
        failure.class = FailureClass::Conflict;
        failure.reason = Reason::AccountExists;
    }
    if let Some(named) = named
        && failure.class == FailureClass::Permanent
    {
        failure.message = format!("{} ({named})", failure.message);
    }
    failure
}
