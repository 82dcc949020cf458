//! Accounts: found, made, changed, suspended, deleted, and looked at after each of these.

use std::borrow::Cow;

use http::{HeaderValue, Method};
use serde_json::{Map, Value, json};

use super::listing::{Query, unreadable};
use super::path::{Path, without_nulls};
use super::resource::{self, matches};
use super::{Scim, USER, about_collection, no_such_method, trouble, unexpected};
use crate::api::Reason;
use crate::api::scim::{Etag, Lookup, Update};
use crate::connectors::http::{Answer, Call, LISTING, Refused};
use crate::connectors::{Failure, FailureClass};
use crate::converge::{Change, NewAccount, RemoteAccount};

/// A resource as it was read, to be changed and written back.
struct Original {
    resource: Map<String, Value>,
    version: Option<HeaderValue>,
}

impl Scim {
    pub(super) async fn find_accounts(
        &self,
        attribute: &str,
        value: &str,
    ) -> Result<Vec<RemoteAccount>, Failure> {
        let filter = filter(&searchable(attribute), value);
        let query = Query {
            operation: "find account",
            collection: "Users",
            filter: Some(&filter),
            without_members: false,
        };
        let marker = self.shared.marker.as_str();
        // Some service providers ignore the filter and return everybody.
        let keep = |user: &Value| {
            resource::account(user, marker)
                .map(|account| matches(&account, marker, attribute, value).then_some(account))
        };
        self.search(&query, keep).await
    }

    /// By filter where there are filters, else by reading everything.
    pub(super) async fn search<T>(
        &self,
        query: &Query<'_>,
        keep: impl Fn(&Value) -> Result<Option<T>, resource::Unreadable>,
    ) -> Result<Vec<T>, Failure> {
        if self.profile().await?.lookup == Lookup::Filter {
            match self.collect(query, &keep).await {
                // A filter that is refused, for whatever reason, proves nothing about who is there.
                Err(refused) if matches!(refused.status, Some(400 | 501)) => {}
                found => return found.map_err(|refused| about_collection(query.operation, refused)),
            }
        }
        let everything = Query { filter: None, ..*query };
        let found = self.collect(&everything, &keep).await;
        found.map_err(|refused| about_collection(query.operation, refused))
    }

    pub(super) async fn account(&self, id: &str) -> Result<Option<RemoteAccount>, Failure> {
        let call = self.call("read account", Method::GET, &["Users", id])?;
        match self.send(&call).await {
            Ok(answer) => self.this_account(&call, id, answer.body.as_ref()).map(Some),
            Err(refused) if refused.failure.class == FailureClass::Gone => {
                self.collection_answers("Users").await?;
                Ok(None)
            }
            Err(refused) => Err(refused.into()),
        }
    }

    /// The account after a change.
    async fn read_back(&self, id: &str) -> Result<RemoteAccount, Failure> {
        self.account(id).await?.ok_or_else(|| {
            trouble(
                FailureClass::Gone,
                Reason::AccountGone,
                "read account: it is not there any more".to_owned(),
            )
        })
    }

    pub(super) async fn create_account(&self, account: &NewAccount) -> Result<RemoteAccount, Failure> {
        let mut call = self.call("create account", Method::POST, &["Users"])?;
        call.body = Some(representation(account));
        let answer = self.send(&call).await;
        let answer = answer.map_err(|refused| about_collection(call.operation, refused))?;
        let (attribute, value) = (&account.marker.0, &account.marker.1);
        let Some(body) = answer.body else {
            let mut found = self.find_accounts(attribute, value).await?;
            return match (found.pop(), found.is_empty()) {
                (Some(made), true) => Ok(made),
                _ => Err(unexpected(&call, "the answer is empty and the account is not found")),
            };
        };
        let made =
            resource::account(&body, &self.shared.marker).map_err(|why| unreadable(call.operation, why))?;
        let foreign = made.marker.as_ref().is_some_and(|marker| marker != value);
        if foreign || made.login.to_lowercase() != account.login.to_lowercase() {
            return Err(unexpected(&call, "the answer is about another account"));
        }
        Ok(made)
    }

