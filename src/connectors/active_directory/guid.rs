//! Identities that directories keep as bytes: `objectGUID` and `objectSid`.

use std::fmt;
use std::str::FromStr;

/// An `objectGUID`: identity of an object for good, whatever its name and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Guid(uuid::Uuid);

impl Guid {
    /// From the attribute's value: the first three fields are little endian (MS-DTYP §2.3.4.2).
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(uuid::Uuid::from_bytes_le(bytes.try_into().ok()?)))
    }

    /// The attribute's value.
    pub(super) fn to_bytes(self) -> [u8; 16] {
        self.0.to_bytes_le()
    }

    /// A DN that names the object (MS-ADTS §3.1.1.3.1.2.4): wherever it is moved, it is found, and nothing else is.
    pub(super) fn dn(self) -> String {
        format!("<GUID={self}>")
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The text is no `objectGUID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoGuid;

impl FromStr for Guid {
    type Err = NoGuid;

    /// The usual text with hyphens, with or without braces, in either case; nothing else that might be one.
    fn from_str(text: &str) -> Result<Self, NoGuid> {
        let bare = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
        if bare.len() != uuid::fmt::Hyphenated::LENGTH {
            return Err(NoGuid);
        }
        uuid::Uuid::try_parse(bare).map(Self).map_err(|_| NoGuid)
    }
}

/// Most sub-authorities of a security identifier (MS-DTYP §2.4.2).
const SUB_AUTHORITIES: u8 = 15;

/// An `objectSid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sid {
    authority: u64,
    parts: Vec<u32>,
}

impl Sid {
    /// From the attribute's value (MS-DTYP §2.4.2.2).
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, parts) = bytes.split_first_chunk::<8>()?;
        let [1, count, authority @ ..] = *head else { return None };
        if count > SUB_AUTHORITIES || parts.len() != usize::from(count) * 4 {
            return None;
        }
        let authority = authority.into_iter().fold(0, |sum, byte| sum << 8 | u64::from(byte));
        let parts = parts.chunks_exact(4).filter_map(|part| part.try_into().ok()).map(u32::from_le_bytes);
        Some(Self { authority, parts: parts.collect() })
    }

    /// The last part, which tells objects of one domain apart: that of a group is its members' `primaryGroupID`.
    pub(super) fn relative_id(&self) -> Option<u32> {
        self.parts.last().copied()
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S-1-{}", self.authority)?;
        self.parts.iter().try_for_each(|part| write!(f, "-{part}"))
    }
}

#[cfg(test)]
mod tests;
