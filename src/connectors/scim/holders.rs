//! Who holds an entitlement, for a sweep: the members of a group, and the values that a listing shows.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use super::groups::Sight;
use super::values::{attribute, holds};
use super::{GROUP_TYPE, Scim};
use crate::api::scim::MemberReads;
use crate::connectors::Failure;
use crate::converge::RemoteAccount;

/// What the service provider has shown at least once. One that leaves out what is empty cannot be told from one that
/// never shows it before that.
#[derive(Default)]
pub(super) struct Shown {
    members: AtomicBool,
    roles: AtomicBool,
    entitlements: AtomicBool,
}

impl Shown {
    /// What an attribute says where it may be left out: `held`, unless it has never been shown.
    fn trust(shown: &AtomicBool, is_there: bool, held: bool) -> Option<bool> {
        if is_there {
            shown.store(true, Ordering::Relaxed);
        }
        shown.load(Ordering::Relaxed).then_some(held)
    }
}

impl Scim {
    /// Ids of the accounts in a group, by one read of it; `None` where its members are not shown as a whole.
    pub(super) async fn members_of(
        &self,
        kind: &str,
        group: &str,
    ) -> Result<Option<HashSet<String>>, Failure> {
        if kind != GROUP_TYPE || self.profile().await?.member_reads != MemberReads::Group {
            return Ok(None);
        }
        let (members, is_there) = match self.read_group(group).await? {
            Sight::Members(members) => (members.as_ref().clone(), true),
            Sight::Nothing if !self.is_too_large(group) => (HashSet::new(), false),
            Sight::Nothing | Sight::Gone => return Ok(None),
        };
        Ok(Shown::trust(&self.shared.shown.members, is_there, true).map(|_| members))
    }

    /// Whether an account shows a role or an entitlement.
    pub(super) fn shows_value(&self, account: &RemoteAccount, kind: &str, value: &str) -> Option<bool> {
        let attribute = attribute(kind).ok()?;
        let shown = match attribute {
            "roles" => &self.shared.shown.roles,
            _ => &self.shared.shown.entitlements,
        };
        let is_there = account.attributes.contains_key(attribute);
        Shown::trust(shown, is_there, holds(account, attribute, value))
    }
}
