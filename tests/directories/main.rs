//! Directories through the whole operator: what people can do there, what becomes of their entries when others change
//! them, and what one crash or one lost server may cost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_in_result,
    clippy::needless_pass_by_value,
    reason = "a test that cannot go on fails; what a helper is given is made in place"
)]

#[path = "../support/mod.rs"]
mod support;

mod binding;
mod company;
mod domain;
mod failover;
mod harm;
mod leavers;
mod mass;
mod naming;
mod numbers;
mod passwords;
mod proof;
mod secrets;
mod strip;
mod sweep;
