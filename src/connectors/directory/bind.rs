//! Why a bind was refused, as Active Directory tells it.

/// Why a bind was refused: the code after `data` in the diagnostic text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BindRefusal {
    Disabled,
    Expired,
    PasswordExpired,
    LockedOut,
    NotNow,
    Unknown,
}

impl BindRefusal {
    /// Reads `80090308: LdapErr: DSID-…, comment: AcceptSecurityContext error, data 533, v4563`.
    pub(super) fn read(diagnostic: &str) -> Self {
        let data = diagnostic.split(',').find_map(|part| part.trim().strip_prefix("data "));
        match data.and_then(|data| u32::from_str_radix(data.trim(), 16).ok()) {
            Some(0x530 | 0x531) => Self::NotNow,
            Some(0x532 | 0x773) => Self::PasswordExpired,
            Some(0x533) => Self::Disabled,
            Some(0x701) => Self::Expired,
            Some(0x775) => Self::LockedOut,
            _ => Self::Unknown,
        }
    }

    /// For people, with the cure.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Self::Disabled => "the account that Tenure binds as is disabled: enable it",
            Self::Expired => "the account that Tenure binds as has expired: extend it",
            Self::PasswordExpired => {
                "the password that Tenure binds with has expired or has to be changed: set a new one and put it into \
                 the Secret"
            }
            Self::LockedOut => {
                "the account that Tenure binds as is locked out after wrong passwords: unlock it"
            }
            Self::NotNow => {
                "the account that Tenure binds as may not log on at this time or from this machine: allow it"
            }
            Self::Unknown => "the directory refused the credentials: check the Secret",
        }
    }
}

#[cfg(test)]
mod tests;
