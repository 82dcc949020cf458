//! What is to be done about one account, in order.

use super::{Change, Context, NewAccount, RemoteAccount};
use crate::api::{EntitlementSpec, LedgerEntry, PendingIntent, Reason};

/// [`PendingIntent::operation`] of a creation; the key is the login.
pub(super) const CREATE: &str = "create";
/// [`PendingIntent::operation`] of a deletion; the key is the remote id.
pub(super) const DELETE: &str = "delete";

/// One step. Those that reach the target are one request each, but for a grant of an entitlement yet to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ledger only: this account is the person's from now on.
    Adopt {
        /// Remote id.
        id: String,
        /// Login it has.
        login: String,
        /// Whether it is in use, or about to be.
        in_use: bool,
    },
    /// Ledger only, and it must be stored before the next step is taken.
    Announce(PendingIntent),
    /// Makes the account, in use. Where the login turns out to be taken, [`Observed::refused`](super::Observed::refused)
    /// and another plan find the next candidate.
    Create(NewAccount),
    /// Takes an entitlement away.
    Revoke {
        /// Remote id of the account.
        id: String,
        /// Type of the entitlement.
        kind: String,
        /// Remote id of the entitlement.
        entitlement: String,
    },
    /// Changes attributes, the login and the marker among them.
    Update {
        /// Remote id.
        id: String,
        /// The least that must change.
        changes: Vec<Change>,
    },
    /// Puts the account back into use.
    Resume {
        /// Remote id.
        id: String,
    },
    /// Gives an entitlement.
    Grant {
        /// Remote id of the account; `None`: the one that this plan creates, which is then the ledger entry's.
        id: Option<String>,
        /// What the bindings call the entitlement.
        entitlement: EntitlementSpec,
        /// Remote id of the entitlement; `None`: it does not exist and is made first.
        remote: Option<String>,
    },
    /// Takes the account out of use.
    Suspend {
        /// Remote id.
        id: String,
    },
    /// Ends the sessions and tokens of an account that is out of use, as far as the target lets us.
    EndSessions {
        /// Remote id.
        id: String,
    },
    /// Deletes the account.
    Delete {
        /// Remote id.
        id: String,
    },
    /// Ledger only: the account is kept as it is.
    Retain,
    /// Ledger only: the link is dropped, the account left as it is.
    Release {
        /// Why.
        reason: Reason,
    },
    /// Ledger only: there is no account any more, or there never was one.
    Forget,
}

impl Step {
    /// Name in audit lines, metrics and samples of plans.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Adopt { .. } => "adopt",
            Self::Announce(_) => "announce",
            Self::Create(_) => "create",
            Self::Revoke { .. } => "revoke",
            Self::Update { .. } => "update",
            Self::Resume { .. } => "resume",
            Self::Grant { .. } => "grant",
            Self::Suspend { .. } => "suspend",
            Self::EndSessions { .. } => "end-sessions",
            Self::Delete { .. } => "delete",
            Self::Retain => "retain",
            Self::Release { .. } => "release",
            Self::Forget => "forget",
        }
    }

    /// Whether the step changes something on the target, rather than in the ledger only.
    pub const fn is_remote(&self) -> bool {
        !matches!(
            self,
            Self::Adopt { .. } | Self::Announce(_) | Self::Retain | Self::Release { .. } | Self::Forget
        )
    }

    /// Whether the step takes something away from the person: the account, an entitlement, the login or an attribute.
    pub fn removes(&self, login_attribute: &str) -> bool {
        match self {
            Self::Suspend { .. } | Self::Delete { .. } | Self::Revoke { .. } => true,
            Self::Update { changes, .. } => {
                changes.iter().any(|change| change.value.is_none() || change.attribute == login_attribute)
            }
            _ => false,
        }
    }
}

/// The announcement, unless it stands already.
pub(super) fn announce(
    entry: Option<&LedgerEntry>,
    operation: &str,
    key: &str,
    ctx: &Context<'_>,
) -> Option<Step> {
    let standing = entry.and_then(|entry| entry.pending.as_ref());
    let stands = standing.is_some_and(|pending| pending.operation == operation && pending.key == key);
    (!stands).then(|| {
        Step::Announce(PendingIntent { operation: operation.to_owned(), key: key.to_owned(), since: ctx.now })
    })
}

/// Why something is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For the ledger, conditions and events.
    pub reason: Reason,
    /// The same for people, with the cure. No values.
    pub message: String,
}

impl Refusal {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// A suspension that the App took and does not show.
    pub fn not_applied() -> Self {
        Self::new(Reason::NotApplied, "the App does not show the account suspended")
    }
}

/// What is to be done about one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In this order; each only after the one before has succeeded.
    pub steps: Vec<Step>,
    /// What cannot be done, and why. The steps are right all the same.
    pub blocked: Option<Refusal>,
    /// The person's account as it was seen; `None`: there is none, or it is not known which one.
    pub account: Option<RemoteAccount>,
}

impl Plan {
    pub(super) fn blocked(refusal: Refusal) -> Self {
        Self { blocked: Some(refusal), ..Self::default() }
    }

    /// The part of it that takes an account out of use again, which is the one with this id; `None` if the account is only
    /// taken over by this plan.
    pub fn cut_again(&self, account: &str) -> Option<Self> {
        if self.steps.iter().any(|step| matches!(step, Step::Adopt { .. })) {
            return None;
        }
        let again = |step: &&Step| match step {
            Step::Suspend { id } | Step::EndSessions { id } => id == account,
            _ => false,
        };
        let steps = self.steps.iter().filter(again).cloned().collect();
        Some(Self { steps, blocked: None, account: self.account.clone() })
    }

    /// Whether some step takes something away, so that it must be guarded: the User read again, the budget reserved.
    pub fn removes(&self, login_attribute: &str) -> bool {
        self.steps.iter().any(|step| step.removes(login_attribute))
    }
}
