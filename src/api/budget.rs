//! How much may be taken away in an App before a person has to say yes, and what of that is used.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much may be taken away before a person has to say yes. A removal is a suspension, a deletion, an entitlement
/// taken away, a changed login or a cleared attribute; counted in people. Beyond the limit nothing is removed: a Hold
/// says what would be, and waits for approval.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.percent <= 50 || self.allowUnbounded").message("percent above 50 lets one mistake take half of all accounts: set allowUnbounded: true if that is meant").field_path(".percent"),
    validation = Rule::new("self.minimum <= 60 || self.allowUnbounded").message("minimum above 60 needs allowUnbounded: true").field_path(".minimum"),
    validation = Rule::new("self.express <= 60 || self.allowUnbounded").message("express above 60 needs allowUnbounded: true").field_path(".express"),
    validation = Rule::new("self.minimum <= self.maximum").message("minimum must not be above maximum").field_path(".minimum"),
)]
pub struct RemovalBudget {
    /// Removals allowed within `window`, of every hundred managed accounts in use; of an entitlement: of every hundred
    /// who hold it.
    #[serde(default = "default_percent")]
    #[schemars(range(min = 0, max = 100))]
    pub percent: u8,
    /// Removals allowed within `window` however few accounts there are.
    #[serde(default = "default_minimum")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub minimum: u32,
    /// Removals never exceeded within `window`, however many accounts there are.
    #[serde(default = "default_maximum")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub maximum: u32,
    /// Over which time removals are counted, sliding: whole hours from `1h` to `168h`.
    #[serde(default = "default_window")]
    #[schemars(length(max = 4))]
    #[x_kube(validation = Rule::new("self.matches('^([1-9]|[1-9][0-9]|1[0-5][0-9]|16[0-8])h$')").message("window is a number of hours from 1h to 168h, as in 24h"))]
    pub window: String,
    /// Removals a minute, sliding, that follow from a person's own record and go at once.
    #[serde(default = "default_express")]
    #[schemars(range(min = 0, max = 1_000))]
    pub express: u32,
    /// How long all other removals wait until no more join them, before they are counted as a whole: `0s` to `300s`.
    /// Unset: as long as the operator's option `--settle-seconds` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4))]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]|[1-9][0-9]|[12][0-9][0-9]|300)s$')").message("settle is a number of seconds from 0s to 300s, as in 5s"))]
    pub settle: Option<String>,
    /// Permits limits that would not stop a mass lock-out.
    #[serde(default)]
    pub allow_unbounded: bool,
}

fn default_percent() -> u8 {
    20
}

fn default_minimum() -> u32 {
    5
}

fn default_maximum() -> u32 {
    500
}

fn default_window() -> String {
    "24h".to_owned()
}

fn default_express() -> u32 {
    10
}

impl Default for RemovalBudget {
    fn default() -> Self {
        Self {
            percent: default_percent(),
            minimum: default_minimum(),
            maximum: default_maximum(),
            window: default_window(),
            express: default_express(),
            settle: None,
            allow_unbounded: false,
        }
    }
}

/// What of the removal budget is used. Kept as ages, so that neither a restart nor a clock that jumps gives it back.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RemovalUse {
    /// Removals within the window. What a person approved or ordered is not counted.
    pub used: u32,
    /// How many are allowed.
    pub limit: u32,
    /// Managed accounts that the limit is a share of.
    pub population: u32,
    /// Removals that may be under way: they count as made should this process end now.
    #[serde(default)]
    pub reserved: u32,
    /// The removals by age when this was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub ages: Vec<AgedRemovals>,
    /// The same by entitlement, of those that somebody lost within the window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub entitlements: Vec<EntitlementUse>,
}

/// Removals of about the same age.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AgedRemovals {
    /// Seconds that had passed, rounded down.
    pub age_seconds: u64,
    /// How many.
    pub count: u32,
}

/// What of an entitlement's budget is used.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EntitlementUse {
    /// As the ledger writes it: `type:remote-id`.
    #[schemars(length(max = 300))]
    pub entitlement: String,
    /// Removals within the window.
    pub used: u32,
    /// How many are allowed.
    pub limit: u32,
    /// How many held it through Tenure.
    pub population: u32,
    /// Removals that may be under way.
    #[serde(default)]
    pub reserved: u32,
    /// The removals by age when this was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub ages: Vec<AgedRemovals>,
}
