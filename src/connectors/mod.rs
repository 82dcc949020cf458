//! Accounts out: how each kind of system is spoken to. Knows nothing of Kubernetes.
//!
//! A connector is dumb and careful: it does one thing at a time, believes no answer that it has not checked, and turns
//! every trouble into a [`Failure`] of its own words; nothing that a target said leaves this layer.

pub mod active_directory;
pub mod any;
pub mod directory;
pub mod fence;
pub mod gate;
pub mod http;
pub mod ldap;
pub mod locks;
pub mod password;
pub mod scim;
#[cfg(test)]
mod testing;

use std::collections::HashSet;
use std::future::Future;
use std::time::Duration;

use secrecy::SecretString;

use crate::api::app::Capability;
use crate::api::{EntitlementSpec, Reason, SessionsReason};
use crate::converge::{Change, NewAccount, RemoteAccount, SessionReport, Standing};

/// What kind of trouble it was, which decides what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// Try again later, not before [`Failure::retry_after`] if given: 429, 503, time-outs, refused connections.
    RetryAfter,
    /// Trying the same again cannot help: 400 and the like.
    Permanent,
    /// Our credentials were refused: 401, 403.
    Credentials,
    /// Something with that login or name exists already.
    Conflict,
    /// The account or entitlement is not there.
    Gone,
    /// It is not known whether the request had an effect, or the answer makes no sense.
    Unknown,
    /// Not sent: this process may not write now.
    Fenced,
}

/// Why a request to a target failed: our own words, never the target's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of trouble.
    pub class: FailureClass,
    /// Reason for conditions and the ledger.
    pub reason: Reason,
    /// What happened, for people: operation, HTTP status, cure. No response body, no credentials, no query.
    pub message: String,
    /// How long the target asked to wait.
    pub retry_after: Option<Duration>,
}

/// A failure that says nothing of when to try again.
fn trouble(class: FailureClass, reason: Reason, message: String) -> Failure {
    Failure { class, reason, message, retry_after: None }
}

/// The App's spec or Secrets cannot be used as they are.
fn configuration(message: impl Into<String>) -> Failure {
    trouble(FailureClass::Permanent, Reason::InvalidConfiguration, message.into())
}

/// What a probe learnt of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// What is known of it, for the App's status.
    pub capabilities: Vec<Capability>,
    /// What suspending an account does there.
    pub suspension: Suspending,
}

/// What suspending an account does on a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Suspending {
    /// It cannot be used, and can be resumed.
    #[default]
    Reversible,
    /// It is deleted.
    Deletes,
    /// There is no such thing.
    Unsupported,
}

/// A way in that suspending an account leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeftOpen {
    /// A password still logs in.
    Password,
    /// Tokens or tickets that were issued before stay good until they expire.
    Tokens,
    /// Connections that are open stay open.
    Connections,
    /// Sessions in a browser stay open.
    Sessions,
}

impl LeftOpen {
    /// The same for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "a password still logs in",
            Self::Tokens => "tokens or tickets issued before stay good until they expire",
            Self::Connections => "open connections stay open",
            Self::Sessions => "open sessions stay open",
        }
    }
}

pub(crate) fn cannot_show(what: &str) -> Failure {
    Failure {
        class: FailureClass::Permanent,
        reason: Reason::InvalidConfiguration,
        message: format!("this kind of App cannot show {what}"),
        retry_after: None,
    }
}

/// One account's part in a change of an entitlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Id of the account.
    pub account: String,
    /// Whether it is to hold the entitlement.
    pub held: bool,
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The accounts on it.
    pub accounts: Vec<RemoteAccount>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
}

/// A system with accounts.
///
/// Every method may be called again after any failure or crash: none makes a second account or undoes another's work.
pub trait Connector: Send + Sync {
    /// Reads what the target says of itself. Proves reachability and credentials.
    fn probe(&self) -> impl Future<Output = Result<Probe, Failure>> + Send;

    /// All accounts whose `attribute` is `value`; each has been compared here, whatever the target's filter did.
    fn find(
        &self,
        attribute: &str,
        value: &str,
    ) -> impl Future<Output = Result<Vec<RemoteAccount>, Failure>> + Send;

    /// The account with this id, or `None`.
    fn get(&self, id: &str) -> impl Future<Output = Result<Option<RemoteAccount>, Failure>> + Send;

