//! One folder a kind: observe, decide, guard, act, record. Short, and all thinking is in [`crate::access`] and
//! [`crate::converge`].

pub mod app;
pub mod binding;
pub mod conditions;
pub mod engine;
pub mod hold;
#[cfg(test)]
mod model;
pub mod observe;
pub mod passwords;
pub mod patch;
pub mod role;
pub mod summary;
pub mod user;
