//! Who should have what: a person's state at an instant, their roles, and the account they should have in each App.
//!
//! Pure: no IO, no clock, no cluster. Everything takes values and an instant and returns values.

mod account;
mod expression;
mod lifecycle;
mod roles;
#[cfg(test)]
mod tests;

pub use account::{
    AccountOutcome, AppRules, BindingIssue, BindingRules, FieldProblem, desired_account, foreign_entitlement,
};
pub use expression::{Expression, ExpressionError, Scope};
pub use lifecycle::{Lifecycle, LifecycleInput, Phase, lifecycle};
pub use roles::{RoleBook, RoleIssue, Roles, effective_roles};

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::api::{EntitlementSpec, Reason, Strength};

/// What the access layer must know of a connector to compute accounts for it.
#[derive(Debug)]
pub struct ConnectorTraits {
    /// The login attribute, for which a list of values means candidates.
    pub login: &'static str,
    /// Attributes that are mapped unless the App says otherwise: name and CEL expression.
    pub defaults: &'static [(&'static str, &'static str)],
    /// Entitlement types that bindings may name.
    pub entitlement_types: &'static [&'static str],
    /// Those of them of which an account holds at most one.
    pub single_valued: &'static [&'static str],
    /// Attributes whose rules give the name of a User, and which get the remote id of that person's account.
    pub references: &'static [&'static str],
}

/// Attributes that no rule writes: what accounts are known or suspended by, and secrets. Admission refuses them.
const RESERVED: [&str; 14] = [
    "active",
    "id",
    "groups",
    "meta",
    "schemas",
    "password",
    "userpassword",
    "unicodepwd",
    "nsaccountlock",
    "pwdaccountlockedtime",
    "pwdendtime",
    "entryuuid",
    "objectguid",
    "memberof",
];

/// What is before a core attribute that is written with its schema (RFC 7644 §3.10).
const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User:";

impl ConnectorTraits {
    /// Whether an attribute is no rule's to write, or another way to write the login.
    pub fn is_reserved(&self, attribute: &str) -> bool {
        let alias = attribute.eq_ignore_ascii_case(self.login) && attribute != self.login;
        let by_schema = attribute.get(..CORE.len()).is_some_and(|schema| schema.eq_ignore_ascii_case(CORE));
        alias || by_schema || RESERVED.iter().any(|reserved| attribute.eq_ignore_ascii_case(reserved))
    }
}

/// The account a person should have in an App.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredAccount {
    /// Logins to try, best first; never empty.
    pub logins: Vec<String>,
    /// Attributes by the target's name, without the login and the marker.
    pub attributes: BTreeMap<String, DesiredAttribute>,
    /// What the account should hold.
    pub entitlements: BTreeSet<EntitlementSpec>,
}

impl DesiredAccount {
    /// Puts remote ids in place of the names of Users. A reference to somebody who has no account is left out until
    /// they have one: it holds up nobody.
    pub fn refer(&mut self, traits: &ConnectorTraits, account_of: impl Fn(&str) -> Option<String>) {
        for name in traits.references {
            let Some(attribute) = self.attributes.get_mut(*name).filter(|a| !a.value.is_null()) else {
                continue;
            };
            match attribute.value.as_str().and_then(&account_of) {
                Some(id) => attribute.value = Value::String(id),
                None => drop(self.attributes.remove(*name)),
            }
        }
    }
}

/// One attribute of a desired account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredAttribute {
    /// The value; `Null` means none.
    pub value: Value,
    /// When it is written.
    pub strength: Strength,
    /// Whether `Null` removes the remote value.
    pub clear_when_null: bool,
}

/// Whether a person should have an account in an App.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// No binding grants one.
    No,
    /// At least one binding grants this account.
    Yes(Box<DesiredAccount>),
    /// It cannot be told: the account must be left exactly as it is.
    Unknown {
        /// `MappingFailed`, `InvalidExpression`, `ExpressionFailed` or `RoleUnreadable`.
        reason: Reason,
        /// Field and error, without values.
        message: String,
    },
}
