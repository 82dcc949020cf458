//! The servers under test.

mod scim;
mod scim2_server;

pub(crate) use scim::Scim;
pub(crate) use scim2_server::{bare, cursors, scim2_server};
