//! Changing, moving and deleting accounts.

use super::code::{self, Said};
use super::decode::Seen;
use super::edit::{Before, Edit, as_asked};
use super::extended::Extended;
use super::guid::Guid;
use super::placement::identity;
use super::probe::Profile;
use super::{ActiveDirectory, LOGIN, MANAGER, PRINCIPAL, gone, names, refusal, trouble};
use crate::api::Reason;
use crate::connectors::directory::{
    Dn, Filter, Modification, Refused, Scope, Search, Write, code as result, tree_delete,
};
use crate::connectors::{Failure, FailureClass};
use crate::converge::{Change, RemoteAccount};

impl ActiveDirectory {
    /// What follows the `@` in the `userPrincipalName` of new accounts.
    pub(super) fn suffix(&self) -> &str {
        let spec = &self.shared.spec;
        spec.user_principal_name_suffix.as_deref().unwrap_or(&spec.domain)
    }

    pub(super) async fn change_account(
        &self,
        id: &str,
        changes: &[Change],
    ) -> Result<RemoteAccount, Failure> {
        const OPERATION: &str = "update account";
        let profile = self.profile().await?;
        let seen = self.seen(OPERATION, id).await?.ok_or_else(|| gone(OPERATION))?;
        let edit = Edit::plan(Before::of(&seen), changes, self.suffix(), &profile)?;
        if edit.is_empty() {
            return Ok(as_asked(seen, changes, self.suffix(), &profile));
        }
        self.may_write(OPERATION, &seen)?;
        let login = edit.text(LOGIN).unwrap_or(&seen.account.login).to_owned();
        if let Err(refused) = self.modify(OPERATION, &seen, &edit.modifications).await {
            return Err(self.why_not(OPERATION, refused, &edit, Some(seen.guid), &profile).await);
        }
        if let Some(wanted) = &edit.name {
            self.rename(OPERATION, &seen, wanted, &login).await?;
        }
        let after = self.seen(OPERATION, id).await?.ok_or_else(|| gone(OPERATION))?;
        Ok(as_asked(after, changes, self.suffix(), &profile))
    }

    /// Fails where the account is not Tenure's to write to.
    pub(super) fn may_write(&self, operation: &str, seen: &Seen) -> Result<(), Failure> {
        let why = if seen.critical {
            "the domain needs this account for itself"
        } else if self.shared.places.protects(&seen.dn) {
            "the account lies under one of spec.connector.activeDirectory.protectedDns"
        } else {
            return Ok(());
        };
        Err(trouble(FailureClass::Permanent, Reason::Rejected, format!("{operation}: not sent: {why}")))
    }

    /// Changes attributes, all or none. A manager who is gone keeps back nothing else.
    pub(super) async fn modify(
        &self,
        operation: &'static str,
        seen: &Seen,
        modifications: &[Modification],
    ) -> Result<(), Refused> {
        if modifications.is_empty() {
            return Ok(());
        }
        let dn = seen.guid.dn();
        let all = Write::Modify { dn: &dn, changes: modifications.to_vec() };
        let Err(refused) = self.shared.directory.write(self.op(operation), &all, Vec::new()).await else {
            return Ok(());
        };
        let (manager, rest): (Vec<_>, Vec<_>) =
            modifications.iter().cloned().partition(|m| m.attribute.eq_ignore_ascii_case(MANAGER));
        let manager = manager.first().and_then(|m| m.values.first());
        if !self.manager_is_gone(&refused, manager).await? {
            return Err(refused);
        }
        if rest.is_empty() {
            return Ok(());
        }
        let rest = Write::Modify { dn: &dn, changes: rest };
        self.shared.directory.write(self.op(operation), &rest, Vec::new()).await.map(drop)
    }

    /// Whether something was refused because this manager has no account any more: what controllers answer then differs.
    pub(super) async fn manager_is_gone(
        &self,
        refused: &Refused,
        manager: Option<&Vec<u8>>,
    ) -> Result<bool, Failure> {
        let perhaps = [result::NO_SUCH_OBJECT, result::CONSTRAINT_VIOLATION, result::UNWILLING];
        let named = manager.and_then(|value| std::str::from_utf8(value).ok());
        match named.and_then(|value| Extended::parse(value).guid) {
            Some(guid) if perhaps.iter().any(|code| refused.is(*code)) => {
                Ok(self.seen("find manager", &guid.to_string()).await?.is_none())
            }
            _ => Ok(false),
        }
    }

