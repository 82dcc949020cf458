//! What a service provider shows when it is tried, which may be less than it says. Only reads, so that an App in mode
//! `DryRun` is known as well.
//!
//! Something is concluded only from an answer, or from a refusal of what is optional where the same without it was
//! answered. Any other trouble is the probe's.

use std::sync::Arc;

use http::Method;
use serde_json::Value;

use super::accounts::filter;
use super::listing::{Position, Query, contents, parameters};
use super::profile::Profile;
use super::{Scim, about_collection, resource, unexpected};
use crate::api::app::CapabilitySource;
use crate::api::scim::{AttributeCase, Lookup, Paging, ScimProfile};
use crate::connectors::Failure;
use crate::connectors::http::{LISTING, Refused};
use crate::converge::RemoteAccount;

/// How many requests the trials may make, besides those of the discovery.
const TRIALS: u8 = 5;

/// The outcome of asking for accounts in some optional way.
enum Trial {
    Answered(Vec<Value>),
    /// That way is not taken.
    Refused(Failure),
}

/// The trials of one probe.
struct Trials<'a> {
    scim: &'a Scim,
    left: u8,
}

impl Scim {
    /// Tries the service provider, reads what it says of itself, and tries what it says. Eight requests at
    /// most, and one more for each document that is not shown to us.
    pub(super) async fn explore(&self) -> Result<Arc<Profile>, Failure> {
        let mut trials = Trials { scim: self, left: TRIALS };
        // Users first: many service providers show their configuration to anybody, which proves no credentials.
        let (users, paged) = trials.first_page().await?;
        self.discover_all().await?;
        trials.paging(paged).await?;
        let complete = trials.filters(&users).await?;
        self.shared.profile.set_explored(!complete);
        Ok(self.shared.profile.so_far())
    }

    /// Whether it answers still. What was tried is not tried again, but what wanted for an account is, once there is
    /// one.
    pub(super) async fn look_again(&self) -> Result<Arc<Profile>, Failure> {
        if self.shared.profile.is_open() {
            let mut trials = Trials { scim: self, left: TRIALS };
            let (users, _) = trials.first_page().await?;
            let complete = !users.is_empty() && trials.filters(&users).await?;
            self.shared.profile.set_explored(!complete);
        } else {
            self.collection_answers("Users").await?;
        }
        Ok(self.shared.profile.so_far())
    }
}

