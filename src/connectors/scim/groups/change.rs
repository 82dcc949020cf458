//! Several members put into one group or taken out of it, proved by what the group shows.
//!
//! What is so already is not sent. Where a request is refused because of one member, the others get through: it is
//! halved until that one is alone.

use std::ops::Range;

use http::Method;
use serde_json::{Value, json};

use super::sight::Sight;
use super::{members, no_groups, request};
use crate::api::Reason;
use crate::api::scim::{MemberChange, MemberReads, MemberRemoval, ScimProfile};
use crate::connectors::http::{Answer, Call, LISTING, Refused};
use crate::connectors::scim::profile::Profile;
use crate::connectors::scim::{PATCH, Scim, no_such_method, resource, trouble, unexpected};
use crate::connectors::{Failure, FailureClass, Membership};

/// When so many members were refused one by one and none was taken, it is not because of them.
const REFUSALS: usize = 8;

type Outcome = Result<(), Failure>;

impl Scim {
    /// Puts accounts into a group and takes others out. The outcomes are in the order of the changes.
    pub(in crate::connectors::scim) async fn change_members(
        &self,
        group: &str,
        changes: &[Membership],
    ) -> Result<Vec<Outcome>, Failure> {
        let profile = self.profile().await?;
        if profile.members == MemberChange::Unsupported {
            return Err(no_groups());
        }
        let turn = self.shared.groups.turns.of(&group.to_owned());
        let _one_at_a_time = turn.lock().await;
        let before = self.sight_before(group, changes, &profile).await?;
        if before == Sight::Gone {
            return Ok(changes
                .iter()
                .map(|change| if change.held { Err(no_group()) } else { Ok(()) })
                .collect());
        }
        let due: Vec<_> =
            changes.iter().filter(|c| before.holds(&c.account) != Some(c.held)).cloned().collect();
        if due.is_empty() {
            self.keep_sight(group, &before, &profile);
            return Ok(vec![Ok(()); changes.len()]);
        }
        let mut sending = Sending::new(self, group, &due, &before);
        sending.send_all().await?;
        let mut outcomes = sending.verified(&profile).await.into_iter();
        let outcome = |change: &Membership| {
            if before.holds(&change.account) == Some(change.held) { Some(Ok(())) } else { outcomes.next() }
        };
        Ok(changes.iter().filter_map(outcome).collect())
    }
}

/// Changes of one group on their way.
struct Sending<'a> {
    scim: &'a Scim,
    group: &'a str,
    changes: &'a [Membership],
    before: &'a Sight,
    outcomes: Vec<Outcome>,
    taken: usize,
    refused: usize,
    /// What the last answer showed of the group.
    shown: Sight,
}

impl<'a> Sending<'a> {
    fn new(scim: &'a Scim, group: &'a str, changes: &'a [Membership], before: &'a Sight) -> Self {
        let outcomes = vec![Ok(()); changes.len()];
        Self { scim, group, changes, before, outcomes, taken: 0, refused: 0, shown: Sight::Nothing }
    }

    async fn send_all(&mut self) -> Result<(), Failure> {
        let mut waiting: Vec<_> = std::iter::once(0..self.changes.len()).collect();
        while let Some(range) = waiting.pop() {
            let part = self.changes.get(range.clone()).unwrap_or_default();
            match self.scim.write_members(self.group, part).await {
                Ok(shown) => {
                    self.taken += part.len();
                    self.shown = shown;
                }
                Err(refused) if is_about_members(&refused) => {
                    waiting.extend(self.take_apart(range, refused).await?.into_iter().flatten());
                }
                Err(refused) => {
                    // About all that were not sent yet; it is not known what became of these.
                    for range in waiting.drain(..).chain([range]) {
                        self.set(range, Some(&refused.failure));
                    }
                }
            }
        }
        Ok(())
    }

