//! Groups as entitlements (RFC 7643 §4.2): found, made, and who is in them.

mod change;
mod lookup;
pub(super) mod members;
mod request;
mod sight;

use std::collections::HashSet;

use parking_lot::Mutex;

use self::sight::Recent;
pub(super) use self::sight::Sight;
use super::{Scim, trouble};
use crate::api::Reason;
use crate::api::scim::MemberChange;
use crate::connectors::locks::Locks;
use crate::connectors::{Failure, FailureClass};

/// How many members one request may change where the whole group is written anyway.
const WHOLE: usize = 1_000;

/// What has been seen of groups.
#[derive(Default)]
pub(super) struct Groups {
    /// Groups are made one after the other: two at once would make two of one name.
    making: tokio::sync::Mutex<()>,
    /// One group's members are changed by one request after the other: two at once would lose some where the whole
    /// group is written, and what was seen after one would be old before the next.
    turns: Locks<String>,
    /// Members as they were shown last.
    recent: Mutex<Recent>,
    /// Groups that are too large to be read.
    too_large: Mutex<HashSet<String>>,
    /// Whether a filter shows groups that are there; `None`: it is not known.
    filter: Mutex<Option<bool>>,
    /// Whether a filter tells who is in a group; `None`: it is not known.
    membership_filter: Mutex<Option<bool>>,
}

impl Scim {
    /// How many members one request may change.
    pub(super) fn members_at_once(&self) -> usize {
        let profile = self.shared.profile.so_far();
        match profile.members {
            MemberChange::Patch => profile.members_per_patch.max(1).into(),
            MemberChange::Put => WHOLE,
            MemberChange::Unsupported => 1,
        }
    }

    /// Fails where the service provider has no groups, or their members cannot be changed.
    pub(super) async fn has_groups(&self) -> Result<(), Failure> {
        if self.profile().await?.members == MemberChange::Unsupported {
            return Err(no_groups());
        }
        Ok(())
    }
}

fn no_groups() -> Failure {
    let message = "the App has no groups whose members can be changed: grant a role or an entitlement instead, or, if \
                   it has, set spec.connector.scim.profile.members";
    trouble(FailureClass::Permanent, Reason::InvalidConfiguration, message.to_owned())
}
