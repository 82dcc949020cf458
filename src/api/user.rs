//! `User`: a person, the roles assigned to them, and the ledger of their accounts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ledger::LedgerEntry;
use super::person::{Address, ContactValue, PersonName};

/// A person and the access they should have. Attributes carry SCIM's names (RFC 7643 §4.1, §4.3).
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "tenure.dev",
    version = "v1alpha1",
    kind = "User",
    namespaced,
    status = "UserStatus",
    shortname = "tuser",
    category = "tenure",
    doc = "A person and the access they should have: identity, attributes with SCIM's names, dates and roles. The status shows what follows from it and every account in every App.",
    derive = "PartialEq",
    selectable = ".spec.personId",
    selectable = ".spec.userName",
    selectable = ".spec.department",
    selectable = ".spec.state",
    printcolumn(name = "Login", type_ = "string", json_path = ".spec.userName"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Accounts", type_ = "string", json_path = ".status.summary"),
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
    printcolumn(name = "Person", type_ = "string", json_path = ".spec.personId", priority = 1),
    printcolumn(name = "Department", type_ = "string", json_path = ".spec.department", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("!has(self.startTime) || !has(self.endTime) || self.startTime < self.endTime").message("endTime must be later than startTime").field_path(".endTime"))]
#[serde(rename_all = "camelCase")]
pub struct UserSpec {
    /// The key by which this person is known for good: employee number or the like. Accounts are correlated by it.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(
        validation = Rule::new("self == oldSelf").message("personId is immutable: accounts are correlated by it. Create another User for another person"),
        validation = Rule::new("self.matches('^[^ \\t\\r\\n]([^\\t\\r\\n]*[^ \\t\\r\\n])?$')").message("personId must not begin or end with white space, nor hold tabs or line breaks")
    )]
    pub person_id: String,
    /// Login that the person should have where an App does not say otherwise.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = Rule::new("self.matches('^[^ \\t\\r\\n]([^\\t\\r\\n]*[^ \\t\\r\\n])?$')").message("userName must not begin or end with white space, nor hold tabs or line breaks"))]
    pub user_name: String,
    /// The parts of the person's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<PersonName>,
    /// Name for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub display_name: Option<String>,
    /// E-mail addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.filter(e, has(e.primary) && e.primary).size() <= 1").message("at most one e-mail address can be primary"))]
    pub emails: Vec<ContactValue>,
    /// Telephone numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.filter(e, has(e.primary) && e.primary).size() <= 1").message("at most one telephone number can be primary"))]
    pub phone_numbers: Vec<ContactValue>,
    /// Postal addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub addresses: Vec<Address>,
    /// Job title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub title: Option<String>,
    /// Department.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub department: Option<String>,
    /// Division.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub division: Option<String>,
    /// Organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub organization: Option<String>,
    /// Cost center.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub cost_center: Option<String>,
    /// Kind of employment: `Employee`, `Contractor`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub employee_type: Option<String>,
    /// Employee number, where it is not the `personId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub employee_number: Option<String>,
    /// The person's manager: name of another User in this namespace, whose account an App is told as this one's manager
    /// as soon as there is one; or any text that rules and mappings use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub manager: Option<String>,
    /// Locale for display, such as `en-US` (RFC 5646).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 35))]
    pub locale: Option<String>,
    /// Time zone of the IANA database, such as `Europe/Berlin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub timezone: Option<String>,
    /// Preferred language, such as `de` (RFC 7231 §5.3.5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub preferred_language: Option<String>,
    /// Anything else that rules and mappings use: `user.attributes.shoeSize`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "bounded_map")]
    #[x_kube(validation = Rule::new("self.all(k, k.matches('^[A-Za-z_][A-Za-z0-9_]{0,62}$'))").message("attribute names are letters, digits and '_', at most 63, not beginning with a digit"))]
    pub attributes: BTreeMap<String, String>,
    /// What the person's access should be. `Terminated` is final until a rehire: a later `startTime`, or the
    /// annotation `tenure.dev/resume`.
    #[serde(default)]
    pub state: DesiredState,
    /// First instant of employment. Before it the person has no accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// Instant from which the person has left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    /// Roles assigned to (or denied to) this person by name. Rules and includes of Roles add others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub roles: Vec<RoleAssignment>,
}

fn bounded_map(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": {"type": "string", "maxLength": 1024}
    })
}

/// What a person's access should be.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum DesiredState {
    /// Employed, within `startTime` and `endTime`.
    #[default]
    Active,
    /// Kept, but without access for now.
    Suspended,
    /// Left.
    Terminated,
}

/// Whether an assignment gives the role or forbids it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoleEffect {
    /// The person has the role.
    #[default]
    Grant,
    /// The person does not have the role, whatever rules and other roles say.
    Deny,
}

/// A Role given to or withheld from a person, with dates.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.from) || !has(self.until) || self.from < self.until").message("until must be later than from").field_path(".until"))]
pub struct RoleAssignment {
    /// Name of the Role, in this namespace.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')").message("give the plain name of a Role in this namespace; references across namespaces are not possible"))]
    pub name: String,
    /// Whether the role is given or forbidden.
    #[serde(default)]
    pub effect: RoleEffect,
    /// From when it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until when it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why, for people and audits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub reason: Option<String>,
}

/// A person's state now, dates and ledger considered.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum PersonState {
    /// Before `startTime`.
    #[default]
    Staged,
    /// Has access.
    Active,
    /// Kept, without access.
    Suspended,
    /// Has left; some account is not dealt with yet.
    Leaving,
    /// Has left, and every account is dealt with as its policy says.
    Left,
}

/// How a person left.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftBy {
    /// `spec.state: Terminated`.
    State,
    /// `spec.endTime` passed.
    EndTime,
}

/// A role the person has now, and why.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveRole {
    /// Name of the Role.
    #[schemars(length(max = 253))]
    pub name: String,
    /// `Assigned` (spec.roles), `Rule` (the Role's own `match`) or `Role/<name>` (included by that Role).
    #[schemars(length(max = 260))]
    pub via: String,
}

impl EffectiveRole {
    /// [`Self::via`] of a role that `spec.roles` assigns.
    pub const ASSIGNED: &str = "Assigned";
}

/// What Tenure made of a User.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = serde_json::json!({"observedGeneration": -1})))]
pub struct UserStatus {
    /// `metadata.generation` that this status is about; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The person's state now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<PersonState>,
    /// Accounts in use and in the ledger, such as `2/3`, for people to read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 32))]
    pub summary: String,
    /// Since when the person has left. Kept until a rehire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_at: Option<Timestamp>,
    /// How the person left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_by: Option<LeftBy>,
    /// The roles the person has now, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub roles: Vec<EffectiveRole>,
    /// The ledger: every account of this person that Tenure knows, one entry an App. Written by Tenure alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "atomic"))]
    pub accounts: Vec<LedgerEntry>,
    /// The next instant at which time alone changes this person's access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_transition_time: Option<Timestamp>,
    /// The last reconcile request that was handled.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub last_handled_reconcile_at: String,
    /// The last `tenure.dev/resume` that was used.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub handled_resume: String,
    /// The last `tenure.dev/remove-now` that was used.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub handled_remove_now: String,
    /// `Ready`; of a person who left `AccessRevoked`, which is `True` when on every App the account was read back
    /// suspended or gone; and while they hold `Reconciling`, `Stalled` and `Paused`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
