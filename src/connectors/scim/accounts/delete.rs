//! Accounts deleted.

use http::Method;

use super::super::{Scim, trouble};
use super::not_applied;
use crate::api::Reason;
use crate::api::scim::{Deletion, ScimProfile};
use crate::connectors::{Failure, FailureClass};

impl Scim {
    /// That there is nothing to delete is a success, and so is that the account can still be read, as an inactive one.
    pub(in crate::connectors::scim) async fn delete_account(&self, id: &str) -> Result<(), Failure> {
        let call = self.call("delete account", Method::DELETE, &["Users", id])?;
        let deletion = self.profile().await?.deletion;
        if deletion == Deletion::Unsupported {
            return Err(no_deletion());
        }
        match self.send(&call).await {
            Ok(_) => {}
            Err(refused) if refused.failure.class == FailureClass::Gone => {}
            Err(refused) if matches!(refused.status, Some(405 | 501)) => return Err(no_deletion()),
            Err(refused) => return Err(refused.into()),
        }
        match self.account(id).await? {
            None => Ok(()),
            Some(account) if account.active => Err(not_applied(call.operation)),
            Some(_) => {
                if deletion == Deletion::Permanent {
                    self.learn(ScimProfile { deletion: Some(Deletion::Soft), ..ScimProfile::default() });
                }
                Ok(())
            }
        }
    }
}

fn no_deletion() -> Failure {
    let message = "delete account: the target has no DELETE for accounts: use the action Suspend or Retain, or delete \
                   the account there by hand";
    trouble(FailureClass::Permanent, Reason::Rejected, message.to_owned())
}
