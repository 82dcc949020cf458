//! Accounts on service providers with the quirks of real ones.

mod changing;
mod finding;
#[path = "../../../../tests/support/fast_target/patch.rs"]
mod interpreter;
mod making;
mod quirky;

use serde_json::Value;

/// What the test servers make of the operations of a PATCH.
pub(super) fn patch(resource: &mut Value, operations: &Value) {
    for operation in operations.as_array().unwrap() {
        interpreter::apply(resource, operation).unwrap();
    }
}
