//! `Hold`: removals that wait for a person's yes.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Removals that wait for a person's yes. Tenure makes it; a person approves or rejects it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "tenure.dev",
    version = "v1alpha1",
    kind = "Hold",
    namespaced,
    status = "HoldStatus",
    shortname = "thold",
    category = "tenure",
    doc = "Removals in one App that wait for a person's yes, because there are more of them than spec.removalBudget allows. Tenure makes Holds; a person approves or rejects one by its digest.",
    derive = "PartialEq",
    printcolumn(name = "App", type_ = "string", json_path = ".status.app"),
    printcolumn(name = "Cause", type_ = "string", json_path = ".status.cause"),
    printcolumn(name = "People", type_ = "integer", json_path = ".status.people"),
    printcolumn(name = "Due", type_ = "integer", json_path = ".status.due"),
    printcolumn(name = "Outcome", type_ = "string", json_path = ".status.outcome"),
    printcolumn(name = "Digest", type_ = "string", json_path = ".status.digest", priority = 1),
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
    validation = Rule::new("!has(self.approval) || !has(self.rejection)").message("a Hold is approved or rejected, not both: remove one of the two").field_path(".rejection")
)]
pub struct HoldSpec {
    /// Set by a person: what is held is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Verdict>,
    /// Set by a person: what is held is not to be done. Deleted Users in it are let go of with their accounts kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Verdict>,
}

/// A person's word on a Hold.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// `status.digest` of the Hold, so that the word is about what was read.
    #[schemars(length(max = 71))]
    #[x_kube(validation = Rule::new("self.matches('^sha256:[0-9a-f]{64}$')").message("give status.digest of the Hold: sha256: and 64 hexadecimal digits"))]
    pub digest: String,
    /// Why.
    #[schemars(length(min = 1, max = 512))]
    pub reason: String,
    /// Who says so: the user name that the API server knows. The policies in deploy/admission see to it that nobody
    /// gives another's.
    #[schemars(length(min = 1, max = 256))]
    pub by: String,
}

/// What became of a Hold.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HoldOutcome {
    /// It waits for a person.
    #[default]
    Pending,
    /// It was approved, and is being done.
    Approved,
    /// It was approved, and everything that was still due is done.
    Done,
    /// It was rejected. What it holds stays held, quietly, until the Hold is deleted.
    Rejected,
    /// Nobody said anything within seven days. What is still due is held anew.
    Expired,
    /// Nothing that it holds is due any more.
    Superseded,
}

/// What is held, and what became of it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = serde_json::json!({"observedGeneration": -1})))]
pub struct HoldStatus {
    /// `metadata.generation` that this status is about; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The App.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub app: String,
    /// `metadata.uid` of the App: an App made anew has nothing to do with this Hold.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub app_uid: String,
    /// The system that the App pointed to, as in its `status.target`: one that points elsewhere has nothing to do with this
    /// Hold.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub target: String,
    /// Where the removals come from: `Personal` (people's own records), `Structural` (a rule, Role, `AppBinding` or App
    /// changed, or objects were deleted) or `Deferred` (suspended accounts whose time is up).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 32))]
    pub cause: String,
    /// Why they are held, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub message: String,
    /// How many people are in it.
    #[serde(default)]
    pub people: i64,
    /// In how many of them something is still due.
    #[serde(default)]
    pub due: i64,
    /// When the first of it falls due, where it was held before its day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_from: Option<Timestamp>,
    /// What would be done, counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<HoldCounts>,
    /// Some of it, such as `suspend ann`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 300)))]
    pub sample: Vec<String>,
    /// Digest of the frozen set: what an approval or a rejection names.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 71))]
    pub digest: String,
    /// The frozen set: a hash of each person and of what would be taken from them. Nobody is added to it, and whoever is
    /// no longer due drops out. `digest` is that of the whole set.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 600_000))]
    pub frozen: String,
    /// What became of it.
    #[serde(default)]
    pub outcome: HoldOutcome,
    /// Who approved or rejected it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub decided_by: String,
    /// When that was taken note of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    /// `Ready`: whether anything is left to be said or done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// What would be done, counted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct HoldCounts {
    /// Accounts suspended.
    pub suspend: i64,
    /// Accounts deleted.
    pub delete: i64,
    /// Suspended accounts that lose entitlements.
    pub strip: i64,
    /// Accounts that stay in use and lose entitlements, their login or attributes.
    pub change: i64,
}
