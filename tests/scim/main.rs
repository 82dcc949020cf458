//! The SCIM connector against scim2-server, a strict server that keeps to whatever it announces.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot do its work must fail, with the reason"
)]

mod accounts;
mod groups;
mod listings;
mod probing;
mod products;
mod server;
mod shapes;
#[path = "../support/mod.rs"]
mod support;