    /// What to send instead of a request that was refused: its halves, the first one last; nothing where it was about
    /// one member, or is not because of any.
    async fn take_apart(
        &mut self,
        range: Range<usize>,
        refused: Refused,
    ) -> Result<Option<[Range<usize>; 2]>, Failure> {
        let part = self.changes.get(range.clone()).unwrap_or_default();
        if is_too_many(&refused) {
            self.scim.learn_fewer(part.len());
        }
        if let [change] = part {
            let failure = self.explain(change, refused).await?;
            self.refused += usize::from(failure.is_some());
            self.set(range, failure.as_ref());
        } else if refused.failure.class == FailureClass::Gone && !self.scim.group_is_there(self.group).await?
        {
            for (change, outcome) in part.iter().zip(self.outcomes.get_mut(range).into_iter().flatten()) {
                *outcome = if change.held { Err(no_group()) } else { Ok(()) };
            }
        } else if self.taken == 0 && self.refused >= REFUSALS {
            self.set(range, Some(&refused.failure));
        } else {
            let middle = range.start + range.len() / 2;
            return Ok(Some([middle..range.end, range.start..middle]));
        }
        Ok(None)
    }

    fn set(&mut self, range: Range<usize>, failure: Option<&Failure>) {
        for outcome in self.outcomes.get_mut(range).unwrap_or_default() {
            *outcome = failure.map_or(Ok(()), |failure| Err(failure.clone()));
        }
    }

    /// Why one member was refused, in our words; `None`: what was asked for is so already.
    async fn explain(&self, change: &Membership, refused: Refused) -> Result<Option<Failure>, Failure> {
        let Membership { account, held } = change;
        let gone = refused.failure.class == FailureClass::Gone;
        let known = self.before.holds(account);
        // An empty group may show no members at all.
        if !held && known.is_none() && refused.keyword == Some("noTarget") {
            return Ok(None);
        }
        if !held && known.is_none() && gone {
            self.scim.collection_answers("Groups").await?;
            return Ok(None);
        }
        if *held && self.scim.account(account).await?.is_none() {
            let message = "add member: the account is not there any more".to_owned();
            return Ok(Some(trouble(FailureClass::Gone, Reason::AccountGone, message)));
        }
        if gone && !self.scim.group_is_there(self.group).await? {
            return Ok(held.then(no_group));
        }
        Ok(Some(self.last_member(change).unwrap_or(refused.failure)))
    }

    /// Some service providers have no empty groups.
    fn last_member(&self, change: &Membership) -> Option<Failure> {
        let now = if self.shown == Sight::Nothing { self.before } else { &self.shown };
        let Sight::Members(members) = now else { return None };
        let last = !change.held && members.len() == 1 && members.contains(&change.account);
        last.then(|| {
            let message = "remove member: refused, and it is the last one: if the App has no empty groups, put somebody \
                           else into the group or delete it there";
            trouble(FailureClass::Permanent, Reason::Rejected, message.to_owned())
        })
    }

    /// The outcomes, after a look at the group where the answers did not show it.
    async fn verified(mut self, profile: &Profile) -> Vec<Outcome> {
        if self.taken == 0 {
            return self.outcomes;
        }
        if self.shown == Sight::Nothing {
            match self.scim.sight(self.group, self.changes, profile).await {
                Ok(sight) => self.shown = sight,
                Err(failure) => {
                    // Sent, and not proved: the next attempt sends nothing that is so already.
                    let unproved = self.outcomes.iter_mut().filter(|outcome| outcome.is_ok());
                    unproved.for_each(|outcome| *outcome = Err(failure.clone()));
                    return self.outcomes;
                }
            }
        }
        for (change, outcome) in self.changes.iter().zip(&mut self.outcomes) {
            if outcome.is_ok() && self.shown.holds(&change.account).is_some_and(|is| is != change.held) {
                *outcome = Err(not_applied(change.held));
            }
            if outcome.is_ok() && change.held && self.shown == Sight::Gone {
                *outcome = Err(no_group());
            }
        }
        self.scim.keep_sight(self.group, &self.shown, profile);
        self.outcomes
    }
}

