//! SCIM 2.0 service providers (RFC 7643, RFC 7644), with cursor paging (RFC 9865).
//!
//! Accounts are Users, with the enterprise extension. The entitlement type `group` is membership in a Group; `role` and
//! `entitlement` are values of a User's `roles` and `entitlements`.
//! Attributes are named as rules name them: `title`, `name.givenName`, `emails` (the whole list),
//! `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department`.
//!
//! What the service provider configuration does not promise is done without: PUT of the whole resource, with what we
//! do not know kept, in place of PATCH; a listing in place of a filter.

mod accounts;
mod discovery;
mod groups;
mod holders;
mod leaving;
mod listing;
mod path;
mod probing;
mod profile;
mod resource;
mod values;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

use self::accounts::Index;
use self::groups::Groups;
use self::holders::Shown;
use self::path::enterprise;
pub use self::profile::presets::preset;
use self::profile::{Layers, Profile};
use self::values::attribute;
use super::fence::Fence;
use super::gate::Gate;
use super::http::{Answer, Call, Credentials, Http, HttpConfig, Meter, Protocol, Refused, SINGLE};
use super::http::{Verdict, by_status};
use super::{Connector, Failure, FailureClass, LeftOpen, Membership, Page, Probe, Suspending, trouble};
use crate::access::ConnectorTraits;
use crate::api::scim::{MediaType, ScimProfile, Suspension};
use crate::api::{EntitlementSpec, Reason};
use crate::converge::{Change, Lane, NewAccount, RemoteAccount, SessionReport};

/// Schema of users (RFC 7643 §4.1).
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// Schema of groups (RFC 7643 §4.2).
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// Schema of PATCH requests (RFC 7644 §3.5.2).
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// The entitlement type whose remote ids are those of Groups.
const GROUP_TYPE: &str = "group";

/// What access computes for a SCIM account unless the App says otherwise.
pub static TRAITS: ConnectorTraits = ConnectorTraits {
    login: "userName",
    defaults: &[
        ("userName", "user.userName"),
        ("name.givenName", "has(user.name.givenName) ? user.name.givenName : null"),
        ("name.familyName", "has(user.name.familyName) ? user.name.familyName : null"),
        ("name.formatted", "has(user.name.formatted) ? user.name.formatted : null"),
        ("displayName", "user.displayName"),
        ("emails", "user.emails.size() == 0 ? null : user.emails"),
        ("phoneNumbers", "user.phoneNumbers.size() == 0 ? null : user.phoneNumbers"),
        ("addresses", "user.addresses.size() == 0 ? null : user.addresses"),
        ("title", "user.title"),
        ("preferredLanguage", "user.preferredLanguage"),
        ("locale", "user.locale"),
        ("timezone", "user.timezone"),
        ("userType", "user.employeeType"),
        (enterprise!("employeeNumber"), "user.employeeNumber"),
        (enterprise!("costCenter"), "user.costCenter"),
        (enterprise!("organization"), "user.organization"),
        (enterprise!("division"), "user.division"),
        (enterprise!("department"), "user.department"),
        (enterprise!("manager.value"), "user.manager"),
    ],
    entitlement_types: &[GROUP_TYPE, "role", "entitlement"],
    single_valued: &[],
    references: &[enterprise!("manager.value")],
};

/// A service provider, and how Tenure uses it.
#[derive(Clone, Debug)]
pub struct ScimConfig {
    /// How it is reached.
    pub http: HttpConfig,
    /// What proves to it who we are.
    pub credentials: Credentials,
    /// Attribute that bears the marker, such as `externalId`.
    pub marker_attribute: String,
    /// Attributes that accounts are looked for by, besides the marker: what a listing that stands in for filters is
    /// indexed by.
    pub search_by: Vec<String>,
    /// What the App says of the service provider.
    pub profile: ScimProfile,
    /// Whether missing groups may be created.
    pub create_groups: bool,
}

/// The connector. Clones share connections, tokens and what was discovered.
#[derive(Clone)]
pub struct Scim {
    shared: Arc<Shared>,
    lane: Lane,
    probing: bool,
}

