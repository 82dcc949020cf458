//! Domains of Active Directory, and of Samba.
//!
//! Accounts are users. They are known by `objectGUID`, never by their name: every write is addressed to
//! `<GUID=…>`, so that an account that was renamed or moved behind our back is reached, and another one that has come
//! under its name is not. What is written is read back. The entitlement type `group` is direct membership in a group;
//! `organizationalUnit` is the account's place.
//!
//! A domain has no compare-and-set that every controller keeps, so a value is changed from what was just read, and only
//! what differs is sent.

mod accounts;
mod code;
mod create;
mod decode;
mod edit;
mod extended;
mod filetime;
mod groups;
mod guid;
mod names;
mod password;
mod placement;
mod probe;
mod range;
mod refusal;
mod suspension;
mod uac;
mod update;

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use secrecy::SecretString;

use self::groups::Groups;
use self::probe::Profile;
use super::directory::{Directory, DirectoryConfig, Dn, Op};
use super::fence::Fence;
use super::gate::Gate;
use super::http::Meter;
use super::{Connector, Failure, FailureClass, LeftOpen, Membership, Page, Probe, Suspending};
use super::{configuration, trouble};
use crate::access::ConnectorTraits;
use crate::api::directory::ActiveDirectoryConnector;
use crate::api::directory::active_directory::SuspendedPassword;
use crate::api::scim::GroupCreation;
use crate::api::{EntitlementSpec, Reason, SessionsReason};
use crate::converge::{Change, Lane, NewAccount, RemoteAccount, SessionReport, Standing};

/// The entitlement type whose remote ids are those of groups.
const GROUP: &str = "group";
/// The entitlement type whose remote id is that of the entry that an account lies under.
const UNIT: &str = "organizationalUnit";
/// The login attribute.
const LOGIN: &str = "sAMAccountName";
/// The attribute that names an account among its siblings.
const NAMING: &str = "cn";
/// Refers to another account: a DN in the domain, its id here.
const MANAGER: &str = "manager";
/// The other login.
const PRINCIPAL: &str = "userPrincipalName";
/// `TRUE` where the domain needs the entry for itself (MS-ADA1 §2.389): its administrator, guest and key distribution
/// accounts among others.
const CRITICAL: &str = "isCriticalSystemObject";
/// Where new accounts and groups are unless something is said (MS-ADTS §6.1.1.4.12).
const USERS: &str = "Users";
/// Members that are changed in one request.
const MEMBERS_AT_ONCE: usize = 500;

/// What access computes for an account unless the App says otherwise.
pub static TRAITS: ConnectorTraits = ConnectorTraits {
    login: LOGIN,
    defaults: &[
        (LOGIN, "[user.userName.split('@')[0]].map(n, n.size() > 20 ? n.substring(0, 20) : n)[0]"),
        (NAMING, "user.displayName != null ? user.displayName : user.userName"),
        ("sn", "has(user.name.familyName) ? user.name.familyName : null"),
        ("givenName", "has(user.name.givenName) ? user.name.givenName : null"),
        ("displayName", "user.displayName"),
        (
            "mail",
            "user.emails.size() == 0 ? null : (user.emails.filter(e, e.primary) + user.emails)[0].value",
        ),
        (
            "telephoneNumber",
            "user.phoneNumbers.exists(p, p.type != 'mobile') ? user.phoneNumbers.filter(p, p.type != 'mobile')[0].value : null",
        ),
        (
            "mobile",
            "user.phoneNumbers.exists(p, p.type == 'mobile') ? user.phoneNumbers.filter(p, p.type == 'mobile')[0].value : null",
        ),
        ("title", "user.title"),
        ("department", "user.department"),
        ("division", "user.division"),
        ("company", "user.organization"),
        ("employeeType", "user.employeeType"),
        (MANAGER, "user.manager"),
    ],
    entitlement_types: &[GROUP, UNIT],
    single_valued: &[UNIT],
    references: &[MANAGER],
};

/// A domain, and how Tenure uses it.
#[derive(Clone, Debug)]
pub struct ActiveDirectoryConfig {
    /// How it is reached.
    pub directory: DirectoryConfig,
    /// What the App says of it.
    pub spec: ActiveDirectoryConnector,
    /// Attribute that bears the marker, such as `employeeNumber`.
    pub marker: String,
    /// Attributes that the App maps or looks for accounts by; the schema must have them.
    pub attributes: Vec<String>,
}

/// The connector. Clones share connections and what was learnt.
#[derive(Clone)]
pub struct ActiveDirectory {
    shared: Arc<Shared>,
    lane: Lane,
    probing: bool,
}

struct Shared {
    directory: Directory,
    /// Who Tenure binds as: a DN, a principal name, or `DOMAIN\\login`.
    bound_as: String,
    spec: ActiveDirectoryConnector,
    marker: String,
    attributes: Vec<String>,
    places: Places,
    profile: Mutex<Option<Arc<Profile>>>,
    groups: Groups,
}

/// The entries that accounts and groups lie under.
struct Places {
    domain: Dn,
    base: Dn,
    new_accounts: Dn,
    leavers: Option<Dn>,
    groups: Dn,
    new_groups: Dn,
    protected: Vec<Dn>,
}

