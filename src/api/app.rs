//! `App`: a connection to a system with accounts, and the policies that hold there.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{AttributeRule, SecretKeyRef};

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
    pub on_leave: RemovalPolicy,
    /// What happens to the account of a person who no longer has a role that grants it.
    #[serde(default)]
    pub on_unassign: RemovalPolicy,
    /// What happens to the account when the User object is deleted. The ledger ends with the object, so `deleteAfter`
    /// is not possible here.
    #[serde(default)]
    #[x_kube(validation = Rule::new("!has(self.deleteAfter)").message("deleteAfter is not possible here: the ledger ends with the User. Set the User's state to Terminated first, or choose action Delete").field_path(".deleteAfter"))]
    pub on_user_deleted: RemovalPolicy,
    /// How fast the App may be used.
    #[serde(default)]
    pub limits: Limits,
    /// `DryRun` reads only and reports what would be done.
    #[serde(default)]
    pub mode: Mode,
}

/// The system and how to reach it: exactly one of the connectors.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.scim)].filter(c, c).size() == 1").message("set exactly one connector: scim")
)]
pub struct Connector {
    /// A SCIM 2.0 service provider (RFC 7643, RFC 7644).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scim: Option<ScimConnector>,
}

/// A SCIM 2.0 service provider.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.baseUrl.startsWith('https://') || self.plainHttp == 'Allow' || self.baseUrl.matches('^http://(localhost|127[.][0-9.]+|\\\\[::1\\\\])([:/].*)?$')").message("baseUrl must be https: credentials would travel in the clear. Use https, or set plainHttp: Allow if the network is trusted").field_path(".baseUrl"),
    validation = Rule::new("!has(self.auth.oauth2) || self.auth.oauth2.tokenUrl.startsWith('https://') || self.plainHttp == 'Allow' || self.auth.oauth2.tokenUrl.matches('^http://(localhost|127[.][0-9.]+|\\\\[::1\\\\])([:/].*)?$')").message("auth.oauth2.tokenUrl must be https: credentials would travel in the clear. Use https, or set plainHttp: Allow if the network is trusted").field_path(".auth.oauth2.tokenUrl")
)]
pub struct ScimConnector {
    /// Base URL of the service provider: what stands before `/Users`.
    #[schemars(length(min = 8, max = 2048))]
    #[x_kube(
        validation = Rule::new("self.matches('^https?://[^/@ ?#]+(/[^@ ?#]*)?$')").message("baseUrl must be http(s)://host[:port][/path], without user, query or fragment")
    )]
    pub base_url: String,
    /// How Tenure proves who it is.
    pub auth: ScimAuth,
    /// PEM certificates of the authority that signed the server's certificate, where the public ones do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
    /// Whether `http://` to a host other than this machine is acceptable.
    #[serde(default)]
    pub plain_http: PlainHttp,
    /// Whether a `group` that a binding names and the App does not have is created.
    #[serde(default)]
    pub group_creation: GroupCreation,
    /// How long one request may take, in seconds.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 10))]
    pub timeout_seconds: u8,
}

fn default_timeout() -> u8 {
    10
}

/// Whether `http://` to a host other than this machine is acceptable.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlainHttp {
    /// Only https, and http to this machine.
    #[default]
    Refuse,
    /// The network is trusted.
    Allow,
}

/// Whether missing groups are created.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupCreation {
    /// A missing group is reported.
    #[default]
    Never,
    /// A missing group is created when the first person is to be in it.
    OnDemand,
}

/// How Tenure proves who it is to a SCIM service provider: exactly one way.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.bearer), has(self.basic), has(self.oauth2)].filter(c, c).size() == 1").message("set exactly one of bearer, basic, oauth2")
)]
pub struct ScimAuth {
    /// A bearer token (RFC 6750).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<BearerAuth>,
    /// User and password (RFC 7617).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicAuth>,
    /// OAuth 2.0 client credentials (RFC 6749 §4.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2Auth>,
}

/// A bearer token (RFC 6750).
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BearerAuth {
    /// The token.
    pub token_secret_ref: SecretKeyRef,
}

/// User and password (RFC 7617).
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BasicAuth {
    /// The user.
    pub username_secret_ref: SecretKeyRef,
    /// The password.
    pub password_secret_ref: SecretKeyRef,
}

/// OAuth 2.0 client credentials (RFC 6749 §4.4).
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OAuth2Auth {
    /// The token endpoint.
    #[schemars(length(min = 8, max = 2048))]
    #[x_kube(
        validation = Rule::new("self.matches('^https?://[^/@ #]+(/[^@ #]*)?$')").message("tokenUrl must be http(s)://host[:port][/path], without user or fragment")
    )]
    pub token_url: String,
    /// The client's id.
    pub client_id_secret_ref: SecretKeyRef,
    /// The client's secret.
    pub client_secret_secret_ref: SecretKeyRef,
    /// Scopes to ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 256)))]
    pub scopes: Vec<String>,
}

/// Where Tenure writes a person's `personId`, by which it recognises its own accounts.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    /// Attribute of the target. SCIM: a searchable one, `externalId` by default (RFC 7643 §3.1).
    #[serde(default = "default_marker")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[A-Za-z][A-Za-z0-9:._;\-]*$"))]
    pub attribute: String,
    /// Written before the `personId`; tells several Tenures on one target apart.
    #[serde(default)]
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z0-9:._/\-]*$"))]
    pub prefix: String,
}

fn default_marker() -> String {
    "externalId".to_owned()
}

impl Default for Marker {
    fn default() -> Self {
        Self { attribute: default_marker(), prefix: String::new() }
    }
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
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.deleteAfter) || self.action == 'Suspend'").message("deleteAfter goes with action Suspend: Delete deletes at once, Retain never").field_path(".deleteAfter")
)]
pub struct RemovalPolicy {
    /// What is done at once.
    #[serde(default)]
    pub action: RemovalAction,
    /// How long after the suspension the account is deleted: a number and a unit `s`, `m`, `h` or `d`, as in `30d`.
    /// Unset: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,8}[smhd]$')").message("deleteAfter is a number and one unit of s, m, h, d, as in 30d"))]
    pub delete_after: Option<String>,
    /// Which entitlements are taken away after the suspension.
    #[serde(default)]
    pub remove_entitlements: RemoveEntitlements,
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
    /// What the target said it can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// Accounts in the ledgers, counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<AccountCounts>,
    /// What would be done, in mode `DryRun`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<PlannedSteps>,
    /// The last reconcile request that was handled.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub last_handled_reconcile_at: String,
    /// `Ready`, `Reachable`, `CredentialsValid`, and while they hold `Reconciling`, `Stalled` and `Paused`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// What a target said it can do.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// Whether single attributes can be changed (SCIM: PATCH).
    pub patch: bool,
    /// Whether accounts can be searched for (SCIM: filter).
    pub filter: bool,
    /// Whether versions protect against lost updates (SCIM: `ETag`).
    pub etag: bool,
    /// How listings are paged: `Index` or `Cursor` (RFC 9865).
    #[schemars(length(max = 16))]
    pub paging: String,
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