struct Shared {
    http: Http,
    marker: String,
    create_groups: bool,
    profile: Layers,
    groups: Groups,
    shown: Shown,
    index: Index,
    /// Whether writing a whole account has not helped where a PATCH did nothing.
    put_is_vain: AtomicBool,
}

impl Scim {
    /// Checks the configuration; connects to nothing yet. Requests are made in the lane [`Lane::Verify`].
    pub fn new(config: ScimConfig, fence: Fence, gate: Gate, meter: Meter) -> Result<Self, Failure> {
        let profile = Layers::new(config.profile);
        let (accept, content_type) = match profile.so_far().media_type {
            MediaType::Scim => ("application/scim+json, application/json", "application/scim+json"),
            MediaType::Json => ("application/json", "application/json"),
        };
        let protocol = Protocol { accept, content_type, judge };
        let shared = Shared {
            http: Http::new(&config.http, config.credentials, protocol, (fence, gate, meter))?,
            index: Index::new(&config.marker_attribute, &config.search_by),
            put_is_vain: AtomicBool::new(false),
            marker: config.marker_attribute,
            create_groups: config.create_groups,
            profile,
            groups: Groups::default(),
            shown: Shown::default(),
        };
        Ok(Self { shared: Arc::new(shared), lane: Lane::Verify, probing: false })
    }

    /// The same connector, whose requests go in this lane.
    #[must_use]
    pub fn with_lane(&self, lane: Lane) -> Self {
        Self { lane, ..self.clone() }
    }

    fn call(&self, operation: &'static str, method: Method, path: &[&str]) -> Result<Call, Failure> {
        Ok(Call {
            operation,
            method,
            url: self.shared.http.url(path)?,
            body: None,
            if_match: None,
            limit: SINGLE,
            lane: self.lane,
            probe: self.probing,
        })
    }

    async fn send(&self, call: &Call) -> Result<Answer, Refused> {
        self.shared.http.send(call).await
    }

    async fn patch(
        &self,
        operation: &'static str,
        path: &[&str],
        operations: Value,
    ) -> Result<Answer, Refused> {
        let body = json!({ "schemas": [PATCH], "Operations": operations });
        let call = Call { body: Some(body), ..self.call(operation, Method::PATCH, path)? };
        self.send(&call).await
    }

    /// How the service provider is spoken to: as probed, or asked for now.
    async fn profile(&self) -> Result<Arc<Profile>, Failure> {
        match self.shared.profile.profile() {
            Some(profile) => Ok(profile),
            None => self.discover().await,
        }
    }

    /// Records what the service provider showed in use; it counts until the process ends or the App is connected
    /// anew, unless the App says otherwise.
    pub(super) fn learn(&self, shown: ScimProfile) {
        self.shared.profile.shown(shown);
    }
}

impl Connector for Scim {
    async fn probe(&self) -> Result<Probe, Failure> {
        let probing = Self { probing: true, ..self.clone() };
        let profile = match self.shared.profile.explored() {
            Some(_) => probing.look_again().await?,
            None => probing.explore().await?,
        };
        let suspension = match profile.suspension {
            Suspension::Reversible => Suspending::Reversible,
            Suspension::Deletes => Suspending::Deletes,
            Suspension::Unsupported => Suspending::Unsupported,
        };
        Ok(Probe { capabilities: profile.capabilities(), suspension })
    }

    async fn find(&self, attribute: &str, value: &str) -> Result<Vec<RemoteAccount>, Failure> {
        self.find_accounts(attribute, value).await
    }

    async fn get(&self, id: &str) -> Result<Option<RemoteAccount>, Failure> {
        self.account(id).await
    }

    /// An App of this kind has no first passwords: the schema does not take them.
    async fn create(&self, account: &NewAccount, _: Option<&SecretString>) -> Result<RemoteAccount, Failure> {
        self.create_account(account).await
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
        let EntitlementSpec { kind, value } = entitlement;
        if kind == GROUP_TYPE {
            self.has_groups().await?;
            return self.group_id(value).await;
        }
        self.has_attribute(attribute(kind)?).await?;
        Ok(Some(value.clone()))
    }

