//! Bits of `userAccountControl` (MS-ADTS §2.2.16). One bit is changed at a time, in the value that was just read, so that
//! those which others set stay as they are.

use std::fmt;

/// The account cannot be used.
const DISABLED: u32 = 0x0002;
/// No password is needed.
const PASSWORD_NOT_REQUIRED: u32 = 0x0020;
/// A person's account.
const NORMAL_ACCOUNT: u32 = 0x0200;

/// The bits that rules may set, by the name that stands after `userAccountControl.`.
const NAMED: [(&str, u32); 3] =
    [("dontExpirePassword", 0x1_0000), ("smartcardRequired", 0x4_0000), ("notDelegated", 0x10_0000)];

/// Name of the attribute.
pub(super) const ATTRIBUTE: &str = "userAccountControl";

/// A value of `userAccountControl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uac(u32);

impl Uac {
    /// Of a new account: a person's, in use, with a password.
    pub(super) const NEW: Self = Self(NORMAL_ACCOUNT);

    /// Reads the attribute's text: a signed decimal number, as directories keep it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        text.parse::<i32>().ok().map(|bits| Self(bits.cast_unsigned()))
    }

    /// Whether the account can be used.
    pub(super) const fn is_active(self) -> bool {
        self.0 & DISABLED == 0
    }

    /// The same but for whether the account can be used. In use, it needs a password.
    pub(super) const fn with_active(self, active: bool) -> Self {
        if active { Self(self.0 & !DISABLED & !PASSWORD_NOT_REQUIRED) } else { Self(self.0 | DISABLED) }
    }

    /// Whether a bit is set.
    pub(super) const fn has(self, bit: Bit) -> bool {
        self.0 & bit.0 != 0
    }

    /// The same but for one bit.
    pub(super) const fn with(self, bit: Bit, set: bool) -> Self {
        if set { Self(self.0 | bit.0) } else { Self(self.0 & !bit.0) }
    }
}

impl fmt::Display for Uac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.cast_signed().fmt(f)
    }
}

/// A bit that rules may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bit(u32);

impl Bit {
    /// The bit that an attribute name such as `userAccountControl.smartcardRequired` is about.
    pub(super) fn named(attribute: &str) -> Option<Self> {
        let (whole, name) = attribute.split_once('.')?;
        let found = NAMED.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        whole.eq_ignore_ascii_case(ATTRIBUTE).then_some(Self(found.1))
    }

    /// Every bit that rules may set, with the attribute name that rules give it.
    pub(super) fn all() -> impl Iterator<Item = (String, Self)> {
        NAMED.into_iter().map(|(name, bit)| (format!("{ATTRIBUTE}.{name}"), Self(bit)))
    }
}

#[cfg(test)]
mod tests;
