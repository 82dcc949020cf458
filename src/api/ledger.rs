//! The ledger: what Tenure remembers of a person's accounts, one entry an App, in `User.status.accounts`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where one account stands.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum AccountState {
    /// Due, not yet made.
    #[default]
    Creating,
    /// The person can use it.
    Active,
    /// Suspended by Tenure.
    Suspended,
    /// Suspended, and being deleted.
    Deleting,
    /// Deleted by Tenure.
    Deleted,
    /// No longer granted and kept by policy; a later leave still reaches it.
    Retained,
    /// No longer Tenure's: its App, its namespace or the link to it is gone. The remote account was left as it was.
    Released,
    /// A person has to decide: see `reason`.
    Conflict,
    /// Could not be made: see `reason`.
    Failed,
}

impl AccountState {
    /// Whether Tenure took the account out of use, and it is still there as far as is known.
    pub const fn is_out_of_use(self) -> bool {
        matches!(self, Self::Suspended | Self::Deleting)
    }
}

/// Whether the sessions and tokens of an account that was cut off are known to have ended.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sessions {
    /// They have: the target showed it, or is known to end them with the suspension that was read back.
    Revoked,
    /// They may live on: `sessionsReason` says why.
    Unproved,
    /// The target has no way to end them: `sessionsReason` says why.
    NotSupported,
}

/// Why sessions and tokens may live on.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionsReason {
    /// Nothing is known of what the target does about the sessions of a suspended account.
    Unknown,
    /// Tokens or tickets that were issued before stay good until they expire.
    TokensLiveOn,
    /// Connections that are open stay open until they are closed.
    ConnectionsStayOpen,
    /// Sessions stay as they were: the target only refuses new logins.
    SessionsStayOpen,
    /// The target refused to end them.
    Refused,
}

impl Sessions {
    /// As it stands in a ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "Revoked",
            Self::Unproved => "Unproved",
            Self::NotSupported => "NotSupported",
        }
    }
}

/// A remote operation announced before it is sent, because a crash could not be recovered by looking.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PendingIntent {
    /// `create` or `delete`.
    #[schemars(length(max = 16))]
    pub operation: String,
    /// Login or remote id that the operation is about.
    #[schemars(length(max = 256))]
    pub key: String,
    /// When it was announced.
    pub since: Timestamp,
}

/// One remote account of a person. No attribute values, no secrets.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// Name of the App.
    #[schemars(length(max = 253))]
    pub app: String,
    /// Short hash of the system that the App pointed to when the account was correlated.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 32))]
    pub target: String,
    /// Immutable id of the account in the App (SCIM `id`).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub id: String,
    /// Remote login, for people to read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub user_name: String,
    /// Where the account stands.
    #[serde(default)]
    pub state: AccountState,
    /// What Tenure granted there, as `type:remote-id`. Only these are ever revoked, unless a policy says
    /// `removeEntitlements: All`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 300)))]
    pub entitlements: Vec<String>,
    /// Versioned digest of the attributes and entitlements last confirmed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub applied: String,
    /// An announced operation whose outcome is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingIntent>,
    /// When `state` last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Timestamp>,
    /// When something was last taken away within the removal budget; see `App.spec.removalBudget`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Timestamp>,
    /// Since when the account is due to be cut off: when the person left, or the last role that granted it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_since: Option<Timestamp>,
    /// When the account was suspended or deleted, or was first seen so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_at: Option<Timestamp>,
    /// When the account was read back, suspended or gone, since it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
    /// Whether the sessions and tokens of the account are known to have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Sessions>,
    /// Why they may live on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_reason: Option<SessionsReason>,
    /// Every entitlement of the account was taken away, Tenure's own or not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stripped: bool,
    /// When the suspended account will be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_at: Option<Timestamp>,
    /// Why the account is not as it should be: one of the documented reasons.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub reason: String,
    /// The same for people, with the cure.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As most are: an id of 36 characters, two entitlements.
    fn entry() -> LedgerEntry {
        let id = "2819c223-7f76-453a-919d-413861904646";
        LedgerEntry {
            app: "crm-production".to_owned(),
            target: "0123456789abcdef".to_owned(),
            id: id.to_owned(),
            user_name: "firstname.lastname@example.com".to_owned(),
            state: AccountState::Active,
            entitlements: vec![format!("group:{id}"); 2],
            applied: format!("v1:{id}"),
            last_transition_time: Some(Timestamp::constant(1_800_000_000, 0)),
            ..LedgerEntry::default()
        }
    }

    fn bytes(entry: &LedgerEntry) -> usize {
        serde_json::to_vec(entry).unwrap().len()
    }

    /// A hundred thousand people with ten accounts each are half a gigabyte at the most, of the two that etcd has by
    /// default.
    #[test]
    fn an_entry_is_small_also_of_somebody_who_left() {
        let at = Some(Timestamp::constant(1_800_000_000, 0));
        let left = LedgerEntry {
            state: AccountState::Suspended,
            applied: String::new(),
            due_since: at,
            cut_at: at,
            verified_at: at,
            sessions: Some(Sessions::Unproved),
            sessions_reason: Some(SessionsReason::ConnectionsStayOpen),
            stripped: true,
            entitlements: Vec::new(),
            delete_at: at,
            ..entry()
        };
        assert!(bytes(&entry()) <= 500 && bytes(&left) <= 500, "{} {}", bytes(&entry()), bytes(&left));
        assert!(bytes(&left) <= bytes(&entry()) + 100, "{}", bytes(&left));
    }
}
