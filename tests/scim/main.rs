//! The SCIM connector against scim2-server, a strict server that keeps to whatever it announces.

mod accounts;
mod groups;
mod listings;
mod server;