    fn may_create(&self, kind: &str) -> bool {
        self.shared.create_groups && kind == GROUP_TYPE
    }

    async fn create_entitlement(
        &self,
        entitlement: &EntitlementSpec,
        first: &[String],
    ) -> Result<String, Failure> {
        if entitlement.kind != GROUP_TYPE {
            return Err(values::no_such_type());
        }
        self.has_groups().await?;
        self.create_group(&entitlement.value, first).await
    }

    fn batch(&self, kind: &str) -> usize {
        if kind == GROUP_TYPE { self.members_at_once() } else { 1 }
    }

    async fn entitle(
        &self,
        kind: &str,
        entitlement: &str,
        changes: &[Membership],
    ) -> Result<Vec<Result<(), Failure>>, Failure> {
        if kind == GROUP_TYPE {
            return self.change_members(entitlement, changes).await;
        }
        let attribute = attribute(kind)?;
        let mut outcomes = Vec::with_capacity(changes.len());
        for change in changes {
            outcomes.push(self.set_value(attribute, entitlement, change).await);
        }
        Ok(outcomes)
    }

    async fn holders(&self, kind: &str, entitlement: &str) -> Result<Option<HashSet<String>>, Failure> {
        self.members_of(kind, entitlement).await
    }

    fn shows(&self, account: &RemoteAccount, kind: &str, entitlement: &str) -> Option<bool> {
        self.shows_value(account, kind, entitlement)
    }

    async fn end_sessions(&self, _id: &str) -> Result<SessionReport, Failure> {
        self.sessions().await
    }

    async fn held(&self, id: &str) -> Result<Vec<(String, String)>, Failure> {
        self.all_held(id).await
    }

    fn left_open(&self) -> Vec<LeftOpen> {
        self.ways_left_open()
    }

    async fn page(&self, cursor: Option<&str>) -> Result<Page, Failure> {
        self.accounts_page(cursor).await
    }
}

/// `scimType`s that something depends on (RFC 7644 §3.12, RFC 9865 §2.1).
const KEYWORDS: [&str; 6] =
    ["uniqueness", "noTarget", "invalidFilter", "tooMany", "invalidCursor", "expiredCursor"];

/// Reads a SCIM error: its `scimType` counts more than its status, which many get wrong.
fn judge(status: u16, body: Option<&Value>) -> Verdict {
    let kind = body.and_then(|body| resource::field(body, "scimType")).and_then(Value::as_str);
    let keyword = kind.and_then(|kind| KEYWORDS.into_iter().find(|known| known.eq_ignore_ascii_case(kind)));
    let verdict = match keyword {
        Some("uniqueness") => by_status(409),
        Some("invalidCursor" | "expiredCursor") => Verdict {
            class: FailureClass::RetryAfter,
            reason: Reason::UnexpectedAnswer,
            meaning: "the listing was broken off by the target: it has to begin again",
            keyword,
        },
        _ => by_status(status),
    };
    Verdict { keyword, ..verdict }
}

/// The answer to a request for one thing makes no sense.
fn unexpected(call: &Call, what: &str) -> Failure {
    trouble(FailureClass::Unknown, Reason::UnexpectedAnswer, format!("{}: {what}", call.operation))
}

/// Whether the target has no such method (RFC 9110 §15.5.6, §15.6.2).
fn no_such_method(refused: &Refused) -> bool {
    matches!(refused.status, Some(405 | 501))
}

/// That a whole collection is not there, or takes no requests, is no news about an account: the base URL leads
/// elsewhere.
fn about_collection(operation: &str, refused: Refused) -> Failure {
    if refused.failure.class != FailureClass::Gone && refused.status != Some(405) {
        return refused.failure;
    }
    trouble(
        FailureClass::Unknown,
        Reason::UnexpectedAnswer,
        format!("{operation}: not found: there is no SCIM service under the base URL"),
    )
}

#[cfg(test)]
mod tests;
