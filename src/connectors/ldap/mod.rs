//! LDAP v3 directories (RFC 4511): OpenLDAP, 389 Directory Server and others.
//!
//! Accounts are entries under a base. They are known by `entryUUID` (RFC 4530), never by their name: every write looks
//! the name up first and, where the server can, asserts the identity (RFC 4528), so that an entry that was renamed,
//! moved or replaced behind our back is never mistaken for another. The entitlement type `group` is membership in a
//! group; `organizationalUnit` is the entry's place.

mod accounts;
mod decode;
mod groups;
mod holders;
mod numbers;
mod password;
mod placement;
mod probe;
mod suspension;
mod trial;
mod write;

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use secrecy::SecretString;

use self::decode::Names;
use self::holders::Listed;
use self::numbers::Numbers;
use self::probe::Profile;
use super::directory::{Directory, DirectoryConfig, Dn, Entry, Op, Refused};
use super::directory::{Filter, Scope, Search, values};
use super::fence::Fence;
use super::gate::Gate;
use super::http::Meter;
use super::{Connector, Failure, FailureClass, LeftOpen, Membership, Page, Probe, Suspending};
use super::{configuration, trouble};
use crate::access::ConnectorTraits;
use crate::api::directory::LdapConnector;
use crate::api::scim::GroupCreation;
use crate::api::{EntitlementSpec, SessionsReason};
use crate::converge::{Change, Lane, NewAccount, RemoteAccount, SessionReport, Standing};

/// The entitlement type whose remote ids are those of groups.
const GROUP: &str = "group";
/// The entitlement type whose remote id is that of the entry that an account lies under.
const UNIT: &str = "organizationalUnit";
/// The login attribute.
const LOGIN: &str = "uid";
/// Members that are changed in one request.
const MEMBERS_AT_ONCE: usize = 500;

/// What access computes for an account unless the App says otherwise.
pub static TRAITS: ConnectorTraits = ConnectorTraits {
    login: LOGIN,
    defaults: &[
        (LOGIN, "user.userName"),
        ("cn", "user.displayName != null ? user.displayName : user.userName"),
        ("sn", "has(user.name.familyName) ? user.name.familyName : user.userName"),
        ("givenName", "has(user.name.givenName) ? user.name.givenName : null"),
        ("displayName", "user.displayName"),
        ("mail", "user.emails.size() == 0 ? null : user.emails.map(e, e.value)"),
        ("telephoneNumber", "user.phoneNumbers.size() == 0 ? null : user.phoneNumbers.map(p, p.value)"),
        ("title", "user.title"),
        ("departmentNumber", "user.department"),
        ("o", "user.organization"),
        ("employeeType", "user.employeeType"),
        ("preferredLanguage", "user.preferredLanguage"),
        (MANAGER, "user.manager"),
    ],
    entitlement_types: &[GROUP, UNIT],
    single_valued: &[UNIT],
    references: &[MANAGER],
};

/// Refers to another account: a DN in the directory, its id here.
const MANAGER: &str = "manager";

/// A directory, and how Tenure uses it.
#[derive(Clone, Debug)]
pub struct LdapConfig {
    /// How it is reached.
    pub directory: DirectoryConfig,
    /// What the App says of it.
    pub spec: LdapConnector,
    /// Attribute that bears the marker, such as `employeeNumber`.
    pub marker: String,
    /// Attributes that the App maps or looks for accounts by; the schema must have them.
    pub attributes: Vec<String>,
    /// Whether suspending may be tried with an account made for it.
    pub may_try: bool,
}

/// The connector. Clones share connections and what was learnt.
#[derive(Clone)]
pub struct Ldap {
    shared: Arc<Shared>,
    lane: Lane,
    probing: bool,
}

struct Shared {
    directory: Directory,
    /// Who Tenure binds as.
    bound_as: String,
    spec: LdapConnector,
    marker: String,
    attributes: Vec<String>,
    may_try: bool,
    base: Dn,
    groups_base: Dn,
    leavers: Option<Dn>,
    profile: Mutex<Option<Arc<Profile>>>,
    names: Names,
    listed: Listed,
    numbers: Option<Numbers>,
}

impl Ldap {
    /// Checks the configuration; connects to nothing yet. Operations are made in the lane [`Lane::Verify`].
    pub fn new(config: LdapConfig, around: (Fence, Gate, Meter)) -> Result<Self, Failure> {
        let LdapConfig { directory, spec, marker, attributes, may_try } = config;
        let dn = |field: &str, text: &str| {
            let named = Dn::parse(text).ok().filter(|dn| dn.parent().is_some());
            named
                .ok_or_else(|| configuration(format!("spec.connector.ldap.{field} is no distinguished name")))
        };
        let base = dn("baseDn", &spec.base_dn)?;
        let leavers = spec.suspension.leavers_dn.as_deref();
        let leavers = leavers.map(|leavers| dn("suspension.leaversDn", leavers)).transpose()?;
        if leavers.as_ref().is_some_and(|leavers| !leavers.is_within(&base) || leavers.same(&base)) {
            let message = "spec.connector.ldap.suspension.leaversDn does not lie under baseDn: accounts moved there \
                           could not be found again";
            return Err(configuration(message.to_owned()));
        }
        let shared = Shared {
            groups_base: dn("groups.baseDn", spec.groups.base_dn.as_deref().unwrap_or(&spec.base_dn))?,
            numbers: spec.posix.as_ref().map(Numbers::new),
            bound_as: directory.identity.name.clone(),
            directory: Directory::new(directory, around)?,
            names: Names::default(),
            listed: Listed::default(),
            profile: Mutex::default(),
            spec,
            marker,
            attributes,
            may_try,
            base,
            leavers,
        };
        Ok(Self { shared: Arc::new(shared), lane: Lane::Verify, probing: false })
    }

