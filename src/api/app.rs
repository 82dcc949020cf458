//! `App`: a connection to a system with accounts, and the policies that hold there.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::budget::{RemovalBudget, RemovalUse};
use super::common::{AttributeRule, EntitlementSpec};
use super::directory::{ActiveDirectoryConnector, DirectoryServers, LdapConnector};
use super::initial_password::InitialPassword;
use super::scim::ScimConnector;
use super::sweep::{Drift, Orphans, Stray, SweepStatus};

/// A connection to a system with accounts, and the policies that hold there.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "tenure.dev",
    version = "v1alpha1",
    kind = "App",
    namespaced,
    status = "AppStatus",
    shortname = "tapp",
    category = "tenure",
    doc = "A connection to a system with accounts, and the policies that hold there: how accounts are found, what they look like, and what happens to those of people who leave.",
    derive = "PartialEq",
    selectable = ".spec.mode",
    printcolumn(name = "Target", type_ = "string", json_path = ".status.endpoint"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "Active", type_ = "integer", json_path = ".status.accounts.active"),
    printcolumn(name = "Suspended", type_ = "integer", json_path = ".status.accounts.suspended"),
    printcolumn(name = "Pending", type_ = "integer", json_path = ".status.accounts.pending"),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.accounts.failed"),
    printcolumn(name = "Swept", type_ = "date", json_path = ".status.sweep.lastCompleted", priority = 1),
    printcolumn(name = "Orphans", type_ = "integer", json_path = ".status.orphansTotal", priority = 1),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.orphans != 'Suspend' || (has(self.marker.prefix) && self.marker.prefix != '')").message("orphans: Suspend needs a marker.prefix: without one, whatever stands in the marker's attribute would count as ours").field_path(".orphans"),
    validation = Rule::new("!has(self.connector.scim) || !has(self.connector.scim.profile) || !has(self.connector.scim.profile.unsupportedAttributes) || !self.connector.scim.profile.unsupportedAttributes.exists(a, a.lowerAscii() == (has(self.marker.attribute) ? self.marker.attribute.lowerAscii() : 'externalid'))").message("the marker is written into this attribute: choose another marker.attribute, or take it from unsupportedAttributes").field_path(".connector.scim.profile.unsupportedAttributes")
)]
pub struct AppSpec {
    /// The system and how to reach it. Exactly one connector is set.
    pub connector: Connector,
    /// How Tenure recognises its own accounts.
    #[serde(default)]
    pub marker: Marker,
    /// Attributes of the accounts, over the connector's defaults. A rule for the same `to` replaces the default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["to".into()]))]
    pub attributes: Vec<AttributeRule>,
    /// Whether and how existing accounts are taken over.
    #[serde(default)]
    pub adoption: Adoption,
    /// What happens to the account of a person who left.
    #[serde(default)]
    #[x_kube(validation = Rule::new("!has(self.after) || (has(self.leaverKeepsAccess) && self.leaverKeepsAccess)").message("after would let people who left keep their access so long: take it out, or set leaverKeepsAccess: true beside it if that is meant").field_path(".after"))]
    pub on_leave: RemovalPolicy,
    /// What happens to the account of a person who no longer has a role that grants it.
    #[serde(default)]
    #[x_kube(validation = Rule::new("!has(self.leaverKeepsAccess) || !self.leaverKeepsAccess").message("leaverKeepsAccess is about onLeave").field_path(".leaverKeepsAccess"))]
    pub on_unassign: RemovalPolicy,
    /// What happens to the account when the User object is deleted. The ledger ends with the object, so `after` and
    /// `deleteAfter` are not possible here.
    #[serde(default)]
    #[x_kube(validation = Rule::new("!has(self.leaverKeepsAccess) || !self.leaverKeepsAccess").message("leaverKeepsAccess is about onLeave").field_path(".leaverKeepsAccess"), validation = Rule::new("!has(self.after)").message("after is not possible here: the ledger ends with the User. Take the person's roles away first, and delete the User later").field_path(".after"), validation = Rule::new("!has(self.deleteAfter)").message("deleteAfter is not possible here: the ledger ends with the User. Set the User's state to Terminated first, or choose action Delete").field_path(".deleteAfter"))]
    pub on_user_deleted: RemovalPolicy,
    /// How often all accounts are listed and held against the ledgers: a number and a unit `m`, `h` or `d`, as in `30m`.
    /// The annotation `tenure.dev/reconcile-requested-at` asks for it at once.
    #[serde(default = "default_sweep_interval")]
    #[schemars(length(max = 8))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,3}[mhd]$')").message("sweepInterval is a number and one unit of m, h, d, as in 30m"))]
    pub sweep_interval: String,
    /// What a sweep does about accounts in use that are no longer as Tenure left them.
    #[serde(default)]
    pub drift: Drift,
    /// What a sweep does about accounts in use that should not be there.
    #[serde(default)]
    pub orphans: Orphans,
    /// How much may be taken away before a person has to say yes.
    #[serde(default)]
    pub removal_budget: RemovalBudget,
    /// Accounts that Tenure never takes over, suspends, deletes or strips of entitlements: their logins, in which `*`
    /// stands for any text and letter case does not count, or their remote ids. Those that the connector knows as the
    /// App's own are always among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new("self.all(a, !a.matches('^[*]+$'))").message("this protects every account: to have nothing taken away at all, set the action Retain, or the annotation tenure.dev/paused")
    )]
    pub protected_accounts: Vec<String>,
    /// Entitlements that make an administrator of the App. The last account in use that holds one of them is never
    /// suspended, deleted or stripped of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into(), "value".into()]))]
    pub administrators: Vec<EntitlementSpec>,
    /// How fast the App may be used.
    #[serde(default)]
    pub limits: Limits,
    /// `DryRun` reads only and reports what would be done.
    #[serde(default)]
    pub mode: Mode,
}

