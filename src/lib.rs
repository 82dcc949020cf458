//! Tenure: accounts from declared state. See `docs/architecture.md` for the layers and what may depend on what.

pub mod access;
pub mod api;
pub mod cli;
pub mod connectors;
pub mod controllers;
pub mod converge;
pub mod runtime;
