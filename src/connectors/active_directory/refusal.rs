//! What a domain controller refused, in our words.

use super::code::{self, Said};
use super::probe::Profile;
use super::{configuration, trouble};
use crate::api::Reason;
use crate::connectors::directory::{Refused, code as result};
use crate::connectors::{Failure, FailureClass};

/// Why a write was refused, with the attribute that it is about: one of those that were sent, which the server named or
/// its schema does not have.
pub(super) fn explained(refused: Refused, sent: &[&str], profile: &Profile) -> Failure {
    let operation = refused.failure.message.split(':').next().unwrap_or_default().to_owned();
    let rejected =
        |what: &str| trouble(FailureClass::Permanent, Reason::Rejected, format!("{operation}: {what}"));
    let mut failure = match code::said(&refused.diagnostic) {
        Some(Said::Exists) => trouble(
            FailureClass::Conflict,
            Reason::AccountExists,
            format!("{operation}: another account has this login or name already"),
        ),
        Some(Said::WeakPassword) => rejected("the password does not satisfy the domain's password policy"),
        _ if refused.is(result::NO_SUCH_ATTRIBUTE) => rejected(
            "the domain's schema does not have some attribute, or a value that was to be removed is not there",
        ),
        _ => refused.failure,
    };
    // What the server says is not passed on.
    let mut words = refused.diagnostic.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let named = words.find_map(|word| sent.iter().find(|name| name.eq_ignore_ascii_case(word)));
    let unknown =
        || sent.iter().find(|name| profile.schema.is_known() && profile.schema.attribute(name).is_none());
    if let Some(named) = named.or_else(unknown)
        && failure.class == FailureClass::Permanent
    {
        failure.message = format!("{} ({named})", failure.message);
    }
    failure
}

/// That the base is not there is no news about an account: the App points elsewhere.
pub(super) fn about_base(refused: Refused) -> Failure {
    if refused.failure.class != FailureClass::Gone {
        return refused.failure;
    }
    configuration(format!(
        "{}; spec.connector.activeDirectory.baseDn or groups.baseDn does not exist, or the account that Tenure binds as \
         may not see it",
        refused.failure.message
    ))
}