    /// Gives the entry the wanted name, or one that nobody else can have.
    async fn rename(
        &self,
        operation: &'static str,
        seen: &Seen,
        wanted: &str,
        login: &str,
    ) -> Result<(), Failure> {
        let parent = seen.dn.parent().unwrap_or_default();
        for name in [names::common_name(wanted), names::qualified(wanted, login)] {
            match self.move_to(operation, seen, &parent.child("CN", &name)).await {
                Err(refused) if refused.is(result::ENTRY_EXISTS) => {}
                outcome => return outcome.map_err(|refused| refused.failure),
            }
        }
        Err(name_taken(operation))
    }

    /// Renames and moves an entry. Samba only finds one by its identity where the place is named, too.
    pub(super) async fn move_to(&self, operation: &'static str, seen: &Seen, to: &Dn) -> Result<(), Refused> {
        let (dn, rdn, parent) = (seen.guid.dn(), to.rdn(), to.parent().unwrap_or_default());
        let write = Write::Rename { dn: &dn, rdn: &rdn, superior: Some(&parent) };
        self.shared.directory.write(self.op(operation), &write, Vec::new()).await.map(drop)
    }

    /// Why something was not written, in our words: whether somebody else has a value that must be unique is looked
    /// for, as the answers of controllers differ.
    pub(super) async fn why_not(
        &self,
        operation: &'static str,
        refused: Refused,
        edit: &Edit,
        own: Option<Guid>,
        profile: &Profile,
    ) -> Failure {
        let perhaps = refused.is(result::ENTRY_EXISTS)
            || matches!(code::said(&refused.diagnostic), Some(Said::Exists | Said::Violation));
        if perhaps && let Some(attribute) = self.taken(edit, own).await {
            let message = format!("{operation}: another account has this {attribute} already");
            return trouble(FailureClass::Conflict, Reason::AccountExists, message);
        }
        let sent: Vec<_> = edit.modifications.iter().map(|m| m.attribute.as_str()).collect();
        refusal::explained(refused, &sent, profile)
    }

    /// The attribute of which somebody else in the domain has the value that must be unique.
    pub(super) async fn taken(&self, edit: &Edit, own: Option<Guid>) -> Option<&'static str> {
        for attribute in [LOGIN, PRINCIPAL] {
            let Some(value) = edit.text(attribute) else { continue };
            let found = self.holders_of(attribute, value).await.unwrap_or_default();
            if found.iter().any(|guid| Some(*guid) != own) {
                return Some(attribute);
            }
        }
        None
    }

    /// What has this value, accounts or not: as the domain compares, by which it refuses another one.
    async fn holders_of(&self, attribute: &str, value: &str) -> Result<Vec<Guid>, Failure> {
        let base = self.shared.places.domain.to_string();
        let filter = Filter::equal(attribute, value);
        let search =
            Search { base: &base, scope: Scope::Subtree, filter, attributes: &["objectGUID"], limit: 10 };
        let found = self.shared.directory.search(self.op("find account"), &search).await?;
        Ok(found.iter().filter_map(identity).collect())
    }

    pub(super) async fn delete_account(&self, id: &str) -> Result<(), Failure> {
        const OPERATION: &str = "delete account";
        let Some(seen) = self.seen(OPERATION, id).await? else { return Ok(()) };
        self.may_write(OPERATION, &seen)?;
        let dn = seen.guid.dn();
        let write = Write::Delete { dn: &dn };
        let deleted = match self.shared.directory.write(self.op(OPERATION), &write, Vec::new()).await {
            // What other products keep beneath an account, such as a person's devices.
            Err(refused) if refused.is(result::NOT_ON_NON_LEAF) => {
                self.shared.directory.write(self.op(OPERATION), &write, vec![tree_delete()]).await
            }
            outcome => outcome,
        };
        match deleted {
            Err(refused) if !refused.is(result::NO_SUCH_OBJECT) => return Err(refused.failure),
            _ => {}
        }
        if self.seen(OPERATION, id).await?.is_some() {
            let message = format!("{OPERATION}: the domain accepted it, and the account is there as before");
            return Err(trouble(FailureClass::RetryAfter, Reason::NotApplied, message));
        }
        Ok(())
    }
}

pub(super) fn name_taken(operation: &str) -> Failure {
    let message =
        format!("{operation}: other entries in this place have the names that the account could get");
    trouble(FailureClass::Permanent, Reason::Rejected, message)
}
