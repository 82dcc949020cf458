//! Accounts by the value of an attribute: by filter where there are filters that can be trusted, else by one listing
//! of all that is kept for a while.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use serde_json::Value;

use super::super::listing::{Query, unreadable};
use super::super::profile::Profile;
use super::super::resource::{self, Unreadable, is_like, matches};
use super::super::{Scim, about_collection};
use super::index::{Pairs, candidates};
use super::patch::is_multi_valued;
use super::written::terms;
use crate::api::scim::{Lookup, ScimProfile};
use crate::connectors::Failure;
use crate::connectors::http::Refused;
use crate::converge::RemoteAccount;

/// More values of accounts than this are not kept: some hundred megabytes.
const PAIRS_AT_MOST: usize = 4_000_000;
/// Of so many accounts with one value each is still read; of more, none is anybody's.
const MATCHES_AT_MOST: usize = 100;

const EVERYBODY: Query<'static> =
    Query { operation: "find account", collection: "Users", filter: None, without_members: false };

impl Scim {
    /// All accounts with this value. Never what a filter returned unless it has the value: some service providers
    /// ignore filters and return everybody.
    pub(in crate::connectors::scim) async fn find_accounts(
        &self,
        attribute: &str,
        value: &str,
    ) -> Result<Vec<RemoteAccount>, Failure> {
        let profile = self.profile().await?;
        if self.may_filter(&profile, attribute) {
            match self.find_by_filter(attribute, value).await {
                Ok(found) => return Ok(found),
                // A filter that is refused, for whatever reason, proves nothing about who is there.
                Err(refused) if refused.status == Some(400) => {}
                Err(refused) if refused.status == Some(501) => self.learn_listing(),
                Err(refused) => return Err(about_collection(EVERYBODY.operation, refused)),
            }
        }
        self.find_by_listing(attribute, value).await
    }

    pub(super) fn may_filter(&self, profile: &Profile, attribute: &str) -> bool {
        let allowed = &profile.filterable;
        profile.lookup == Lookup::Filter
            && !self.shared.index.is_blind()
            && (allowed.is_empty()
                || allowed.iter().any(|a| {
                    [attribute, &searchable(attribute)].iter().any(|name| a.eq_ignore_ascii_case(name))
                }))
    }

    pub(super) fn learn_listing(&self) {
        self.learn(ScimProfile { lookup: Some(Lookup::Listing), ..ScimProfile::default() });
    }

    pub(super) async fn find_by_filter(
        &self,
        attribute: &str,
        value: &str,
    ) -> Result<Vec<RemoteAccount>, Refused> {
        let filter = filter(&searchable(attribute), value);
        let query = Query { filter: Some(&filter), ..EVERYBODY };
        let marker = self.shared.marker.as_str();
        let terms = Arc::new(terms(&*self.profile().await?));
        let strangers = AtomicUsize::new(0);
        let keep = |user: &Value| {
            let account = resource::account(user, marker, &terms)?;
            if !is_like(&account, attribute, value) {
                strangers.fetch_add(1, Ordering::Relaxed);
            }
            Ok(matches(&account, marker, attribute, value).then_some(account))
        };
        let found = self.collect(&query, keep).await?;
        // One may be an oddity. Several are everybody: to read them all again for each person would be slow.
        if strangers.into_inner() > 1 {
            self.learn_listing();
        }
        Ok(found)
    }

    pub(super) async fn find_by_listing(
        &self,
        attribute: &str,
        value: &str,
    ) -> Result<Vec<RemoteAccount>, Failure> {
        let Some(key) = self.shared.index.key(attribute, value) else {
            return self.find_in_all(attribute, value).await;
        };
        let candidates = self.candidates(key).await?;
        if candidates.len() > MATCHES_AT_MOST {
            return Err(unreadable(EVERYBODY.operation, Unreadable::TooMany));
        }
        let mut found = Vec::new();
        for id in candidates {
            match self.account(&id).await? {
                Some(account) if matches(&account, &self.shared.marker, attribute, value) => {
                    found.push(account);
                }
                _ => self.shared.index.drop_candidate(key, id),
            }
        }
        Ok(found)
    }

