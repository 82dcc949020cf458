//! Roles, Apps and `AppBindings` as the index keeps them: decoded, compiled, with the status last stored.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::access::{AppRules, BindingRules, FieldProblem};
use crate::api::{
    self, AppBindingSpec, AppBindingStatus, AppSpec, AppStatus, HoldOutcome, HoldSpec, HoldStatus, RoleSpec,
    RoleStatus,
};
use crate::converge::budget::FrozenSet;

/// The metadata that matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// Annotation `tenure.dev/paused: "true"`.
    pub paused: bool,
    /// Annotation `tenure.dev/reconcile-requested-at`, or Flux's.
    pub requested: Option<String>,
    /// The object is being deleted.
    pub deleting: bool,
    pub(super) epoch: u32,
}

impl Meta {
    /// Takes what matters of an object's metadata.
    pub fn of(meta: &ObjectMeta, epoch: u32) -> Self {
        let annotation = |name: &str| meta.annotations.as_ref().and_then(|a| a.get(name)).cloned();
        Self {
            uid: meta.uid.clone().unwrap_or_default(),
            resource_version: meta.resource_version.clone().unwrap_or_default(),
            generation: meta.generation.unwrap_or_default(),
            paused: annotation(api::PAUSED).as_deref() == Some("true"),
            requested: annotation(api::RECONCILE_REQUESTED)
                .or_else(|| annotation(api::FLUX_RECONCILE_REQUESTED)),
            deleting: meta.deletion_timestamp.is_some(),
            epoch,
        }
    }

    /// In which list it was seen last.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }
}

/// A Role; its compiled form is in the namespace's role book.
#[derive(Clone, Debug)]
pub struct RoleObject {
    /// Metadata.
    pub meta: Meta,
    /// Spec, the last good one.
    pub spec: RoleSpec,
    /// Status as last stored.
    pub status: RoleStatus,
    /// The object as it stands now cannot be decoded.
    pub undecodable: bool,
}

/// An App.
#[derive(Clone, Debug)]
pub struct AppObject {
    /// Metadata.
    pub meta: Meta,
    /// Spec, the last good one; `None` where there never was a good one.
    pub spec: Option<Arc<AppSpec>>,
    /// Status as last stored.
    pub status: AppStatus,
    /// Compiled attribute rules.
    pub rules: AppRules,
    /// What is wrong with them.
    pub problems: Vec<FieldProblem>,
    /// The object as it stands now cannot be decoded.
    pub undecodable: bool,
}

/// An `AppBinding`.
#[derive(Clone, Debug)]
pub struct BindingObject {
    /// Metadata.
    pub meta: Meta,
    /// Spec, the last good one.
    pub spec: AppBindingSpec,
    /// Status as last stored.
    pub status: AppBindingStatus,
    /// Compiled.
    pub rules: BindingRules,
    /// What is wrong with it.
    pub problems: Vec<FieldProblem>,
    /// The object as it stands now cannot be decoded.
    pub undecodable: bool,
}

impl BindingObject {
    /// Name of the Role.
    pub fn role(&self) -> &str {
        &self.spec.role_ref.name
    }

    /// Name of the App.
    pub fn app(&self) -> &str {
        &self.spec.app_ref.name
    }
}

/// A Hold.
#[derive(Clone, Debug)]
pub struct HoldObject {
    /// Metadata.
    pub meta: Meta,
    /// Spec, the last good one.
    pub spec: HoldSpec,
    /// Status as last stored, but for the frozen set.
    pub status: HoldStatus,
    /// The frozen set.
    pub frozen: Arc<FrozenSet>,
    /// `metadata.creationTimestamp`.
    pub created: jiff::Timestamp,
}

impl HoldObject {
    /// Whether it has a say about what it holds.
    pub fn is_open(&self) -> bool {
        matches!(self.status.outcome, HoldOutcome::Pending | HoldOutcome::Approved | HoldOutcome::Rejected)
    }
}
