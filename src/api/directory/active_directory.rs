//! The connector `activeDirectory`.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::DirectoryServers;

/// A domain of Active Directory, or of Samba.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.plainText != 'Allow' || self.servers.all(s, s.matches('^ldap://(localhost|127[.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3})(:[0-9]+)?/?$'))").message("plainText: Allow is for servers ldap:// on this machine only: credentials would travel in the clear. Use ldaps, or leave it out so that StartTLS is done").field_path(".plainText")
)]
pub struct ActiveDirectoryConnector {
    /// Servers, and who Tenure binds as.
    #[serde(flatten)]
    pub directory: DirectoryServers,
}
