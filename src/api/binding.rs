//! `AppBinding`: what a Role grants in an App.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{AttributeRule, EntitlementSpec, LocalRef};

/// What a Role grants in an App: an account, and in it entitlements and attributes.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[kube(
    group = "tenure.dev",
    version = "v1alpha1",
    kind = "AppBinding",
    namespaced,
    status = "AppBindingStatus",
    shortname = "tbind",
    category = "tenure",
    doc = "What a Role grants in an App: everybody with the Role has an account there, with these entitlements and attributes.",
    derive = "PartialEq",
    selectable = ".spec.roleRef.name",
    selectable = ".spec.appRef.name",
    printcolumn(name = "Role", type_ = "string", json_path = ".spec.roleRef.name"),
    printcolumn(name = "App", type_ = "string", json_path = ".spec.appRef.name"),
    printcolumn(name = "Accounts", type_ = "integer", json_path = ".status.accounts"),
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
    validation = Rule::new("!self.authoritative || (has(self.entitlements) && size(self.entitlements) > 0)").message("authoritative: true says that only Tenure grants these entitlements: name at least one in entitlements").field_path(".authoritative")
)]
pub struct AppBindingSpec {
    /// The Role that grants.
    pub role_ref: LocalRef,
    /// The App in which it grants.
    pub app_ref: LocalRef,
    /// Where bindings of one person disagree, the higher priority wins, then the name that sorts first.
    #[serde(default)]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
    /// What is granted beyond the account itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into(), "value".into()]))]
    pub entitlements: Vec<EntitlementSpec>,
    /// Only Tenure grants these entitlements: an account of a User that holds one otherwise, as a sweep finds, loses it
    /// within the removal budget, unless its own bindings grant it. Accounts that are in no ledger are reported as orphans and
    /// keep it.
    #[serde(default)]
    pub authoritative: bool,
    /// Attributes that this binding sets instead of the App's own rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["to".into()]))]
    pub attributes: Vec<AttributeRule>,
    /// CEL condition over `user`, `roles` and `app`; where it is false the binding grants nothing. Where it fails,
    /// the account stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub when: Option<String>,
}

/// What Tenure made of an `AppBinding`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = serde_json::json!({"observedGeneration": -1})))]
pub struct AppBindingStatus {
    /// `metadata.generation` that this status is about; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How many people have an account by this binding now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<i64>,
    /// The last reconcile request that was handled.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub last_handled_reconcile_at: String,
    /// `Ready`, and `Stalled` while it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
