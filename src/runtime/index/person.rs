//! A User as the index keeps it: metadata that decisions filter by, and the rest as JSON.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Key, Name};
use crate::api::{self, AccountState, LedgerEntry, User, UserSpec, UserStatus};

/// A User as the API server sends it, spec and status not decoded.
#[derive(Resource, Clone, Debug, Deserialize)]
#[resource(inherit = User)]
pub struct RawUser {
    /// Metadata without `managedFields`, of which there is as much as of all the rest, and which are not decoded.
    #[serde(default, deserialize_with = "what_matters")]
    pub metadata: ObjectMeta,
    #[serde(default)]
    spec: Option<Box<RawValue>>,
    #[serde(default)]
    status: Option<Box<RawValue>>,
}

fn what_matters<'de, D: Deserializer<'de>>(metadata: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Matters {
        name: Option<String>,
        namespace: Option<String>,
        uid: Option<String>,
        resource_version: Option<String>,
        generation: Option<i64>,
        creation_timestamp: Option<Time>,
        deletion_timestamp: Option<Time>,
        finalizers: Option<Vec<String>>,
        annotations: Option<BTreeMap<String, String>>,
    }
    let matters = Matters::deserialize(metadata)?;
    Ok(ObjectMeta {
        name: matters.name,
        namespace: matters.namespace,
        uid: matters.uid,
        resource_version: matters.resource_version,
        generation: matters.generation,
        creation_timestamp: matters.creation_timestamp,
        deletion_timestamp: matters.deletion_timestamp,
        finalizers: matters.finalizers,
        annotations: matters.annotations,
        ..ObjectMeta::default()
    })
}

/// What the last decision about a person found, kept for counts and for finding whom a change concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// When the person left, stored or not.
    pub left_at: Option<Timestamp>,
    /// Effective roles.
    pub roles: Box<[Name]>,
    /// Roles whose rule failed for this person.
    pub rule_errors: Box<[Name]>,
    /// Bindings that grant something, or that trouble this person's account.
    pub bindings: Box<[Name]>,
    /// Apps with an account or with one due.
    pub accounts: Box<[AccountSummary]>,
}

/// One App in a [`Summary`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSummary {
    /// The App.
    pub app: Name,
    /// Where the account stands; `None` where there is none yet.
    pub state: Option<AccountState>,
    /// Whether work is due there.
    pub due: bool,
    /// Whether the ledger gives a reason for trouble.
    pub troubled: bool,
}

