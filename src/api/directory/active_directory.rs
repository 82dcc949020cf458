//! The connector `activeDirectory`: a domain of Active Directory, or of Samba.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DirectoryServers;
use crate::api::scim::GroupCreation;

/// A domain of Active Directory, or of Samba.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.plainText != 'Allow' || self.servers.all(s, s.matches('^ldap://(localhost|127[.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3})(:[0-9]+)?/?$'))").message("plainText: Allow is for servers ldap:// on this machine only: credentials would travel in the clear. Use ldaps, or leave it out so that StartTLS is done").field_path(".plainText")
)]
pub struct ActiveDirectoryConnector {
    /// Domain controllers, and who Tenure binds as.
    #[serde(flatten)]
    pub directory: DirectoryServers,
    /// The domain's DNS name, such as `corp.example.com`: what tells it from other domains, whichever of its
    /// controllers answers. Controllers of another domain are not used.
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*$')").message("domain is a DNS name, such as corp.example.com"))]
    pub domain: String,
    /// Accounts are the users under this entry, such as `OU=Staff,DC=corp,DC=example,DC=com`. Unset: those of the whole
    /// domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9.-]+ *=.+$')").message("give a distinguished name, such as OU=Staff,DC=corp,DC=example,DC=com"))]
    pub base_dn: Option<String>,
    /// New accounts are made under this entry, unless an `organizationalUnit` says otherwise. Unset: under `baseDn`, or
    /// where that is unset, in the domain's container `Users`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9.-]+ *=.+$')").message("give a distinguished name, such as OU=New,OU=Staff,DC=corp,DC=example,DC=com"))]
    pub new_accounts_dn: Option<String>,
    /// What follows the `@` in a new account's `userPrincipalName`, unless the App maps that attribute. Unset: `domain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*$')").message("userPrincipalNameSuffix is a DNS name, such as example.com, without @"))]
    pub user_principal_name_suffix: Option<String>,
    /// Nothing under these entries is changed or deleted, and nothing is moved there. The domain controllers' unit and
    /// the domain's own accounts, such as `Administrator` and `krbtgt`, always are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(length(min = 3, max = 1024), regex(pattern = r"^[A-Za-z0-9.\-]+ *=.+$"))
    )]
    pub protected_dns: Vec<String>,
    /// The entitlement type `group`.
    #[serde(default)]
    pub groups: ActiveDirectoryGroups,
    /// What is done when an account is suspended, besides disabling it.
    #[serde(default)]
    pub suspension: ActiveDirectorySuspension,
}

/// The entitlement type `group` in a domain.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ActiveDirectoryGroups {
    /// Groups are those under this entry; new ones are made directly under it. Unset: groups are those of the whole
    /// domain, and new ones are made in its container `Users`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9.-]+ *=.+$')").message("give a distinguished name, such as OU=Groups,DC=corp,DC=example,DC=com"))]
    pub base_dn: Option<String>,
    /// Whether a group that a binding names and the domain does not have is created.
    #[serde(default)]
    pub creation: GroupCreation,
    /// Scope of the groups that are created.
    #[serde(default)]
    pub scope: GroupScope,
}

/// Scope of a security group (MS-ADTS §2.2.12).
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupScope {
    /// Members are of its own domain; it counts in the whole forest.
    #[default]
    Global,
    /// It counts in its own domain.
    DomainLocal,
    /// Members may be of any domain of the forest.
    Universal,
}

/// What is done when an account is suspended, besides disabling it.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ActiveDirectorySuspension {
    /// What becomes of the password.
    #[serde(default)]
    pub password: SuspendedPassword,
    /// Suspended accounts are moved under this entry, which must lie under `baseDn`. A resumed account goes to where
    /// new ones are made, or to its `organizationalUnit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9.-]+ *=.+$')").message("give a distinguished name, such as OU=Leavers,OU=Staff,DC=corp,DC=example,DC=com"))]
    pub leavers_dn: Option<String>,
}

/// What becomes of the password of a suspended account.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SuspendedPassword {
    /// It is replaced by random ones twice, so that neither it nor the one before counts anywhere any more. Whoever
    /// comes back needs a new one.
    #[default]
    Replace,
    /// It stays.
    Keep,
}
