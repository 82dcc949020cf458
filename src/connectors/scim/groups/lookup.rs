//! Groups by name or id, and groups made.

use http::Method;
use serde_json::{Value, json};

use crate::api::Reason;
use crate::api::scim::{EmptyGroups, Lookup};
use crate::connectors::http::{Call, LISTING};
use crate::connectors::scim::accounts::filter;
use crate::connectors::scim::listing::{Query, unreadable};
use crate::connectors::scim::resource::{self, field};
use crate::connectors::scim::{GROUP, Scim, about_collection, trouble, unexpected};
use crate::connectors::{Failure, FailureClass};

const BY_NAME: Query<'static> =
    Query { operation: "find group", collection: "Groups", filter: None, without_members: true };

impl Scim {
    /// The id of the group with this `displayName`, exactly; else of the group with this id.
    pub(in crate::connectors::scim) async fn group_id(&self, name: &str) -> Result<Option<String>, Failure> {
        let named = self.group_named(name).await?;
        if named.is_some() || ["", ".", ".."].contains(&name) {
            return Ok(named);
        }
        let mut call = Call { limit: LISTING, ..self.call("find group", Method::GET, &["Groups", name])? };
        call.url.set_query(Some("excludedAttributes=members"));
        match self.send(&call).await {
            Ok(answer) => {
                let id = answer.body.as_ref().and_then(|body| resource::id(body).ok());
                Ok(id.filter(|id| id == name))
            }
            // The collection has just answered. A name is often no possible id, which some answer with 400.
            Err(refused) if matches!(refused.status, Some(400 | 404 | 410)) => Ok(None),
            Err(refused) => Err(refused.into()),
        }
    }

    /// By filter where a filter shows groups that are there, else in a listing of all.
    async fn group_named(&self, name: &str) -> Result<Option<String>, Failure> {
        let filters = self.shared.groups.filter.lock().unwrap_or(true);
        if filters && self.profile().await?.lookup == Lookup::Filter {
            let filter = filter("displayName", name);
            let found = self.search(&Query { filter: Some(&filter), ..BY_NAME }, |g| named(g, name)).await?;
            if !found.is_empty() || self.group_filter_shows().await? {
                *self.shared.groups.filter.lock() = Some(true);
                return only(found);
            }
        }
        self.group_listed(name).await
    }

    async fn group_listed(&self, name: &str) -> Result<Option<String>, Failure> {
        let found = self.collect(&BY_NAME, |group| named(group, name)).await;
        only(found.map_err(|refused| about_collection(BY_NAME.operation, refused))?)
    }

    /// Whether a filter shows some group that is there. Where there is none, it may as well.
    async fn group_filter_shows(&self) -> Result<bool, Failure> {
        let known = *self.shared.groups.filter.lock();
        if let Some(shows) = known {
            return Ok(shows);
        }
        let Some(name) = self.some_group().await? else { return Ok(true) };
        let filter = filter("displayName", &name);
        let found = self.search(&Query { filter: Some(&filter), ..BY_NAME }, |g| named(g, &name)).await?;
        *self.shared.groups.filter.lock() = Some(!found.is_empty());
        Ok(!found.is_empty())
    }

    /// The name of some group.
    async fn some_group(&self) -> Result<Option<String>, Failure> {
        let page = self.first_page(&BY_NAME).await;
        let page = page.map_err(|refused| about_collection(BY_NAME.operation, refused))?;
        let name = |group: &Value| field(group, "displayName").and_then(Value::as_str).map(str::to_owned);
        Ok(page.iter().find_map(name))
    }

    /// Makes a group, with these accounts in it where it cannot be empty.
    pub(in crate::connectors::scim) async fn create_group(
        &self,
        name: &str,
        first: &[String],
    ) -> Result<String, Failure> {
        let _one_at_a_time = self.shared.groups.making.lock().await;
        if let Some(id) = self.group_named(name).await? {
            return Ok(id);
        }
        let profile = self.profile().await?;
        let mut call = Call { limit: LISTING, ..self.call("create group", Method::POST, &["Groups"])? };
        let mut group = json!({ "schemas": [GROUP], "displayName": name });
        if profile.empty_groups == EmptyGroups::Refused
            && let Value::Object(group) = &mut group
        {
            let members = first.iter().map(|account| self.member(account, &profile)).collect();
            group.insert("members".to_owned(), members);
        }
        call.body = Some(group);
        let body = match self.send(&call).await {
            Ok(answer) => answer.body,
            Err(refused) if refused.failure.class == FailureClass::Conflict => None,
            Err(refused) => return Err(about_collection(call.operation, refused)),
        };
        match body {
            Some(body) if field(&body, "displayName").and_then(Value::as_str) == Some(name) => {
                resource::id(&body).map_err(|why| unreadable(call.operation, why))
            }
            Some(_) => Err(unexpected(&call, "the answer is about another group")),
            None => {
                // A filter has just said that it is not there.
                let made = self.group_listed(name).await?;
                made.ok_or_else(|| unexpected(&call, "the group is not found afterwards"))
            }
        }
    }
}

/// The id of a group that has exactly this name.
fn named(group: &Value, name: &str) -> Result<Option<String>, resource::Unreadable> {
    let same = field(group, "displayName").and_then(Value::as_str) == Some(name);
    if same { resource::id(group).map(Some) } else { Ok(None) }
}

fn only(mut found: Vec<String>) -> Result<Option<String>, Failure> {
    match (found.pop(), found.is_empty()) {
        (one, true) => Ok(one),
        _ => Err(trouble(
            FailureClass::Conflict,
            Reason::AmbiguousMatch,
            "find group: several groups have this displayName; name one by its id".to_owned(),
        )),
    }
}
