//! One type for the connectors of all kinds of system, as the App chooses.

use std::collections::HashSet;

use secrecy::SecretString;

use super::active_directory::{self, ActiveDirectory};
use super::ldap::{self, Ldap};
use super::scim::{self, Scim};
use super::{Connector, Failure, LeftOpen, Membership, Page, Probe};
use crate::access::ConnectorTraits;
use crate::api::{EntitlementSpec, app};
use crate::converge::{Change, Lane, NewAccount, RemoteAccount, SessionReport, Standing};

/// What access computes for accounts of this kind of system.
pub fn traits(connector: &app::Connector) -> &'static ConnectorTraits {
    if connector.ldap.is_some() {
        &ldap::TRAITS
    } else if connector.active_directory.is_some() {
        &active_directory::TRAITS
    } else {
        &scim::TRAITS
    }
}

/// A connector of some kind. Clones share connections and what was learnt.
#[derive(Clone)]
pub enum AnyConnector {
    /// A SCIM service provider.
    Scim(Scim),
    /// An LDAP directory.
    Ldap(Ldap),
    /// A domain of Active Directory.
    ActiveDirectory(ActiveDirectory),
}

/// Calls the same method of whichever connector it is.
macro_rules! each {
    ($any:expr, $connector:ident => $call:expr) => {
        match $any {
            AnyConnector::Scim($connector) => $call,
            AnyConnector::Ldap($connector) => $call,
            AnyConnector::ActiveDirectory($connector) => $call,
        }
    };
}

impl AnyConnector {
    /// The same connector, whose requests go in this lane.
    #[must_use]
    pub fn with_lane(&self, lane: Lane) -> Self {
        match self {
            Self::Scim(scim) => Self::Scim(scim.with_lane(lane)),
            Self::Ldap(ldap) => Self::Ldap(ldap.with_lane(lane)),
            Self::ActiveDirectory(domain) => Self::ActiveDirectory(domain.with_lane(lane)),
        }
    }
}

impl Connector for AnyConnector {
    async fn probe(&self) -> Result<Probe, Failure> {
        each!(self, connector => connector.probe().await)
    }

    async fn find(&self, attribute: &str, value: &str) -> Result<Vec<RemoteAccount>, Failure> {
        each!(self, connector => connector.find(attribute, value).await)
    }

    async fn get(&self, id: &str) -> Result<Option<RemoteAccount>, Failure> {
        each!(self, connector => connector.get(id).await)
    }

    async fn create(
        &self,
        account: &NewAccount,
        password: Option<&SecretString>,
    ) -> Result<RemoteAccount, Failure> {
        each!(self, connector => connector.create(account, password).await)
    }

    async fn update(&self, id: &str, changes: &[Change]) -> Result<RemoteAccount, Failure> {
        each!(self, connector => connector.update(id, changes).await)
    }

    async fn set_active(&self, id: &str, active: bool) -> Result<RemoteAccount, Failure> {
        each!(self, connector => connector.set_active(id, active).await)
    }

    async fn delete(&self, id: &str) -> Result<(), Failure> {
        each!(self, connector => connector.delete(id).await)
    }

    async fn resolve(&self, entitlement: &EntitlementSpec) -> Result<Option<String>, Failure> {
        each!(self, connector => connector.resolve(entitlement).await)
    }

    fn may_create(&self, kind: &str) -> bool {
        each!(self, connector => connector.may_create(kind))
    }

    async fn create_entitlement(
        &self,
        entitlement: &EntitlementSpec,
        first: &[String],
    ) -> Result<String, Failure> {
        each!(self, connector => connector.create_entitlement(entitlement, first).await)
    }

    fn batch(&self, kind: &str) -> usize {
        each!(self, connector => connector.batch(kind))
    }

    async fn entitle(
        &self,
        kind: &str,
        entitlement: &str,
        changes: &[Membership],
    ) -> Result<Vec<Result<(), Failure>>, Failure> {
        each!(self, connector => connector.entitle(kind, entitlement, changes).await)
    }

    async fn holders(&self, kind: &str, entitlement: &str) -> Result<Option<HashSet<String>>, Failure> {
        each!(self, connector => connector.holders(kind, entitlement).await)
    }

    fn shows(&self, account: &RemoteAccount, kind: &str, entitlement: &str) -> Option<bool> {
        each!(self, connector => connector.shows(account, kind, entitlement))
    }

    async fn end_sessions(&self, id: &str) -> Result<SessionReport, Failure> {
        each!(self, connector => connector.end_sessions(id).await)
    }

    async fn held(&self, id: &str) -> Result<Vec<(String, String)>, Failure> {
        each!(self, connector => connector.held(id).await)
    }

    fn standing(&self, account: &RemoteAccount) -> Standing {
        each!(self, connector => connector.standing(account))
    }

    fn left_open(&self) -> Vec<LeftOpen> {
        each!(self, connector => connector.left_open())
    }

    async fn page(&self, cursor: Option<&str>) -> Result<Page, Failure> {
        each!(self, connector => connector.page(cursor).await)
    }
}