    /// The same connector, whose operations go in this lane.
    #[must_use]
    pub fn with_lane(&self, lane: Lane) -> Self {
        Self { lane, ..self.clone() }
    }

    fn op(&self, operation: &'static str) -> Op {
        Op { operation, lane: self.lane, probe: self.probing }
    }

    /// What is known of the directory: as probed, or asked for now.
    async fn profile(&self) -> Result<Arc<Profile>, Failure> {
        let known = self.shared.profile.lock().clone();
        match known {
            Some(profile) => Ok(profile),
            None => self.explore().await,
        }
    }

    /// The one entry with this id under a base.
    async fn entry(
        &self,
        operation: &'static str,
        base: &Dn,
        id: &str,
        attributes: &[&str],
    ) -> Result<Option<Entry>, Failure> {
        let profile = self.profile().await?;
        if !probe::is_id(id) {
            return Ok(None);
        }
        let base = base.to_string();
        let filter = Filter::equal(&profile.id_attribute, id);
        let search = Search { base: &base, scope: Scope::Subtree, filter, attributes, limit: 2 };
        let mut found =
            self.shared.directory.search(self.op(operation), &search).await.map_err(under_base)?;
        found.retain(|entry| profile.id(entry).as_deref() == Some(id));
        Ok(found.pop())
    }
}

impl Connector for Ldap {
    async fn probe(&self) -> Result<Probe, Failure> {
        let probing = Self { probing: true, ..self.clone() };
        let profile = probing.examine().await?;
        Ok(Probe { capabilities: profile.capabilities.clone(), suspension: Suspending::Reversible })
    }

    async fn find(&self, attribute: &str, value: &str) -> Result<Vec<RemoteAccount>, Failure> {
        self.find_accounts(attribute, value).await
    }

    async fn get(&self, id: &str) -> Result<Option<RemoteAccount>, Failure> {
        match self.account_entry("get account", id).await? {
            Some(entry) => self.account(&entry).await.map(Some),
            None => Ok(None),
        }
    }

    async fn create(
        &self,
        account: &NewAccount,
        password: Option<&SecretString>,
    ) -> Result<RemoteAccount, Failure> {
        self.create_account(account, password).await
    }

    async fn update(&self, id: &str, changes: &[Change]) -> Result<RemoteAccount, Failure> {
        self.change_account(id, changes).await
    }

    async fn set_active(&self, id: &str, active: bool) -> Result<RemoteAccount, Failure> {
        self.activate(id, active).await
    }

    async fn delete(&self, id: &str) -> Result<(), Failure> {
        self.delete_account(id).await
    }

    async fn resolve(&self, entitlement: &EntitlementSpec) -> Result<Option<String>, Failure> {
        match entitlement.kind.as_str() {
            GROUP => self.group_id(&entitlement.value).await,
            UNIT => self.unit_id(&entitlement.value).await,
            _ => Err(no_such_type()),
        }
    }

    fn may_create(&self, kind: &str) -> bool {
        kind == GROUP && self.shared.spec.groups.creation == GroupCreation::OnDemand
    }

    async fn create_entitlement(
        &self,
        entitlement: &EntitlementSpec,
        first: &[String],
    ) -> Result<String, Failure> {
        if entitlement.kind != GROUP {
            return Err(no_such_type());
        }
        self.create_group(&entitlement.value, first).await
    }

    fn batch(&self, kind: &str) -> usize {
        if kind == GROUP { MEMBERS_AT_ONCE } else { 1 }
    }

    async fn entitle(
        &self,
        kind: &str,
        entitlement: &str,
        changes: &[Membership],
    ) -> Result<Vec<Result<(), Failure>>, Failure> {
        match kind {
            GROUP => self.change_members(entitlement, changes).await,
            UNIT => {
                let mut outcomes = Vec::with_capacity(changes.len());
                for change in changes {
                    outcomes.push(self.place(entitlement, change).await);
                }
                Ok(outcomes)
            }
            _ => Err(no_such_type()),
        }
    }

    async fn holders(&self, kind: &str, entitlement: &str) -> Result<Option<HashSet<String>>, Failure> {
        self.members_of(kind, entitlement).await
    }

    async fn held(&self, id: &str) -> Result<Vec<(String, String)>, Failure> {
        self.groups_of(id).await
    }

    fn standing(&self, account: &RemoteAccount) -> Standing {
        let own = self.shared.profile.lock().as_ref().and_then(|profile| profile.own.clone());
        if own.is_some_and(|own| own == account.id) { Standing::BuiltIn } else { Standing::Ordinary }
    }

    /// Who is bound stays so until the connection is closed: LDAP has no way to end somebody else's (RFC 4511 §4.3).
    async fn end_sessions(&self, _id: &str) -> Result<SessionReport, Failure> {
        Ok(SessionReport::unproved(SessionsReason::ConnectionsStayOpen))
    }

    fn left_open(&self) -> Vec<LeftOpen> {
        vec![LeftOpen::Connections]
    }

    async fn page(&self, cursor: Option<&str>) -> Result<Page, Failure> {
        self.accounts_page(cursor).await
    }
}

/// That the base is not there is no news about an account: the App points elsewhere.
fn under_base(refused: Refused) -> Failure {
    if refused.failure.class != FailureClass::Gone {
        return refused.failure;
    }
    configuration(format!(
        "{}; spec.connector.ldap.baseDn or groups.baseDn does not exist, or the account that Tenure binds as may not see it",
        refused.failure.message
    ))
}

fn no_such_type() -> Failure {
    configuration(
        "a directory has no entitlements of this type: it has group and organizationalUnit".to_owned(),
    )
}

fn now() -> Timestamp {
    Timestamp::now()
}