/// An hour bounds how long a leaver's account that somebody put back into use stays so, at the price of one listing: a
/// hundred thousand accounts in pages of a hundred are one request in four seconds.
fn default_sweep_interval() -> String {
    "1h".to_owned()
}

impl AppSpec {
    /// The attribute that bears the marker.
    pub fn marker_attribute(&self) -> &str {
        let own = if self.connector.directory().is_some() { "employeeNumber" } else { "externalId" };
        self.marker.attribute.as_deref().unwrap_or(own)
    }

    /// What the first password of new accounts is to be; `None`: nothing is said of it.
    pub fn initial_password(&self) -> Option<InitialPassword> {
        self.connector.directory()?.initial_password.clone()
    }
}

/// The system and how to reach it: exactly one of the connectors.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.scim), has(self.ldap), has(self.activeDirectory)].filter(c, c).size() == 1").message("set exactly one connector: scim, ldap or activeDirectory")
)]
pub struct Connector {
    /// A SCIM 2.0 service provider (RFC 7643, RFC 7644).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scim: Option<ScimConnector>,
    /// An LDAP v3 directory (RFC 4511).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ldap: Option<LdapConnector>,
    /// A domain of Active Directory, or of Samba.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_directory: Option<ActiveDirectoryConnector>,
}

impl Connector {
    /// What is said of the directory's servers, where it is a directory.
    pub fn directory(&self) -> Option<&DirectoryServers> {
        let ldap = self.ldap.as_ref().map(|ldap| &ldap.directory);
        ldap.or_else(|| self.active_directory.as_ref().map(|ad| &ad.directory))
    }
}

/// Where Tenure writes a person's `personId`, by which it recognises its own accounts.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    /// Attribute of the target, a searchable one. Unset: the connector's own, which is `externalId` for SCIM
    /// (RFC 7643 §3.1) and `employeeNumber` for directories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[A-Za-z][A-Za-z0-9:._;\-]*$"))]
    pub attribute: Option<String>,
    /// Written before the `personId`; tells several Tenures on one target apart.
    #[serde(default)]
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z0-9:._/\-]*$"))]
    pub prefix: String,
}

/// Whether and how existing accounts are taken over. One with our marker is ours under every policy.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Adoption {
    /// What is done about accounts that exist and that do not.
    #[serde(default)]
    pub policy: AdoptionPolicy,
    /// Attributes by which an account without marker is recognised. A second mapped attribute must agree before it
    /// is taken over. Empty: by marker only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 4),
        inner(length(min = 1, max = 256), regex(pattern = r"^[A-Za-z][A-Za-z0-9:._;\-]*$"))
    )]
    pub match_on: Vec<String>,
}

/// What is done about accounts that exist and that do not.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdoptionPolicy {
    /// Take over what matches, else create.
    #[default]
    AdoptOrCreate,
    /// Take over what matches, never create.
    AdoptOnly,
    /// Never take over an account without our marker.
    CreateOnly,
}

/// What happens to an account that a person should no longer use.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.deleteAfter) || self.action == 'Suspend'").message("deleteAfter goes with action Suspend: Delete deletes at once, Retain never").field_path(".deleteAfter"),
    validation = Rule::new("!has(self.after) || self.action != 'Retain'").message("after goes with actions Suspend and Delete: Retain never does anything").field_path(".after"),
    validation = Rule::new("!has(self.leaverKeepsAccess) || !self.leaverKeepsAccess || has(self.after)").message("leaverKeepsAccess goes with after: without it nothing is kept").field_path(".leaverKeepsAccess"),
    validation = Rule::new("self.removeEntitlements == 'None' || self.action != 'Retain'").message("action Retain leaves the account as it is: removeEntitlements must be None").field_path(".removeEntitlements")
)]
pub struct RemovalPolicy {
    /// What is done at once.
    #[serde(default)]
    pub action: RemovalAction,
    /// How long the account stays in use before anything is done, so that work can be handed over: a number and a unit
    /// `s`, `m`, `h` or `d`, as in `14d`. Unset: nothing is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^([1-9][0-9]{0,4}[smh]|[1-9][0-9]{0,2}d)$')").message("after is a number and one unit of s, m, h, d, as in 14d; at most 99999s, 99999m, 99999h or 999d"))]
    pub after: Option<String>,
    /// Says that `after` in `onLeave` is meant: a person who left keeps their access so long.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaver_keeps_access: bool,
    /// How long after the suspension the account is deleted: a number and a unit `s`, `m`, `h` or `d`, as in `30d`.
    /// Unset: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,8}[smhd]$')").message("deleteAfter is a number and one unit of s, m, h, d, as in 30d"))]
    pub delete_after: Option<String>,
    /// Whether the account's sessions and tokens are ended after the suspension, as far as the App lets us. The ledger
    /// says what came of it.
    #[serde(default = "default_revoke_sessions")]
    pub revoke_sessions: bool,
    /// Which entitlements are taken away after the suspension.
    #[serde(default)]
    pub remove_entitlements: RemoveEntitlements,
}

