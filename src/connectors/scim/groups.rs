//! Groups as entitlements (RFC 7643 §4.2).

use http::Method;
use serde_json::{Map, Value, json};

use super::accounts::filter;
use super::listing::{Query, unreadable};
use super::resource::{self, field};
use super::{GROUP, Scim, about_collection, trouble, unexpected};
use crate::api::Reason;
use crate::connectors::http::{Call, LISTING, Refused};
use crate::connectors::{Failure, FailureClass};

/// Fails for an entitlement type that is not `group`.
pub(super) fn only(kind: &str) -> Result<(), Failure> {
    if super::TRAITS.entitlement_types.contains(&kind) {
        return Ok(());
    }
    let message = "SCIM has no such type of entitlement: use group".to_owned();
    Err(trouble(FailureClass::Permanent, Reason::InvalidConfiguration, message))
}

impl Scim {
    /// The id of the group with this `displayName`, exactly; else of the group with this id.
    pub(super) async fn group_id(&self, name: &str) -> Result<Option<String>, Failure> {
        let named = self.group_named(name).await?;
        if named.is_some() || ["", ".", ".."].contains(&name) {
            return Ok(named);
        }
        let call = Call { limit: LISTING, ..self.call("find group", Method::GET, &["Groups", name])? };
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

    async fn group_named(&self, name: &str) -> Result<Option<String>, Failure> {
        let filter = filter("displayName", name);
        let query = Query {
            operation: "find group",
            collection: "Groups",
            filter: Some(&filter),
            without_members: true,
        };
        let keep = |group: &Value| {
            let same = field(group, "displayName").and_then(Value::as_str) == Some(name);
            if same { resource::id(group).map(Some) } else { Ok(None) }
        };
        let mut found = self.search(&query, keep).await?;
        match (found.pop(), found.is_empty()) {
            (one, true) => Ok(one),
            _ => Err(trouble(
                FailureClass::Conflict,
                Reason::AmbiguousMatch,
                "find group: several groups have this displayName; name one by its id".to_owned(),
            )),
        }
    }

    pub(super) async fn create_group(&self, name: &str) -> Result<String, Failure> {
        let _one_at_a_time = self.shared.groups.lock().await;
        if let Some(id) = self.group_named(name).await? {
            return Ok(id);
        }
        let mut call = self.call("create group", Method::POST, &["Groups"])?;
        call.body = Some(json!({ "schemas": [GROUP], "displayName": name }));
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
                let made = self.group_named(name).await?;
                made.ok_or_else(|| unexpected(&call, "the group is not found afterwards"))
            }
        }
    }

    /// Puts an account into a group or takes it out. That it is so already is a success.
    pub(super) async fn set_member(&self, account: &str, group: &str, member: bool) -> Result<(), Failure> {
        let (operation, change) = if member {
            ("add member", json!([{ "op": "add", "path": "members", "value": [{ "value": account }] }]))
        } else {
            let path = format!("members[{}]", filter("value", account));
            ("remove member", json!([{ "op": "remove", "path": path }]))
        };
        let path = ["Groups", group];
        let outcome = match self.patch_if_possible(operation, &path, change).await {
            Ok(Some(answer)) => Ok(answer.body),
            Ok(None) => self.replace_members(operation, &path, account, member).await,
            Err(refused) => Err(refused),
        };
        match outcome {
            Ok(body) => match body.as_ref().and_then(|group| is_member(group, account)) {
                Some(is) if is != member => Err(trouble(
                    FailureClass::RetryAfter,
                    Reason::NotApplied,
                    format!("{operation}: the target accepted it, and the group reads as before"),
                )),
                _ => Ok(()),
            },
            Err(refused) => self.excuse(refused, &path, account, member).await,
        }
    }

    async fn replace_members(
        &self,
        operation: &'static str,
        path: &[&str; 2],
        account: &str,
        member: bool,
    ) -> Result<Option<Value>, Refused> {
        let _one_at_a_time = self.shared.groups.lock().await;
        let answer = self.replace(operation, path, |group| set_member(group, account, member)).await?;
        Ok(answer.body)
    }

    /// A refusal counts for nothing where what was asked for is so already.
    async fn excuse(
        &self,
        refused: Refused,
        path: &[&str; 2],
        account: &str,
        member: bool,
    ) -> Result<(), Failure> {
        match refused.failure.class {
            FailureClass::Gone if member => Err(Failure {
                reason: Reason::EntitlementNotFound,
                message: "add member: the group or the account is not there".to_owned(),
                ..refused.failure
            }),
            FailureClass::Gone => self.collection_answers("Groups").await,
            FailureClass::Permanent | FailureClass::Conflict => {
                let call = Call { limit: LISTING, ..self.call("read group", Method::GET, path)? };
                let group = self.send(&call).await.ok().and_then(|answer| answer.body);
                let group = group.filter(|group| resource::id(group).is_ok_and(|id| id == path[1]));
                let so_already = match group.map(|group| is_member(&group, account)) {
                    Some(Some(is)) => is == member,
                    // An empty group may show no members at all.
                    Some(None) => !member && refused.keyword == Some("noTarget"),
                    None => false,
                };
                if so_already { Ok(()) } else { Err(refused.failure) }
            }
            _ => Err(refused.failure),
        }
    }
}

/// Whether the account is among the group's members; `None` where the group does not show any.
fn is_member(group: &Value, account: &str) -> Option<bool> {
    let members = field(group, "members").filter(|members| !members.is_null())?;
    Some(members.as_array().is_some_and(|members| members.iter().any(|member| is(member, account))))
}

fn is(member: &Value, account: &str) -> bool {
    field(member, "value").and_then(Value::as_str) == Some(account)
}

/// Changes the members; `false` if nothing had to be changed.
fn set_member(group: &mut Map<String, Value>, account: &str, wanted: bool) -> bool {
    let key = group.keys().find(|key| key.eq_ignore_ascii_case("members")).cloned();
    let members = group.entry(key.unwrap_or_else(|| "members".to_owned())).or_insert_with(|| json!([]));
    if members.is_null() {
        *members = json!([]);
    }
    let Value::Array(members) = members else {
        return false;
    };
    let there = members.iter().any(|member| is(member, account));
    if wanted && !there {
        members.push(json!({ "value": account }));
    } else if !wanted {
        members.retain(|member| !is(member, account));
    }
    there != wanted
}

#[cfg(test)]
mod tests;