impl Trials<'_> {
    fn profile(&self) -> Arc<Profile> {
        self.scim.shared.profile.so_far()
    }

    /// Whether the App itself says so, and there is nothing to find out.
    fn is_configured(&self, name: &str) -> bool {
        self.profile().sources.get(name) == Some(&CapabilitySource::Configured)
    }

    /// Some account, if there is one, and whether it could be asked for in pages.
    async fn first_page(&mut self) -> Result<(Vec<Value>, bool), Failure> {
        let parameters = match self.profile().paging {
            Paging::Index => "startIndex=1&count=1",
            Paging::Cursor => "cursor=&count=1",
            Paging::None => "",
        };
        let first = match self.users("read accounts", parameters, &[400, 500, 501]).await? {
            Trial::Answered(users) => return Ok((users, true)),
            Trial::Refused(failure) if parameters.is_empty() || self.is_configured("paging") => {
                return Err(failure);
            }
            Trial::Refused(failure) => failure,
        };
        match self.users("read accounts", "", &[400, 500, 501]).await? {
            Trial::Answered(users) => Ok((users, false)),
            Trial::Refused(_) => Err(first),
        }
    }

    /// Cursors that are offered are tried; `paged`: whether the first page could be asked for as one.
    async fn paging(&mut self, paged: bool) -> Result<(), Failure> {
        if self.is_configured("paging") {
            return Ok(());
        }
        let paging = match self.profile().paging {
            Paging::Cursor if self.left > 0 => {
                match self.users("try cursors", "cursor=&count=1", &[400, 500, 501]).await? {
                    Trial::Answered(_) => return Ok(()),
                    Trial::Refused(_) if paged => Paging::Index,
                    Trial::Refused(_) => Paging::None,
                }
            }
            Paging::Index if !paged => Paging::None,
            _ => return Ok(()),
        };
        self.scim.learn(ScimProfile { paging: Some(paging), ..ScimProfile::default() });
        Ok(())
    }

    /// Filters that are promised are tried, with somebody who cannot exist and with somebody who does; whether nothing
    /// is left to try.
    async fn filters(&mut self, users: &[Value]) -> Result<bool, Failure> {
        if self.profile().lookup != Lookup::Filter || self.is_configured("lookup") {
            return Ok(true);
        }
        let listing = ScimProfile { lookup: Some(Lookup::Listing), ..ScimProfile::default() };
        let nobody = format!("tenure-probe-{:032x}", rand::random::<u128>());
        if self.find("userName", &nobody).await?.is_none_or(|found| !found.is_empty()) {
            self.scim.learn(listing);
            return Ok(true);
        }
        let Some(known) = self.somebody(users) else { return Ok(!users.is_empty()) };
        if !self.finds(&known, "userName", &known.login).await? {
            self.scim.learn(listing);
            return Ok(true);
        }
        let lookup = Some(Lookup::Filter);
        self.scim.learn(ScimProfile { lookup, ..ScimProfile::default() });
        self.marker(&known).await?;
        self.letter_case(&known).await?;
        Ok(true)
    }

    /// Whether accounts are found by the marker, which is what it is for.
    async fn marker(&mut self, known: &RemoteAccount) -> Result<(), Failure> {
        let (name, Some(value)) = (&self.scim.shared.marker, &known.marker) else { return Ok(()) };
        let sure = name.eq_ignore_ascii_case("userName") || self.is_configured("filterable");
        if sure || value.is_empty() || self.left == 0 || self.finds(known, name, value).await? {
            return Ok(());
        }
        let filterable = Some(vec!["userName".to_owned()]);
        self.scim.learn(ScimProfile { filterable, ..ScimProfile::default() });
        Ok(())
    }

    async fn letter_case(&mut self, known: &RemoteAccount) -> Result<(), Failure> {
        let swapped = swap_case(&known.login);
        if swapped == known.login || self.left == 0 || self.is_configured("userNameCase") {
            return Ok(());
        }
        let Some(found) = self.find("userName", &swapped).await? else { return Ok(()) };
        let same = found.iter().any(|user| resource::id(user).is_ok_and(|id| id == known.id));
        let case = if same { AttributeCase::Insensitive } else { AttributeCase::Exact };
        self.scim.learn(ScimProfile { user_name_case: Some(case), ..ScimProfile::default() });
        Ok(())
    }

    /// An account to look for: rather one that bears a marker.
    fn somebody(&self, users: &[Value]) -> Option<RemoteAccount> {
        let marker = self.scim.shared.marker.as_str();
        let read = users.iter().filter_map(|user| resource::account(user, marker, &Arc::default()).ok());
        let known: Vec<_> = read.filter(|account| !account.login.is_empty()).collect();
        known.iter().find(|account| account.marker.is_some()).or_else(|| known.first()).cloned()
    }

    async fn finds(&mut self, known: &RemoteAccount, attribute: &str, value: &str) -> Result<bool, Failure> {
        let found = self.find(attribute, value).await?;
        let same = |user: &Value| resource::id(user).is_ok_and(|id| id == known.id);
        Ok(found.is_some_and(|found| found.iter().any(same)))
    }

    /// What a filter yields; `None` where it is refused.
    async fn find(&mut self, attribute: &str, value: &str) -> Result<Option<Vec<Value>>, Failure> {
        let filter = filter(attribute, value);
        let query = Query {
            operation: "try a filter",
            collection: "Users",
            filter: Some(&filter),
            without_members: false,
        };
        let parameters = parameters(&query, &self.profile(), &Position::default());
        Ok(match self.users(query.operation, &parameters, &[400, 404, 405, 501]).await? {
            Trial::Answered(users) => Some(users),
            Trial::Refused(_) => None,
        })
    }

    /// Asks for accounts. These statuses are a refusal of the way in which it was asked.
    async fn users(
        &mut self,
        operation: &'static str,
        parameters: &str,
        refusals: &[u16],
    ) -> Result<Trial, Failure> {
        self.left = self.left.saturating_sub(1);
        let mut call = self.scim.call(operation, Method::GET, &["Users"])?;
        call.url.set_query((!parameters.is_empty()).then_some(parameters));
        call.limit = LISTING;
        match self.scim.send(&call).await {
            Ok(answer) => match answer.body.map(contents) {
                Some(Ok(users)) => Ok(Trial::Answered(users)),
                _ => Err(unexpected(&call, "the answer is no list")),
            },
            Err(refused @ Refused { status: Some(status), .. }) if refusals.contains(&status) => {
                Ok(Trial::Refused(about_collection(call.operation, refused)))
            }
            Err(refused) => Err(about_collection(call.operation, refused)),
        }
    }
}

/// The same letters in the other case.
fn swap_case(text: &str) -> String {
    let swap = |letter: char| {
        if letter.is_ascii_uppercase() { letter.to_ascii_lowercase() } else { letter.to_ascii_uppercase() }
    };
    text.chars().map(swap).collect()
}

#[cfg(test)]
mod tests;