const fn default_revoke_sessions() -> bool {
    true
}

impl Default for RemovalPolicy {
    fn default() -> Self {
        Self {
            action: RemovalAction::Suspend,
            after: None,
            leaver_keeps_access: false,
            delete_after: None,
            revoke_sessions: default_revoke_sessions(),
            remove_entitlements: RemoveEntitlements::None,
        }
    }
}

/// What is done at once with an account that a person should no longer use.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RemovalAction {
    /// Suspend it. Reversible.
    #[default]
    Suspend,
    /// Suspend it, then delete it.
    Delete,
    /// Leave it as it is.
    Retain,
}

/// Which entitlements are taken away from a suspended account.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RemoveEntitlements {
    /// None: the account is suspended as it is.
    #[default]
    None,
    /// Those that Tenure granted.
    Managed,
    /// All that the account holds, whoever granted them.
    All,
}

/// How fast the App may be used.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Requests a second, on average; unset: no limit but the App's own answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub requests_per_second: Option<u32>,
    /// Requests under way at the same time. Those of leavers find two places more.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: u8,
}

fn default_concurrency() -> u8 {
    8
}

impl Default for Limits {
    fn default() -> Self {
        Self { requests_per_second: None, concurrency: default_concurrency() }
    }
}

/// Whether Tenure acts on an App or only says what it would do.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Accounts are made to match.
    #[default]
    Enforce,
    /// Nothing is written anywhere but to this App's status.
    DryRun,
}

/// What Tenure made of an App.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = serde_json::json!({"observedGeneration": -1})))]
pub struct AppStatus {
    /// `metadata.generation` that this status is about; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Short hash of the system that the App points to; ledger entries carry it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 32))]
    pub target: String,
    /// Where the App points to, for people to read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 2048))]
    pub endpoint: String,
    /// What is known of the target, and how.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub capabilities: Vec<Capability>,
    /// Accounts in the ledgers, counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<AccountCounts>,
    /// What would be done, in mode `DryRun`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<PlannedSteps>,
    /// What the last sweep showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepStatus>,
    /// Accounts in use that are in no ledger: the first 50 by id. `tenure orphans` writes all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "atomic"))]
    pub orphans: Vec<Stray>,
    /// How many there are in all.
    #[serde(default)]
    pub orphans_total: i64,
    /// What of the removal budget is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removals: Option<RemovalUse>,
    /// The last reconcile request that was handled.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub last_handled_reconcile_at: String,
    /// `Ready`, `Reachable`, `CredentialsValid`, and while they hold `Held`, `LoginLeftOpen` (suspending an account leaves
    /// a way in open), `Reconciling`, `Stalled` and `Paused`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Something that is known of a target: what it can do, or how it has to be spoken to.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Capability {
    /// What, such as `update` or `paging`: docs/connectors lists them for each connector.
    #[schemars(length(max = 64))]
    pub name: String,
    /// What is so, such as `Patch`.
    #[schemars(length(max = 256))]
    pub value: String,
    /// How it is known.
    pub source: CapabilitySource,
}

/// How something is known of a target.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CapabilitySource {
    /// Nothing says otherwise.
    #[default]
    Default,
    /// The preset named in the App says so.
    Preset,
    /// The target says so of itself.
    Discovered,
    /// The target was tried, or showed it in use.
    Probed,
    /// The App's spec says so.
    Configured,
}

/// Accounts in the ledgers, counted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AccountCounts {
    /// In use.
    pub active: i64,
    /// Suspended by Tenure.
    pub suspended: i64,
    /// Due to be made, changed, suspended or deleted.
    pub pending: i64,
    /// That failed or need a person's decision.
    pub failed: i64,
    /// Kept although no longer granted.
    pub retained: i64,
}

/// What would be done, in mode `DryRun`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PlannedSteps {
    /// Accounts that would be made.
    pub create: i64,
    /// Accounts that would be taken over.
    pub adopt: i64,
    /// Accounts that would be changed.
    pub update: i64,
    /// Accounts that would be suspended.
    pub suspend: i64,
    /// Accounts that would be put back into use.
    pub resume: i64,
    /// Accounts that would be deleted.
    pub delete: i64,
    /// Accounts that need a person's decision or cannot be planned.
    pub blocked: i64,
    /// Some of the steps, such as `create ann`.
    #[schemars(length(max = 20), inner(length(max = 300)))]
    pub sample: Vec<String>,
}
