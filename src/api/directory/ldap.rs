//! The connector `ldap`: an LDAP v3 directory (RFC 4511).

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DirectoryServers;
use crate::api::scim::GroupCreation;

/// An LDAP v3 directory (RFC 4511): OpenLDAP, 389 Directory Server and others. For Active Directory there is
/// `activeDirectory`.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.plainText != 'Allow' || self.servers.all(s, s.matches('^ldap://(localhost|127[.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3})(:[0-9]+)?/?$'))").message("plainText: Allow is for servers ldap:// on this machine only: credentials would travel in the clear. Use ldaps, or leave it out so that StartTLS is done").field_path(".plainText"),
    validation = Rule::new("!self.objectClasses.exists(c, c.lowerAscii() == 'posixaccount') || has(self.posix)").message("accounts of class posixAccount need numbers: set posix.counterDn").field_path(".posix"),
    validation = Rule::new("self.groups.kind != 'PosixGroup' || self.groups.creation != 'OnDemand' || has(self.posix)").message("making groups of class posixGroup needs numbers: set posix.counterDn").field_path(".posix"),
    validation = Rule::new("self.suspension.mechanism != 'LeaversUnit' || has(self.suspension.leaversDn)").message("mechanism LeaversUnit needs the entry that leavers are moved under").field_path(".suspension.leaversDn")
)]
pub struct LdapConnector {
    /// Servers, and who Tenure binds as.
    #[serde(flatten)]
    pub directory: DirectoryServers,
    /// Accounts are those under this entry, such as `ou=people,dc=example,dc=com`. New ones are made directly under
    /// it, unless an `organizationalUnit` says otherwise.
    #[schemars(length(min = 3, max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9.-]+ *=.+$')").message("give a distinguished name, such as ou=people,dc=example,dc=com"))]
    pub base_dn: String,
    /// Object classes of new accounts. Their superclasses need not be named.
    #[serde(default = "default_classes")]
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z][A-Za-z0-9.\-]*$"))
    )]
    pub object_classes: Vec<String>,
    /// The attribute that names an account among its siblings: `uid`, or another that the App maps, such as `cn`.
    #[serde(default = "default_rdn")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z][A-Za-z0-9\-]*$"))]
    pub rdn_attribute: String,
    /// Attributes whose values are not text; rules give and get them in base64 (RFC 4648 §4).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z][A-Za-z0-9;\-]*$"))
    )]
    pub binary_attributes: Vec<String>,
    /// The entitlement type `group`.
    #[serde(default)]
    pub groups: LdapGroups,
    /// How accounts are suspended.
    #[serde(default)]
    pub suspension: LdapSuspension,
    /// What must be known of suspending before the App is `Ready`.
    #[serde(default)]
    pub suspend: SuspendProof,
    /// Numbers for accounts and groups of Unix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posix: Option<PosixNumbers>,
}

fn default_classes() -> Vec<String> {
    vec!["inetOrgPerson".to_owned()]
}

fn default_rdn() -> String {
    "uid".to_owned()
}

/// The entitlement type `group` in an LDAP directory.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LdapGroups {
    /// Groups are those under this entry; new ones are made directly under it. Unset: as `baseDn` of the accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9.-]+ *=.+$')").message("give a distinguished name, such as ou=groups,dc=example,dc=com"))]
    pub base_dn: Option<String>,
    /// Their object class, and so how members are named.
    #[serde(default)]
    pub kind: LdapGroupKind,
    /// Whether a group that a binding names and the directory does not have is created.
    #[serde(default)]
    pub creation: GroupCreation,
}

/// Object class of groups.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LdapGroupKind {
    /// `groupOfNames` (RFC 4519 §3.5): `member`, by DN.
    #[default]
    GroupOfNames,
    /// `groupOfUniqueNames` (RFC 4519 §3.6): `uniqueMember`, by DN.
    GroupOfUniqueNames,
    /// `posixGroup` (RFC 2307 §3): `memberUid`, by login.
    PosixGroup,
}

/// How accounts are suspended in an LDAP directory.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LdapSuspension {
    /// By what. `Auto` takes the first that the server has and that a trial shows to bite.
    #[serde(default)]
    pub mechanism: SuspensionMechanism,
    /// The entry that suspended accounts are moved under, in mechanism `LeaversUnit`; it must lie under `baseDn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9.-]+ *=.+$')").message("give a distinguished name, such as ou=leavers,ou=people,dc=example,dc=com"))]
    pub leavers_dn: Option<String>,
}

/// By what an account is suspended in an LDAP directory.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SuspensionMechanism {
    /// The first of `PasswordPolicy`, `AccountLock` and `HashPrefix` that a trial shows to bite.
    #[default]
    Auto,
    /// `pwdEndTime` and `pwdAccountLockedTime` of the password policy (draft-behera-ldap-password-policy).
    PasswordPolicy,
    /// `nsAccountLock` of 389 Directory Server and its kin.
    AccountLock,
    /// A `!` before the hash in `userPassword`, which no password matches then. The next password set ends it.
    HashPrefix,
    /// The entry is moved under `leaversDn`. It stops no bind: only applications that do not look there are closed.
    LeaversUnit,
}

/// What must be known of suspending before the App is `Ready`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SuspendProof {
    /// That a suspended account cannot bind, and that a new password does not change that.
    #[default]
    Proved,
    /// Nothing: where no password policy applies, a password that is set while the account is suspended opens it
    /// until the next sweep finds and closes it.
    BestEffort,
}

/// Numbers for accounts and groups of Unix (RFC 2307), never one twice.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.first <= self.last").message("first must not be greater than last").field_path(".first")
)]
pub struct PosixNumbers {
    /// An entry that holds the next free `uidNumber` (and `gidNumber`, if groups are made). Tenure takes numbers from
    /// it by compare-and-set, and never gives one back, so that no number of a deleted person is used again.
    #[schemars(length(min = 3, max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9.-]+ *=.+$')").message("give a distinguished name, such as cn=next-numbers,ou=system,dc=example,dc=com"))]
    pub counter_dn: String,
    /// The least number that is given.
    #[serde(default = "default_first")]
    #[schemars(range(min = 1, max = 4_294_967_293_i64))]
    pub first: u32,
    /// The greatest number that is given.
    #[serde(default = "default_last")]
    #[schemars(range(min = 1, max = 4_294_967_293_i64))]
    pub last: u32,
    /// Primary group of new accounts, unless the App maps `gidNumber`. Unset: the account's own number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_293_i64))]
    pub gid_number: Option<u32>,
}

const fn default_first() -> u32 {
    10_000
}

const fn default_last() -> u32 {
    2_000_000_000
}
