//! The harness is tested too: what it claims to do to the operator's surroundings, it does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "../support/mod.rs"]
mod support;

mod control_plane;
mod directories;
mod node_targets;
mod python_targets;
mod targets;
