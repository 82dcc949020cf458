//! What is decided about one account.

use std::sync::Arc;

use jiff::Timestamp;

use crate::access;
use crate::api::{AppSpec, LedgerEntry, Reason};
use crate::connectors::any::traits;
use crate::controllers::conditions::whole_seconds;
use crate::converge::budget::{Removal, foreseen};
use crate::converge::{self, Cause, Context, Due, Finding, Wanted};
use crate::runtime::index::Name;

/// What is wanted in one App.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct AccountDecision {
    /// `metadata.uid` of the User.
    pub uid: String,
    /// The App.
    pub app: Name,
    /// What is wanted.
    pub wanted: Wanted,
    /// The ledger entry as it is known now.
    pub entry: Option<LedgerEntry>,
    /// Whether and in which lane there is work.
    pub due: Due,
    /// A removal that follows from this person's own record, not from a rule, Role, binding or deleted object.
    pub personal: bool,
    /// A person has ordered, by `tenure.dev/remove-now`, that what is due is taken away past the budget.
    pub ordered: bool,
    /// The App only plans.
    pub dry_run: bool,
    /// There may be an account that the ledger does not know, and the App has not been asked since.
    pub unanswered: bool,
    /// Bindings that grant the account or trouble it.
    pub bindings: Vec<Name>,
    /// What the bindings could not do.
    pub issues: Vec<access::BindingIssue>,
    /// What the pure code needs besides.
    pub context: OwnedContext,
}

impl AccountDecision {
    /// Whether work is due that will be done: an App that only plans does none.
    pub fn is_outstanding(&self) -> bool {
        matches!(self.due, Due::Work { .. }) && !self.dry_run
    }

    /// Whether there may be an account that is not known yet, or not as it should be.
    pub fn is_sought(&self) -> bool {
        self.is_outstanding() || self.unanswered
    }

    /// Whether somebody is about to look at the account. `held`: what is due waits for a wave, or for somebody's word.
    pub fn is_pending(&self, held: bool) -> bool {
        match self.due {
            Due::Work { .. } => !held,
            Due::Ledger(_) => true,
            Due::Nothing { .. } => false,
        }
    }

    /// Whether something may be taken away.
    pub fn may_remove(&self) -> bool {
        matches!(self.due, Due::Work { removal: true, .. }) && !self.dry_run
    }

    /// Whether a later decision asks for the same.
    pub fn still_holds(&self, now: &Self) -> bool {
        now.wanted == self.wanted
            && now.context.spec == self.context.spec
            && matches!(now.due, Due::Work { .. })
    }

    /// Whether what is due follows from the person's own record alone, whatever Roles and bindings say.
    pub fn is_own(&self) -> bool {
        self.personal && matches!(self.wanted, Wanted::Gone(Cause::Leave | Cause::Suspension))
    }

    /// Whether somebody who should have no access may have it although the ledger says that the account was taken out of
    /// use: a sweep found it in use, or nobody has looked since they left.
    pub fn is_unproved(&self, now: Timestamp) -> bool {
        let out = |entry: &&LedgerEntry| entry.state.is_out_of_use();
        let left = self.context.left_at.filter(|_| self.wanted == Wanted::Gone(Cause::Leave));
        self.entry.as_ref().filter(out).is_some_and(|entry| {
            self.context.findings.contains(&Finding::Reactivated)
                || (left.is_some() && !converge::is_proved(entry, left, now))
        })
    }

    /// Whether the ledger names an account.
    pub fn names_account(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| !entry.id.is_empty())
    }

    /// What will certainly be taken away, as far as the ledger can say. What must be looked at first cannot be told.
    pub fn foreseen(&self, now: Timestamp) -> Option<Removal> {
        let policy = self.context.spec.as_deref().filter(|_| self.may_remove() && !self.is_unproved(now))?;
        let ctx = self.context.at(policy, now);
        foreseen(&self.wanted, self.entry.as_ref(), &ctx, (&self.uid, self.personal))
    }
}

/// [`Context`] with its own strings.
#[derive(Clone, Debug)]
pub struct OwnedContext {
    /// The App's name.
    pub app: Name,
    /// Hash of the App's target.
    pub target: String,
    /// The App's spec; `None` where it cannot be read or is gone.
    pub spec: Option<Arc<AppSpec>>,
    /// Marker value of this person.
    pub marker: String,
    /// Nothing is to be taken away from this person.
    pub protected: bool,
    /// An unused `tenure.dev/resume`.
    pub resume: bool,
    /// Why the App cannot suspend accounts, where that is known.
    pub cannot_suspend: Option<Reason>,
    /// The User is being deleted.
    pub deleting: bool,
    /// What a sweep found, and nobody has looked at yet.
    pub findings: Vec<Finding>,
    /// When the person left.
    pub left_at: Option<Timestamp>,
}

impl OwnedContext {
    /// Of somebody in whose record this App does not occur.
    pub fn nothing(app: Name, target: String) -> Self {
        Self {
            app,
            target,
            spec: None,
            marker: String::new(),
            protected: false,
            resume: false,
            cannot_suspend: None,
            deleting: false,
            findings: Vec::new(),
            left_at: None,
        }
    }

    /// The view that the pure code takes.
    pub fn at<'a>(&'a self, policy: &'a AppSpec, now: Timestamp) -> Context<'a> {
        Context {
            app: &self.app,
            target: &self.target,
            spec: policy,
            marker: &self.marker,
            login_attribute: traits(&policy.connector).login,
            protected: self.protected,
            resume: self.resume,
            cannot_suspend: self.cannot_suspend,
            deleting: self.deleting,
            findings: &self.findings,
            left_at: self.left_at,
            // The ledger keeps times as Kubernetes does.
            now: whole_seconds(now),
        }
    }
}