    /// By PATCH with one operation an attribute, or by writing the whole resource back.
    pub(super) async fn change_account(
        &self,
        operation: &'static str,
        id: &str,
        changes: &[Change],
    ) -> Result<RemoteAccount, Failure> {
        if changes.is_empty() {
            return self.read_back(id).await;
        }
        let path = ["Users", id];
        let answer = match self.write(operation, &path, changes).await {
            Ok(answer) => answer,
            Err(refused) => {
                if refused.failure.class == FailureClass::Gone {
                    self.collection_answers("Users").await?;
                }
                return Err(refused.into());
            }
        };
        match answer.body {
            Some(body) if resource::id(&body).is_ok() => {
                let call = self.call(operation, Method::GET, &path)?;
                self.this_account(&call, id, Some(&body))
            }
            _ => self.read_back(id).await,
        }
    }

    async fn write(
        &self,
        operation: &'static str,
        path: &[&str; 2],
        changes: &[Change],
    ) -> Result<Answer, Refused> {
        if let Some(answer) = self.patch_if_possible(operation, path, operations(changes)).await? {
            return Ok(answer);
        }
        let whole = |resource: &mut Map<String, Value>| {
            apply(resource, changes);
            true
        };
        self.replace(operation, path, whole).await
    }

    pub(super) async fn activate(&self, id: &str, active: bool) -> Result<RemoteAccount, Failure> {
        let operation = if active { "resume account" } else { "suspend account" };
        let change = Change { attribute: "active".to_owned(), value: Some(Value::Bool(active)) };
        self.change_account(operation, id, &[change]).await?;
        // What the answer to the change said is an echo, not a proof.
        let account = self.read_back(id).await?;
        if account.active == active { Ok(account) } else { Err(not_applied(operation)) }
    }

    pub(super) async fn delete_account(&self, id: &str) -> Result<(), Failure> {
        let call = self.call("delete account", Method::DELETE, &["Users", id])?;
        match self.send(&call).await {
            Ok(_) => {}
            Err(refused) if refused.failure.class == FailureClass::Gone => {}
            Err(refused) => return Err(refused.into()),
        }
        // Some service providers keep deleted accounts readable, as inactive ones.
        match self.account(id).await? {
            Some(account) if account.active => Err(not_applied(call.operation)),
            _ => Ok(()),
        }
    }

    fn this_account(&self, call: &Call, id: &str, body: Option<&Value>) -> Result<RemoteAccount, Failure> {
        let body = body.ok_or_else(|| unexpected(call, "the answer is empty"))?;
        let account =
            resource::account(body, &self.shared.marker).map_err(|why| unreadable(call.operation, why))?;
        if account.id == id {
            Ok(account)
        } else {
            Err(unexpected(call, "the answer is about another account"))
        }
    }

    /// PATCH; `None` where there is no such method.
    pub(super) async fn patch_if_possible(
        &self,
        operation: &'static str,
        path: &[&str],
        operations: Value,
    ) -> Result<Option<Answer>, Refused> {
        if self.profile().await?.update != Update::Patch {
            return Ok(None);
        }
        match self.patch(operation, path, operations).await {
            Ok(answer) => Ok(Some(answer)),
            Err(refused) if no_such_method(&refused) => Ok(None),
            Err(refused) => Err(refused),
        }
    }

    /// Reads a resource, changes it, and writes it back whole, with all that we do not know. Where versions are
    /// supported a change by somebody else in between is not overwritten (RFC 7644 §3.14).
    ///
    /// Nothing is written when `change` says that nothing has to be.
    pub(super) async fn replace(
        &self,
        operation: &'static str,
        path: &[&str; 2],
        change: impl Fn(&mut Map<String, Value>) -> bool,
    ) -> Result<Answer, Refused> {
        let mut again = true;
        loop {
            let mut original = self.original(operation, path).await?;
            if !change(&mut original.resource) {
                return Ok(Answer { body: Some(Value::Object(original.resource)), etag: None });
            }
            let call = Call {
                body: Some(Value::Object(original.resource)),
                if_match: original.version,
                limit: LISTING,
                ..self.call(operation, Method::PUT, path)?
            };
            match self.send(&call).await {
                Err(refused) if refused.status == Some(412) && again => again = false,
                outcome => return outcome,
            }
        }
    }

