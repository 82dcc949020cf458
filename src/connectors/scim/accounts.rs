//! Accounts: found, made, changed, suspended, deleted, and looked at after each of these.
//!
//! An account that a service provider hides from its listings and filters while it is inactive is still read by its id,
//! which the ledger has. One whose id is not known is then not found, and a new one is refused as a duplicate.

mod create;
mod delete;
mod find;
mod index;
mod patch;
mod put;
mod update;
mod written;

use std::sync::Arc;

use http::Method;
use serde_json::Value;

pub(super) use self::find::filter;
pub(super) use self::index::Index;
pub(super) use self::patch::op;
pub(super) use self::written::terms;

use super::listing::unreadable;
use super::{Scim, resource, trouble, unexpected};
use crate::api::Reason;
use crate::connectors::http::Answer;
use crate::connectors::{Failure, FailureClass};
use crate::converge::{RemoteAccount, Terms};

impl Scim {
    /// By id. That there is none needs proof that the collection is there.
    pub(super) async fn account(&self, id: &str) -> Result<Option<RemoteAccount>, Failure> {
        let call = self.call("read account", Method::GET, &["Users", id])?;
        match self.send(&call).await {
            Ok(Answer { body: Some(body), .. }) => {
                let terms = Arc::new(terms(&*self.profile().await?));
                self.this_account(call.operation, id, &body, &terms).map(Some)
            }
            Ok(_) => Err(unexpected(&call, "the answer is empty")),
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

    /// The account with this id, from an answer that must be about it.
    fn this_account(
        &self,
        operation: &str,
        id: &str,
        body: &Value,
        terms: &Arc<Terms>,
    ) -> Result<RemoteAccount, Failure> {
        let account = resource::account(body, &self.shared.marker, terms);
        let account = account.map_err(|why| unreadable(operation, why))?;
        if account.id == id {
            return Ok(account);
        }
        let message = format!("{operation}: the answer is about another account");
        Err(trouble(FailureClass::Unknown, Reason::UnexpectedAnswer, message))
    }
}

fn not_applied(operation: &str) -> Failure {
    trouble(
        FailureClass::RetryAfter,
        Reason::NotApplied,
        format!("{operation}: the target accepted it, and the account reads as before"),
    )
}

#[cfg(test)]
mod tests;
