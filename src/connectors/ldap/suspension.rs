//! By what an account is suspended, what that looks like, and what has to be written. Pure.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::connectors::directory::{Edit, Entry, Modification};

/// When a suspended account's password ended: long ago, whatever the server's clock says.
const ENDED: &str = "20000101000000Z";
/// Locked for good (draft-behera-ldap-password-policy-10 §5.3.3).
const LOCKED: &str = "000001010000Z";
/// Before a stored value that has no scheme of its own (RFC 3112 §2): no server knows this one, so no password matches.
const NO_SCHEME: &str = "{!}";
/// In place of the password of somebody who has none: no hash of a scheme that every server knows, as one of an unknown
/// scheme would be taken for a password to be hashed (`ppolicy_hash_cleartext` of OpenLDAP).
const PLACE_HOLDER: &str = "{SSHA}!";

pub(super) const END_TIME: &str = "pwdEndTime";
pub(super) const LOCKED_TIME: &str = "pwdAccountLockedTime";
pub(super) const ACCOUNT_LOCK: &str = "nsAccountLock";
pub(super) const PASSWORD: &str = "userPassword";

/// By what an account is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    /// The password policy's attributes, those that the server has.
    PasswordPolicy { end_time: bool, locked_time: bool },
    /// `nsAccountLock`.
    AccountLock,
    /// A `!` before each stored hash.
    HashPrefix,
    /// The entry's place.
    LeaversUnit,
}

impl Mechanism {
    /// Name in the App's status.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::PasswordPolicy { end_time: true, locked_time: true } => {
                "PasswordPolicy (pwdEndTime, pwdAccountLockedTime)"
            }
            Self::PasswordPolicy { end_time: true, .. } => "PasswordPolicy (pwdEndTime)",
            Self::PasswordPolicy { .. } => "PasswordPolicy (pwdAccountLockedTime)",
            Self::AccountLock => "AccountLock (nsAccountLock)",
            Self::HashPrefix => "HashPrefix (userPassword)",
            Self::LeaversUnit => "LeaversUnit",
        }
    }

    /// Whether the entry's attributes show it suspended by this. By its place: never.
    pub(super) fn shows(self, entry: &Entry, now: Timestamp) -> bool {
        match self {
            Self::PasswordPolicy { .. } => {
                entry.has(LOCKED_TIME, LOCKED)
                    || entry.text(END_TIME).and_then(generalized).is_some_and(|end| end <= now)
            }
            Self::AccountLock => entry.has(ACCOUNT_LOCK, "true"),
            Self::HashPrefix => {
                let passwords = entry.values(PASSWORD);
                !passwords.is_empty() && passwords.iter().all(|value| is_barred(value))
            }
            Self::LeaversUnit => false,
        }
    }

    /// What has to be written to suspend an account whose attributes do not show it, and all of it.
    pub(super) fn suspend(self, entry: &Entry) -> Vec<Modification> {
        let set = |attribute, value: &str| Modification::new(Edit::Replace, attribute, vec![value.into()]);
        match self {
            Self::PasswordPolicy { end_time, locked_time } => {
                let end = end_time.then(|| set(END_TIME, ENDED));
                let locked = locked_time.then(|| set(LOCKED_TIME, LOCKED));
                end.into_iter().chain(locked).collect()
            }
            Self::AccountLock => vec![set(ACCOUNT_LOCK, "true")],
            Self::HashPrefix => {
                let passwords = entry.values(PASSWORD);
                // A place holder, so that it shows; whoever sets a password opens the account all the same.
                let none = || vec![PLACE_HOLDER.as_bytes().to_vec()];
                let barred =
                    if passwords.is_empty() { none() } else { passwords.iter().map(|v| bar(v)).collect() };
                exchange(passwords, barred)
            }
            Self::LeaversUnit => Vec::new(),
        }
    }

    /// What has to be written to take an account back into use.
    pub(super) fn resume(self, entry: &Entry, now: Timestamp) -> Vec<Modification> {
        let clear = |attribute| Modification::new(Edit::Replace, attribute, Vec::new());
        match self {
            Self::PasswordPolicy { .. } => {
                // An end that lies ahead is somebody else's wish.
                let ended = entry.text(END_TIME).and_then(generalized).is_some_and(|end| end <= now);
                let end = ended.then(|| clear(END_TIME));
                let locked = entry.has(LOCKED_TIME, LOCKED).then(|| clear(LOCKED_TIME));
                end.into_iter().chain(locked).collect()
            }
            Self::AccountLock => vec![clear(ACCOUNT_LOCK)],
            Self::HashPrefix => {
                let passwords = entry.values(PASSWORD);
                let open = passwords.iter().filter_map(|value| unbar(value)).collect();
                exchange(passwords, open)
            }
            Self::LeaversUnit => Vec::new(),
        }
    }
}

/// The old values, each named, against the new ones: a password that somebody sets meanwhile is not overwritten
/// unseen.
fn exchange(old: &[Vec<u8>], new: Vec<Vec<u8>>) -> Vec<Modification> {
    let gone: Vec<_> = old.iter().filter(|value| !new.contains(value)).cloned().collect();
    let come: Vec<_> = new.into_iter().filter(|value| !old.contains(value)).collect();
    let edits = [(Edit::Delete, gone), (Edit::Add, come)];
    let due = edits.into_iter().filter(|(_, values)| !values.is_empty());
    due.map(|(edit, values)| Modification::new(edit, PASSWORD, values)).collect()
}

/// Where the hash begins, behind `{scheme}`; `None` for a value without scheme.
fn scheme(value: &[u8]) -> Option<usize> {
    let end = value.iter().position(|octet| *octet == b'}')?;
    (value.starts_with(b"{") && end > 1 && !value.to_ascii_uppercase().starts_with(b"{CLEARTEXT}"))
        .then_some(end + 1)
}

fn is_barred(value: &[u8]) -> bool {
    value.starts_with(NO_SCHEME.as_bytes())
        || scheme(value).is_some_and(|from| value.get(from..).is_some_and(|hash| hash.starts_with(b"!")))
}

fn bar(value: &[u8]) -> Vec<u8> {
    if is_barred(value) {
        return value.to_vec();
    }
    match scheme(value).and_then(|from| value.split_at_checked(from)) {
        Some((scheme, hash)) => [scheme, b"!", hash].concat(),
        None => [NO_SCHEME.as_bytes(), value].concat(),
    }
}

/// The value as it was before [`bar`]; `None`: it was a place holder.
fn unbar(value: &[u8]) -> Option<Vec<u8>> {
    if let Some(plain) = value.strip_prefix(NO_SCHEME.as_bytes()) {
        return Some(plain.to_vec());
    }
    if !is_barred(value) {
        return Some(value.to_vec());
    }
    let (scheme, hash) = scheme(value).and_then(|from| value.split_at_checked(from))?;
    let hash = hash.get(1..).filter(|hash| !hash.is_empty())?;
    Some([scheme, hash].concat())
}

/// A point in time as directories write it (RFC 4517 §3.3.13), if it is in UTC and exact to the second.
fn generalized(text: &str) -> Option<Timestamp> {
    let date = DateTime::strptime("%Y%m%d%H%M%SZ", text).ok()?;
    TimeZone::UTC.to_timestamp(date).ok()
}

#[cfg(test)]
mod tests;
