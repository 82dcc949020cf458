//! Roles and entitlements: values of an attribute of the account (RFC 7643 §4.1.2), each its own remote id.

use serde_json::{Map, Value, json};

use super::accounts::{filter, op};
use super::resource::field;
use super::{Scim, no_such_method, trouble};
use crate::api::Reason;
use crate::api::scim::Update;
use crate::connectors::http::{Answer, Refused};
use crate::connectors::{Failure, FailureClass, Membership};
use crate::converge::RemoteAccount;

/// The attribute that holds entitlements of this type.
pub(super) fn attribute(kind: &str) -> Result<&'static str, Failure> {
    match kind {
        "role" => Ok("roles"),
        "entitlement" => Ok("entitlements"),
        _ => Err(no_such_type()),
    }
}

pub(super) fn no_such_type() -> Failure {
    let message = "SCIM has no such type of entitlement: use group, role or entitlement".to_owned();
    trouble(FailureClass::Permanent, Reason::InvalidConfiguration, message)
}

impl Scim {
    /// Fails where the service provider does not keep the attribute.
    pub(super) async fn has_attribute(&self, attribute: &str) -> Result<(), Failure> {
        let profile = self.profile().await?;
        if profile.unsupported_attributes.iter().any(|name| name.eq_ignore_ascii_case(attribute)) {
            let message = format!(
                "the App does not keep {attribute}: grant a group instead, or, if it does, set \
                 spec.connector.scim.profile.unsupportedAttributes"
            );
            return Err(trouble(FailureClass::Permanent, Reason::InvalidConfiguration, message));
        }
        Ok(())
    }

    /// Gives one account a value, or takes it away; other values are left alone.
    pub(super) async fn set_value(
        &self,
        attribute: &str,
        value: &str,
        change: &Membership,
    ) -> Result<(), Failure> {
        let Membership { account, held } = change;
        let Some(before) = self.account(account).await? else {
            return if *held { Err(no_account()) } else { Ok(()) };
        };
        if holds(&before, attribute, value) == *held {
            return Ok(());
        }
        let operation = if *held { "add value" } else { "remove value" };
        self.write_value(operation, attribute, value, change, &before).await?;
        // What the answer to the change said is an echo, not a proof.
        match self.account(account).await? {
            Some(after) if holds(&after, attribute, value) == *held => Ok(()),
            None if !held => Ok(()),
            None => Err(no_account()),
            Some(_) => {
                let message = format!(
                    "{operation}: the target accepted it, and {attribute} of the account read as before"
                );
                Err(trouble(FailureClass::RetryAfter, Reason::NotApplied, message))
            }
        }
    }

    async fn write_value(
        &self,
        operation: &'static str,
        attribute: &str,
        value: &str,
        change: &Membership,
        before: &RemoteAccount,
    ) -> Result<(), Refused> {
        let Membership { account, held } = change;
        let profile = self.profile().await?;
        let path = ["Users", account.as_str()];
        if profile.update == Update::Patch {
            let one = if *held {
                json!({ "op": op("add", &profile), "path": attribute, "value": [{ "value": value }] })
            } else {
                json!({ "op": op("remove", &profile), "path": format!("{attribute}[{}]", filter("value", value)) })
            };
            match self.patch(operation, &path, json!([one])).await {
                // Some know no filter in a path.
                Err(refused) if !held && matches!(refused.status, Some(400 | 501)) => {
                    let rest: Vec<_> = values(before, attribute).filter(|one| !is(one, value)).collect();
                    let all = json!({ "op": op("replace", &profile), "path": attribute, "value": rest });
                    return self.patch(operation, &path, json!([all])).await.map(drop);
                }
                Err(refused) if no_such_method(&refused) => {}
                outcome => return outcome.map(drop),
            }
        }
        self.put_value(operation, attribute, value, change).await.map(drop)
    }

    async fn put_value(
        &self,
        operation: &'static str,
        attribute: &str,
        value: &str,
        change: &Membership,
    ) -> Result<Answer, Refused> {
        let path = ["Users", change.account.as_str()];
        let write = |resource: &mut Map<String, Value>| set(resource, attribute, value, change.held);
        self.replace(operation, &path, write).await
    }
}

fn values<'a>(account: &'a RemoteAccount, attribute: &str) -> impl Iterator<Item = &'a Value> {
    account.attributes.get(attribute).and_then(Value::as_array).into_iter().flatten()
}

/// The values of an attribute as text; what is no text is left out.
pub(super) fn texts<'a>(account: &'a RemoteAccount, attribute: &str) -> impl Iterator<Item = &'a str> {
    values(account, attribute).filter_map(text)
}

pub(super) fn holds(account: &RemoteAccount, attribute: &str, value: &str) -> bool {
    values(account, attribute).any(|one| is(one, value))
}

fn is(one: &Value, value: &str) -> bool {
    text(one) == Some(value)
}

/// Some show the bare value.
fn text(one: &Value) -> Option<&str> {
    field(one, "value").unwrap_or(one).as_str()
}

/// Changes the values in a resource; `false` if nothing had to be changed.
fn set(resource: &mut Map<String, Value>, attribute: &str, value: &str, held: bool) -> bool {
    let key = resource.keys().find(|key| key.eq_ignore_ascii_case(attribute)).cloned();
    let values = resource.entry(key.unwrap_or_else(|| attribute.to_owned())).or_insert_with(|| json!([]));
    if values.is_null() {
        *values = json!([]);
    }
    let Value::Array(values) = values else { return false };
    let there = values.iter().any(|one| is(one, value));
    if held && !there {
        values.push(json!({ "value": value }));
    } else if !held {
        values.retain(|one| !is(one, value));
    }
    there != held
}

fn no_account() -> Failure {
    let message = "add value: the account is not there any more".to_owned();
    trouble(FailureClass::Gone, Reason::AccountGone, message)
}

#[cfg(test)]
mod tests;
