//! From desired account, ledger entry and observed remote account to an ordered list of steps.
//!
//! Pure: no IO, no clock, no cluster. One pass over a (person, App) is
//!
//! 1. [`due`]: from the ledger alone, whether anything is to be done, and in which lane;
//! 2. [`plan`]: the steps, or the [`Query`] that must be answered first, until there is a [`Plan`];
//! 3. [`record`] after each step that succeeded; what [`Step::Announce`] yields is stored before the next step;
//! 4. [`settle`] at the end, or [`fail`] where a step failed.
//!
//! Nothing is remembered between passes but the ledger entry, so a pass may be cut off anywhere and begun anew.

pub mod budget;
mod compare;
mod context;
mod correlate;
mod digest;
mod due;
mod duplicates;
mod entitlements;
mod observe;
mod password;
mod plan;
mod protect;
mod record;
mod removal;
mod steps;
pub mod sweep;
mod terms;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::access::DesiredAccount;
use crate::api::{EntitlementSpec, Reason};

pub use compare::{equivalent, is_empty};
pub use context::{Context, is_proved, parse_duration, referable};
pub use digest::digest;
pub use due::{Due, due};
pub use duplicates::{Claim, inherit, keeper};
pub use entitlements::{MAX_ENTITLEMENTS, ledger_id, not_found};
pub use observe::{Observed, Query};
pub use password::{Fate, Holder, fate, kept_for};
pub use plan::plan;
pub use protect::{Standing, names, protected_person};
pub use record::{Reply, SessionReport, fail, open, read_back, record, settle};
pub use steps::{Plan, Refusal, Step};
pub use sweep::Finding;
pub use terms::{Lists, Terms};

/// Priority of work on an App. Earlier lanes go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Access is to be cut: suspend, revoke, delete.
    Leave,
    /// An existing account is to be changed.
    Change,
    /// An account is to be made.
    Join,
    /// An account is to be looked at.
    Verify,
}

impl Lane {
    /// Every lane, first to last.
    pub const ALL: [Self; 4] = [Self::Leave, Self::Change, Self::Join, Self::Verify];

    /// Name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leave => "leave",
            Self::Change => "change",
            Self::Join => "join",
            Self::Verify => "verify",
        }
    }
}

/// Why a person should not use an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The person is suspended or not there yet: the account is kept, suspended.
    Suspension,
    /// The person left: `onLeave`.
    Leave,
    /// No binding grants the account any more: `onUnassign`.
    Unassign,
    /// The User is being deleted: `onUserDeleted`.
    UserDeleted,
}

/// What one person should have in one App, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// An account in use.
    Account(Box<DesiredAccount>),
    /// No usable account.
    Gone(Cause),
    /// The link is to be dropped and the remote account left as it is.
    Released(Reason),
    /// It cannot be told, or must not be acted on: nothing is touched.
    Unknown {
        /// Why.
        reason: Reason,
        /// The same for people.
        message: String,
    },
}

/// A remote account as its target shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteAccount {
    /// Immutable id.
    pub id: String,
    /// Login.
    pub login: String,
    /// Value of the App's marker attribute.
    pub marker: Option<String>,
    /// Whether it can be used.
    pub active: bool,
    /// All attributes by the name that rules give them (`AttributeRule.to`): sub-attributes of single complex
    /// attributes one by one, multi-valued attributes as arrays.
    pub attributes: BTreeMap<String, Value>,
    /// On what terms the target keeps it.
    pub terms: Arc<Terms>,
}

/// One change of an attribute; `None` removes the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Name as in `AttributeRule.to`.
    pub attribute: String,
    /// New value.
    pub value: Option<Value>,
}

/// An account to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// Login.
    pub login: String,
    /// Marker attribute and value.
    pub marker: (String, String),
    /// Attributes with a value.
    pub attributes: BTreeMap<String, Value>,
}

/// What is known of an entitlement that a binding names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It exists under this remote id.
    Id(String),
    /// It does not exist and may be created.
    Creatable,
    /// It does not exist.
    Missing,
    /// Nobody can have it, or it cannot be told which one is meant.
    Refused(Refusal),
}

/// Entitlements by what bindings call them.
pub type Resolved = BTreeMap<EntitlementSpec, Resolution>;
