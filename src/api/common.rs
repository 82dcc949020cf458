//! Pieces that several kinds share.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A reference to an object of the same namespace by its plain name.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct LocalRef {
    /// Name of the object, in the namespace of the object that refers to it.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')").message("give the plain name of an object in this namespace (lower-case letters, digits, '-' and '.'); references across namespaces are not possible"))]
    pub name: String,
}

/// One key of a Secret in the same namespace. The Secret must bear the label `tenure.dev/credentials`.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret, in the App's namespace.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')").message("give the plain name of a Secret in this namespace; references across namespaces are not possible"))]
    pub name: String,
    /// Key in the Secret's data.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// When an attribute is written.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Kept equal to the computed value.
    #[default]
    Always,
    /// Written when the account is created, then left alone.
    Initial,
    /// Written while the account has no value.
    IfEmpty,
}

/// One attribute of the remote account and the CEL expression that gives its value.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AttributeRule {
    /// Attribute of the target, in the target's own notation (SCIM: `title`, `name.givenName`,
    /// `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department`).
    ///
    /// What an account is known or suspended by, and what is a secret, is Tenure's own to write.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[A-Za-z][A-Za-z0-9:._;\-]*$"))]
    #[x_kube(
        validation = Rule::new("!self.matches('^(?i)(active|id|groups|meta|schemas|password|userPassword|unicodePwd|nsAccountLock|pwdAccountLockedTime|pwdEndTime|entryUUID|objectGUID|memberOf)$')").message("this attribute is Tenure's own to write: accounts are known, suspended or secured by it"),
        validation = Rule::new("!self.matches('^(?i)(userName|sAMAccountName|uid)$') || self in ['userName', 'sAMAccountName', 'uid']").message("write the login as the connector does: userName, sAMAccountName or uid"),
        validation = Rule::new("!self.matches('^(?i)urn:ietf:params:scim:schemas:core:2.0:User(:|$)')").message("leave out the schema of core attributes: write title, not urn:ietf:params:scim:schemas:core:2.0:User:title")
    )]
    pub to: String,
    /// CEL expression over `user` (the User's spec), `roles` (names of the person's effective roles) and `app` (the
    /// App's name). `null` means no value. For the login attribute a list gives candidates: the first free one is
    /// taken and kept.
    #[schemars(length(min = 1, max = 4096))]
    pub value: String,
    /// When the attribute is written.
    #[serde(default)]
    pub strength: Strength,
    /// Whether a `null` result removes the remote value. Otherwise it is left as it is.
    #[serde(default)]
    pub clear_when_null: bool,
}

/// Something a person may hold in an App beyond the account itself.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct EntitlementSpec {
    /// Type as the connector names it. SCIM: `group`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[a-z][A-Za-z]*$"))]
    pub kind: String,
    /// Name or id of the entitlement in the App. SCIM `group`: the group's displayName.
    #[schemars(length(min = 1, max = 256))]
    pub value: String,
}