/// A User in the index.
#[derive(Clone, Debug, Default)]
pub struct StoredPerson {
    /// `metadata.uid`.
    pub uid: Box<str>,
    /// `metadata.resourceVersion`.
    pub resource_version: Box<str>,
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.creationTimestamp`.
    pub created: Timestamp,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// `metadata.finalizers`, ours among them if it is set.
    pub finalizers: Box<[Box<str>]>,
    /// Annotation `tenure.dev/paused: "true"`.
    pub paused: bool,
    /// Annotation `tenure.dev/protected`: the reason.
    pub protected: Option<Box<str>>,
    /// Annotation `tenure.dev/resume`.
    pub resume: Option<Box<str>>,
    /// Annotation `tenure.dev/remove-now`.
    pub remove_now: Option<Box<str>>,
    /// Annotation `tenure.dev/reconcile-requested-at`, or Flux's.
    pub requested: Option<Box<str>>,
    /// `spec.personId`.
    pub person_id: Box<str>,
    /// `spec.manager`.
    pub manager: Option<Box<str>>,
    /// Whether the spec says that the person is not active, so that they are looked at first after a start.
    pub leaving: bool,
    /// What the last decision found.
    pub summary: Summary,
    spec: Box<str>,
    status: Box<str>,
    pub(super) written: Option<Instant>,
    pub(super) epoch: u32,
}

/// A User decoded for a decision.
#[derive(Clone, Debug)]
pub struct Person {
    /// Whose.
    pub key: Key,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// The User is being deleted.
    pub deleting: bool,
    /// `metadata.finalizers`, ours among them if it is set.
    pub finalizers: Vec<String>,
    /// Nothing is to be done remotely.
    pub paused: bool,
    /// Nothing is to be taken away from this person.
    pub protected: bool,
    /// Annotation `tenure.dev/resume`.
    pub resume: Option<String>,
    /// Annotation `tenure.dev/remove-now`.
    pub remove_now: Option<String>,
    /// The last request for a reconcile.
    pub requested: Option<String>,
    /// Spec.
    pub spec: UserSpec,
    /// Status as last stored.
    pub stored: UserStatus,
    /// The same with the ledger as it is known now: results that are not stored yet, entries taken over.
    pub status: UserStatus,
    /// Apps whose ledger entry, or its absence, is a result that is not stored yet, with the result's serial.
    pub fresh: Vec<(Name, u64)>,
    /// When the last decision found that the person had left, stored or not.
    pub seen_left: Option<Timestamp>,
}

impl Person {
    /// Whether our finalizer is set.
    pub fn held(&self) -> bool {
        self.finalizers.iter().any(|f| f == api::FINALIZER)
    }

    /// The ledger entry for an App.
    pub fn entry(&self, app: &str) -> Option<&LedgerEntry> {
        self.status.accounts.iter().find(|e| e.app == app)
    }
}

impl StoredPerson {
    /// Takes a User in. `Err` has the reason why it cannot be decoded, without values.
    pub fn from_raw(raw: RawUser) -> Result<Self, String> {
        let meta = raw.metadata;
        let spec = raw.spec.map_or_else(|| "{}".into(), |s| Box::<str>::from(s.get()));
        let status = raw.status.map_or_else(|| "{}".into(), |s| Box::<str>::from(s.get()));
        let decoded: UserSpec = serde_json::from_str(&spec).map_err(|e| decode_error("spec", &e))?;
        serde_json::from_str::<UserStatus>(&status).map_err(|e| decode_error("status", &e))?;
        let annotation = |name: &str| {
            meta.annotations
                .as_ref()
                .and_then(|a| a.get(name))
                .filter(|v| !v.is_empty())
                .map(|v| Box::<str>::from(v.as_str()))
        };
        Ok(Self {
            resume: annotation(api::RESUME),
            remove_now: annotation(api::REMOVE_NOW),
            requested: annotation(api::RECONCILE_REQUESTED)
                .or_else(|| annotation(api::FLUX_RECONCILE_REQUESTED)),
            paused: annotation(api::PAUSED).as_deref() == Some("true"),
            protected: annotation(api::PROTECTED),
            deleting: meta.deletion_timestamp.is_some(),
            finalizers: meta.finalizers.iter().flatten().map(|f| f.as_str().into()).collect(),
            uid: meta.uid.unwrap_or_default().into(),
            resource_version: meta.resource_version.unwrap_or_default().into(),
            generation: meta.generation.unwrap_or_default(),
            created: meta.creation_timestamp.map_or(Timestamp::UNIX_EPOCH, |t| t.0),
            leaving: meta.deletion_timestamp.is_some()
                || decoded.state != api::DesiredState::Active
                || decoded.end_time.is_some(),
            manager: decoded.manager.map(Into::into),
            person_id: decoded.person_id.into(),
            summary: Summary::default(),
            spec,
            status,
            written: None,
            epoch: 0,
        })
    }

    /// The same, as the answer to our own write.
    pub fn from_own_write(raw: RawUser) -> Result<Self, String> {
        Ok(Self { written: Some(Instant::now()), ..Self::from_raw(raw)? })
    }

    /// Whether this is a later version than `other`. Resource versions are compared as numbers, which Kubernetes allows
    /// since 1.35 (KEP-5504) and etcd has always made true; others are never newer.
    pub(super) fn is_newer_than(&self, other: &Self) -> bool {
        match (self.resource_version.parse::<u64>(), other.resource_version.parse::<u64>()) {
            (Ok(mine), Ok(theirs)) => mine > theirs,
            _ => false,
        }
    }

    /// Whether this answers the write by which `other` was let go of. That answer has no version of its own: the object
    /// is gone with it, and it bears the version of before.
    pub(super) fn was_let_go(&self, other: &Self) -> bool {
        self.written.is_some()
            && self.resource_version == other.resource_version
            && self.finalizers.len() < other.finalizers.len()
    }

    /// Decodes the person; `None` only if memory was corrupted, as [`Self::from_raw`] has decoded it before.
    pub fn load(&self, key: Key) -> Option<Person> {
        let stored = self.status()?;
        Some(Person {
            key,
            uid: self.uid.to_string(),
            resource_version: self.resource_version.to_string(),
            generation: self.generation,
            deleting: self.deleting,
            finalizers: self.finalizers.iter().map(std::string::ToString::to_string).collect(),
            paused: self.paused,
            protected: self.protected.is_some(),
            resume: self.resume.as_deref().map(str::to_owned),
            remove_now: self.remove_now.as_deref().map(str::to_owned),
            requested: self.requested.as_deref().map(str::to_owned),
            spec: serde_json::from_str(&self.spec).ok()?,
            status: stored.clone(),
            stored,
            fresh: Vec::new(),
            seen_left: self.summary.left_at,
        })
    }

    /// The status as last stored.
    pub fn status(&self) -> Option<UserStatus> {
        serde_json::from_str(&self.status).ok()
    }

    /// Whether our finalizer is set.
    pub fn held(&self) -> bool {
        self.finalizers.iter().any(|f| **f == *api::FINALIZER)
    }

    /// `spec.userName`.
    pub fn user_name(&self) -> Option<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Login {
            user_name: String,
        }
        serde_json::from_str::<Login>(&self.spec).ok().map(|login| login.user_name)
    }

    /// `spec.startTime`.
    pub fn start_time(&self) -> Option<Timestamp> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Start {
            start_time: Option<Timestamp>,
        }
        serde_json::from_str::<Start>(&self.spec).ok()?.start_time
    }

    /// The status as JSON, to look for words in it.
    pub fn status_text(&self) -> &str {
        &self.status
    }

    /// Takes over what may change without a decision changing.
    pub(super) fn take_version(&mut self, later: Self) {
        self.resource_version = later.resource_version;
        self.generation = later.generation;
        self.written = later.written.or(self.written);
        self.epoch = self.epoch.max(later.epoch);
    }

    /// Whether a decision about `other` could differ from one about this, or its status.
    pub fn differs(&self, other: &Self) -> bool {
        self.uid != other.uid
            // One spec may come back after another that nobody saw: the status is to say that it was observed.
            || self.generation != other.generation
            || self.deleting != other.deleting
            || self.finalizers != other.finalizers
            || self.paused != other.paused
            || self.protected != other.protected
            || self.resume != other.resume
            || self.remove_now != other.remove_now
            || self.requested != other.requested
            || self.spec != other.spec
            || self.status != other.status
    }

    /// Bytes on the heap, for the benchmark.
    pub fn heap_bytes(&self) -> usize {
        let summary = std::mem::size_of_val(&*self.summary.roles)
            + std::mem::size_of_val(&*self.summary.bindings)
            + std::mem::size_of_val(&*self.summary.accounts);
        self.uid.len()
            + self.resource_version.len()
            + self.person_id.len()
            + self.manager.as_deref().map_or(0, str::len)
            + self.spec.len()
            + self.status.len()
            + summary
    }
}

/// What an API server in memory needs.
#[cfg(test)]
impl StoredPerson {
    pub(crate) fn with_status(self, status: &UserStatus) -> Self {
        Self { status: serde_json::to_string(status).unwrap().into(), ..self }
    }

    pub(crate) fn written(self) -> Self {
        Self { written: Some(Instant::now()), ..self }
    }
}

/// serde's messages can quote values; position and category do not.
fn decode_error(part: &str, error: &serde_json::Error) -> String {
    format!("{part} cannot be decoded: {:?} error at column {}", error.classify(), error.column())
}
