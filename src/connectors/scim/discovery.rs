//! What a service provider says of itself (RFC 7643 §5, RFC 9865 §4).

use serde_json::Value;

use super::resource::field;
use crate::api::scim::{Etag, Lookup, MemberChange, Paging, ScimProfile, Update};

/// The largest page that is asked for.
const PAGE: u64 = 100;

/// Reads a service provider configuration. Cursors are used wherever they are offered: an account that is deleted
/// while a listing is read by position shifts another one past the reader.
pub(super) fn read(config: &Value) -> ScimProfile {
    let flag = |section: &str, name: &str| match field(config, section).and_then(|s| field(s, name)) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    };
    let most = field(config, "pagination").and_then(|p| field(p, "maxPageSize")).and_then(Value::as_u64);
    let patch = flag("patch", "supported");
    ScimProfile {
        update: Some(if patch { Update::Patch } else { Update::Put }),
        members: Some(if patch { MemberChange::Patch } else { MemberChange::Put }),
        lookup: Some(if flag("filter", "supported") { Lookup::Filter } else { Lookup::Listing }),
        etag: Some(if flag("etag", "supported") { Etag::Use } else { Etag::Ignore }),
        paging: Some(if flag("pagination", "cursor") { Paging::Cursor } else { Paging::Index }),
        page_size: most.filter(|most| *most > 0).and_then(|most| u16::try_from(most.min(PAGE)).ok()),
        ..ScimProfile::default()
    }
}

#[cfg(test)]
mod tests;