    /// Makes an account in use and returns it as the target keeps it.
    ///
    /// `password`: its first password, where the App asks for one to be set (`spec.initial_password()`); it is part of
    /// the same request, so that there is never an account of ours with another one.
    fn create(
        &self,
        account: &NewAccount,
        password: Option<&SecretString>,
    ) -> impl Future<Output = Result<RemoteAccount, Failure>> + Send;

    /// Changes attributes (the login and the marker among them) and returns the account as read back.
    fn update(
        &self,
        id: &str,
        changes: &[Change],
    ) -> impl Future<Output = Result<RemoteAccount, Failure>> + Send;

    /// Suspends or resumes and returns the account as read back; fails with `NotApplied` when that shows no effect.
    fn set_active(
        &self,
        id: &str,
        active: bool,
    ) -> impl Future<Output = Result<RemoteAccount, Failure>> + Send;

    /// Deletes, and reads back that the account is gone or out of use. One that is gone already is a success.
    fn delete(&self, id: &str) -> impl Future<Output = Result<(), Failure>> + Send;

    /// The remote id of an entitlement, or `None` where it does not exist.
    fn resolve(
        &self,
        entitlement: &EntitlementSpec,
    ) -> impl Future<Output = Result<Option<String>, Failure>> + Send;

    /// Whether a missing entitlement of this type may be created.
    fn may_create(&self, kind: &str) -> bool;

    /// Makes an entitlement and returns its remote id; one of that name that exists already is returned.
    ///
    /// `first`: at most [`Connector::batch`] accounts that are about to be given it, for targets on which nobody's
    /// entitlement cannot exist. Whether they hold it afterwards is left to [`Connector::entitle`].
    fn create_entitlement(
        &self,
        entitlement: &EntitlementSpec,
        first: &[String],
    ) -> impl Future<Output = Result<String, Failure>> + Send;

    /// How many accounts one [`Connector::entitle`] of this type may be about.
    fn batch(&self, kind: &str) -> usize;

    /// Gives an entitlement to accounts and takes it from others, at most [`Connector::batch`] of them, each once.
    ///
    /// What is so already is a success. The outcomes are in the order of `changes`; an error is about all of them.
    fn entitle(
        &self,
        kind: &str,
        entitlement: &str,
        changes: &[Membership],
    ) -> impl Future<Output = Result<Vec<Result<(), Failure>>, Failure>> + Send;

    /// Who holds an entitlement: ids of accounts. `None` where the target does not show that as a whole.
    fn holders(
        &self,
        kind: &str,
        entitlement: &str,
    ) -> impl Future<Output = Result<Option<HashSet<String>>, Failure>> + Send {
        let _ = (kind, entitlement);
        async { Ok(None) }
    }

    /// Whether a listed account shows that it holds an entitlement; `None` where accounts do not show it.
    fn shows(&self, account: &RemoteAccount, kind: &str, entitlement: &str) -> Option<bool> {
        let _ = (account, kind, entitlement);
        None
    }

    /// Ends the sessions and tokens of an account that is out of use, as far as the target lets us.
    ///
    /// [`SessionReport::REVOKED`] only where that is proved; what the target refuses for good is a report, not an error.
    fn end_sessions(&self, id: &str) -> impl Future<Output = Result<SessionReport, Failure>> + Send {
        let _ = id;
        async { Ok(SessionReport::unproved(SessionsReason::Unknown)) }
    }

    /// Everything that an account holds, whoever granted it, as type and remote id. What cannot be seen completely is an
    /// error.
    fn held(&self, id: &str) -> impl Future<Output = Result<Vec<(String, String)>, Failure>> + Send {
        let _ = id;
        async { Err(cannot_show("all that an account holds: choose removeEntitlements Managed or None")) }
    }

    /// What is known of an account beyond what is written in it.
    fn standing(&self, account: &RemoteAccount) -> Standing {
        let _ = account;
        Standing::Ordinary
    }

    /// Ways in that this target is known to leave open when it suspends an account.
    fn left_open(&self) -> Vec<LeftOpen> {
        Vec::new()
    }

    /// One page of all accounts; `cursor` is `None` for the first. A listing that cannot be complete is an error.
    fn page(&self, cursor: Option<&str>) -> impl Future<Output = Result<Page, Failure>> + Send;
}
