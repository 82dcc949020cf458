//! What becomes of the first password of an account that Tenure makes.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The first password of accounts that Tenure makes: random, with capitals, small letters, digits and signs, and without
/// any part of the person's login and names.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.removeAfter) || self.policy == 'Secret'").message("removeAfter goes with policy Secret: a Random password is kept nowhere").field_path(".removeAfter")
)]
pub struct InitialPassword {
    /// What becomes of it.
    #[serde(default)]
    pub policy: PasswordPolicy,
    /// How long after the account was made the Secret is removed: a number and a unit `s`, `m`, `h` or `d`, as in `72h`.
    /// Unset: `7d`. A change counts for passwords made afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,8}[smhd]$')").message("removeAfter is a number and one unit of s, m, h, d, as in 72h"))]
    pub remove_after: Option<String>,
    /// Characters.
    #[serde(default = "default_length")]
    #[schemars(range(min = 12, max = 127))]
    pub length: u8,
}

fn default_length() -> u8 {
    24
}

impl Default for InitialPassword {
    fn default() -> Self {
        Self { policy: PasswordPolicy::default(), remove_after: None, length: default_length() }
    }
}

/// What becomes of the first password of an account.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PasswordPolicy {
    /// Nobody learns it: the person comes in by single sign-on, or sets one by the directory's own means.
    #[default]
    Random,
    /// Written to a Secret of the person's own, which is removed after a time.
    Secret,
}
