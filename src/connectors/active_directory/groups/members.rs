//! Several accounts put into one group and others taken out, by one request, proved by what the domain shows.
//!
//! Who is in a group is asked of the accounts, so that it costs as much as there are changes, however large the group
//! is. Where a request is refused because of one account, the others get through: it is halved until that one is alone.

use std::collections::HashMap;
use std::ops::Range;

use super::super::code::{self, Said};
use super::super::guid::Guid;
use super::super::placement::identity;
use super::super::{ActiveDirectory, MEMBERS_AT_ONCE, gone, trouble};
use super::Group;
use crate::api::Reason;
use crate::connectors::directory::{
    Edit, Filter, Modification, Refused, Scope, Search, Write, code as result,
};
use crate::connectors::{Failure, FailureClass, Membership};

/// When so many were refused one by one and none was taken, it is not because of them.
const REFUSALS: usize = 8;
const SHOWN: [&str; 2] = ["objectGUID", "primaryGroupID"];
const CHANGE: &str = "change members";

type Outcome = Result<(), Failure>;

/// How an account is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// It is a member.
    Directly,
    /// The group is its primary one: it is no member, and cannot become one or cease to be.
    Primarily,
}

/// The accounts that are in a group, of those that were asked about.
type Sight = HashMap<Guid, Held>;

impl ActiveDirectory {
    /// Puts accounts into a group and takes others out. The outcomes are in the order of the changes.
    pub(in super::super) async fn change_members(
        &self,
        group: &str,
        changes: &[Membership],
    ) -> Result<Vec<Outcome>, Failure> {
        self.profile().await?;
        let turn = self.shared.groups.turns.of(&group.to_owned());
        let _one_at_a_time = turn.lock().await;
        let found = match group.parse::<Guid>() {
            Ok(guid) => self.group_at(&guid.dn()).await?,
            Err(_) => None,
        };
        let Some(group) = found else {
            return Ok(changes
                .iter()
                .map(|change| if change.held { Err(no_group()) } else { Ok(()) })
                .collect());
        };
        self.may_change(&group)?;
        let before = self.sight(&group, changes).await?;
        let due: Vec<_> = changes.iter().filter(|change| !is_so(change, &before)).cloned().collect();
        let mut outcomes = if due.is_empty() {
            Vec::new()
        } else {
            let mut sending = Sending {
                ad: self,
                group: &group,
                changes: &due,
                outcomes: vec![Ok(()); due.len()],
                taken: 0,
                refused: 0,
            };
            sending.send_all().await?;
            sending.verified().await
        }
        .into_iter();
        let outcome =
            |change: &Membership| if is_so(change, &before) { Some(Ok(())) } else { outcomes.next() };
        Ok(changes.iter().filter_map(outcome).collect())
    }

    /// Which of these accounts are in a group.
    async fn sight(&self, group: &Group, changes: &[Membership]) -> Result<Sight, Failure> {
        let mut sight = Sight::new();
        let accounts: Vec<Guid> = changes.iter().filter_map(|change| change.account.parse().ok()).collect();
        for part in accounts.chunks(MEMBERS_AT_ONCE) {
            let mut ways = vec![Filter::equal("memberOf", group.dn.to_string())];
            if let Some(id) = group.relative_id {
                ways.push(Filter::equal("primaryGroupID", id.to_string()));
            }
            let filter = Filter::And(vec![any_of(part), Filter::Or(ways)]);
            for entry in self.accounts_where(filter, part.len()).await? {
                let id = entry.text("primaryGroupID").and_then(|id| id.parse::<u32>().ok());
                let primarily = id.is_some() && id == group.relative_id;
                let held = if primarily { Held::Primarily } else { Held::Directly };
                sight.extend(identity(&entry).map(|guid| (guid, held)));
            }
        }
        Ok(sight)
    }

    async fn accounts_where(
        &self,
        filter: Filter,
        limit: usize,
    ) -> Result<Vec<crate::connectors::directory::Entry>, Failure> {
        let base = self.shared.places.domain.to_string();
        let search = Search { base: &base, scope: Scope::Subtree, filter, attributes: &SHOWN, limit };
        Ok(self.shared.directory.search(self.op("read members"), &search).await?)
    }

    async fn write_members(&self, group: &Group, changes: &[Membership]) -> Result<(), Refused> {
        let named = |held: bool| -> Vec<Vec<u8>> {
            let of = changes.iter().filter(|change| change.held == held);
            of.filter_map(|change| Some(change.account.parse::<Guid>().ok()?.dn().into_bytes())).collect()
        };
        let edits = [(Edit::Add, named(true)), (Edit::Delete, named(false))];
        let edits = edits.into_iter().filter(|(_, values)| !values.is_empty());
        let changes = edits.map(|(edit, values)| Modification::new(edit, "member", values)).collect();
        let dn = group.guid.dn();
        let write = Write::Modify { dn: &dn, changes };
        self.shared.directory.write(self.op(CHANGE), &write, Vec::new()).await.map(drop)
    }
}