    /// Reads everything for one value that the index is not about.
    async fn find_in_all(&self, attribute: &str, value: &str) -> Result<Vec<RemoteAccount>, Failure> {
        let marker = self.shared.marker.as_str();
        let terms = Arc::new(terms(&*self.profile().await?));
        let keep = |user: &Value| {
            resource::account(user, marker, &terms)
                .map(|account| matches(&account, marker, attribute, value).then_some(account))
        };
        let found = self.collect(&EVERYBODY, keep).await;
        found.map_err(|refused| about_collection(EVERYBODY.operation, refused))
    }

    /// From the index; lists first where there is no valid listing. Who comes meanwhile waits for that listing.
    async fn candidates(&self, key: u64) -> Result<Vec<Arc<str>>, Failure> {
        let index = &self.shared.index;
        let ended = index.ended();
        if let Some(ids) = index.candidates(key, Instant::now()) {
            return Ok(ids);
        }
        let _turn = index.turn.lock().await;
        if let Some(ids) = index.candidates(key, Instant::now()) {
            return Ok(ids);
        }
        if let Some(failure) = index.failed_since(ended) {
            return Err(failure);
        }
        let begun = index.begin(Instant::now());
        let outcome = self.list_pairs(key).await;
        index.end(&begun, outcome, key)
    }

    /// Everybody, in short; given up when more than can be read have the value that is looked for.
    async fn list_pairs(&self, key: u64) -> Result<Pairs, Failure> {
        let terms = Arc::new(terms(&*self.profile().await?));
        let pairs = Mutex::new(Pairs::new());
        let keep = |user: &Value| {
            let account = resource::account(user, &self.shared.marker, &terms)?;
            let mut pairs = pairs.lock();
            self.shared.index.pairs(&account, &mut pairs);
            if pairs.len() > PAIRS_AT_MOST {
                Err(Unreadable::TooMuch)
            } else if candidates(&pairs, key).nth(MATCHES_AT_MOST).is_some() {
                Err(Unreadable::TooMany)
            } else {
                Ok(None::<()>)
            }
        };
        let listed = self.collect(&EVERYBODY, keep).await;
        listed.map_err(|refused| about_collection(EVERYBODY.operation, refused))?;
        Ok(pairs.into_inner())
    }

    /// Any resources: by filter where there are filters, else by reading everything.
    pub(in crate::connectors::scim) async fn search<T>(
        &self,
        query: &Query<'_>,
        keep: impl Fn(&Value) -> Result<Option<T>, Unreadable>,
    ) -> Result<Vec<T>, Failure> {
        if self.profile().await?.lookup == Lookup::Filter {
            match self.collect(query, &keep).await {
                Err(refused) if matches!(refused.status, Some(400 | 501)) => {}
                found => return found.map_err(|refused| about_collection(query.operation, refused)),
            }
        }
        let everything = Query { filter: None, ..*query };
        let found = self.collect(&everything, &keep).await;
        found.map_err(|refused| about_collection(query.operation, refused))
    }
}

/// Of a multi-valued attribute, its values (RFC 7643 §2.4).
fn searchable(attribute: &str) -> Cow<'_, str> {
    if is_multi_valued(attribute) && !attribute.eq_ignore_ascii_case("addresses") {
        return Cow::Owned(format!("{attribute}.value"));
    }
    Cow::Borrowed(attribute)
}

/// `attribute eq "value"`, the value as a JSON string (RFC 7644 §3.4.2.2).
pub(in crate::connectors::scim) fn filter(attribute: &str, value: &str) -> String {
    format!("{attribute} eq {}", Value::from(value))
}

#[cfg(test)]
mod tests;
