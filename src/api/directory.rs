//! What the connectors `ldap` and `activeDirectory` share: servers, and who Tenure binds as.

pub mod active_directory;
pub mod ldap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{InitialPassword, SecretKeyRef};
pub use active_directory::ActiveDirectoryConnector;
pub use ldap::LdapConnector;

/// The servers of a directory, and who Tenure binds as.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryServers {
    /// The directory's servers, all with the same contents, in order of preference: `ldaps://host[:port]`, or
    /// `ldap://host[:port]`, on which StartTLS is always done unless `plainText` is `Allow`.
    #[schemars(length(min = 1, max = 8), inner(length(min = 8, max = 512)))]
    #[x_kube(
        validation = Rule::new("self.all(s, s.matches('^ldaps?://[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(:[0-9]{1,5})?/?$'))").message("each server must be ldaps://host[:port] or ldap://host[:port], with a host name or an IPv4 address, without user, path or query"),
        validation = Rule::new("self.all(s, self.exists_one(t, t == s))").message("a server is named twice")
    )]
    pub servers: Vec<String>,
    /// PEM certificates of the authority that signed the servers' certificates, where the public ones do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
    /// Whether `ldap://` is used as it is, without StartTLS.
    #[serde(default)]
    pub plain_text: PlainText,
    /// Who Tenure binds as.
    pub bind: SimpleBind,
    /// What the first password of new accounts is to be. Unset: LDAP accounts get none, and nobody binds as them before one
    /// is set; Active Directory has no account in use without one, so they get one that nobody learns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_password: Option<InitialPassword>,
    /// How long one operation may take, in seconds.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 10))]
    pub timeout_seconds: u8,
    /// Most entries that are asked for at once when all accounts are listed (RFC 2696). Active Directory gives no more
    /// than 1000.
    #[serde(default = "default_page_size")]
    #[schemars(range(min = 1, max = 10_000))]
    pub page_size: u16,
    /// How long another server stands in before the preferred one is tried again: a number and a unit `s`, `m`, `h` or
    /// `d`, as in `5m`.
    #[serde(default = "default_switch_back")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,8}[smhd]$')").message("switchBackAfter is a number and one unit of s, m, h, d, as in 5m"))]
    pub switch_back_after: String,
}

fn default_timeout() -> u8 {
    10
}

const fn default_page_size() -> u16 {
    500
}

fn default_switch_back() -> String {
    "5m".to_owned()
}

/// Whether `ldap://` is used as it is, without StartTLS.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlainText {
    /// StartTLS is always done, and the certificate verified.
    #[default]
    Refuse,
    /// Without TLS. Only to this machine, and only where the operator runs with `--allow-insecure-targets`.
    Allow,
}

/// A simple bind (RFC 4513 §5.1.3).
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SimpleBind {
    /// The DN to bind as. Active Directory: the user principal name too.
    pub username_secret_ref: SecretKeyRef,
    /// The password.
    pub password_secret_ref: SecretKeyRef,
}
