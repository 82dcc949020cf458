//! The harness is tested too: what it claims to do to the operator's surroundings, it does.

#[path = "../support/mod.rs"]
mod support;

mod control_plane;
mod targets;
