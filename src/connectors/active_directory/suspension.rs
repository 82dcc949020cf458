//! Taking accounts out of use, and back.
//!
//! What this cannot end: Kerberos tickets that were given out before (up to ten hours by default), connections that are
//! bound, and what other controllers let happen before the change has reached them.

use jiff::Timestamp;

use super::decode::{EXPIRES, Seen};
use super::filetime::End;
use super::{ActiveDirectory, gone, password, refusal, trouble, uac};
use crate::api::Reason;
use crate::connectors::directory::{Dn, Edit, Modification, Refused};
use crate::connectors::{Failure, FailureClass};
use crate::converge::RemoteAccount;

impl ActiveDirectory {
    /// Moves the account where leavers are, if the App says so; disables it and replaces its password by one request;
    /// replaces the password once more, as the one before may still count for an hour. A pass that is broken off leaves
    /// an account that is in use, which is begun anew, until it is disabled.
    pub(super) async fn suspend(&self, id: &str) -> Result<RemoteAccount, Failure> {
        const OPERATION: &str = "suspend account";
        let seen = self.seen(OPERATION, id).await?.ok_or_else(|| gone(OPERATION))?;
        self.may_write(OPERATION, &seen)?;
        let mut left_over = None;
        if let Some(leavers) = self.shared.places.leavers.as_ref().filter(|unit| !seen.dn.is_within(unit)) {
            left_over = self.move_under(OPERATION, &seen, leavers).await.err();
        }
        if seen.account.active {
            left_over = self.disable(OPERATION, &seen).await?.or(left_over);
        }
        let after = self.proved(OPERATION, &seen, false).await?;
        match left_over {
            None => Ok(after),
            Some(failure) => {
                let message = format!("{}; the account is disabled", failure.message);
                Err(Failure { message, ..failure })
            }
        }
    }

    /// What could not be done although the account was disabled.
    async fn disable(&self, operation: &'static str, seen: &Seen) -> Result<Option<Failure>, Failure> {
        let profile = self.profile().await?;
        let disabled = replace(uac::ATTRIBUTE, seen.uac.with_active(false).to_string());
        if !self.replaces_passwords() {
            let written = self.modify(operation, seen, &[disabled]).await;
            return written.map(|()| None).map_err(|refused| refusal::explained(refused, &[], &profile));
        }
        let both = [disabled.clone(), new_password(seen)];
        let scrambled = match self.modify(operation, seen, &both).await {
            Ok(()) => self.modify(operation, seen, &[new_password(seen)]).await,
            // It took neither. To cut access comes first.
            Err(refused) if is_about_content(&refused) => {
                let alone = self.modify(operation, seen, &[disabled]).await;
                alone.map_err(|refused| refusal::explained(refused, &[], &profile))?;
                Err(refused)
            }
            Err(refused) => return Err(refused.failure),
        };
        Ok(scrambled.err().map(|refused| {
            let message = format!(
                "{}: its password could not be replaced: let the account that Tenure binds as reset passwords, or set \
                 spec.connector.activeDirectory.suspension.password to Keep",
                refused.failure.message
            );
            trouble(FailureClass::Permanent, Reason::Rejected, message)
        }))
    }

    /// Takes an account back into use: what was disabled, what had expired, and what lies where leavers are.
    pub(super) async fn resume(&self, id: &str) -> Result<RemoteAccount, Failure> {
        const OPERATION: &str = "resume account";
        let profile = self.profile().await?;
        let seen = self.seen(OPERATION, id).await?.ok_or_else(|| gone(OPERATION))?;
        self.may_write(OPERATION, &seen)?;
        let mut changes = Vec::new();
        if !seen.account.active {
            changes.push(replace(uac::ATTRIBUTE, seen.uac.with_active(true).to_string()));
        }
        if has_expired(&seen, Timestamp::now()) {
            changes.push(replace(EXPIRES, "0".to_owned()));
        }
        let written = self.modify(OPERATION, &seen, &changes).await;
        written.map_err(|refused| refusal::explained(refused, &[], &profile))?;
        let places = &self.shared.places;
        if places.leavers.as_ref().is_some_and(|unit| seen.dn.is_within(unit)) {
            self.move_under(OPERATION, &seen, &places.new_accounts).await?;
        }
        self.proved(OPERATION, &seen, true).await
    }

    /// The account as it reads now, which must be in use or not.
    async fn proved(
        &self,
        operation: &'static str,
        seen: &Seen,
        active: bool,
    ) -> Result<RemoteAccount, Failure> {
        let after = self.seen(operation, &seen.account.id).await?.ok_or_else(|| gone(operation))?;
        if after.account.active == active {
            return Ok(after.account);
        }
        let message = format!("{operation}: the domain accepted it, and the account reads as before");
        Err(trouble(FailureClass::RetryAfter, Reason::NotApplied, message))
    }

    /// Moves an account under another entry, under its own name or, where somebody has that there, one that nobody
    /// else can have.
    pub(super) async fn move_under(
        &self,
        operation: &'static str,
        seen: &Seen,
        unit: &Dn,
    ) -> Result<(), Failure> {
        if seen.dn.parent().is_some_and(|parent| parent.same(unit)) {
            return Ok(());
        }
        if self.shared.places.protects(unit) {
            let message = format!("{operation}: not sent: nothing is moved under protectedDns");
            return Err(trouble(FailureClass::Permanent, Reason::Rejected, message));
        }
        self.relocate(operation, seen, unit).await
    }
}

/// Whether it is what was asked for that was refused, so that a part of it may be taken.
fn is_about_content(refused: &Refused) -> bool {
    let class = refused.failure.class;
    refused.code.is_some()
        && matches!(class, FailureClass::Permanent | FailureClass::Credentials | FailureClass::Conflict)
}

fn replace(attribute: &str, value: String) -> Modification {
    Modification::new(Edit::Replace, attribute, vec![value.into_bytes()])
}

fn new_password(seen: &Seen) -> Modification {
    let password = password::unknown_for(&seen.entry);
    Modification::new(Edit::Replace, "unicodePwd", vec![password::unicode_pwd(&password)])
}

fn has_expired(seen: &Seen, now: Timestamp) -> bool {
    match seen.entry.text(EXPIRES).and_then(End::parse) {
        Some(End::At(at)) => at <= now,
        _ => false,
    }
}
