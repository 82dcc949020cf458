//! The servers under test.

mod active_directory;
mod directory;
mod ldap;
mod scim;
mod scim2_server;
mod third_party;

pub(crate) use active_directory::{Domain, samba};
pub(crate) use ldap::{Ldap, slapd};
pub(crate) use scim::Scim;
pub(crate) use scim2_server::{bare, cursors, scim2_server};
pub(crate) use third_party::{better_auth, canaille, django_scim2_server, scimmy};
