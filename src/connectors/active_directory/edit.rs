//! What must be written for an account to be as it should. Pure.

use serde_json::Value;

use super::decode::{EXPIRES, PASSWORD_SET, Seen, truth};
use super::extended::Extended;
use super::filetime::End;
use super::guid::Guid;
use super::probe::Profile;
use super::uac::{self, Bit, Uac};
use super::{LOGIN, MANAGER, NAMING, PRINCIPAL, configuration, names, trouble};
use crate::api::Reason;
use crate::connectors::directory::Edit as How;
use crate::connectors::directory::{Dn, Entry, Modification, values};
use crate::connectors::{Failure, FailureClass};
use crate::converge::{Change, RemoteAccount};

/// Attributes that are not a rule's to write: identities, secrets, and what Tenure or the domain keeps by other means.
const NOT_WRITTEN: [&str; 12] = [
    "objectguid",
    "objectsid",
    "objectclass",
    "memberof",
    "unicodepwd",
    "userpassword",
    "dbcspwd",
    "supplementalcredentials",
    "ntsecuritydescriptor",
    "distinguishedname",
    "sidhistory",
    "name",
];

/// An account before it is written to; a new one has no entry.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    pub(super) uac: Uac,
    pub(super) login: &'a str,
    pub(super) entry: Option<&'a Entry>,
}

impl<'a> Before<'a> {
    pub(super) fn of(seen: &'a Seen) -> Self {
        Self { uac: seen.uac, login: &seen.account.login, entry: Some(&seen.entry) }
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.entry.and_then(|entry| entry.text(name))
    }

    fn values(&self, name: &str) -> &'a [Vec<u8>] {
        self.entry.map_or(&[], |entry| entry.values(name))
    }
}

/// What is to be written. What is so already is not.
#[derive(Default)]
pub(super) struct Edit {
    pub(super) modifications: Vec<Modification>,
    /// The wanted `cn`, for which the entry has to be renamed.
    pub(super) name: Option<String>,
}

impl Edit {
    /// What makes the changes. `suffix`: what follows the `@` in a `userPrincipalName` that follows the login.
    pub(super) fn plan(
        before: Before<'_>,
        changes: &[Change],
        suffix: &str,
        profile: &Profile,
    ) -> Result<Self, Failure> {
        let mut edit = Self::default();
        let mut uac = before.uac;
        let login = changes.iter().find(|change| is(change, LOGIN)).and_then(text);
        let login = login.unwrap_or(before.login);
        for change in changes {
            if let Some(bit) = Bit::named(&change.attribute) {
                uac = uac.with(bit, flag(change)?);
            } else if is(change, NAMING) {
                edit.name = new_name(before, change, login)?;
            } else {
                let octets = octets(change, profile)?;
                if !is_so(before, change, &octets, profile) {
                    edit.replace(&change.attribute, octets);
                }
            }
        }
        if login != before.login && !changes.iter().any(|change| is(change, PRINCIPAL)) {
            let followed =
                before.entry.is_none_or(|entry| entry.has(PRINCIPAL, &format!("{}@{suffix}", before.login)));
            if followed {
                edit.replace(PRINCIPAL, vec![format!("{login}@{suffix}").into_bytes()]);
            }
        }
        if uac != before.uac || before.entry.is_none() {
            edit.replace(uac::ATTRIBUTE, vec![uac.to_string().into_bytes()]);
        }
        Ok(edit)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.modifications.is_empty() && self.name.is_none()
    }

    /// The text that an attribute would get.
    pub(super) fn text(&self, attribute: &str) -> Option<&str> {
        let found = self.modifications.iter().find(|m| m.attribute.eq_ignore_ascii_case(attribute))?;
        std::str::from_utf8(found.values.first()?).ok()
    }

    fn replace(&mut self, attribute: &str, octets: Vec<Vec<u8>>) {
        self.modifications.push(Modification::new(How::Replace, attribute, octets));
    }
}

/// The account, with values as they were asked for where the domain's mean the same: a name that was cut, an instant
/// that was spelled in another way.
pub(super) fn as_asked(seen: Seen, changes: &[Change], suffix: &str, profile: &Profile) -> RemoteAccount {
    let asked = changes.iter().filter(|change| {
        let plan = || Edit::plan(Before::of(&seen), std::slice::from_ref(*change), suffix, profile);
        !is(change, LOGIN) && change.value.is_some() && plan().is_ok_and(|edit| edit.is_empty())
    });
    let asked: Vec<_> = asked.map(|c| (c.attribute.clone(), c.value.clone().unwrap_or_default())).collect();
    let mut account = seen.account;
    account.attributes.extend(asked);
    account
}

fn is(change: &Change, attribute: &str) -> bool {
    change.attribute.eq_ignore_ascii_case(attribute)
}

