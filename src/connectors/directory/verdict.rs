//! What a result code says (RFC 4511 §4.1.9 and appendix A).

use crate::api::Reason;
use crate::connectors::FailureClass;

/// Result codes that something depends on (RFC 4511 appendix A.1, RFC 4528 §4).
pub mod code {
    /// The size limit was exceeded: what came is a part.
    pub const SIZE_LIMIT: u32 = 4;
    /// The server refers to another one.
    pub const REFERRAL: u32 = 10;
    /// The server does not do what a critical control asks.
    pub const UNAVAILABLE_CRITICAL_EXTENSION: u32 = 12;
    /// The attribute or value to be removed is not there.
    pub const NO_SUCH_ATTRIBUTE: u32 = 16;
    /// A constraint does not hold, such as uniqueness.
    pub const CONSTRAINT_VIOLATION: u32 = 19;
    /// The attribute or value to be added is there.
    pub const ATTRIBUTE_OR_VALUE_EXISTS: u32 = 20;
    /// There is no such entry.
    pub const NO_SUCH_OBJECT: u32 = 32;
    /// The credentials are wrong, or the account is locked.
    pub const INVALID_CREDENTIALS: u32 = 49;
    /// The account may not do this.
    pub const INSUFFICIENT_ACCESS: u32 = 50;
    /// The server has too much to do.
    pub const BUSY: u32 = 51;
    /// The server is shutting down or offline.
    pub const UNAVAILABLE: u32 = 52;
    /// The server does not want to.
    pub const UNWILLING: u32 = 53;
    /// There are entries beneath it.
    pub const NOT_ON_NON_LEAF: u32 = 66;
    /// There is an entry of that name.
    pub const ENTRY_EXISTS: u32 = 68;
    /// The entry is not as the assertion control says.
    pub const ASSERTION_FAILED: u32 = 122;
}

/// What a result code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What kind of trouble.
    pub class: FailureClass,
    /// Reason for conditions.
    pub reason: Reason,
    /// The same for people, with the cure.
    pub meaning: &'static str,
}

/// What a result code other than success means where the connector knows no better.
pub const fn by_code(code: u32) -> Verdict {
    use FailureClass::{Conflict, Credentials, Gone, Permanent, RetryAfter, Unknown};
    let (class, reason, meaning) = match code {
        1 | 80 => (RetryAfter, Reason::TargetError, "the server has trouble of its own"),
        3 => (RetryAfter, Reason::TargetError, "the server's time limit was exceeded"),
        4 | 11 => (
            RetryAfter,
            Reason::TargetError,
            "the server's limit was exceeded, so the answer is only a part: raise the size limit of the account \
             that Tenure binds as",
        ),
        8 | 13 => (Permanent, Reason::InvalidConfiguration, "the server wants TLS for this"),
        10 => (
            Permanent,
            Reason::InvalidConfiguration,
            "the server refers to another one, which is not followed: name the server that takes writes in servers",
        ),
        16 => (Permanent, Reason::Rejected, "a value that was to be removed is not there"),
        17 => (Permanent, Reason::Rejected, "the directory's schema does not have some attribute"),
        18 => (Permanent, Reason::Rejected, "an attribute cannot be searched by"),
        19 => {
            (Permanent, Reason::Rejected, "a constraint of the directory does not hold, such as uniqueness")
        }
        20 => (Permanent, Reason::Rejected, "a value that was to be added is there already"),
        21 => (Permanent, Reason::Rejected, "a value does not have the syntax of its attribute"),
        32 => (Gone, Reason::AccountGone, "there is no such entry"),
        34 => (Permanent, Reason::Rejected, "a name is no distinguished name for this directory"),
        48 | 49 => (
            Credentials,
            Reason::CredentialsRefused,
            "the directory refused the credentials: check the Secret",
        ),
        50 => (
            Credentials,
            Reason::CredentialsRefused,
            "the directory does not let the account that Tenure binds as do this: check its access rules",
        ),
        51 => (RetryAfter, Reason::Throttled, "the server is busy"),
        52 => (RetryAfter, Reason::Unreachable, "the server is not available"),
        53 => (Permanent, Reason::Rejected, "the server is unwilling to do this"),
        64 => (Permanent, Reason::Rejected, "the entry's name does not fit its object classes"),
        65 => (
            Permanent,
            Reason::Rejected,
            "the entry would not fit its object classes: one of them wants an attribute that is not mapped, or \
             none of them allows one that is",
        ),
        66 => (Permanent, Reason::Rejected, "there are entries beneath it"),
        67 | 69 => (Permanent, Reason::Rejected, "the attribute cannot be changed"),
        68 => (Conflict, Reason::AccountExists, "an entry of that name exists"),
        71 => (Permanent, Reason::Rejected, "the entry cannot be moved to another server"),
        122 => (RetryAfter, Reason::Rejected, "somebody else changed the entry at the same time"),
        2 | 5..=7 | 12 | 33 | 36 | 54 => (Permanent, Reason::Rejected, "the server does not support this"),
        _ => (Unknown, Reason::UnexpectedAnswer, "the result code makes no sense"),
    };
    Verdict { class, reason, meaning }
}
