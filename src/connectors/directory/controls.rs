//! Controls that both connectors use, and safe readings of those that servers answer with.

use ldap3::asn1::{PL, parse_tag};
use ldap3::controls::{Assertion, Control, MakeCritical, PagedResults, PostRead, RawControl};

use super::{Entry, Filter};

/// Object identifier of the assertion control (RFC 4528).
pub const ASSERTION: &str = "1.3.6.1.1.12";
/// Object identifier of the post-read controls (RFC 4527 §3.2).
pub const POST_READ: &str = "1.3.6.1.1.13.2";
/// Object identifier of the control that asks for names with identities (MS-ADTS §3.1.1.3.4.1.5).
pub const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";
/// Object identifier of the control that deletes a whole tree (MS-ADTS §3.1.1.3.4.1.15).
const TREE_DELETE: &str = "1.2.840.113556.1.4.805";
/// Object identifier of the paged results control (RFC 2696).
const PAGED: &str = "1.2.840.113556.1.4.319";

/// The write is refused (code 122) unless the entry matches (RFC 4528).
pub fn assertion(filter: &Filter) -> RawControl {
    RawControl::from(Assertion { filter: filter.to_string() }.critical())
}

/// The answer to the write shows the entry after it (RFC 4527), where the server can.
pub fn post_read(attributes: &[&str]) -> RawControl {
    PostRead::new(attributes.to_vec())
}

/// Names in the answer bear the identities of what they name (MS-ADTS §3.1.1.3.4.1.5), in their text form.
pub fn extended_dn() -> RawControl {
    // SEQUENCE { Flag INTEGER ::= 1 }
    RawControl { ctype: EXTENDED_DN.to_owned(), crit: true, val: Some(vec![0x30, 0x03, 0x02, 0x01, 0x01]) }
}

/// What lies beneath the entry is deleted with it (MS-ADTS §3.1.1.3.4.1.15).
pub fn tree_delete() -> RawControl {
    RawControl { ctype: TREE_DELETE.to_owned(), crit: true, val: None }
}

/// One page of a search (RFC 2696).
pub(super) fn paged(size: i32, cookie: Vec<u8>) -> RawControl {
    RawControl::from(PagedResults { size, cookie }.critical())
}

/// The entry that an answer shows as it was after a write.
pub(super) fn entry_after(controls: &[Control]) -> Option<Entry> {
    let (_, tag) = parse_tag(value(controls, POST_READ)?).ok()?;
    Entry::read(tag)
}

/// Where the next page begins: `Some(None)` after the last, `None` if the server did not page.
#[allow(clippy::option_option, reason = "whether there was a control, and whether it has a cookie")]
pub(super) fn cookie(controls: &[Control]) -> Option<Option<Vec<u8>>> {
    let (_, tag) = parse_tag(value(controls, PAGED)?).ok()?;
    let mut parts = tag.expect_constructed()?.into_iter();
    parts.next()?;
    match parts.next()?.payload {
        PL::P(cookie) => Some(Some(cookie).filter(|cookie| !cookie.is_empty())),
        PL::C(_) => None,
    }
}

fn value<'c>(controls: &'c [Control], identifier: &str) -> Option<&'c [u8]> {
    controls.iter().find(|control| control.1.ctype == identifier)?.1.val.as_deref()
}
