//! First passwords as a directory gets them.

#[cfg(test)]
mod tests;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use secrecy::{ExposeSecret, SecretString};

/// The password as a salted hash, `{SSHA}`: the scheme that every OpenLDAP knows without a module. It is not slow, and
/// need not be: the password is random, and nobody can go through all that it could be.
///
/// A directory that is given a password in the clear stores it in the clear, unless it was told otherwise.
pub(super) fn hashed(password: &SecretString) -> Vec<u8> {
    salted(password, rand::random())
}

/// `{SSHA}`, then in base64 the hash of password and salt, and the salt (RFC 2307 §5.3, as OpenLDAP extends it).
fn salted(password: &SecretString, salt: [u8; 16]) -> Vec<u8> {
    let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(password.expose_secret().as_bytes());
    hash.update(&salt);
    let hash = hash.finish();
    format!("{{SSHA}}{}", BASE64.encode([hash.as_ref(), &salt].concat())).into_bytes()
}
