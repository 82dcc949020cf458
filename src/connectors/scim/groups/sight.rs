//! Who is in a group, as far as the service provider shows it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::Value;

use super::members;
use crate::api::scim::{MemberReads, ScimProfile};
use crate::connectors::http::{Call, LISTING};
use crate::connectors::scim::accounts::filter;
use crate::connectors::scim::listing::Query;
use crate::connectors::scim::profile::Profile;
use crate::connectors::scim::{Scim, resource, unexpected};
use crate::connectors::{Failure, FailureClass, Membership};

/// How long what was shown counts: long enough for the next of several requests that change one group.
const RECENT: Duration = Duration::from_secs(2);
/// How many members are kept for that, of all groups together: a few megabytes.
const MEMBERS: usize = 20_000;

/// What is seen of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::connectors::scim) enum Sight {
    /// It is not there.
    Gone,
    /// It shows no members. There may be none.
    Nothing,
    /// Of those who were asked about at least, these are in it.
    Members(Arc<HashSet<String>>),
}

impl Sight {
    /// Whether an account is in it; `None`: that cannot be told.
    pub(super) fn holds(&self, account: &str) -> Option<bool> {
        match self {
            Self::Members(members) => Some(members.contains(account)),
            Self::Gone | Self::Nothing => None,
        }
    }

    /// What a representation of the group shows.
    pub(super) fn of(group: &Value) -> Self {
        members::read(group).map_or(Self::Nothing, |members| Self::Members(Arc::new(members)))
    }
}

/// Members as they were shown last, of a few groups.
#[derive(Default)]
pub(super) struct Recent(HashMap<String, (Instant, Arc<HashSet<String>>)>);

impl Recent {
    fn get(&mut self, group: &str, now: Instant) -> Option<Arc<HashSet<String>>> {
        self.0.retain(|_, (at, _)| now.saturating_duration_since(*at) < RECENT);
        self.0.remove(group).map(|(_, members)| members)
    }

    fn put(&mut self, group: &str, members: &Arc<HashSet<String>>, now: Instant) {
        self.0.retain(|_, (at, _)| now.saturating_duration_since(*at) < RECENT);
        let kept: usize = self.0.values().map(|(_, members)| members.len()).sum();
        if kept + members.len() <= MEMBERS {
            self.0.insert(group.to_owned(), (now, members.clone()));
        }
    }
}

impl Scim {
    /// Who is in a group before a change: from the answer to the change before it, if that was just now.
    pub(super) async fn sight_before(
        &self,
        group: &str,
        changes: &[Membership],
        profile: &Profile,
    ) -> Result<Sight, Failure> {
        let recent = self.shared.groups.recent.lock().get(group, Instant::now());
        match recent {
            Some(members) => Ok(Sight::Members(members)),
            None => self.sight(group, changes, profile).await,
        }
    }

    /// Keeps what was shown for the next change.
    pub(super) fn keep_sight(&self, group: &str, sight: &Sight, profile: &Profile) {
        // A filter only tells about those who were asked about.
        if let (Sight::Members(members), MemberReads::Group) = (sight, profile.member_reads) {
            self.shared.groups.recent.lock().put(group, members, Instant::now());
        }
    }

    /// Who of these is in a group now.
    pub(super) async fn sight(
        &self,
        group: &str,
        changes: &[Membership],
        profile: &Profile,
    ) -> Result<Sight, Failure> {
        match profile.member_reads {
            MemberReads::Group => self.read_group(group).await,
            MemberReads::Filter => self.filter_members(group, changes).await,
            MemberReads::Hidden => Ok(Sight::Nothing),
        }
    }

    pub(in crate::connectors::scim) async fn read_group(&self, group: &str) -> Result<Sight, Failure> {
        if self.is_too_large(group) {
            return Ok(Sight::Nothing);
        }
        let call = Call { limit: LISTING, ..self.call("read group", Method::GET, &["Groups", group])? };
        match self.send(&call).await {
            Ok(answer) => {
                let body = answer.body.filter(|body| resource::id(body).is_ok_and(|id| id == group));
                let body = body.ok_or_else(|| unexpected(&call, "the answer is about something else"))?;
                Ok(Sight::of(&body))
            }
            Err(refused) if refused.is_too_long() => {
                self.note_too_large(group);
                Ok(Sight::Nothing)
            }
            Err(refused) if refused.failure.class == FailureClass::Gone => {
                self.collection_answers("Groups").await?;
                Ok(Sight::Gone)
            }
            Err(refused) => Err(refused.into()),
        }
    }

    /// Whether there is such a group, whoever is in it.
    pub(super) async fn group_is_there(&self, group: &str) -> Result<bool, Failure> {
        let mut call = Call { limit: LISTING, ..self.call("read group", Method::GET, &["Groups", group])? };
        call.url.set_query(Some("excludedAttributes=members"));
        match self.send(&call).await {
            Ok(_) => Ok(true),
            Err(refused) if refused.is_too_long() => Ok(true),
            Err(refused) if refused.failure.class == FailureClass::Gone => {
                self.collection_answers("Groups").await?;
                Ok(false)
            }
            Err(refused) => Err(refused.into()),
        }
    }

    pub(in crate::connectors::scim) fn is_too_large(&self, group: &str) -> bool {
        self.shared.groups.too_large.lock().contains(group)
    }

    pub(super) fn note_too_large(&self, group: &str) {
        self.shared.groups.too_large.lock().insert(group.to_owned());
    }

    /// Asks about each account by a filter, once it is known that filters tell who is in a group.
    async fn filter_members(&self, group: &str, changes: &[Membership]) -> Result<Sight, Failure> {
        if !self.membership_filter_tells(group).await? {
            return Ok(Sight::Nothing);
        }
        let mut members = HashSet::new();
        for Membership { account, .. } in changes {
            if self.filter_finds(group, account).await? == Some(true) {
                members.insert(account.clone());
            }
        }
        Ok(Sight::Members(Arc::new(members)))
    }

    /// A filter that finds somebody who cannot exist in a group tells nothing.
    async fn membership_filter_tells(&self, group: &str) -> Result<bool, Failure> {
        let known = *self.shared.groups.membership_filter.lock();
        if let Some(tells) = known {
            return Ok(tells);
        }
        let nobody = format!("tenure-probe-{:032x}", rand::random::<u128>());
        let tells = self.filter_finds(group, &nobody).await? == Some(false);
        *self.shared.groups.membership_filter.lock() = Some(tells);
        if !tells {
            self.learn(ScimProfile { member_reads: Some(MemberReads::Hidden), ..ScimProfile::default() });
        }
        Ok(tells)
    }

    /// Whether the account is in the group by a filter; `None` where such filters are refused.
    async fn filter_finds(&self, group: &str, account: &str) -> Result<Option<bool>, Failure> {
        let filter = format!("{} and {}", filter("id", group), filter("members", account));
        let query = Query {
            operation: "find member",
            collection: "Groups",
            filter: Some(&filter),
            without_members: true,
        };
        let keep = |found: &Value| resource::id(found).map(|id| (id == group).then_some(()));
        match self.collect(&query, keep).await {
            Ok(found) => Ok(Some(!found.is_empty())),
            Err(refused) if matches!(refused.status, Some(400 | 501)) => Ok(None),
            Err(refused) => Err(refused.into()),
        }
    }
}

#[cfg(test)]
mod tests;
