//! DNs with identities (MS-ADTS §3.1.1.3.4.1.5), as the control `LDAP_SERVER_EXTENDED_DN_OID` asks for them:
//! `<GUID=…>;<SID=…>;CN=Ann,DC=example,DC=com`.

use super::guid::Guid;

/// A DN and the identity of the object that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extended<'a> {
    /// `None` of what has none, such as an object of another forest.
    pub(super) guid: Option<Guid>,
    /// The DN alone.
    pub(super) dn: &'a str,
}

impl<'a> Extended<'a> {
    /// Reads one. A plain DN is one without identity.
    pub(super) fn parse(text: &'a str) -> Self {
        let mut rest = text;
        let mut guid = None;
        while let Some((part, after)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
            if let Some(text) = part.strip_prefix("GUID=") {
                guid = text.parse().ok();
            }
            rest = after.strip_prefix(';').unwrap_or(after);
        }
        Self { guid, dn: rest }
    }
}

#[cfg(test)]
mod tests;
