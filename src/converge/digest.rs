//! The digest by which the ledger knows, without looking, that an account is as desired.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::compare::is_empty;
use crate::access::DesiredAccount;
use crate::api::Strength;

/// Changes when the encoding below does, so that an old digest is never taken for a new one.
const VERSION: &str = "v1:";

/// Digest of an account with this login: `v1:` and 128 bits in hexadecimal.
///
/// Covers what a later pass could still change: not attributes that are only written at creation, nor absent values
/// that are left as they are. Neither the order of array elements nor that of object members counts.
pub fn digest(desired: &DesiredAccount, login: &str) -> String {
    let mut bytes = Vec::with_capacity(1024);
    text(login, &mut bytes);
    for (name, want) in &desired.attributes {
        let clears = want.clear_when_null && want.strength == Strength::Always;
        if want.strength == Strength::Initial || (is_empty(&want.value) && !clears) {
            continue;
        }
        bytes.push(if want.strength == Strength::Always { b'a' } else { b'e' });
        text(name, &mut bytes);
        encode(&want.value, &mut bytes);
    }
    for entitlement in &desired.entitlements {
        bytes.push(b'g');
        text(&entitlement.kind, &mut bytes);
        text(&entitlement.value, &mut bytes);
    }
    let mut out = String::with_capacity(VERSION.len() + 32);
    out.push_str(VERSION);
    for byte in Sha256::digest(&bytes).iter().take(16) {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// An encoding in which different values differ: a letter for the type, and lengths before contents.
fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        _ if is_empty(value) => out.push(b'0'),
        Value::Null => {}
        Value::Bool(flag) => out.push(if *flag { b't' } else { b'f' }),
        Value::Number(number) => {
            out.push(b'n');
            text(&number.to_string(), out);
        }
        Value::String(string) => text(string, out),
        Value::Array(items) => {
            let mut encoded: Vec<Vec<u8>> = items.iter().map(encoded).collect();
            encoded.sort_unstable();
            out.push(b'[');
            out.extend(encoded.len().to_be_bytes());
            for item in encoded {
                out.extend(item);
            }
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            out.push(b'{');
            out.extend(sorted.len().to_be_bytes());
            for (name, member) in sorted {
                text(name, out);
                encode(member, out);
            }
        }
    }
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out);
    out
}

fn text(string: &str, out: &mut Vec<u8>) {
    out.push(b's');
    out.extend(string.len().to_be_bytes());
    out.extend(string.as_bytes());
}