/// Changes of one group on their way.
struct Sending<'a> {
    ad: &'a ActiveDirectory,
    group: &'a Group,
    changes: &'a [Membership],
    outcomes: Vec<Outcome>,
    taken: usize,
    refused: usize,
}

impl Sending<'_> {
    async fn send_all(&mut self) -> Result<(), Failure> {
        let mut waiting: Vec<_> = std::iter::once(0..self.changes.len()).collect();
        while let Some(range) = waiting.pop() {
            let part = self.changes.get(range.clone()).unwrap_or_default();
            match self.ad.write_members(self.group, part).await {
                Ok(()) => self.taken += part.len(),
                Err(refused) if is_about_members(&refused) => {
                    waiting.extend(self.take_apart(range, refused).await?.into_iter().flatten());
                }
                Err(refused) => {
                    // About all that were not sent yet; it is not known what became of these.
                    for range in waiting.drain(..).chain([range]) {
                        self.set(range, &refused.failure);
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
        if let [change] = part {
            let outcome = self.explain(change, refused).await?;
            self.refused += usize::from(outcome.is_err());
            if let Err(failure) = outcome {
                self.set(range, &failure);
            }
        } else if self.taken == 0 && self.refused >= REFUSALS {
            self.set(range, &refused.failure);
        } else {
            let middle = range.start + range.len() / 2;
            return Ok(Some([middle..range.end, range.start..middle]));
        }
        Ok(None)
    }

    fn set(&mut self, range: Range<usize>, failure: &Failure) {
        for outcome in self.outcomes.get_mut(range).unwrap_or_default() {
            *outcome = Err(failure.clone());
        }
    }

    /// Why one account was refused, in our words. What was asked for may be so already.
    async fn explain(&self, change: &Membership, refused: Refused) -> Result<Outcome, Failure> {
        let sight = self.ad.sight(self.group, std::slice::from_ref(change)).await?;
        if is_so(change, &sight) {
            return Ok(Ok(()));
        }
        let own: Vec<Guid> = change.account.parse().into_iter().collect();
        if self.ad.accounts_where(any_of(&own), 1).await?.is_empty() {
            return Ok(if change.held { Err(gone("add member")) } else { Ok(()) });
        }
        if self.ad.group_at(&self.group.guid.dn()).await?.is_none() {
            return Ok(if change.held { Err(no_group()) } else { Ok(()) });
        }
        let primary = change.account.parse().is_ok_and(|guid| sight.get(&guid) == Some(&Held::Primarily));
        if !change.held && (primary || code::said(&refused.diagnostic) == Some(Said::PrimaryGroup)) {
            let message = "remove member: it is the account's primary group: give the account another primaryGroupID first";
            return Ok(Err(trouble(FailureClass::Permanent, Reason::Rejected, message.to_owned())));
        }
        Ok(Err(refused.failure))
    }

    /// The outcomes, after a look at what was taken.
    async fn verified(mut self) -> Vec<Outcome> {
        if self.taken == 0 {
            return self.outcomes;
        }
        let sight = self.ad.sight(self.group, self.changes).await;
        for (change, outcome) in self.changes.iter().zip(&mut self.outcomes) {
            if outcome.is_ok() {
                // Sent, and not proved: the next attempt sends nothing that is so already.
                *outcome = match &sight {
                    Ok(sight) if is_so(change, sight) => Ok(()),
                    Ok(_) => Err(not_applied(change.held)),
                    Err(failure) => Err(failure.clone()),
                };
            }
        }
        self.outcomes
    }
}

/// Whether the account is in the group, or not, as it is to be.
fn is_so(change: &Membership, sight: &Sight) -> bool {
    change.account.parse().is_ok_and(|guid: Guid| sight.contains_key(&guid)) == change.held
}

fn any_of(accounts: &[Guid]) -> Filter {
    Filter::Or(accounts.iter().map(|guid| Filter::equal("objectGUID", guid.to_bytes())).collect())
}

/// Whether a request was refused for what is in it, so that a part of it may be taken.
fn is_about_members(refused: &Refused) -> bool {
    [
        result::NO_SUCH_ATTRIBUTE,
        result::CONSTRAINT_VIOLATION,
        result::ATTRIBUTE_OR_VALUE_EXISTS,
        result::NO_SUCH_OBJECT,
        result::UNWILLING,
        result::ENTRY_EXISTS,
    ]
    .into_iter()
    .any(|code| refused.is(code))
}

fn no_group() -> Failure {
    let message = "add member: the group is not there any more".to_owned();
    trouble(FailureClass::Gone, Reason::EntitlementNotFound, message)
}

fn not_applied(held: bool) -> Failure {
    let operation = if held { "add member" } else { "remove member" };
    let message = format!("{operation}: the domain accepted it, and the group reads as before");
    trouble(FailureClass::RetryAfter, Reason::NotApplied, message)
}