impl Scim {
    /// Sends one request that changes these members; what its answer shows.
    async fn write_members(&self, group: &str, changes: &[Membership]) -> Result<Sight, Refused> {
        let profile = self.profile().await?;
        let operation = operation(changes);
        let removes = changes.iter().any(|change| !change.held);
        let outcome = match profile.members {
            MemberChange::Patch if removes && profile.member_removal == MemberRemoval::ReplaceAll => {
                self.patch_all(operation, group, changes, &profile).await
            }
            MemberChange::Patch => {
                let operations = request::operations(changes, &profile, |id| self.member(id, &profile));
                self.patch_group(operation, group, operations).await
            }
            MemberChange::Put => self.put_members(operation, group, changes, &profile).await,
            MemberChange::Unsupported => Err(no_groups().into()),
        };
        match outcome {
            Ok(answer) => {
                // Where the group does not show its members, neither does an answer.
                let shows = profile.member_reads == MemberReads::Group;
                let body = answer.body.filter(|body| shows && is_group(body, group));
                Ok(body.map_or(Sight::Nothing, |body| Sight::of(&body)))
            }
            Err(refused) if refused.is_too_long() => {
                self.note_too_large(group);
                Ok(Sight::Nothing)
            }
            Err(refused) if no_such_method(&refused) && profile.members == MemberChange::Patch => {
                self.learn(ScimProfile { members: Some(MemberChange::Put), ..ScimProfile::default() });
                if self.profile().await?.members == MemberChange::Patch {
                    return Err(refused);
                }
                Box::pin(self.write_members(group, changes)).await
            }
            Err(refused) => Err(refused),
        }
    }

    async fn patch_group(
        &self,
        operation: &'static str,
        group: &str,
        operations: Vec<Value>,
    ) -> Result<Answer, Refused> {
        let body = json!({ "schemas": [PATCH], "Operations": operations });
        let call = self.call(operation, Method::PATCH, &["Groups", group])?;
        self.send(&Call { body: Some(body), limit: LISTING, ..call }).await
    }

    /// Reads the members, and writes those that are to be.
    async fn patch_all(
        &self,
        operation: &'static str,
        group: &str,
        changes: &[Membership],
        profile: &Profile,
    ) -> Result<Answer, Refused> {
        let call = Call { limit: LISTING, ..self.call(operation, Method::GET, &["Groups", group])? };
        let answer = self.send(&call).await?;
        let Some(Value::Object(mut resource)) = answer.body.filter(|body| is_group(body, group)) else {
            return Err(unexpected(&call, "the answer is about something else").into());
        };
        members::change(&mut resource, changes, |id| self.member(id, profile));
        let all = resource.into_iter().find(|(key, _)| key.eq_ignore_ascii_case("members"));
        let all = all.map_or_else(|| json!([]), |(_, members)| members);
        self.patch_group(operation, group, request::replacement(&all, profile)).await
    }

    async fn put_members(
        &self,
        operation: &'static str,
        group: &str,
        changes: &[Membership],
        profile: &Profile,
    ) -> Result<Answer, Refused> {
        let change = |resource: &mut _| members::change(resource, changes, |id| self.member(id, profile));
        self.replace(operation, &["Groups", group], change).await
    }

    pub(super) fn member(&self, account: &str, profile: &Profile) -> Value {
        let url = self.shared.http.url(&["Users", account]).ok();
        request::member(account, url.map(String::from), profile)
    }

    /// So many members were too many for one request.
    fn learn_fewer(&self, members: usize) {
        let half = u16::try_from(members / 2).unwrap_or(u16::MAX).max(1);
        self.learn(ScimProfile { members_per_patch: Some(half), ..ScimProfile::default() });
    }
}

fn is_group(body: &Value, group: &str) -> bool {
    resource::id(body).is_ok_and(|id| id == group)
}

fn operation(changes: &[Membership]) -> &'static str {
    match (changes.iter().any(|c| c.held), changes.iter().any(|c| !c.held)) {
        (true, false) => "add members",
        (false, true) => "remove members",
        _ => "change members",
    }
}

/// Whether a request was refused for what is in it, so that a part of it may be taken. 412 is how some refuse to remove
/// who is no member.
fn is_about_members(refused: &Refused) -> bool {
    let class = refused.failure.class;
    matches!(class, FailureClass::Permanent | FailureClass::Conflict | FailureClass::Gone)
        && !no_such_method(refused)
        && refused.failure.reason != Reason::InvalidConfiguration
        || refused.status == Some(412)
}

fn is_too_many(refused: &Refused) -> bool {
    refused.status == Some(413) || refused.keyword == Some("tooMany")
}

fn no_group() -> Failure {
    let message = "add member: the group is not there any more".to_owned();
    trouble(FailureClass::Gone, Reason::EntitlementNotFound, message)
}

fn not_applied(held: bool) -> Failure {
    let operation = if held { "add member" } else { "remove member" };
    let message = format!("{operation}: the target accepted it, and the group reads as before");
    trouble(FailureClass::RetryAfter, Reason::NotApplied, message)
}

#[cfg(test)]
mod tests;