impl Places {
    fn new(spec: &ActiveDirectoryConnector) -> Result<Self, Failure> {
        let labels = spec.domain.split('.').rev();
        let domain = labels.fold(Dn::default(), |above, label| above.child("DC", label));
        let dn = |field: &str, text: &str| {
            let named = Dn::parse(text).ok().filter(|dn| dn.is_within(&domain));
            named.ok_or_else(|| {
                let message = format!(
                    "spec.connector.activeDirectory.{field} is no distinguished name in the domain {domain}"
                );
                configuration(message)
            })
        };
        let optional = |field: &str, text: Option<&String>| text.map(|text| dn(field, text)).transpose();
        let users = domain.child("CN", USERS);
        let base = optional("baseDn", spec.base_dn.as_ref())?;
        let new_accounts = optional("newAccountsDn", spec.new_accounts_dn.as_ref())?;
        let leavers = optional("suspension.leaversDn", spec.suspension.leavers_dn.as_ref())?;
        let groups = optional("groups.baseDn", spec.groups.base_dn.as_ref())?;
        let mut protected = vec![domain.child("OU", "Domain Controllers")];
        for text in &spec.protected_dns {
            protected.push(dn("protectedDns", text)?);
        }
        let places = Self {
            new_accounts: new_accounts.or_else(|| base.clone()).unwrap_or_else(|| users.clone()),
            base: base.unwrap_or_else(|| domain.clone()),
            leavers,
            new_groups: groups.clone().unwrap_or(users),
            groups: groups.unwrap_or_else(|| domain.clone()),
            protected,
            domain,
        };
        places.check().map(|()| places)
    }

    fn check(&self) -> Result<(), Failure> {
        let found_again =
            [("newAccountsDn", Some(&self.new_accounts)), ("suspension.leaversDn", self.leavers.as_ref())];
        for (field, dn) in found_again {
            let Some(dn) = dn else { continue };
            if !dn.is_within(&self.base) {
                return Err(configuration(format!(
                    "spec.connector.activeDirectory.{field} does not lie under baseDn: accounts there could not be found \
                     again"
                )));
            }
            if self.protects(dn) {
                return Err(configuration(format!(
                    "spec.connector.activeDirectory.{field} lies under protectedDns"
                )));
            }
        }
        Ok(())
    }

    /// Whether nothing is changed at or under this entry.
    fn protects(&self, dn: &Dn) -> bool {
        self.protected.iter().any(|protected| dn.is_within(protected))
    }
}

impl ActiveDirectory {
    /// Checks the configuration; connects to nothing yet. Operations are made in the lane [`Lane::Verify`].
    pub fn new(config: ActiveDirectoryConfig, around: (Fence, Gate, Meter)) -> Result<Self, Failure> {
        let ActiveDirectoryConfig { directory, spec, marker, attributes } = config;
        let shared = Shared {
            places: Places::new(&spec)?,
            bound_as: directory.identity.name.clone(),
            directory: Directory::new(directory, around)?,
            spec,
            marker,
            attributes,
            profile: Mutex::default(),
            groups: Groups::default(),
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

    /// What is known of the domain: as probed, or asked for now. Nothing is done in another domain.
    async fn profile(&self) -> Result<Arc<Profile>, Failure> {
        let known = self.shared.profile.lock().clone();
        match known {
            Some(profile) => Ok(profile),
            None => self.explore().await,
        }
    }

    fn replaces_passwords(&self) -> bool {
        self.shared.spec.suspension.password == SuspendedPassword::Replace
    }
}

impl Connector for ActiveDirectory {
    async fn probe(&self) -> Result<Probe, Failure> {
        let probing = Self { probing: true, ..self.clone() };
        let capabilities = probing.examine().await?;
        Ok(Probe { capabilities, suspension: Suspending::Reversible })
    }

    async fn find(&self, attribute: &str, value: &str) -> Result<Vec<RemoteAccount>, Failure> {
        self.find_accounts(attribute, value).await
    }

    async fn get(&self, id: &str) -> Result<Option<RemoteAccount>, Failure> {
        Ok(self.seen("get account", id).await?.map(|seen| seen.account))
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
        if active { self.resume(id).await } else { self.suspend(id).await }
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
        _first: &[String],
    ) -> Result<String, Failure> {
        if entitlement.kind != GROUP {
            return Err(no_such_type());
        }
        self.create_group(&entitlement.value).await
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
        let is = |name: &str, text: &str| {
            let value = account.attributes.get(name).and_then(serde_json::Value::as_str);
            value.is_some_and(|value| value.eq_ignore_ascii_case(text))
        };
        let own = self.shared.bound_as.as_str();
        let login = own.rsplit('\\').next().and_then(|name| name.split('@').next()).unwrap_or(own);
        let is_own =
            account.login.eq_ignore_ascii_case(login) || is(PRINCIPAL, own) || is("distinguishedName", own);
        if is(CRITICAL, "TRUE") || is_own { Standing::BuiltIn } else { Standing::Ordinary }
    }

    /// Kerberos does not take back tickets that were issued: service tickets stay good for ten hours by default (MS-KILE
    /// §3.3.5.7.1).
    async fn end_sessions(&self, _id: &str) -> Result<SessionReport, Failure> {
        Ok(SessionReport::unproved(SessionsReason::TokensLiveOn))
    }

    fn left_open(&self) -> Vec<LeftOpen> {
        vec![LeftOpen::Tokens, LeftOpen::Connections]
    }

    async fn page(&self, cursor: Option<&str>) -> Result<Page, Failure> {
        self.accounts_page(cursor).await
    }
}

fn no_such_type() -> Failure {
    configuration("a domain has no entitlements of this type: it has group and organizationalUnit".to_owned())
}

fn gone(operation: &str) -> Failure {
    trouble(
        FailureClass::Gone,
        Reason::AccountGone,
        format!("{operation}: the account is not there any more"),
    )
}

#[cfg(test)]
mod tests;
