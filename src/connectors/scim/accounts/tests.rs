//! Accounts on service providers with the quirks of real ones.

mod changing;
mod finding;
mod making;
mod quirky;
