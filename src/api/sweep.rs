//! The sweep: how an App's accounts are held against the ledgers, and what that showed.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is done about an account in use that is no longer as Tenure left it: changed, renamed, or gone.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Drift {
    /// It is put right.
    #[default]
    Correct,
    /// It is counted in the App's status and left as it is. A leaver's account that is in use again is suspended all
    /// the same.
    Report,
}

/// What is done about accounts in use that should not be there.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Orphans {
    /// They are counted and listed in the App's status. With a `marker.prefix`, those that bear the marker of a User who
    /// left are suspended all the same.
    #[default]
    Report,
    /// Those that bear the marker of a User who should have no account here are suspended too. An account without our
    /// marker is never touched, nor one whose User does not exist: that may be unreadable, let go of, or another
    /// namespace's. To have such an account suspended, apply a User with its `personId` and `state: Terminated`.
    Suspend,
}

/// What the last sweep showed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SweepStatus {
    /// When a sweep last came to its end with a listing that proved complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_completed: Option<Timestamp>,
    /// How long it took, in seconds.
    #[serde(default)]
    pub duration_seconds: i64,
    /// Accounts that the App listed.
    #[serde(default)]
    pub accounts: i64,
    /// What was found, counted in accounts.
    #[serde(default)]
    pub findings: SweepFindings,
    /// The reconcile request that this sweep answered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub requested_at: String,
    /// Why the last sweep concluded nothing, or not everything, and what to do. Empty: it did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub message: String,
}

/// Findings of a sweep, counted in accounts. One account may count under several.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SweepFindings {
    /// In use, with other attributes than the mapped ones, without the marker, or under another login.
    #[serde(default)]
    pub drifted: i64,
    /// Without an entitlement that Tenure granted.
    #[serde(default)]
    pub entitlements_lost: i64,
    /// With an entitlement that bindings name and Tenure did not grant. It is left as it is, unless such a binding is
    /// `authoritative`.
    #[serde(default)]
    pub entitlements_added: i64,
    /// In the ledger and not in the listing.
    #[serde(default)]
    pub gone: i64,
    /// In use again, although Tenure suspended it.
    #[serde(default)]
    pub reactivated: i64,
    /// Suspended, and not by Tenure.
    #[serde(default)]
    pub suspended_elsewhere: i64,
    /// In use, and nobody's.
    #[serde(default)]
    pub orphans: i64,
    /// In use, in no ledger, and a person's who left or should have none here.
    #[serde(default)]
    pub zombies: i64,
    /// In use, with the marker of a person whose account is another one.
    #[serde(default)]
    pub duplicates: i64,
    /// In use, in no ledger, and an administrator by `spec.administrators`.
    #[serde(default)]
    pub privileged: i64,
}

/// An account in use that is in no ledger.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Stray {
    /// Remote id.
    #[schemars(length(max = 256))]
    pub id: String,
    /// Remote login, for people to read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub user_name: String,
    /// What it is.
    pub kind: StrayKind,
    /// Whether it bears our marker.
    #[serde(default)]
    pub marked: bool,
    /// The User whose marker or login it bears.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub user: String,
}

/// Why an account is in no ledger.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum StrayKind {
    /// It is nobody's.
    #[default]
    Orphan,
    /// It is a person's who left or should have none here.
    Zombie,
    /// It bears the marker of a person whose account is another one.
    Duplicate,
}
