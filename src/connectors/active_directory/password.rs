//! Passwords that nobody knows, and the form in which Active Directory takes one.

use secrecy::{ExposeSecret, SecretString};

use super::NAMING;
use crate::connectors::directory::Entry;
use crate::connectors::password::random;

/// Length in characters: longer than any policy can demand.
const LENGTH: usize = 64;

/// A password that nobody learns, without parts of these names.
pub(super) fn unknown<'a>(names: impl IntoIterator<Item = &'a str>) -> SecretString {
    random(LENGTH, names)
}

/// The same for an account that is there.
pub(super) fn unknown_for(entry: &Entry) -> SecretString {
    let names = ["sAMAccountName", "displayName", NAMING, "givenName", "sn"];
    unknown(names.into_iter().filter_map(|name| entry.text(name)))
}

/// The value of `unicodePwd`: in quotes, UTF-16, little endian (MS-ADTS §3.1.1.3.1.5.1).
pub(super) fn unicode_pwd(password: &SecretString) -> Vec<u8> {
    let quoted = ['"'].into_iter().chain(password.expose_secret().chars()).chain(['"']);
    let mut value = Vec::with_capacity(2 * LENGTH + 4);
    for character in quoted {
        let mut units = [0; 2];
        value.extend(character.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_le_bytes()));
    }
    value
}

#[cfg(test)]
mod tests;
