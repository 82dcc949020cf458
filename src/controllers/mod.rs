//! One folder a kind: observe, decide, guard, act, record. Short, and all thinking is in [`crate::access`] and
//! [`crate::converge`].

pub mod app;
pub mod conditions;
pub mod user;
