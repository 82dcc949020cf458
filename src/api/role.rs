//! `Role`: what a person is or does, given by assignment, by rule, or by another Role.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a person is or does. `AppBindings` say what a Role grants.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "tenure.dev",
    version = "v1alpha1",
    kind = "Role",
    namespaced,
    status = "RoleStatus",
    shortname = "trole",
    category = "tenure",
    doc = "What a person is or does: given by name in a User, by a rule over the User's attributes, or by another Role that includes it. AppBindings say what it grants in which App.",
    derive = "PartialEq",
    printcolumn(name = "Members", type_ = "integer", json_path = ".status.members"),
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
    printcolumn(name = "Rule", type_ = "string", json_path = ".spec.match", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct RoleSpec {
    /// What the role is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// CEL rule over `user` (the User's spec): everybody for whom it is true has the role. A rule that fails keeps
    /// the membership as it was. Example: `user.department == 'Sales' && user.employeeType == 'Employee'`.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub rule: Option<String>,
    /// Roles that everybody with this role has too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")), extend("x-kubernetes-list-type" = "set"))]
    pub includes: Vec<String>,
    /// Roles that nobody may have together with this one (separation of duties). One direction is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")), extend("x-kubernetes-list-type" = "set"))]
    pub conflicts_with: Vec<String>,
    /// Tests of `match`, evaluated and reported in the condition `CasesPassed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub cases: Vec<RoleCase>,
}

/// A sample person and whether the rule should match.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RoleCase {
    /// Name of the case.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// The sample, with the fields of a User's spec.
    #[serde(default)]
    #[schemars(schema_with = "free_object")]
    pub user: Map<String, Value>,
    /// Whether `match` should be true for it.
    pub matches: bool,
}

fn free_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 64,
        "x-kubernetes-preserve-unknown-fields": true
    })
}

/// What Tenure made of a Role.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = serde_json::json!({"observedGeneration": -1})))]
pub struct RoleStatus {
    /// `metadata.generation` that this status is about; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How many people have the role now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<i64>,
    /// The last reconcile request that was handled.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub last_handled_reconcile_at: String,
    /// `Ready`, `CasesPassed` where there are cases, and `Stalled` while it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