    async fn original(&self, operation: &'static str, path: &[&str; 2]) -> Result<Original, Refused> {
        let call = Call { limit: LISTING, ..self.call(operation, Method::GET, path)? };
        let Answer { body, etag } = self.send(&call).await?;
        let Some(body) = body.filter(|body| resource::id(body).is_ok_and(|id| id == path[1])) else {
            return Err(unexpected(&call, "the answer is about something else").into());
        };
        let version = match etag {
            _ if self.profile().await?.etag != Etag::Use => None,
            Some(etag) => Some(etag),
            None => resource::field(&body, "meta")
                .and_then(|meta| resource::field(meta, "version")?.as_str()?.parse().ok()),
        };
        let Value::Object(mut resource) = body else {
            return Err(unexpected(&call, "the answer is no resource").into());
        };
        // What only the service provider writes: its own account of the resource, and a user's groups.
        resource.retain(|key, _| !["meta", "groups"].iter().any(|own| own.eq_ignore_ascii_case(key)));
        Ok(Original { resource, version })
    }
}

fn not_applied(operation: &str) -> Failure {
    trouble(
        FailureClass::RetryAfter,
        Reason::NotApplied,
        format!("{operation}: the target accepted it, and the account reads as before"),
    )
}

/// Of a multi-valued attribute, its values (RFC 7643 §2.4).
fn searchable(attribute: &str) -> Cow<'_, str> {
    const MULTI_VALUED: [&str; 6] = ["emails", "phoneNumbers", "ims", "photos", "entitlements", "roles"];
    if MULTI_VALUED.iter().any(|multi| multi.eq_ignore_ascii_case(attribute)) {
        return Cow::Owned(format!("{attribute}.value"));
    }
    Cow::Borrowed(attribute)
}

/// `attribute eq "value"`, the value as a JSON string (RFC 7644 §3.4.2.2).
pub(super) fn filter(attribute: &str, value: &str) -> String {
    format!("{attribute} eq {}", Value::from(value))
}

/// One operation an attribute, so that one that the target does not know is named by its refusal.
fn operations(changes: &[Change]) -> Value {
    let operation = |change: &Change| match wanted(change) {
        Some(value) => json!({ "op": "replace", "path": change.attribute, "value": value }),
        None => json!({ "op": "remove", "path": change.attribute }),
    };
    changes.iter().map(operation).collect()
}

fn apply(resource: &mut Map<String, Value>, changes: &[Change]) {
    for change in changes {
        let path = Path::parse(&change.attribute);
        let value = wanted(change);
        if value.is_some() {
            declare(resource, path);
        }
        path.set(resource, value);
    }
}

fn wanted(change: &Change) -> Option<Value> {
    change.value.as_ref().filter(|value| !value.is_null()).map(without_nulls)
}

fn representation(account: &NewAccount) -> Value {
    let mut resource =
        Map::from_iter([("schemas".to_owned(), json!([USER])), ("active".to_owned(), json!(true))]);
    let (marker, person) = &account.marker;
    let fixed = [("userName", json!(account.login)), (marker.as_str(), json!(person))];
    let mapped = account.attributes.iter().map(|(name, value)| (name.as_str(), without_nulls(value)));
    for (name, value) in mapped.chain(fixed).filter(|(_, value)| !value.is_null()) {
        let path = Path::parse(name);
        declare(&mut resource, path);
        path.set(&mut resource, Some(value));
    }
    Value::Object(resource)
}

/// Lists the extension among the resource's `schemas` (RFC 7643 §3).
fn declare(resource: &mut Map<String, Value>, path: Path<'_>) {
    let Some(urn) = path.extension else { return };
    let schemas = resource.entry("schemas").or_insert_with(|| json!([USER]));
    if let Value::Array(schemas) = schemas
        && !schemas.iter().any(|known| known.as_str().is_some_and(|known| known.eq_ignore_ascii_case(urn)))
    {
        schemas.push(json!(urn));
    }
}

#[cfg(test)]
mod tests;