fn text(change: &Change) -> Option<&str> {
    match change.value.as_ref()? {
        Value::String(text) => Some(text),
        Value::Array(items) => items.first().and_then(Value::as_str),
        _ => None,
    }
}

fn flag(change: &Change) -> Result<bool, Failure> {
    match &change.value {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(value) if *value == truth(true) => Ok(true),
        Some(value) if *value == truth(false) => Ok(false),
        Some(_) => Err(rejected(&change.attribute, "its value must be true or false")),
    }
}

/// The wanted name, if the entry has another one. No entry is without a name, so none is taken away.
fn new_name(before: Before<'_>, change: &Change, login: &str) -> Result<Option<String>, Failure> {
    let Some(wanted) = text(change) else { return Ok(None) };
    let name = names::common_name(wanted);
    if name.is_empty() {
        return Err(rejected(NAMING, "no entry can have this name: it has no or control characters"));
    }
    let present = before.text(NAMING);
    let so = present == Some(name.as_str()) || present == Some(names::qualified(wanted, login).as_str());
    Ok((!so).then(|| wanted.to_owned()))
}

/// The values that an attribute gets; none removes it.
fn octets(change: &Change, profile: &Profile) -> Result<Vec<Vec<u8>>, Failure> {
    let name = change.attribute.as_str();
    let lower = name.to_ascii_lowercase();
    if NOT_WRITTEN.contains(&lower.as_str()) {
        return Err(configuration(format!("attribute {name} is not a rule's to write: take the rule away")));
    }
    if is(change, uac::ATTRIBUTE) {
        let bits: Vec<_> = Bit::all().map(|(name, _)| name).collect();
        let message = format!("attribute {name} is written bit by bit: give rules for {}", bits.join(", "));
        return Err(configuration(message));
    }
    if is(change, LOGIN) {
        let login = text(change).unwrap_or_default();
        if let Some(why) = names::unfit_login(login) {
            return Err(rejected(LOGIN, why));
        }
        return Ok(vec![login.as_bytes().to_vec()]);
    }
    if is(change, EXPIRES) {
        let end = text(change).map_or(Some(End::Never), End::wanted).and_then(End::ticks);
        let ticks = end.ok_or_else(|| {
            rejected(EXPIRES, "its value must be an instant such as 2027-01-31T18:00:00Z, or never")
        })?;
        return Ok(vec![ticks.to_string().into_bytes()]);
    }
    let Some(value) = &change.value else { return Ok(Vec::new()) };
    if is(change, MANAGER)
        && let Some(Ok(guid)) = text(change).map(str::parse::<Guid>)
    {
        return Ok(vec![guid.dn().into_bytes()]);
    }
    if is(change, PASSWORD_SET) && !["0", "-1"].contains(&text(change).unwrap_or_default()) {
        return Err(rejected(
            PASSWORD_SET,
            "its value must be \"0\" (to be changed at the next logon) or \"-1\"",
        ));
    }
    values::to_octets(name, value, profile.schema.is_binary(name))
}

/// Whether the attribute has these values.
fn is_so(before: Before<'_>, change: &Change, wanted: &[Vec<u8>], profile: &Profile) -> bool {
    let name = change.attribute.as_str();
    let have = before.values(name);
    if is(change, EXPIRES) {
        let end = |octets: &[Vec<u8>]| {
            let text = octets.first().and_then(|value| std::str::from_utf8(value).ok());
            text.map_or(Some(End::Never), End::parse)
        };
        return end(have) == end(wanted);
    }
    if is(change, PASSWORD_SET) {
        let pending = |octets: &[Vec<u8>]| octets.first().is_some_and(|value| value == b"0");
        return !have.is_empty() && pending(have) == pending(wanted);
    }
    if have.len() != wanted.len() {
        return false;
    }
    if is(change, MANAGER) || profile.schema.is_name(name) {
        return wanted.iter().all(|want| have.iter().any(|have| names_same(want, have)));
    }
    wanted.iter().all(|want| have.contains(want))
}

/// Whether two DNs name one object: by identity where both have one, else by name.
fn names_same(one: &[u8], other: &[u8]) -> bool {
    let (Ok(one), Ok(other)) = (std::str::from_utf8(one), std::str::from_utf8(other)) else { return false };
    let (one, other) = (Extended::parse(one), Extended::parse(other));
    if let (Some(one), Some(other)) = (one.guid, other.guid) {
        return one == other;
    }
    match (Dn::parse(one.dn), Dn::parse(other.dn)) {
        (Ok(one), Ok(other)) => one.same(&other),
        _ => false,
    }
}

fn rejected(attribute: &str, why: &str) -> Failure {
    trouble(FailureClass::Permanent, Reason::Rejected, format!("attribute {attribute}: {why}"))
}

#[cfg(test)]
mod tests;
