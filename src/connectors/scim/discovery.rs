//! What a service provider says of itself (RFC 7643 §5, RFC 9865 §4).

use serde_json::Value;

use super::resource::field;
use crate::connectors::Probe;

/// How many resources a page should hold.
const PAGE: u64 = 100;

/// How listings are paged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Paging {
    /// By position: `startIndex` and `count` (RFC 7644 §3.4.2.4).
    #[default]
    Index,
    /// By cursor (RFC 9865).
    Cursor,
}

/// What a service provider can do.
///
/// The default is what RFC 7644 asks of every service provider, for those that say nothing of themselves: PATCH
/// (§3.5.2) and filters (§3.4.2.2) are optional, PUT (§3.5.1) and listing are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capabilities {
    pub(super) patch: bool,
    pub(super) filter: bool,
    pub(super) etag: bool,
    pub(super) paging: Paging,
    pub(super) page: u64,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self { patch: false, filter: false, etag: false, paging: Paging::Index, page: PAGE }
    }
}

impl From<Capabilities> for Probe {
    fn from(capabilities: Capabilities) -> Self {
        let Capabilities { patch, filter, etag, paging, .. } = capabilities;
        let paging = match paging {
            Paging::Index => "Index",
            Paging::Cursor => "Cursor",
        };
        Self { patch, filter, etag, paging }
    }
}

/// Reads a service provider configuration. Cursors are used wherever they are offered: an account that is deleted
/// while a listing is read by position shifts another one past the reader.
pub(super) fn read(config: &Value) -> Capabilities {
    let flag = |section: &str, name: &str| match field(config, section).and_then(|s| field(s, name)) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    };
    let most = field(config, "pagination").and_then(|p| field(p, "maxPageSize")).and_then(Value::as_u64);
    Capabilities {
        patch: flag("patch", "supported"),
        filter: flag("filter", "supported"),
        etag: flag("etag", "supported"),
        paging: if flag("pagination", "cursor") { Paging::Cursor } else { Paging::Index },
        page: most.filter(|most| *most > 0).map_or(PAGE, |most| most.min(PAGE)),
    }
}

#[cfg(test)]
mod tests;
